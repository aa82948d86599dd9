//! `[authorize]`: roles, and who may.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, span_of, wrong_type};
use crate::read::{Places, Reader, Scope, Setting, Shape, Table};
use crate::suggest::nearest;

const ROLE: Setting<RoleRule> = Setting::optional(
    "authorize.roles.NAME",
    "A role, and the roles that whoever has it has too: `admin = { includes = [\"manager\"] }`.",
)
.such_as("manager");

pub(crate) const SCOPES: &[Scope] = &[
    Scope {
        path: "authorize",
        doc: "What people may do.",
        settings: &[],
        tables: &["roles"],
        shape: Shape::Once,
    },
    Scope {
        path: "authorize.roles",
        doc: "Roles by name, at most 64. Nobody has a role that is not here.",
        settings: &[&ROLE],
        tables: &[],
        shape: Shape::Names,
    },
];

/// Words of `allow` that cannot be roles.
const KEYWORDS: [&str; 4] = ["public", "signed-in", "nobody", "off"];

/// What one role includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RoleRule {
    includes: Vec<String>,
}

impl Kind for RoleRule {
    const EXAMPLE: &'static str = "user";

    fn takes() -> String {
        "a table such as { includes = [\"user\"] }, or {}".into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let value = match raw {
            Raw::Text(_) => return Ok(Self { includes: Vec::<String>::read(raw, context)? }),
            Raw::Toml(value) => value,
        };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(vec![wrong_type(value.get_ref().type_str(), &Self::takes())]);
        };
        let mut rule = Self::default();
        let mut wrongs = Vec::new();
        for (key, value) in table {
            if key.get_ref() == "includes" {
                rule.includes = Vec::<String>::read(Raw::Toml(value), context)?;
            } else {
                let wrong = Wrong::malformed(
                    format!("there is no key `{}` in a role", key.get_ref()),
                    "write { includes = [...] }, or {}",
                );
                wrongs.push(wrong.code(Code::UnknownKey).at(Some(key.span())));
            }
        }
        if wrongs.is_empty() { Ok(rule) } else { Err(wrongs) }
    }

    fn nothing() -> Self {
        Self::default()
    }

    fn schema() -> Value {
        let includes = Vec::<String>::schema();
        json!({"type": "object", "properties": {"includes": includes}, "additionalProperties": false})
    }

    fn written(text: &str) -> String {
        format!("{{ includes = {} }}", Vec::<String>::written(text))
    }
}

/// The roles of the policy; `admin` over `manager` over `user` when it names none.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Table<'_>) -> Roles {
    let table = reader.open(root, "authorize", "authorize");
    let table = reader.open(&table, "roles", "authorize.roles");
    let mut rules = reader.read_names(&table, &ROLE);
    if rules.is_empty() {
        let rule = |includes: &[&str]| RoleRule {
            includes: includes.iter().map(|name| (*name).to_owned()).collect(),
        };
        rules = vec![
            ("admin".into(), rule(&["manager"])),
            ("manager".into(), rule(&["user"])),
            ("user".into(), rule(&[])),
        ];
    }
    check_names(reader, &rules);
    let index = |name: &str| rules.iter().position(|(known, _)| known == name);
    let mut rows = Vec::new();
    for (name, rule) in &rules {
        let mut includes = Vec::new();
        for included in &rule.includes {
            match index(included) {
                Some(index) => includes.push(index),
                None => {
                    let place = reader.places.of(&format!("authorize.roles.{name}"));
                    reader.note(unknown_role(included, place, rules.iter().map(|(name, _)| name.as_str())));
                }
            }
        }
        rows.push((name.clone(), includes));
    }
    check_cycles(reader, &rows);
    Roles::new(rows)
}

fn check_names(reader: &mut Reader<'_>, rules: &[(String, RoleRule)]) {
    for (name, _) in rules {
        if KEYWORDS.contains(&name.as_str()) {
            let place = reader.places.of(&format!("authorize.roles.{name}"));
            let message = format!("no role can be named `{name}`");
            let diagnostic = Diagnostic::error(Code::RoleTable, place, message)
                .reason(format!("allow = \"{name}\" means something else already"))
                .help("choose another name");
            reader.note(diagnostic);
        }
    }
    if let Some((name, _)) = rules.get(64) {
        let place = reader.places.of(&format!("authorize.roles.{name}"));
        let diagnostic =
            Diagnostic::error(Code::RoleTable, place, format!("{} roles are too many", rules.len()))
                .help("keep to 64 roles; many fine-grained rights are better kept in the application");
        reader.note(diagnostic);
    }
}

/// Two roles that include each other are one role with two names: surely not what was meant.
fn check_cycles(reader: &mut Reader<'_>, rows: &[(String, Vec<usize>)]) {
    for (start, (name, _)) in rows.iter().enumerate() {
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = rows.get(start).map(|(_, includes)| includes.clone()).unwrap_or_default();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(rows.get(next).into_iter().flat_map(|(_, includes)| includes.iter().copied()));
            }
        }
        if seen.contains(&start) {
            let place = reader.places.of(&format!("authorize.roles.{name}"));
            let diagnostic =
                Diagnostic::error(Code::RoleTable, place, format!("role `{name}` includes itself"))
                    .help("take the role out of what it includes, directly or through another");
            reader.note(diagnostic);
            return;
        }
    }
}

fn unknown_role<'a>(name: &str, place: Place, known: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    let help = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.collect();
            format!("define it in [authorize.roles], or use one of: {}", known.join(", "))
        }
    };
    Diagnostic::error(Code::UnknownName, place, format!("there is no role `{name}`")).help(help)
}

/// `allow` as written: names for reading and names for writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allow {
    read: Vec<String>,
    write: Vec<String>,
}

const ALLOW: &str =
    "\"public\", \"signed-in\", \"nobody\", a role, a list of roles, or { read = ..., write = ... }";

impl Kind for Allow {
    const EXAMPLE: &'static str = "signed-in";

    fn takes() -> String {
        ALLOW.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        if let Raw::Toml(value) = raw
            && let DeValue::Table(table) = value.get_ref()
        {
            let (mut allow, mut wrongs) = (Self::default(), Vec::new());
            for (key, value) in table {
                match (key.get_ref().as_ref(), names(Raw::Toml(value), context)) {
                    ("read", Ok(names)) => allow.read = names,
                    ("write", Ok(names)) => allow.write = names,
                    ("read" | "write", Err(found)) => wrongs.extend(found),
                    (other, _) => {
                        let wrong = Wrong::malformed(
                            format!("there is no key `{other}` in allow"),
                            "write { read = \"user\", write = \"manager\" }",
                        );
                        wrongs.push(wrong.code(Code::UnknownKey).at(Some(key.span())));
                    }
                }
            }
            return if wrongs.is_empty() { Ok(allow) } else { Err(wrongs) };
        }
        let names = names(raw, context)?;
        Ok(Self { read: names.clone(), write: names })
    }

    fn nothing() -> Self {
        Self::default()
    }

    fn schema() -> Value {
        let names = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
        json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "properties": {"read": names, "write": names}, "additionalProperties": false},
        ]})
    }
}

fn names(raw: Raw<'_>, context: &Context<'_>) -> Read<Vec<String>> {
    match raw {
        Raw::Toml(value) if value.get_ref().is_str() => Ok(vec![String::read(raw, context)?]),
        Raw::Toml(value) if !value.get_ref().is_array() => {
            Err(vec![wrong_type(value.get_ref().type_str(), ALLOW).at(span_of(raw))])
        }
        _ => Vec::<String>::read(raw, context),
    }
}

impl Allow {
    /// Names to roles; unknown ones are noted at the place of `path`.
    pub(crate) fn resolve(
        &self,
        roles: &Roles,
        path: &str,
        places: &Places,
        found: &mut Vec<Diagnostic>,
    ) -> Access {
        let place = places.of(path);
        let read = resolve(&self.read, roles, &place, found);
        // The same names are looked at once, so that a mistake in them is told once.
        let write = if self.read == self.write { read } else { resolve(&self.write, roles, &place, found) };
        Access { read, write }
    }
}

fn resolve(names: &[String], roles: &Roles, place: &Place, found: &mut Vec<Diagnostic>) -> Who {
    match names {
        [] => return Who::Nobody,
        [one] => match one.as_str() {
            "public" => return Who::Public,
            "signed-in" => return Who::SignedIn,
            "nobody" => return Who::Nobody,
            _ => {}
        },
        _ => {}
    }
    let mut set = RoleSet::EMPTY;
    for name in names {
        if KEYWORDS.contains(&name.as_str()) {
            let diagnostic = Diagnostic::error(
                Code::Contradiction,
                place.clone(),
                format!("`{name}` stands in a list with roles"),
            )
            .help(format!("write \"{name}\" alone, or roles alone"));
            found.push(diagnostic);
        } else if let Some(index) = roles.index(name) {
            set = set.with(RoleSet::of(index));
        } else {
            found.push(roles.unknown(name, place.clone()));
        }
    }
    if set.is_empty() { Who::Nobody } else { Who::Roles(set) }
}

/// A set of roles: at most 64, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RoleSet(u64);

impl RoleSet {
    /// No role.
    pub const EMPTY: Self = Self(0);

    /// The set with the role of that index alone; empty beyond the 64th.
    #[must_use]
    pub const fn of(index: usize) -> Self {
        if index < 64 { Self(1 << index) } else { Self(0) }
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a role.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the role of that index is in it.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        self.meets(Self::of(index))
    }
}

/// All roles of the policy and what each includes (ACC-1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Name of each role, by index.
    names: Vec<String>,
    /// Of each role: itself and all that it includes, however deep.
    closure: Vec<RoleSet>,
}

impl Roles {
    /// From names and what each includes directly. The caller has checked that there are at most 64
    /// and no cycles.
    #[must_use]
    pub fn new(roles: Vec<(String, Vec<usize>)>) -> Self {
        let mut closure: Vec<RoleSet> = (0..roles.len()).map(RoleSet::of).collect();
        for _ in 0..roles.len() {
            let before = closure.clone();
            for (set, (_, includes)) in closure.iter_mut().zip(&roles) {
                for included in includes {
                    *set = set.with(before.get(*included).copied().unwrap_or_default());
                }
            }
        }
        Self { names: roles.into_iter().map(|(name, _)| name).collect(), closure }
    }

    /// The index of the role of that name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// A role with all that it includes; empty for an unknown name: a role that the policy dropped gives nothing.
    #[must_use]
    pub fn expand(&self, name: &str) -> RoleSet {
        self.index(name).and_then(|index| self.closure.get(index)).copied().unwrap_or_default()
    }

    /// Several roles with all that they include.
    #[must_use]
    pub fn expand_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> RoleSet {
        names.into_iter().fold(RoleSet::EMPTY, |set, name| set.with(self.expand(name)))
    }

    /// The names in a set, in the order of the policy.
    pub fn names_of(&self, set: RoleSet) -> impl Iterator<Item = &str> {
        self.names.iter().enumerate().filter(move |(i, _)| set.has(*i)).map(|(_, name)| name.as_str())
    }

    /// The role of administrators, by which the administrators' routes and their limit (LIMIT-6), breakglass and the
    /// first administrator go: the one that includes more than any other; of equals, the one that is named `admin`.
    /// `None` where neither tells: nobody is an administrator by the order of lines.
    #[must_use]
    pub fn administrator(&self) -> Option<&str> {
        let reach = |set: &RoleSet| set.0.count_ones();
        let most = self.closure.iter().map(reach).max()?;
        let mut highest = self.names.iter().zip(&self.closure).filter(|(_, set)| reach(set) == most);
        let (name, others) = (highest.next().map(|(name, _)| name.as_str()), highest.next().is_some());
        if others {
            return self
                .index("admin")
                .filter(|admin| self.closure.get(*admin).map(reach) == Some(most))
                .map(|_| "admin");
        }
        name
    }

    /// The same as a set; empty where there is none.
    #[must_use]
    pub fn administrators(&self) -> RoleSet {
        self.administrator().and_then(|name| self.index(name)).map_or(RoleSet::EMPTY, RoleSet::of)
    }

    /// Whether that is administrators and nobody else.
    #[must_use]
    pub fn administer(&self, who: Who) -> bool {
        matches!(who, Who::Roles(set) if set == self.administrators())
    }

    /// What to say of a role that is not defined.
    pub(crate) fn unknown(&self, name: &str, place: Place) -> Diagnostic {
        unknown_role(name, place, self.names.iter().map(String::as_str))
    }

    /// Every role's name, in the order of the policy.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, signed in or not: said on purpose.
    Public,
    /// Anybody who is signed in.
    SignedIn,
    /// Whoever has one of these roles, directly or by inclusion.
    Roles(RoleSet),
    /// Nobody: what a route means that names nobody (ACC-1).
    Nobody,
}

/// `allow`, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// For GET, HEAD and OPTIONS.
    pub read: Who,
    /// For every other method.
    pub write: Who,
}
