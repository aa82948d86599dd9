//! What is written about the policy file: all of it made from the settings themselves.

use serde_json::{Map, Value, json};

use crate::diagnostic::Code;
use crate::read::setting::Form;
use crate::read::{AnySetting, Scope, Shape};
use crate::section::scopes;

/// docs/policy.md: every table and key, with kind, default, bounds and variables; then every code.
#[must_use]
pub fn policy_markdown() -> String {
    let mut text = String::from(HEAD);
    for scope in scopes() {
        text.push_str(&format!("\n## `{}`\n\n{}\n", scope.header(), scope.doc));
        if scope.settings.is_empty() {
            continue;
        }
        text.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
        for setting in scope.settings {
            text.push_str(&row(scope, *setting));
        }
    }
    text.push_str(&variables());
    text.push_str(&codes());
    text
}

const HEAD: &str = "<!-- Made by `cargo xtask reference` from crates/policy/src/section. Change the settings there. -->

# palisade.toml

One file holds the whole policy. `palisade check` tells every mistake in it with line, reason and remedy;
unknown keys are mistakes. Nothing has to be written that has a default.

- Times are written `15m`, `24h`, `1m30s`; sizes `10MiB`; rates `5/minute`, `200/day`, `5 per 15 minutes`.
- Secrets are never written into the file: `env:NAME` takes the variable NAME, or the content of the file that
  the variable NAME_FILE names (both set is a mistake); `file:/path` takes the content of that file.
- An environment variable PALISADE_SECTION__KEY overrides a key: `PALISADE_EDGE__LISTEN` is `edge.listen`.
  Some keys are overridden by names that applications already use; they are listed at the end.
- With `environment = \"production\"` in `[app]`, settings that are only fit for a developer's machine are mistakes.
";

fn row(scope: &Scope, setting: &dyn AnySetting) -> String {
    let key = setting.key();
    let takes = match setting.bounds() {
        Some((least, most)) => format!("{}, from {least} to {most}", setting.takes()),
        None => setting.takes(),
    };
    let default = match (setting.default(), setting.default_in_words()) {
        (Some(default), _) => format!("`{default}`"),
        (None, Some(words)) => words.to_owned(),
        (None, None) if is_required(scope, setting) => "has to be given".to_owned(),
        (None, None) => "none".to_owned(),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{key}` | {} | {} | {} |\n", cell(&takes), cell(&default), cell(setting.doc()))
}

/// The few keys without which their table means nothing.
fn is_required(scope: &Scope, setting: &dyn AnySetting) -> bool {
    const REQUIRED: [(&str, &str); 5] = [
        ("route", "path"),
        ("route", "to"),
        ("upstream.NAME", "url"),
        ("route.deprecated", "since"),
        ("identify.oidc.NAME", "client_id"),
    ];
    REQUIRED.contains(&(scope.path, setting.key()))
}

fn variables() -> String {
    let mut text = String::from(
        "\n## Environment variables with names of their own\n\n| variable | overrides | reads as |\n|---|---|---|\n",
    );
    for setting in scopes().flat_map(|scope| scope.settings) {
        for variable in setting.variables() {
            let form = match variable.form {
                Form::Plain if setting.is_secret() => {
                    "the secret itself; or the variable with `_FILE` at its end: a file"
                }
                Form::Plain => "the key itself; items of a list set apart by commas",
                Form::Minutes => "a whole number of minutes",
                Form::Seconds => "a whole number of seconds",
                Form::PerMinute => "a whole number of requests in a minute",
            };
            text.push_str(&format!("| {} | `{}` | {form} |\n", variable.name, setting.path()));
        }
    }
    text
}

fn codes() -> String {
    let mut text = String::from("\n## What `palisade check` can say\n\n| code | meaning |\n|---|---|\n");
    for code in Code::ALL {
        text.push_str(&format!("| {} | {} |\n", code.name(), code.meaning()));
    }
    text
}

/// palisade.example.toml: a small policy that works, and every other key behind a `#`.
#[must_use]
pub fn example_toml() -> String {
    let mut text = String::from(EXAMPLE_HEAD);
    for scope in scopes() {
        if scope.settings.is_empty() || scope.path == "shield.limits" || scope.path == "authorize.roles" {
            text.push_str(&named_example(scope));
            continue;
        }
        let is_live = matches!(scope.path, "upstream.NAME" | "route");
        let header = match scope.path {
            "upstream.NAME" => "[upstream.app]".to_owned(),
            "route.deprecated" => "#[route.deprecated]".to_owned(),
            "identify.oidc.NAME" => "#[identify.oidc.google]".to_owned(),
            "identify.oidc.NAME.roles" => "#[identify.oidc.google.roles]".to_owned(),
            _ => scope.header(),
        };
        text.push_str(&format!("\n# {}\n{header}\n", scope.doc));
        for setting in scope.settings {
            let value =
                if setting.path() == "route.allow" { "\"signed-in\"".to_owned() } else { setting.example() };
            let line = format!("{} = {value}", setting.key());
            let live = is_live && LIVE.contains(&setting.path());
            text.push_str(&wrapped(setting.doc()));
            text.push_str(&if live { format!("{line}\n") } else { format!("#{line}\n") });
        }
    }
    text
}

/// What the example needs to do something.
const LIVE: [&str; 4] = ["upstream.NAME.url", "route.path", "route.to", "route.allow"];

const EXAMPLE_HEAD: &str = "# An example of palisade.toml: a policy that works as it stands, for an application on port 5000 of this machine.
# Every other key stands behind a `#`, without a blank, with its default or with something to write there. docs/policy.md tells more.
";

/// Tables whose keys are names read best as they would be written.
fn named_example(scope: &Scope) -> String {
    let doc = scope.doc;
    match scope.path {
        "shield.limits" => format!(
            "\n# {doc}\n[shield.limits]\n#default = \"600/minute\"             # routes that name no limit\n\
             #login = \"5/minute\"                 # both ways to sign in\n\
             #reports = [\"200/day\", \"50/hour\"]   # all must have room\n\
             #export = {{ limit = \"10/hour\", by = \"user\" }}\n"
        ),
        "authorize.roles" => format!(
            "\n# {doc}\n[authorize.roles]\nadmin = {{ includes = [\"manager\"] }}\nmanager = {{ includes = [\"user\"] }}\nuser = {{}}\n"
        ),
        _ => String::new(),
    }
}

/// A comment, broken into lines of a hundred characters.
fn wrapped(doc: &str) -> String {
    let (mut text, mut line) = (String::new(), String::from("#"));
    for word in doc.split_whitespace() {
        if line.len() + 1 + word.len() > 100 {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text + &line + "\n"
}

/// docs/policy.schema.json: for editors. `palisade check` knows more than a schema can say.
#[must_use]
pub fn json_schema() -> Value {
    let mut root = Map::new();
    for scope in scopes().filter(|scope| !scope.path.contains('.') || scope.path == "upstream.NAME") {
        let (name, schema) = match scope.shape {
            Shape::Listed => (scope.path, json!({"type": "array", "items": table(scope)})),
            Shape::Named => ("upstream", names(&table(scope))),
            _ => (scope.path, table(scope)),
        };
        root.insert(name.to_owned(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "palisade.toml",
        "description": "The policy of Palisade. Made by `cargo xtask reference`.",
        "type": "object",
        "properties": root,
        "additionalProperties": false,
    })
}

const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";

fn names(each: &Value) -> Value {
    json!({"type": "object", "patternProperties": {NAME: each}, "additionalProperties": false})
}

/// One table with its keys and the tables within it.
fn table(scope: &Scope) -> Value {
    if scope.shape == Shape::Names {
        return names(&scope.settings.first().map_or(Value::Bool(true), |setting| setting.schema()));
    }
    let mut properties: Map<String, Value> =
        scope.settings.iter().map(|setting| (setting.key().to_owned(), setting.schema())).collect();
    for name in scope.tables {
        let path = format!("{}.{name}", scope.path);
        if let Some(each) = scopes().find(|inner| inner.path == format!("{path}.NAME")) {
            properties.insert((*name).to_owned(), names(&table(each)));
            continue;
        }
        // A route's `cors` has the keys of the common one.
        let inner = scopes()
            .find(|inner| inner.path == path)
            .or_else(|| scopes().find(|inner| inner.path == "shield.cors"));
        if let Some(inner) = inner {
            properties.insert((*name).to_owned(), table(inner));
        }
    }
    let required: Vec<&str> = scope
        .settings
        .iter()
        .filter(|setting| is_required(scope, **setting))
        .map(|setting| setting.key())
        .collect();
    json!({
        "type": "object",
        "description": scope.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
