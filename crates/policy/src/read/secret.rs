//! Secrets stand beside the policy, never in it (POL-1).

use palisade_model::{Environment, Secret};
use serde_json::{Value, json};

use super::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::diagnostic::Code;

const SECRET: &str = "\"env:NAME\" or \"file:/path\"";

/// What a variable of that name gives: its own value, or that of the file which NAME_FILE names.
///
/// # Errors
/// When both are set, or the file cannot be read.
pub(crate) fn from_variable(name: &str, environment: &Environment) -> Read<Option<Secret>> {
    let file = format!("{name}_FILE");
    match (environment.get(name), environment.get(&file)) {
        (Some(_), Some(_)) => Err(vec![
            Wrong::malformed(
                format!("both {name} and {file} are set"),
                format!("unset one of them: {file} names a file that holds the secret, {name} is the secret"),
            )
            .code(Code::SecretTwice),
        ]),
        (Some(value), None) => Ok(Some(Secret::new(value))),
        (None, Some(path)) => from_file(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The content of a file, without the line break at its end.
fn from_file(path: &str) -> Read<Secret> {
    let unreadable = |why: String| {
        let help = "check the path and that this user may read the file";
        vec![Wrong::malformed(why, help).code(Code::SecretUnreadable)]
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| unreadable(format!("the secret's file {path} cannot be read: {}", error.kind())))?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(unreadable(format!("the secret's file {path} is empty")));
    }
    Ok(Secret::new(value))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a text says where a secret is and holds none itself.
pub(crate) fn is_reference(text: &str) -> bool {
    text.strip_prefix("env:").is_some_and(is_name)
        || text.starts_with("file:/")
        || text.starts_with("sqlite:")
}

/// A reference to a secret, followed.
pub(crate) fn referred(text: &str, environment: &Environment) -> Read<Secret> {
    if let Some(name) = text.strip_prefix("env:").filter(|name| is_name(name)) {
        return from_variable(name, environment)?.ok_or_else(|| {
            let help =
                format!("set {name}, or {name}_FILE to the path of a file that holds it, before the start");
            vec![
                Wrong::malformed(format!("the environment variable {name} is not set"), help)
                    .code(Code::SecretUnreadable),
            ]
        });
    }
    if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return from_file(path);
    }
    let help = "write \"env:NAME\" and set NAME in the environment, or \"file:/run/secrets/name\"; then change the secret, \
                as this one has been in a file that is shared";
    Err(vec![Wrong::malformed("a secret is written into the policy", help).code(Code::SecretInline)])
}

impl Kind for Secret {
    const SECRET: bool = true;
    const EXAMPLE: &'static str = "env:NAME";

    fn takes() -> String {
        SECRET.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        match raw {
            Raw::Text(text) => Ok(Self::new(text)),
            Raw::Toml(_) => referred(text_of(raw, SECRET)?, context.environment),
        }
    }

    fn nothing() -> Self {
        Self::new("")
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"})
    }
}

/// AUTH_USERS (ID-5): `name:hash` pairs, set apart by commas or line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserList(pub Vec<(String, Secret)>);

/// Each known form of a password hash begins with one of these.
const HASHES: [&str; 12] = [
    "$argon2",
    "$2a$",
    "$2b$",
    "$2y$",
    "$bcrypt-sha256$",
    "$pbkdf2",
    "$scrypt$",
    "pbkdf2",
    "scrypt",
    "argon2$",
    "bcrypt$",
    "bcrypt_sha256$",
];

/// A list of users as AUTH_USERS has it: names and hashes.
///
/// # Errors
/// Why it is none, without a word of it.
pub fn auth_users(text: &Secret) -> Result<Vec<(String, Secret)>, &'static str> {
    user_list(text.expose())
}

/// The hashes of argon2 hold commas: a piece without a colon belongs to the one before it.
fn user_list(text: &str) -> Result<Vec<(String, Secret)>, &'static str> {
    let mut pieces: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        for (n, piece) in line.split(',').enumerate() {
            match pieces.last_mut() {
                Some(last) if n > 0 && !piece.contains(':') => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.trim().to_owned()),
            }
        }
    }
    let mut users: Vec<(String, Secret)> = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let (name, hash) = piece.split_once(':').ok_or("an entry has no colon between name and hash")?;
        if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("an entry has no name, or one with blanks in it");
        }
        if !HASHES.iter().any(|start| hash.starts_with(start)) {
            return Err("an entry holds something else than a password hash, perhaps the password itself");
        }
        if users.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err("a name stands in it twice");
        }
        users.push((name.to_owned(), Secret::new(hash)));
    }
    Ok(users)
}

impl Kind for UserList {
    const SECRET: bool = true;
    const EXAMPLE: &'static str = "env:AUTH_USERS";

    fn takes() -> String {
        SECRET.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let text = Secret::read(raw, context)?;
        user_list(text.expose()).map(Self).map_err(|why| {
            let help = "write name:hash pairs set apart by commas; hashes of argon2, bcrypt, PBKDF2 and scrypt are known";
            vec![Wrong::malformed(format!("the list of users does not read: {why}"), help)]
        })
    }

    fn nothing() -> Self {
        Self(Vec::new())
    }

    fn schema() -> Value {
        Secret::schema()
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn names(text: &str) -> Result<Vec<String>, &'static str> {
        user_list(text).map(|users| users.into_iter().map(|(name, _)| name).collect())
    }

    // proves: ID-5
    #[test]
    fn users_come_as_hashes_and_never_as_passwords() {
        let argon = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";
        assert_eq!(names(&format!("ada:{argon},bob:$2b$12$abc")), Ok(vec!["ada".into(), "bob".into()]));
        assert_eq!(user_list(&format!("ada:{argon},bob:$2b$12$abc")).unwrap()[0].1.expose(), argon);
        assert_eq!(
            names("ada:pbkdf2:sha256:1$s$h\nbob:scrypt:32768:8:1$s$h"),
            Ok(vec!["ada".into(), "bob".into()])
        );
        for bad in ["ada:hunter2", "ada", ":$2b$", "ada:$2b$12$a,ADA:$2b$12$b", "a b:$2b$12$x"] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }
}
