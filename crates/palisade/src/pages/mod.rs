//! The pages that people see: written on the server, complete without a script.
//!
//! Whatever a visitor typed reaches a page only through a template, and templates escape.

mod account;
mod factor;
mod field;
mod frame;
mod inside;
mod token;

use askama::Template;
use palisade_policy::section::identify::Provider;

pub use account::{IdentityLine, Profile, Security, SessionLine, Sessions};
pub use factor::{Codes, Factors, PasskeyLine, Second, TotpSetup};
pub use field::Field;
pub use frame::Frame;
pub use inside::{Inside, Place};
pub use token::{Breakglass, Guest, KeyLine, Keys, Visit};

/// The one style sheet; [`crate::service::assets`] serves it under its digest.
pub const STYLESHEET: &str = include_str!("../../templates/palisade.css");

/// The one script, for passkeys; served like the style sheet.
pub const SCRIPT: &str = include_str!("../../templates/passkey.js");

/// `/auth/login`.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignIn<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Name or e-mail.
    pub login: Field<'a>,
    /// The password.
    pub password: Field<'a>,
    /// Where to go afterwards: a path of this site.
    pub next: &'a str,
    /// Whether registration is open.
    pub sign_up: bool,
    /// Other sites to sign in at.
    pub providers: &'a [Provider],
    /// Whether passkeys can be used here.
    pub passkeys: bool,
    /// The path of the script.
    pub script: &'a str,
}

/// The way on from a page at which nobody has anything to do.
#[derive(Template)]
#[template(path = "onward.html")]
pub struct Onward<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Where to: a path of this site, or a provider's address.
    pub to: &'a str,
}

/// `/auth/register`.
#[derive(Template)]
#[template(path = "register.html")]
pub struct Register<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The name to sign in with.
    pub name: Field<'a>,
    /// The e-mail address.
    pub email: Field<'a>,
    /// The password.
    pub password: Field<'a>,
    /// Where to go afterwards: a path of this site.
    pub next: &'a str,
    /// Other sites to sign in at.
    pub providers: &'a [Provider],
}

/// `/auth/link/{token}`: somebody without a password sets one.
#[derive(Template)]
#[template(path = "link.html")]
pub struct Link<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Whose password it will be.
    pub name: &'a str,
    /// The former address that the account gets back with it.
    pub restores: Option<&'a str>,
    /// The new password.
    pub password: Field<'a>,
}

/// `/auth/forgot-password`.
#[derive(Template)]
#[template(path = "forgot.html")]
pub struct Forgot<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Name or e-mail.
    pub login: Field<'a>,
    /// Whether mail is sent at all.
    pub mail: bool,
}

/// A letter may be on its way.
#[derive(Template)]
#[template(path = "sent.html")]
pub struct Sent<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// Which letter, in a sentence.
    pub what: &'a str,
    /// Where to ask for it again.
    pub again: &'a str,
    /// Where to go from here.
    pub back: &'a str,
    /// The same in words.
    pub back_label: &'a str,
}

/// `/auth/confirm/{token}`: a registration is finished.
#[derive(Template)]
#[template(path = "confirm.html")]
pub struct Confirm<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The name to sign in with.
    pub name: Field<'a>,
    /// The password of the registration.
    pub password: Field<'a>,
}

/// `/account/email/{token}`: an address is confirmed.
#[derive(Template)]
#[template(path = "address.html")]
pub struct Address<'a> {
    /// What all pages share.
    pub frame: Frame<'a>,
    /// The user's name.
    pub name: &'a str,
    /// The address to be.
    pub email: &'a str,
    /// The name of the hidden field against forged requests.
    pub csrf_field: &'a str,
    /// Its value, for this session alone.
    pub csrf_token: &'a str,
}

#[cfg(test)]
mod tests {
    use palisade_model::FieldFault;

    use super::*;

    const NASTY: &str = r#""><script>alert(1)</script><img src=x onerror='alert(2)'>"#;

    fn frame(faults: Vec<FieldFault>) -> Frame<'static> {
        Frame::new(NASTY, "n0nce", "/.palisade/assets/x.css").with_faults("It <b>failed</b>", faults)
    }

    fn assert_inert(page: &str) {
        for raw in ["<script", "<img", "<b>", "onerror='"] {
            assert!(!page.contains(raw), "{raw} in {page}");
        }
    }

    // proves: HEAD-1, ID-1
    #[test]
    fn nothing_that_was_typed_becomes_markup() {
        let faults = || vec![FieldFault { field: NASTY.into(), message: NASTY.into() }];
        let page = SignIn {
            frame: frame(faults()),
            login: Field::login().with_value(NASTY),
            password: Field::password(),
            next: NASTY,
            sign_up: true,
            providers: &[],
            passkeys: false,
            script: "/x.js",
        };
        assert_inert(&page.render().unwrap());
    }

    #[test]
    fn a_fault_is_named_at_its_field_and_in_the_summary() {
        let faults = vec![FieldFault::new("login", "Enter a name.")];
        let page = SignIn {
            frame: Frame::new("App", "n", "/x.css").with_faults("Look again", faults),
            login: Field::login(),
            password: Field::password(),
            next: "/",
            sign_up: false,
            providers: &[],
            passkeys: false,
            script: "/x.js",
        }
        .render()
        .unwrap();
        assert!(page.contains(r##"<a href="#login">Enter a name.</a>"##), "{page}");
        assert!(page.contains(r#"aria-invalid="true" aria-describedby="login-fault""#), "{page}");
        assert!(page.contains("<title>Error: Sign in"), "{page}");
        assert!(!page.contains("/auth/register"), "registration is closed: {page}");
    }
}
