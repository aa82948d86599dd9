//! What letters say: plain words, one link at the most, and what to do if it was somebody else.

use palisade_access::{Letter, Matter, Notice};
use palisade_policy::Policy;

use super::readable;
use crate::device;

/// What a letter says.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
    pub(super) action: Option<Act>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) end: String,
}

/// The one link.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) label: &'static str,
    pub(super) url: String,
}

const IGNORE: &str = "If you did not ask for this, do nothing: without the link nothing changes.";

/// The words of a letter. Links lead to `app.base_url` and nowhere else, whatever host a request came with.
pub(super) fn of(letter: &Letter, policy: &Policy) -> Words {
    let (name, matter) = (&one_line(&letter.name), &letter.matter);
    let app = &policy.app.name;
    let home = &policy.app.base_url.origin;
    let act = |label, path: &str, token: &str| Some(Act { label, url: format!("{home}{path}{token}") });
    let mut words = match matter {
        Matter::Reset { token } => Words {
            subject: format!("Set a new password for {app}"),
            heading: "Set a new password".to_owned(),
            lines: vec![
                format!("Somebody asked for a new password for your account {name}."),
                "The link works once, within a day. Using it signs you out everywhere else.".to_owned(),
            ],
            action: act("Set a new password", "/auth/reset-password/", token),
            facts: Vec::new(),
            end: IGNORE.to_owned(),
        },
        Matter::Register { token } => Words {
            subject: format!("Confirm your address for {app}"),
            heading: "Confirm your address".to_owned(),
            lines: vec![
                format!("Somebody registered as {name} with this address."),
                "If it was you, confirm it with the password that you chose. The link works once, within a day."
                    .to_owned(),
            ],
            action: act("Confirm address", "/auth/confirm/", token),
            facts: Vec::new(),
            end: "If it was not you, do nothing: no account is made without the link.".to_owned(),
        },
        Matter::RegisteredAlready => Words {
            subject: format!("You already have an account at {app}"),
            heading: "You already have an account".to_owned(),
            lines: vec![
                format!("Somebody tried to register with this address. It belongs to your account {name}."),
                "If it was you, sign in, or ask for a new password if you forgot it.".to_owned(),
            ],
            action: act("Sign in", "/auth/login", ""),
            facts: Vec::new(),
            end: "If it was not you, do nothing: your account is as it was.".to_owned(),
        },
        Matter::Address { token } => Words {
            subject: format!("Confirm your address for {app}"),
            heading: "Confirm your address".to_owned(),
            lines: vec![
                format!("The account {name} wants to use this address."),
                "Open the link where you are signed in. It works once, within a day.".to_owned(),
            ],
            action: act("Confirm address", "/account/email/", token),
            facts: Vec::new(),
            end: IGNORE.to_owned(),
        },
        Matter::AddressInUse => Words {
            subject: format!("Your address was asked for at {app}"),
            heading: "Somebody wanted to use your address".to_owned(),
            lines: vec![format!(
                "Another account tried to take this address. It belongs to your account {name}, and stays there."
            )],
            action: None,
            facts: Vec::new(),
            end: "You need not do anything.".to_owned(),
        },
        Matter::Notice(notice) => noticed(notice, name, policy),
    };
    words.facts.push(("When", readable(letter.at())));
    if let Some(agent) = &letter.agent {
        words.facts.push(("Device", one_line(&device::describe(Some(agent)))));
    }
    if let Some(address) = &letter.address {
        words.facts.push(("IP address", address.clone()));
    }
    words
}

fn noticed(notice: &Notice, name: &str, policy: &Policy) -> Words {
    let (app, home) = (&policy.app.name, &policy.app.base_url.origin);
    let (subject, heading, line) = match notice {
        Notice::NewDevice => (
            "New sign-in to",
            "A new device signed in",
            format!("Your account {name} was signed in to on a device that was not used for it before."),
        ),
        Notice::PasswordChanged => (
            "Your password was changed at",
            "Your password was changed",
            format!("Your account {name} has another password. All other sessions have ended."),
        ),
        Notice::EmailChanged { to, .. } => (
            "Your address was changed at",
            "Your e-mail address was changed",
            format!("Your account {name} uses the address {to} from now on."),
        ),
        Notice::FactorChanged { factor, added: true } => (
            "Two-step sign-in was changed at",
            "A second step was added",
            format!("The second step of signing in to your account {name} can be {} now.", one_line(factor)),
        ),
        Notice::FactorChanged { factor, added: false } => (
            "Two-step sign-in was changed at",
            "A second step was removed",
            format!("Signing in to your account {name} no longer asks for {}.", one_line(factor)),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "A recovery code was used at",
            "A recovery code was used",
            format!("Your account {name} was signed in to with a recovery code. Codes left: {left}."),
        ),
        Notice::KeyMade { name: key } => (
            "A key was made at",
            "A key for programs was made",
            format!("The key {} can act for your account {name} from now on.", one_line(key)),
        ),
        Notice::IdentityUnlinked { provider } => (
            "An account was unlinked at",
            "An account elsewhere was unlinked",
            format!("Your account {name} can no longer be signed in to with {}.", one_line(provider)),
        ),
        Notice::IdentityLinked { provider } => (
            "An account was linked at",
            "An account elsewhere was linked",
            format!("Your account {name} can now be signed in to with {}.", one_line(provider)),
        ),
    };
    let (action, end) = match notice {
        Notice::EmailChanged { undo, .. } => (
            Some(Act { label: "This was not me", url: format!("{home}/auth/reset-password/{undo}") }),
            "If it was you, do nothing. If not: this link works for a week, and gives the account back to this address.",
        ),
        _ => (
            Some(Act { label: "Look through your account", url: format!("{home}/account/security") }),
            "If it was you, do nothing. If not, set a new password at once, and look through your account.",
        ),
    };
    Words {
        subject: format!("{subject} {app}"),
        heading: heading.to_owned(),
        lines: vec![line],
        action,
        facts: Vec::new(),
        end: end.to_owned(),
    }
}

/// Without anything that could end a line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
