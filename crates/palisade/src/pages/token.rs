//! Pages around opaque tokens. A token stands on a page once, when it was made.

use askama::Template;

use super::{Field, Frame};

/// `/account/keys`.
#[derive(Template)]
#[template(path = "keys.html")]
pub struct Keys<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value.
    pub csrf_token: &'a str,
    /// Whether they have a way in of their own, and did not come with a token.
    pub lasting: bool,
    /// Whether the last proof is recent enough to make a key.
    pub fresh: bool,
    /// The text of a key that was just made.
    pub made: Option<&'a str>,
    /// The user's keys.
    pub keys: &'a [KeyLine],
    /// What to call a new one.
    pub name: Field<'a>,
    /// What it may be used for.
    pub scopes: Field<'a>,
    /// How long it lives.
    pub expires: Field<'a>,
}

/// One key in the list.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// Names it; it is not the token.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Whether it counts, in a word.
    pub state: &'static str,
    /// What it may be used for.
    pub scopes: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: Option<String>,
    /// When it was last used.
    pub used: Option<String>,
}

/// `/register`: a visitor's token.
#[derive(Template)]
#[template(path = "guest.html")]
pub struct Guest<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The token, once it was made.
    pub token: Option<&'a str>,
    /// The link with it, where the policy takes one from an address.
    pub link: Option<&'a str>,
}

/// `/account`, for a visitor.
#[derive(Template)]
#[template(path = "visit.html")]
pub struct Visit<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// What the application calls them.
    pub name: &'a str,
    /// Until when the token counts.
    pub until: Option<String>,
    /// The page that visitors come for.
    pub onward: Option<&'a str>,
    /// The front of the link by which they come back, where the policy takes a token from an address.
    pub link: Option<&'a str>,
    /// Whether there are other tokens to be had.
    pub open: bool,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// `/auth/breakglass`.
#[derive(Template)]
#[template(path = "breakglass.html")]
pub struct Breakglass<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The token.
    pub token: Field<'a>,
}
