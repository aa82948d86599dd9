//! The registry of controls: one row for each promise, with what sets it, what enforces it, what it
//! answers to, and the sentence that a SECURITY.md says of it.

mod audit;
mod authorize;
mod csrf;
mod edge;
mod identify;
mod opaque;
mod shield;

use palisade_model::Stage;

use crate::Policy;

/// One promise.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// Stable: `csrf.token`.
    pub id: &'static str,
    /// The promise in a few words.
    pub title: &'static str,
    /// The stage that keeps it.
    pub stage: Stage,
    /// The settings that tune it; none where it cannot be tuned or switched off.
    pub keys: &'static [&'static str],
    /// Where it is kept: a file of this repository.
    pub enforced_by: &'static str,
    /// The requirements that it answers to.
    pub requirements: &'static [&'static str],
    /// The public standards that ask for it.
    pub references: &'static [&'static str],
    /// What is true of a policy, in one or two sentences for people.
    pub sentence: fn(&Policy) -> String,
    /// How it is seen from outside that it holds.
    pub probe: Probe,
}

/// How it is seen from outside that a control holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// By a request, once there is a prover.
    WithTheProver,
    /// Not at all, and why.
    Unobservable(&'static str),
}

/// A setting that no control promises anything of, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plumbing {
    /// The setting's path.
    pub key: &'static str,
    /// Why it is no promise.
    pub reason: &'static str,
}

/// Every control, in the order of the stages.
pub fn controls() -> impl Iterator<Item = &'static Control> {
    [
        edge::CONTROLS,
        shield::CONTROLS,
        identify::CONTROLS,
        opaque::CONTROLS,
        csrf::CONTROLS,
        authorize::CONTROLS,
        audit::CONTROLS,
    ]
    .into_iter()
    .flatten()
}

/// Settings that no control promises anything of.
pub const PLUMBING: &[Plumbing] = &[
    Plumbing { key: "app.name", reason: "a label on pages" },
    Plumbing { key: "app.accent", reason: "how pages and letters look" },
    Plumbing { key: "app.logo", reason: "how pages look" },
    Plumbing {
        key: "app.environment",
        reason: "chooses defaults, and which rules of `palisade check` are fatal",
    },
    Plumbing { key: "edge.listen", reason: "an address" },
    Plumbing { key: "edge.metrics_listen", reason: "an address, on this machine alone by default" },
    Plumbing { key: "edge.drain", reason: "how a restart behaves" },
    Plumbing { key: "store.data_dir", reason: "a folder" },
    Plumbing { key: "mail.username", reason: "an account elsewhere" },
    Plumbing { key: "mail.from", reason: "a label on letters" },
    Plumbing { key: "identify.home", reason: "a path of this site" },
    Plumbing { key: "identify.oidc.NAME.client_id", reason: "a name that the provider gives" },
    Plumbing { key: "identify.oidc.NAME.label", reason: "a label on pages" },
    Plumbing { key: "identify.oidc.NAME.scopes", reason: "what the provider is asked for" },
    Plumbing { key: "identify.oidc.NAME.ca_file", reason: "by which certificates the provider is known" },
    Plumbing { key: "route.path", reason: "which requests a row is about" },
    Plumbing { key: "route.to", reason: "where they lead" },
    Plumbing { key: "route.upgrade", reason: "a capability of the application" },
    Plumbing { key: "route.strip", reason: "how the application knows its paths" },
    Plumbing { key: "route.prefix", reason: "how the application knows its paths" },
    Plumbing { key: "upstream.NAME.url", reason: "an address" },
    Plumbing { key: "upstream.NAME.connect_timeout", reason: "how failures of the application show" },
    Plumbing { key: "upstream.NAME.idle", reason: "how connections to the application are kept" },
    Plumbing { key: "upstream.NAME.connections", reason: "how connections to the application are kept" },
    Plumbing { key: "upstream.NAME.preserve_host", reason: "what the application takes for its own name" },
];

/// Words with `and` before the last: for sentences.
fn listed<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => one.as_ref().to_owned(),
        [front @ .., last] => {
            let front: Vec<&str> = front.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", front.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use palisade_model::Environment;

    use super::*;
    use crate::section::scopes;

    #[test]
    fn every_setting_belongs_to_one_control_or_is_plumbing_for_a_reason() {
        let mut owners: BTreeMap<&str, Vec<&str>> =
            scopes().flat_map(|scope| scope.settings).map(|setting| (setting.path(), Vec::new())).collect();
        let claims = controls()
            .flat_map(|control| control.keys.iter().map(|key| (*key, control.id)))
            .chain(PLUMBING.iter().map(|plumbing| (plumbing.key, "plumbing")));
        for (key, owner) in claims {
            owners
                .get_mut(key)
                .unwrap_or_else(|| panic!("{owner} names `{key}`, which is no setting"))
                .push(owner);
        }
        for (key, owners) in owners {
            assert_eq!(owners.len(), 1, "`{key}` belongs to {owners:?}");
        }
        assert!(PLUMBING.iter().all(|plumbing| !plumbing.reason.is_empty()));
    }

    #[test]
    fn controls_are_whole() {
        let policy = Policy::load(None, &Environment::default()).unwrap().policy;
        let mut ids = Vec::new();
        for control in controls() {
            assert!(!ids.contains(&control.id), "{} twice", control.id);
            ids.push(control.id);
            assert!(control.id.starts_with(control.stage.name()), "{} carries its stage", control.id);
            assert!(!control.requirements.is_empty(), "{} answers to nothing", control.id);
            assert!(control.enforced_by.starts_with("crates/"), "{}", control.id);
            let sentence = (control.sentence)(&policy);
            assert!(sentence.len() > 20 && sentence.ends_with('.'), "{}: {sentence}", control.id);
            if let Probe::Unobservable(why) = control.probe {
                assert!(!why.is_empty(), "{}", control.id);
            }
        }
        assert!(ids.len() >= 30);
    }

    #[test]
    fn sentences_tell_the_numbers_of_the_policy_at_hand() {
        let text = "[identify.sessions]\nidle = \"45m\"\n[shield.limits]\nlogin = \"7 per 15 minutes\"\n";
        let policy = Policy::from_toml("palisade.toml", text, &Environment::default()).unwrap().policy;
        let all: String = controls().map(|control| (control.sentence)(&policy)).collect();
        assert!(all.contains("45m") && all.contains("7/15m"), "{all}");
    }
}
