use palisade_model::Environment;
use palisade_policy::section::store::Database;
use palisade_policy::{Diagnostics, Policy};

use crate::{check, environment};

const SECRET: &str = "hunter2-0123456789-hunter2-0123456789";

/// Everything that is ever shown of diagnostics.
fn shown(diagnostics: &Diagnostics) -> String {
    format!(
        "{}{}{}{diagnostics:?}",
        diagnostics.render(false),
        diagnostics.render(true),
        diagnostics.to_json()
    )
}

fn outcome(text: &str, environment: &Environment) -> String {
    match Policy::from_toml("palisade.toml", text, environment) {
        Err(errors) => shown(&errors),
        Ok(checked) => format!("{}{checked:?}", shown(&checked.warnings)),
    }
}

// proves: POL-1
#[test]
fn an_inline_secret_is_an_error_and_is_not_shown() {
    for text in [
        format!("[identify]\nsecret_key = \"{SECRET}\"\n"),
        format!("[identify]\nsecret_key = '''\n{SECRET}\n{SECRET}'''\n"),
        format!("[identify]\nsecret_key = [\"{SECRET}\"]\n"),
        format!("[identify]\nsecret_key = {{ value = \"{SECRET}\" }}\n"),
        format!("identify = {{ secret_key = \"{SECRET}\", homes = 1 }}\n"),
        format!("[identify]\nsecret_key = \"env:{SECRET}\"\n"),
        format!("[identify]\nauth_users = \"ada:{SECRET}\"\n"),
        format!("[identify.tokens]\nsecret = \"{SECRET}\"\nalgorithm = 1\n"),
        format!("[store]\ndatabase = \"postgres://palisade:{SECRET}@db/palisade\"\n"),
        format!("[store]\ndatabase = \"postgres://db/palisade?password={SECRET}\"\n"),
        format!("[store]\ndatabase = \"mysql://palisade:{SECRET}@db/palisade\"\n"),
    ] {
        assert!(check(&text).is_err(), "{text}");
        let shown = outcome(&text, &Environment::default());
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
    }
}

// proves: POL-1
#[test]
fn a_secret_in_the_wrong_place_is_not_shown_either() {
    for text in [
        format!("[identify]\nsecret_kee = \"{SECRET}\"\n"),
        format!("secret_key = \"{SECRET}\"\n"),
        format!("[secrets]\njwt = \"{SECRET}\"\n[secrets.deep]\nmore = [{{ a = \"{SECRET}\" }}]\n"),
        format!("[identify]\ntokens = \"{SECRET}\"\n"),
        format!("upstream = \"{SECRET}\"\nroute = \"{SECRET}\"\n"),
        format!("route = [\"{SECRET}\"]\n"),
        format!("[upstream]\nkey = \"{SECRET}\"\n"),
        format!("[upstream.app]\nurl = \"http://palisade:{SECRET}@127.0.0.1:5000\"\n"),
        format!("[app]\nbase_url = \"https://palisade:{SECRET}@mtc.example.com\"\n"),
        format!("[shield.cors]\norigins = [\"https://palisade:{SECRET}@mtc.example.com\"]\n"),
        // Not even TOML.
        format!("[identify]\nsecret_key = \"{SECRET}\n"),
        format!("[identify]\nsecret_key = {SECRET}\n"),
        format!("[identify]\nsecret_key = \"a\" \"{SECRET}\"\n"),
        format!("[identify]\nsecret_key = \"\"\"\n{SECRET}==\n{SECRET}=\n"),
        format!("[identify]\nsecret_key = \"x\"\nsecret_key = \"{SECRET}\"\n"),
        format!("identify = {{ secret_key = \"{SECRET}\", }} x\n"),
        format!("[store]\ndatabase = postgres://palisade:{SECRET}@db\n"),
    ] {
        let shown = outcome(&text, &Environment::default());
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
    }
}

// proves: POL-1
#[test]
fn no_variable_shows_its_secret() {
    let names =
        ["SECRET_KEY", "JWT_SECRET_KEY", "AUTH_USERS", "DATABASE_URL", "PALISADE_IDENTIFY__SECRET_KEY"];
    for name in names {
        for value in [
            "hunter2",
            "ada:hunter2",
            "postgres://a:hunter2@db/x",
            "mysql://a:hunter2@db/x",
            "hunter2hunter2hunter2hunter2hunter2",
        ] {
            let environment = environment(&[(name, value)]);
            let text = "[identify.tokens]\nalgorithm = \"HS256\"\n[edge]\nlisten = 1\n";
            assert!(!outcome(text, &environment).contains("hunter2"), "{name}={value}");
            assert!(!outcome("", &environment).contains("hunter2"), "{name}={value}");
        }
    }
    // A setting that is not secret, with something secret in it.
    let environment =
        environment(&[("ALLOWED_ORIGINS", "https://a:hunter2@x y"), ("BASE_URL", "https://a:hunter2@x/y")]);
    assert!(!outcome("", &environment).contains("hunter2"));
}

// proves: POL-1
#[test]
fn a_secret_comes_from_a_variable_or_a_file_and_never_from_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let path = file.to_str().unwrap();
    let key = |text: &str, pairs: &[(&str, &str)]| {
        let checked = Policy::from_toml("palisade.toml", text, &environment(pairs));
        checked
            .ok()
            .and_then(|checked| checked.policy.identify.secret_key)
            .map(|secret| secret.expose().to_owned())
    };
    let by_name = "[identify]\nsecret_key = \"env:ANY_NAME\"\n";
    assert_eq!(key(by_name, &[("ANY_NAME", SECRET)]).as_deref(), Some(SECRET));
    assert_eq!(key(by_name, &[("ANY_NAME_FILE", path)]).as_deref(), Some(SECRET), "without its line break");
    assert_eq!(key(by_name, &[("ANY_NAME_FILE", path), ("ANY_NAME", SECRET)]), None);
    assert_eq!(key(by_name, &[]), None);
    assert_eq!(key(by_name, &[("ANY_NAME", "")]), None, "an empty variable is none");
    assert_eq!(key(&format!("[identify]\nsecret_key = \"file:{path}\"\n"), &[]).as_deref(), Some(SECRET));
    assert_eq!(key("", &[("SECRET_KEY", SECRET)]).as_deref(), Some(SECRET));
    assert_eq!(key("", &[("SECRET_KEY_FILE", path)]).as_deref(), Some(SECRET));
    assert_eq!(key("", &[("PALISADE_IDENTIFY__SECRET_KEY_FILE", path)]).as_deref(), Some(SECRET));
    let checked = Policy::from_toml("palisade.toml", "", &environment(&[("SECRET_KEY_FILE", path)])).unwrap();
    assert_eq!(checked.overrides, ["SECRET_KEY_FILE"]);
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(key("", &[("SECRET_KEY_FILE", path)]), None, "an empty file is no secret");
}

#[test]
fn a_database_without_a_password_may_stand_in_the_policy() {
    let policy = check("[store]\ndatabase = \"postgres://palisade@db/palisade\"\n").unwrap().policy;
    assert!(matches!(policy.store.database, Database::Postgres(_)));
}
