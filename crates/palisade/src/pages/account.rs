//! The pages of an account: who one is, how one signs in, and where.

use askama::Template;
use palisade_policy::section::identify::Provider;

use super::{Field, Frame};

/// `/account`.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Profile<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The user's name.
    pub name: &'a str,
    /// The user's e-mail address.
    pub email: Option<&'a str>,
    /// Whether that is surely theirs.
    pub confirmed: bool,
    /// Another address; none where no mail is sent.
    pub new_email: Option<Field<'a>>,
    /// Whether the last proof is recent enough to ask for another address.
    pub fresh: bool,
    /// The user's tenant.
    pub tenant: Option<&'a str>,
    /// The user's roles, with those that they include.
    pub roles: &'a [&'a str],
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// `/account/security`.
#[derive(Template)]
#[template(path = "security.html")]
pub struct Security<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The user's name.
    pub name: &'a str,
    /// The present password; none for whoever has none.
    pub current: Option<Field<'a>>,
    /// The new one.
    pub password: Field<'a>,
    /// Whether the session is of a sign-in, and not of a token that was shown.
    pub lasting: bool,
    /// Whether the last proof is recent enough to set a first one, and to link and unlink accounts.
    pub fresh: bool,
    /// The user's accounts at other sites.
    pub identities: &'a [IdentityLine],
    /// Other sites at which they have none yet.
    pub linkable: &'a [&'a Provider],
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// `/account/sessions`.
#[derive(Template)]
#[template(path = "sessions.html")]
pub struct Sessions<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The user's sessions.
    pub sessions: &'a [SessionLine],
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// One account at another site.
#[derive(Clone, Debug)]
pub struct IdentityLine {
    /// What people call that site.
    pub label: String,
    /// The address there.
    pub email: Option<String>,
    /// Names the account, with the subject.
    pub issuer: String,
    /// Who there.
    pub subject: String,
    /// Since when, for machines.
    pub linked_at: String,
    /// Since when, for people.
    pub linked: String,
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionLine {
    /// Names the session; it is not the cookie's value.
    pub id: String,
    /// Browser and system, as far as the user agent says.
    pub device: String,
    /// The address that it was begun from.
    pub address: Option<String>,
    /// When it began, for machines.
    pub created_at: String,
    /// When it began, for people.
    pub created: String,
    /// When it was last used, for machines.
    pub seen_at: String,
    /// When it was last used, for people.
    pub seen: String,
    /// Whether it is the session that asks.
    pub current: bool,
}
