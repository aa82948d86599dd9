//! Promises about opaque tokens: keys, administrators' tokens, breakglass, visitors' tokens.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::read::quantity::duration_text;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "identify.api_keys",
        title: "A key does no more than its owner, and no more than it was made for",
        stage: Stage::Identify,
        keys: &[
            "identify.api_keys.open",
            "identify.api_keys.max_per_user",
            "identify.api_keys.longest",
            "identify.api_keys.overlap",
        ],
        enforced_by: "crates/access/src/service/api_key/mod.rs",
        requirements: &["ID-16"],
        references: &["ASVS V9.1.1", "ASVS V10.4.11", "ASVS V13.3.4"],
        sentence: |policy| {
            let keys = &policy.identify.api_keys;
            let most = keys.max_per_user.map_or_else(String::new, |most| format!(", at most {most} at once"));
            let own = if keys.open {
                format!(
                    "Users make keys for themselves{most}, for {} at the longest.",
                    duration_text(keys.longest)
                )
            } else {
                "Only administrators make keys, on the command line.".to_owned()
            };
            format!(
                "API keys are kept as digests and have scopes, networks and an end. {own} A rotated key goes on for {}.",
                duration_text(keys.overlap)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.admin_tokens",
        title: "Administrators' tokens are kept as digests and can be taken away one by one",
        stage: Stage::Identify,
        keys: &[
            "identify.admin_tokens.legacy",
            "identify.admin_tokens.legacy_user",
            "identify.admin_tokens.imported",
            "identify.admin_tokens.dangerous_query",
        ],
        enforced_by: "crates/access/src/service/api_key/mod.rs",
        requirements: &["ID-12"],
        references: &["ASVS V14.2.1", "ASVS V13.3.1"],
        sentence: |policy| {
            let tokens = &policy.identify.admin_tokens;
            let legacy = if tokens.legacy.is_some() {
                format!(" One shared token from the environment acts as {}.", tokens.legacy_user)
            } else {
                String::new()
            };
            let imported = if tokens.imported { " Imported tokens count too." } else { "" };
            let query = if tokens.query.is_empty() {
                " None is taken from an address.".to_owned()
            } else {
                format!(" They may come in the query as {}.", tokens.query.join(", "))
            };
            format!("Administrators' tokens are shown once and kept as digests.{legacy}{imported}{query}")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.breakglass",
        title: "The way in for emergencies works once, and everything done by it is told",
        stage: Stage::Identify,
        keys: &["identify.breakglass.session"],
        enforced_by: "crates/access/src/service/api_key/breakglass.rs",
        requirements: &["ID-13"],
        references: &["ASVS V16.3.3"],
        sentence: |policy| {
            format!(
                "A breakglass token is issued on the host, works once and opens a session of {} that can make no token and change no user; a report lists what was done in it.",
                duration_text(policy.identify.breakglass.session)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.guests",
        title: "A visitor's token is shown once",
        stage: Stage::Identify,
        keys: &[
            "identify.guests.open",
            "identify.guests.roles",
            "identify.guests.life",
            "identify.guests.field",
            "identify.guests.page",
            "identify.guests.dangerous_query",
            "identify.guests.imported",
        ],
        enforced_by: "crates/access/src/service/api_key/guest.rs",
        requirements: &["ID-14"],
        references: &["ASVS V14.2.1"],
        sentence: |policy| {
            let guests = &policy.identify.guests;
            if !guests.open && !guests.imported {
                return "Nobody gets a user token.".to_owned();
            }
            let roles: Vec<&str> = policy.roles.names_of(guests.roles).collect();
            let query = if guests.query.is_empty() {
                "It is never taken from an address.".to_owned()
            } else {
                format!("It may come in the query as {}.", guests.query.join(", "))
            };
            format!(
                "A visitor's token counts for {}, with the roles: {}. {query}",
                duration_text(guests.life),
                listed(&roles)
            )
        },
        probe: Probe::WithTheProver,
    },
];
