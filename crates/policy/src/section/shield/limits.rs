//! `[shield.limits]`: how many requests in which time (LIMIT-1).

use serde_json::{Value, json};
use toml::de::DeValue;

use super::{Limit, LimitBy, Window};
use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, span_of, text_of, wrong_type};
use crate::read::setting::{Form, Variable};
use crate::read::{Reader, Scope, Setting, Shape, Table};

const LIMIT: Setting<LimitRule> = Setting::optional(
    "shield.limits.NAME",
    "A limit: a rate, a list of rates that all must have room, or { limit = ..., by = ... } where `by` is \
     address, user, tenant, token or field:NAME.",
)
.such_as("5/minute");

/// The limit of routes that name none.
const DEFAULT: Setting<LimitRule> = Setting::new(
    "shield.limits.default",
    "600/minute",
    "What counts on routes that name no limit of their own, by address. So do addresses without a route.",
)
.or_from(&[Variable { name: "RATE_LIMIT_PER_MINUTE", form: Form::PerMinute }]);

/// The limit of both ways to sign in.
const LOGIN: Setting<LimitRule> =
    Setting::new("shield.limits.login", "5/minute", "What counts on attempts to sign in, by address.");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "shield.limits",
    doc: "How many requests in which time. Over a limit the answer is 429 with Retry-After.",
    settings: &[&LIMIT, &DEFAULT, &LOGIN],
    tables: &[],
    shape: Shape::Names,
}];

/// The name of the limit of routes that name none.
pub const DEFAULT_NAME: &str = "default";
/// The name of the limit of both ways to sign in.
pub(crate) const LOGIN_NAME: &str = "login";

/// The name of the limit of what is for administrators alone (LIMIT-6).
pub const ADMIN_NAME: &str = "admin";

/// One limit as written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LimitRule {
    windows: Vec<Window>,
    by: LimitBy,
}

const RULE: &str = "a rate such as \"5/minute\", a list of rates, or { limit = \"5/minute\", by = \"user\" }";

impl Kind for LimitRule {
    const EXAMPLE: &'static str = "5/minute";

    fn takes() -> String {
        RULE.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let Raw::Toml(value) = raw else { return windows(raw, context).map(by_address) };
        let DeValue::Table(table) = value.get_ref() else { return windows(raw, context).map(by_address) };
        let (mut rates, mut by, mut wrongs) = (None, LimitBy::Address, Vec::new());
        for (key, value) in table {
            let item = Raw::Toml(value);
            let read = match key.get_ref().as_ref() {
                "limit" => windows(item, context).map(|windows| rates = Some(windows)),
                "by" => LimitBy::read(item, context).map(|given| by = given),
                other => {
                    let wrong = Wrong::malformed(
                        format!("there is no key `{other}` in a limit"),
                        "known here: `limit`, `by`",
                    );
                    Err(vec![wrong.code(Code::UnknownKey).at(Some(key.span()))])
                }
            };
            wrongs.extend(read.err().into_iter().flatten().map(|wrong| wrong.at(span_of(item))));
        }
        match rates {
            Some(windows) if wrongs.is_empty() => Ok(Self { windows, by }),
            None if wrongs.is_empty() => Err(vec![
                Wrong::malformed(
                    "the limit says not how many",
                    "write { limit = \"5/minute\", by = \"user\" }",
                )
                .code(Code::Missing),
            ]),
            _ => Err(wrongs),
        }
    }

    fn nothing() -> Self {
        by_address(Vec::new())
    }

    fn schema() -> Value {
        let rate = Window::schema();
        let rates = json!({"anyOf": [rate, {"type": "array", "items": Window::schema(), "minItems": 1}]});
        json!({"anyOf": [
            rates,
            {"type": "object", "properties": {"limit": rates, "by": LimitBy::schema()}, "required": ["limit"], "additionalProperties": false},
        ]})
    }
}

fn by_address(windows: Vec<Window>) -> LimitRule {
    LimitRule { windows, by: LimitBy::Address }
}

/// One rate or several; never none, which would be a limit that never refuses.
fn windows(raw: Raw<'_>, context: &Context<'_>) -> Read<Vec<Window>> {
    let windows = match raw {
        Raw::Toml(value) if value.get_ref().is_str() => vec![Window::read(raw, context)?],
        Raw::Toml(value) if !value.get_ref().is_array() => {
            return Err(vec![wrong_type(value.get_ref().type_str(), RULE)]);
        }
        _ => Vec::<Window>::read(raw, context)?,
    };
    if windows.is_empty() {
        return Err(vec![Wrong::malformed(
            "a limit without a rate",
            "write at least one rate: \"5/minute\"",
        )]);
    }
    Ok(windows)
}

const BY: &str = "\"address\", \"user\", \"tenant\", \"token\" or \"field:NAME\"";

impl Kind for LimitBy {
    const EXAMPLE: &'static str = "address";

    fn takes() -> String {
        BY.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, BY)?;
        let field = || {
            text.strip_prefix("field:").filter(|name| !name.is_empty() && !name.contains(char::is_control))
        };
        Ok(match text {
            "address" => Self::Address,
            "user" => Self::User,
            "tenant" => Self::Tenant,
            "token" => Self::Token,
            _ => match field() {
                Some(name) => Self::Field(name.to_owned()),
                None => {
                    return Err(vec![Wrong::malformed(
                        format!("`{text}` is nothing to count by"),
                        format!("write {BY}"),
                    )]);
                }
            },
        })
    }

    fn nothing() -> Self {
        Self::Address
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(address|user|tenant|token|field:.+)$"})
    }
}

impl LimitBy {
    /// As a policy has it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Address => "address".into(),
            Self::User => "user".into(),
            Self::Tenant => "tenant".into(),
            Self::Token => "token".into(),
            Self::Field(name) => format!("field:{name}"),
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>, shield: &Table<'_>, admin: Window) -> Vec<Limit> {
    let table = reader.open(shield, "limits", "shield.limits");
    let mut limits = vec![
        named(DEFAULT_NAME, reader.read(&table, &DEFAULT)),
        named(LOGIN_NAME, reader.read(&table, &LOGIN)),
        named(ADMIN_NAME, by_address(vec![admin])),
    ];
    for (name, rule) in reader.read_names(&table, &LIMIT) {
        if name == ADMIN_NAME {
            let place = reader.places.of("shield.limits.admin");
            reader.note(
                Diagnostic::error(Code::Malformed, place, "the limit `admin` is Palisade's own")
                    .help("set shield.admin_requests and shield.admin_window, or choose another name"),
            );
        } else if name != DEFAULT_NAME && name != LOGIN_NAME {
            limits.push(named(&name, rule));
        }
    }
    limits
}

fn named(name: &str, rule: LimitRule) -> Limit {
    Limit { name: name.to_owned(), windows: rule.windows, by: rule.by }
}
