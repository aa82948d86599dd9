//! What the pages of an account share: the ways between them, and the way out.

/// Which of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Who one is.
    Profile,
    /// Password, and accounts at other sites.
    Security,
    /// Second factors.
    Factors,
    /// Sessions.
    Sessions,
    /// API keys.
    Keys,
}

impl Place {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Profile, "/account", "Profile"),
        (Self::Security, "/account/security", "Password and sign-in"),
        (Self::Factors, "/account/factors", "Two-step sign-in"),
        (Self::Sessions, "/account/sessions", "Devices"),
        (Self::Keys, "/account/keys", "API keys"),
    ];
}

/// Whose account it is, and which page of it.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    /// The page.
    pub place: Place,
    /// The user's name.
    pub name: &'a str,
    /// Whether nothing but this page is open until somebody did what it asks.
    pub held: bool,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// One way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) here: bool,
}

impl Inside<'_> {
    /// The same as the only page that there is.
    pub(super) const fn alone(mut self) -> Self {
        self.held = true;
        self
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Way> {
        let here = self.place;
        Place::ALL.into_iter().map(move |(place, path, label)| Way { path, label, here: place == here })
    }
}
