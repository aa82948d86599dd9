//! Each guard of production: red with the dangerous setting, green without it, and no more than a
//! warning for a developer.

use palisade_policy::{Code, Policy, Severity};

use crate::whole::{PRODUCTION, secrets};

/// As the sound policy names them.
const PROXIES: &str = "trusted_proxies = [\"127.0.0.1\"]";

fn errors(text: &str) -> Vec<Code> {
    let outcome = Policy::from_toml("palisade.toml", text, &secrets());
    outcome
        .err()
        .map(|all| all.iter().filter(|one| one.severity == Severity::Error).map(|one| one.code).collect())
        .unwrap_or_default()
}

/// The sound policy with one thing replaced, or added at its end.
fn altered(from: &str, to: &str) -> String {
    if from.is_empty() {
        return format!("{PRODUCTION}\n{to}\n");
    }
    assert!(PRODUCTION.contains(from), "{from}");
    PRODUCTION.replace(from, to)
}

/// The alteration is fatal in production for this reason alone, and not fatal in development.
fn guarded(from: &str, to: &str, code: Code) {
    assert_eq!(errors(PRODUCTION), [], "green without it");
    let text = altered(from, to);
    assert_eq!(errors(&text), [code], "{to}");
    let development = text
        .replace("environment = \"production\"", "environment = \"development\"")
        .replace("https://mtc.example.com", "http://127.0.0.1:8443");
    assert_eq!(errors(&development), [], "{to}");
}

// proves: CORS-2
#[test]
fn cors_names_https_origins_of_other_machines() {
    for origin in [
        "*",
        "null",
        "http://a.example.com",
        "https://localhost",
        "https://localhost:3000",
        "https://127.0.0.1",
        "https://127.1",
        "https://0.0.0.0",
        "https://[::1]:3000",
        "https://x.localhost",
    ] {
        guarded(
            "",
            &format!("[shield.cors]\norigins = [\"https://a.example.com\", \"{origin}\"]"),
            Code::UnsafeOrigin,
        );
    }
    let route = altered("allow = \"signed-in\"", "allow = \"signed-in\"\ncors = { origins = [\"*\"] }");
    assert_eq!(errors(&route), [Code::UnsafeOrigin], "a route's own rules are held to the same");
    assert_eq!(
        errors(&altered("", "[shield.cors]\norigins = [\"https://a.example.com\"]\ncredentials = true")),
        []
    );
}

// proves: CORS-2
#[test]
fn credentials_never_go_to_anybody_not_even_in_development() {
    for origin in ["*", "null"] {
        let text = format!("[shield.cors]\norigins = [\"{origin}\"]\ncredentials = true\n");
        assert_eq!(errors(&text), [Code::AnyOrigin], "{origin}");
        assert_eq!(errors(&text.replace("true", "false")), [], "{origin}");
    }
}

// proves: CSRF-5
#[test]
fn csrf_is_never_open() {
    guarded("", "[csrf]\nmode = \"open\"", Code::CsrfOpen);
}

// proves: CSRF-4
#[test]
fn an_exempt_route_takes_no_cookies() {
    guarded("allow = \"signed-in\"", "allow = \"signed-in\"\ncsrf = \"off\"", Code::CsrfOff);
    let by = |allow: &str| altered("allow = \"signed-in\"", &format!("allow = {allow}\ncsrf = \"off\""));
    assert_eq!(errors(&by("{ read = \"user\", write = \"admin\" }")), [Code::CsrfOff]);
    assert_eq!(errors(&by("\"public\"")), [], "a webhook has no session to abuse");
    assert_eq!(errors(&by("\"signed-in\"\nmethods = [\"GET\"]")), [], "what changes nothing needs no token");
    assert_eq!(errors(&altered("allow = \"signed-in\"", "allow = \"signed-in\"\ncsrf = \"origin\"")), []);
}

// proves: LIMIT-7
#[test]
fn limits_are_never_off() {
    guarded("", "[shield]\nlimits_enabled = false", Code::LimitsOff);
    guarded("", "[identify.lockout]\nenabled = false", Code::LimitsOff);
    guarded("", "[shield]\nexempt = [\"0.0.0.0/1\"]", Code::LimitsOff);
    assert_eq!(errors(&altered("", "[shield]\nexempt = [\"10.0.0.0/8\"]")), []);
}

// proves: EDGE-2, EDGE-3
#[test]
fn hosts_are_named_and_proxies_too() {
    guarded("listen =", "allowed_hosts = [\"*\"]\nlisten =", Code::HostsOpen);
    assert_eq!(errors(&altered("listen =", "allowed_hosts = []\nlisten =")), [Code::HostsOpen]);
    guarded(PROXIES, "trusted_proxies = [\"0.0.0.0/0\"]", Code::ProxyAnybody);
    guarded(
        "listen =",
        "allowed_hosts = [\"mtc.example.com\", \"localhost\", \"127.0.0.1\", \"*.com\"]\nlisten =",
        Code::HostsOpen,
    );
    guarded(PROXIES, "trusted_proxies = [\"0.0.0.0/1\"]", Code::ProxyAnybody);
    assert_eq!(errors(&altered(PROXIES, "trusted_proxies = [\"10.0.0.0/8\", \"fc00::/7\"]")), []);
    guarded(PROXIES, "trusted_proxies = [\"10.0.0.0/8\", \"::/0\"]", Code::ProxyAnybody);
}

// proves: POL-2
#[test]
fn the_public_address_is_https() {
    assert_eq!(errors(&PRODUCTION.replace("https://mtc", "http://mtc")), [Code::PlainHttp]);
}

// proves: POL-2, ID-9
#[test]
fn secrets_are_there_and_long_enough() {
    let with = |text: &str, pairs: &[(&str, &str)]| {
        let environment = pairs.iter().copied().collect();
        Policy::from_toml("p", text, &environment)
            .err()
            .map(|all| all.iter().map(|one| one.code).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let long = "0123456789abcdef0123456789abcdef";
    let text = PRODUCTION.replace("secret_key = \"env:SECRET_KEY\"", "");
    assert_eq!(with(&text, &[]), [Code::SecretMissing]);
    assert_eq!(with(&text, &[("SECRET_KEY", long)]), []);
    assert_eq!(with(&text, &[("SECRET_KEY", &long[..31])]), [Code::SecretShort]);
    assert_eq!(with(&text, &[("SECRET_KEY", &"x".repeat(64))]), [Code::SecretShort], "long, and no secret");
    for deployment in ["development", "testing"] {
        let text =
            format!("[app]\nenvironment = \"{deployment}\"\n[identify.tokens]\nalgorithm = \"HS256\"\n");
        assert_eq!(with(&text, &[]), [Code::SecretMissing]);
        assert_eq!(with(&text, &[("JWT_SECRET_KEY", &long[..31])]), [Code::SecretShort]);
        assert_eq!(with(&text, &[("JWT_SECRET_KEY", long)]), []);
    }
}

// proves: POL-2
#[test]
fn what_is_kept_survives_and_cookies_are_strict() {
    guarded("", "[store]\ndatabase = \"sqlite::memory:\"", Code::StoreVolatile);
    assert_eq!(errors(&altered("", "[identify.sessions]\nsame_site = \"none\"")), [Code::CookieWeak]);
    assert_eq!(errors(&altered("", "[shield.cookies]\nsecure = false")), [Code::CookieWeak]);
}

// proves: ID-3
#[test]
fn hashing_is_not_cheap() {
    let cost =
        |memory: &str, passes: u32| format!("[identify.passwords]\nmemory = \"{memory}\"\npasses = {passes}");
    guarded("", &cost("8KiB", 1), Code::HashWeak);
    guarded("", &cost("19MiB", 1), Code::HashWeak);
    guarded("", &cost("1MiB", 64), Code::HashWeak);
    for (memory, passes) in [("19MiB", 2), ("46MiB", 1), ("12MiB", 3), ("7MiB", 5)] {
        assert_eq!(errors(&altered("", &cost(memory, passes))), [], "{memory}");
    }
}

// proves: POL-2
#[test]
fn registering_gives_the_least_role() {
    let roles = |names: &str| format!("[identify.sign_up]\nopen = true\nroles = [{names}]");
    guarded("", &roles("\"admin\""), Code::SignUpRole);
    guarded("", &roles("\"user\", \"admin\""), Code::SignUpRole);
    assert_eq!(errors(&altered("", &roles("\"user\""))), []);
    let closed = roles("\"admin\"").replace("true", "false");
    assert_eq!(errors(&altered("", &closed)), [], "nobody registers, so nobody gets it");
}

// proves: ID-7
#[test]
fn a_fixed_test_user_is_for_testing_alone() {
    let text = |environment: &str| {
        format!(
            "[app]\nenvironment = \"{environment}\"\nbase_url = \"https://a.example\"\n\
             [identify.oidc.google]\nclient_id = \"a\"\ndangerous_test_user = \"tester@example.com\"\n"
        )
    };
    for refused in ["production", "development"] {
        let errors = Policy::from_toml("palisade.toml", &text(refused), &secrets()).unwrap_err();
        let said = errors.render(false);
        assert!(said.contains("P050") && said.contains("palisade.toml:6:23"), "{refused}: {said}");
    }
    assert!(Policy::from_toml("palisade.toml", &text("testing"), &secrets()).is_ok());
}

// proves: POL-2
#[test]
fn a_database_elsewhere_is_reached_with_tls() {
    let with = |text: &str, url: &str| {
        let environment =
            [("SECRET_KEY", "0123456789abcdef0123456789abcdef"), ("DATABASE_URL", url)].into_iter().collect();
        match Policy::from_toml("p", text, &environment) {
            Ok(checked) => checked.warnings.iter().map(|one| (one.severity, one.code)).collect::<Vec<_>>(),
            Err(all) => all.iter().map(|one| (one.severity, one.code)).collect(),
        }
    };
    let (error, warning) = ((Severity::Error, Code::DatabasePlain), (Severity::Warning, Code::DatabasePlain));
    for plain in [
        "postgres://u:p@db.example.com/d",
        "postgres://u:p@db.example.com/d?sslmode=prefer",
        "postgres://u:p@db.example.com/d?sslmode=disable",
        "postgres://u:p@db/d",
        "postgres://u:p@10.0.0.5:5432/d",
        "postgres://u:p@10.0.0.5/d?application_name=sslmode=require",
        "postgres://u:p@203.0.113.5/d?sslmode=disable",
        "postgres://u:p@localhost,db.example.com/d",
        "postgres:///d?host=db.example.com",
        "postgres://u:p@localhost/d?hostaddr=203.0.113.5",
        "postgres://u:p@[2001:db8::1]/d",
    ] {
        assert_eq!(with(PRODUCTION, plain), [error], "{plain}");
        let development = PRODUCTION.replace("\"production\"", "\"development\"");
        assert_eq!(with(&development, plain), [warning], "{plain}");
    }
    for meant in ["postgres://u:p@db/d?sslmode=disable", "postgres://u:p@10.0.0.5/d?sslmode=disable"] {
        assert_eq!(with(PRODUCTION, meant), [warning], "{meant}: said on purpose");
    }
    for sound in [
        "postgres://u:p@db.example.com/d?sslmode=require",
        "postgres://u:p@db.example.com/d?sslmode=verify-full",
        "postgresql+asyncpg://u:p@db/d?application_name=x&sslmode=verify-ca",
        "postgres://u:p@localhost/d",
        "postgres://u:p@127.0.0.1:5433/d",
        "postgres://u:p@[::1]/d",
        "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d",
        "postgres:///d?host=/var/run/postgresql",
    ] {
        assert_eq!(with(PRODUCTION, sound), [], "{sound}");
    }
}
