//! The pages of second factors (ID-17).

use askama::Template;

use super::{Field, Frame};

/// `/auth/second` and `/auth/confirm`.
#[derive(Template)]
#[template(path = "second.html")]
pub struct Second<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Whether somebody in a session proves anew who they are; a sign-in goes on otherwise.
    pub again: bool,
    /// Whether they have a way in of their own, and did not come with a token.
    pub lasting: bool,
    /// Where the form goes.
    pub action: &'static str,
    /// Where the script asks for a challenge.
    pub challenge: &'static str,
    /// The path of the script.
    pub script: &'a str,
    /// Whether a passkey can be shown.
    pub by_passkey: bool,
    /// Whose password it is, for password managers; empty where nobody is signed in.
    pub name: &'a str,
    /// What can be typed: a code, or the password.
    pub field: Option<Field<'a>>,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value; empty where there is no session yet.
    pub csrf_token: &'a str,
    /// Where to go afterwards: a path of this site.
    pub next: &'a str,
}

/// `/account/factors`.
#[derive(Template)]
#[template(path = "factors.html")]
pub struct Factors<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Whether they have a way in of their own, and did not come with a token.
    pub lasting: bool,
    /// Whether the last proof is recent enough to change anything.
    pub fresh: bool,
    /// Whether the role needs a factor and there is none.
    pub needed: bool,
    /// Whether passkeys can be used on this site.
    pub possible: bool,
    /// Where they can be used instead, if this is a site on the operator's own machine.
    pub local: Option<String>,
    /// Since when there is an authenticator application, for machines and for people.
    pub totp: Option<(String, String)>,
    /// The passkeys.
    pub keys: &'a [PasskeyLine],
    /// How many recovery codes are left.
    pub left: u32,
    /// Where to go once there is a second step: a path of this site, or empty.
    pub next: &'a str,
    /// The page of factors, with that.
    pub again: &'a str,
    /// What a new passkey is called.
    pub name: Field<'a>,
    /// The path of the script.
    pub script: &'a str,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// One passkey on that page.
#[derive(Clone, Debug)]
pub struct PasskeyLine {
    /// Names it in forms.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was added, for machines.
    pub created_at: String,
    /// When it was added, for people.
    pub created: String,
    /// When it was last used, for machines and for people.
    pub used: Option<(String, String)>,
}

/// `/account/factors/app`: an authenticator application is set up.
#[derive(Template)]
#[template(path = "totp.html")]
pub struct TotpSetup<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The QR code: an SVG of our own making.
    pub qr: &'a str,
    /// The secret as people type it.
    pub secret: &'a str,
    /// The same for an application on the device that shows the page (`otpauth:`).
    pub uri: &'a str,
    /// Names the offer.
    pub ceremony: &'a str,
    /// Where to go once there is a second step: a path of this site, or empty.
    pub next: &'a str,
    /// The page of factors, with that.
    pub again: &'a str,
    /// The first code.
    pub code: Field<'a>,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

/// Recovery codes, shown once.
#[derive(Template)]
#[template(path = "codes.html")]
pub struct Codes<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Whose they are.
    pub name: &'a str,
    /// What went well.
    pub done: &'a str,
    /// The codes.
    pub codes: &'a [&'a str],
    /// The same as a text file.
    pub file: &'a str,
    /// Where to go once they are kept: a path of this site.
    pub next: &'a str,
}
