use std::path::Path;

use palisade_model::Environment;
use palisade_policy::{Policy, api, reference};
use serde_json::Value;

use crate::check;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path))
        .unwrap_or_default()
}

#[test]
fn what_is_written_about_the_policy_is_fresh() {
    let stale = "run `cargo xtask reference`";
    assert!(file("docs/policy.md") == reference::policy_markdown(), "docs/policy.md is stale: {stale}");
    assert!(
        file("palisade.example.toml") == reference::example_toml(),
        "palisade.example.toml is stale: {stale}"
    );
    let schema: Value = serde_json::from_str(&file("docs/policy.schema.json")).unwrap_or_default();
    assert!(schema == reference::json_schema(), "docs/policy.schema.json is stale: {stale}");
    let described: Value = serde_json::from_str(&file("docs/openapi.json")).unwrap_or_default();
    assert!(
        described == api::document("palisade_session", "X-CSRFToken"),
        "docs/openapi.json is stale: {stale}"
    );
}

#[test]
fn the_example_is_sound_as_it_stands() {
    let checked = check(&reference::example_toml()).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    assert_eq!(checked.policy.routes.rows.iter().filter(|row| row.line > 0).count(), 1);
}

/// Every key of the example read, none of them unknown: what is left to say is about values.
#[test]
fn the_example_is_sound_with_every_key_in_force() {
    let environment: Environment = [
        ("NAME", "0123456789abcdef0123456789abcdef"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("OLD_SECRET_KEY", "fedcba9876543210fedcba9876543210"),
        ("OLD_JWT_SECRET_KEY", "3210fedcba9876543210fedcba987654"),
        ("JWT_SECRET_KEY", "abcdef0123456789abcdef0123456789"),
        ("ADMIN_TOKEN", "a shared token of more than 32 characters"),
        ("SMTP_PASSWORD", "0123456789"),
        ("AUTH_USERS", "ada:$2b$12$abcdefghijklmnopqrstuv"),
        ("GOOGLE_CLIENT_SECRET", "0123456789abcdef"),
        ("DATABASE_URL", "postgres://palisade:pw@db/palisade?sslmode=verify-full"),
    ]
    .into_iter()
    .collect();
    let every: String = reference::example_toml()
        .lines()
        // what is dangerous is an error wherever it is not for
        .filter(|line| !line.starts_with("#dangerous_"))
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key.to_owned() + "\n",
            _ => line.to_owned() + "\n",
        })
        .collect();
    if let Err(errors) = Policy::from_toml("example", &every, &environment) {
        panic!("{errors}");
    }
}

#[test]
fn the_schema_knows_every_table_and_forbids_the_rest() {
    let schema = reference::json_schema();
    for path in
        ["/properties/edge/properties/listen", "/properties/identify/properties/sessions/properties/idle"]
    {
        assert!(schema.pointer(path).is_some(), "{path}");
    }
    assert_eq!(schema["properties"]["edge"]["additionalProperties"], false);
    assert_eq!(schema["properties"]["route"]["items"]["required"][0], "path");
}
