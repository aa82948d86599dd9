use std::time::Duration;

use palisade_policy::Policy;
use palisade_policy::section::app::Deployment;
use palisade_policy::section::identify::Algorithm;
use palisade_policy::section::store::Database;

use crate::environment;

fn with(text: &str, pairs: &[(&str, &str)]) -> (Policy, Vec<String>) {
    match Policy::from_toml("palisade.toml", text, &environment(pairs)) {
        Ok(checked) => (checked.policy, checked.overrides),
        Err(errors) => panic!("{errors}"),
    }
}

fn wrong(text: &str, pairs: &[(&str, &str)]) -> String {
    Policy::from_toml("palisade.toml", text, &environment(pairs)).expect_err("it is wrong").to_string()
}

// proves: POL-1
#[test]
fn the_environment_comes_before_the_file_and_the_own_name_before_the_seeds() {
    let text = "[identify.tokens]\naccess = \"10m\"\n";
    let access = |pairs| with(text, pairs).0.identify.tokens.access;
    let minutes = |n: u64| Duration::from_secs(n * 60);
    assert_eq!(access(&[]), minutes(10));
    assert_eq!(access(&[("ACCESS_TOKEN_EXPIRE_MINUTES", "20")]), minutes(20));
    let both = [("ACCESS_TOKEN_EXPIRE_MINUTES", "20"), ("PALISADE_IDENTIFY__TOKENS__ACCESS", "40m")];
    assert_eq!(access(&both), minutes(40));
    assert_eq!(
        with(text, &both).1,
        ["PALISADE_IDENTIFY__TOKENS__ACCESS"],
        "what took effect, and nothing else"
    );
}

// proves: POL-1, LIMIT-6
#[test]
fn the_names_that_the_seeds_use_override_what_they_name() {
    let key = "0123456789abcdef0123456789abcdef";
    let pairs = [
        ("SECRET_KEY", key),
        ("JWT_SECRET_KEY", "fedcba9876543210fedcba9876543210"),
        ("DATABASE_URL", "postgresql+asyncpg://a:b@db/x?sslmode=require"),
        ("AUTH_USERS", "ada:$2b$12$abc"),
        ("ALLOWED_ORIGINS", "https://a.example.com, https://b.example.com"),
        ("ALLOWED_HOSTS", "a.example.com,*.b.example.com"),
        ("ENVIRONMENT", "production"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_PER_MINUTE", "100"),
        ("ADMIN_RATE_MAX", "7"),
        ("ADMIN_RATE_WINDOW", "90"),
        ("LOG_LEVEL", "WARNING"),
        ("SECURITY_MODE", "enforced"),
        ("BASE_URL", "https://a.example.com"),
    ];
    let (policy, overrides) = with("[shield]\nlimits_enabled = false\n", &pairs);
    assert_eq!(overrides.len(), pairs.len(), "each is announced: {overrides:?}");
    assert_eq!(policy.identify.secret_key.unwrap().expose(), key);
    assert_eq!(policy.identify.tokens.algorithm, Algorithm::Hs256);
    assert!(
        matches!(policy.store.database, Database::Postgres(url) if url.expose() == "postgres://a:b@db/x?sslmode=require")
    );
    assert_eq!(policy.identify.auth_users[0].0, "ada");
    assert_eq!(policy.shield.cors.unwrap().origins, ["https://a.example.com", "https://b.example.com"]);
    assert!(policy.edge.allowed_hosts.allows("x.b.example.com"));
    assert_eq!(policy.app.environment, Deployment::Production);
    assert!(policy.shield.limits_enabled);
    assert_eq!(policy.shield.limits[0].windows[0].text(), "100/minute");
    assert_eq!(policy.shield.limits[2].windows[0].text(), "7/1m30s");
    assert_eq!(policy.audit.log_level, "warn");
    assert!(policy.csrf.enforced);
}

#[test]
fn named_tables_are_overridden_too() {
    let text = "[upstream.my-app]\nurl = \"http://127.0.0.1:5000\"\n[shield.limits]\nreports = \"1/day\"\n";
    let pairs = [
        ("PALISADE_UPSTREAM__MY_APP__URL", "http://10.0.0.9:80"),
        ("PALISADE_SHIELD__LIMITS__REPORTS", "9/day"),
    ];
    let (policy, _) = with(text, &pairs);
    assert_eq!(policy.upstreams[0].authority, "10.0.0.9:80");
    let limit = policy.shield.limits.iter().find(|limit| limit.name == "reports").unwrap();
    assert_eq!(limit.windows[0].count, 9);
}

#[test]
fn a_bad_value_names_its_variable_and_a_slip_is_no_override() {
    let text = wrong("", &[("PALISADE_EDGE__LISTEN", "8080")]);
    assert!(text.contains("in the environment variable PALISADE_EDGE__LISTEN"), "{text}");
    let text = wrong("", &[("PALISADE_EDGE__LISTN", "127.0.0.1:1")]);
    assert!(text.contains("did you mean PALISADE_EDGE__LISTEN?"), "{text}");
    // A variable of the program's own, without a section, is not the policy's business.
    with("", &[("PALISADE_POLICY", "x.toml")]);
}

// proves: POL-2
#[test]
fn the_environment_cannot_switch_production_off_its_guards() {
    let text = "[app]\nenvironment = \"production\"\nbase_url = \"https://a.example.com\"\n";
    let key = ("SECRET_KEY", "0123456789abcdef0123456789abcdef");
    with(text, &[key]);
    let text = wrong(text, &[key, ("SECURITY_MODE", "open"), ("RATE_LIMIT_ENABLED", "false")]);
    assert!(text.contains("P022") && text.contains("P023"), "{text}");
    assert!(text.contains("in the environment variable SECURITY_MODE"), "{text}");
}

// proves: ID-6
#[test]
fn google_is_switched_on_by_its_variables_alone_and_no_other_provider_reads_them() {
    let text = "[identify.oidc.company]\nissuer = \"https://login.example.com\"\nclient_id = \"mtc\"\n";
    let environment: palisade_model::Environment =
        [("GOOGLE_CLIENT_ID", "google-id"), ("GOOGLE_CLIENT_SECRET", "google-secret")].into_iter().collect();
    let policy = palisade_policy::Policy::from_toml("palisade.toml", text, &environment).unwrap().policy;
    let [company, google] = &policy.identify.providers[..] else { panic!("two providers") };
    assert_eq!((company.client_id.as_str(), company.client_secret.is_none()), ("mtc", true));
    assert_eq!((google.name.as_str(), google.client_id.as_str()), ("google", "google-id"));
    assert_eq!(google.issuer.text, "https://accounts.google.com");
    assert_eq!(google.client_secret.as_ref().unwrap().expose(), "google-secret");
    assert_eq!(google.label, "Google");
}
