use std::time::Duration;

use palisade_model::Environment;
use palisade_policy::section::app::Deployment;
use palisade_policy::section::authorize::Who;
use palisade_policy::section::identify::Algorithm;
use palisade_policy::section::shield::SameSite;
use palisade_policy::section::store::Database;
use palisade_policy::{Policy, Severity};

use crate::{check, environment, policy};

/// A policy fit for production, to which tests add what they are about.
pub(crate) const PRODUCTION: &str = r#"
[app]
name = "MTC"
environment = "production"
base_url = "https://mtc.example.com"

[edge]
listen = "0.0.0.0:8443"
trusted_proxies = ["127.0.0.1"]

[identify]
secret_key = "env:SECRET_KEY"

[upstream.app]
url = "http://127.0.0.1:5000"

[[route]]
path = "/{*rest}"
to = "upstream:app"
allow = "signed-in"
"#;

pub(crate) fn secrets() -> Environment {
    environment(&[("SECRET_KEY", "0123456789abcdef0123456789abcdef")])
}

#[test]
fn nothing_written_means_a_safe_development() {
    let policy = policy("");
    assert_eq!(policy.app.environment, Deployment::Development);
    assert!(policy.edge.listen.ip().is_loopback());
    assert!(policy.edge.metrics_listen.unwrap().ip().is_loopback());
    assert!(policy.edge.trusted_proxies.is_empty());
    assert!(policy.shield.cors.is_none() && policy.shield.limits_enabled && policy.csrf.enforced);
    assert!(!policy.identify.sign_up, "nobody registers unless the policy says so");
    assert!(policy.upstreams.is_empty());
    assert_eq!(policy.identify.sessions.idle, Duration::from_secs(86_400));
    assert_eq!(policy.identify.tokens.access, Duration::from_secs(1800));
    assert_eq!(policy.identify.tokens.refresh, Duration::from_secs(7 * 86_400));
    assert_eq!(policy.identify.tokens.algorithm, Algorithm::EdDsa);
    assert_eq!(policy.edge.body_bytes, 10 << 20);
}

#[test]
fn without_a_file_an_application_on_this_machine_can_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("palisade.toml");
    assert!(Policy::load(Some(&path), &Environment::default()).is_err(), "a named file has to be there");
    // The tests run in the crate's folder, where there is no palisade.toml.
    let checked = Policy::load(None, &Environment::default()).unwrap();
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    let policy = checked.policy;
    assert!(policy.identify.sign_up);
    assert_eq!(policy.upstreams[0].authority, "127.0.0.1:5000");
    assert_eq!(policy.roles.names(), ["admin", "manager", "user"]);
    assert!(
        matches!(&policy.store.database, Database::Sqlite(path) if path.ends_with("palisade-data/palisade.db"))
    );
    let row = policy.routes.rows.last().unwrap();
    assert_eq!((row.access.read, row.access.write), (Who::SignedIn, Who::SignedIn));
}

// proves: ID-8
#[test]
fn production_over_https_gets_the_strict_cookie() {
    let checked =
        Policy::from_toml("palisade.toml", PRODUCTION, &secrets()).unwrap_or_else(|e| panic!("{e}"));
    assert!(checked.warnings.iter().all(|one| one.severity == Severity::Warning));
    let sessions = checked.policy.identify.sessions;
    assert_eq!(sessions.cookie, "__Host-palisade_session");
    assert!(sessions.secure);
    assert_eq!(sessions.same_site, SameSite::Strict);
    assert!(checked.policy.shield.hsts.is_some());
    assert!(checked.policy.edge.allowed_hosts.allows("mtc.example.com"));
    assert!(!checked.policy.edge.allowed_hosts.allows("localhost"), "production serves its own name alone");
}

#[test]
fn several_mistakes_are_told_at_once() {
    let errors =
        check("[edge]\nlisten = 8080\nbody = \"10\"\n\n[identify.sessions]\nidel = \"24h\"\n").unwrap_err();
    assert_eq!(errors.len(), 3, "{errors}");
    let text = errors.render(false);
    for part in ["palisade.toml:2:", "say the unit: \"10B\", \"10KiB\" or \"10MiB\"", "did you mean `idle`?"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
