//! `[identify.oidc.NAME.roles]`: which of the provider's groups give which roles here (ID-6).

use serde_json::{Value, json};
use toml::de::DeValue;

use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, wrong_type};
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::authorize::{RoleSet, Roles};

const CLAIM: Setting<String> = Setting::new(
    "identify.oidc.NAME.roles.claim",
    "groups",
    "The claim that names somebody's groups there: a text, or a list of them.",
)
.between("1", "200");
const MAP: Setting<GroupMap> = Setting::optional(
    "identify.oidc.NAME.roles.map",
    "Which group gives which role, letter by letter: `map = { \"parts-admins\" = \"admin\" }`. Given and taken away at each \
     sign-in by this provider.",
)
.such_as("parts=user");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.oidc.NAME.roles",
    doc: "Roles that follow the provider's groups.",
    settings: &[&CLAIM, &MAP],
    tables: &[],
    shape: Shape::Once,
}];

/// Claims whose value people choose themselves, or that say nothing of groups.
const NO_GROUPS: [&str; 20] = [
    "sub",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
];

/// Groups, each with the name of a role, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GroupMap(Vec<(String, String)>);

const TAKES: &str = "a table such as { \"parts-admins\" = \"admin\" }";

impl Kind for GroupMap {
    const EXAMPLE: &'static str = "parts=user";

    fn takes() -> String {
        TAKES.into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let value = match raw {
            Raw::Text(text) => return from_text(text),
            Raw::Toml(value) => value,
        };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(vec![wrong_type(value.get_ref().type_str(), TAKES)]);
        };
        let (mut map, mut wrongs) = (Vec::new(), Vec::new());
        for (group, role) in table {
            match String::read(Raw::Toml(role), context) {
                Ok(role) => map.push((group.get_ref().to_string(), role)),
                Err(found) => wrongs.extend(found),
            }
        }
        if wrongs.is_empty() { Ok(Self(map)) } else { Err(wrongs) }
    }

    fn nothing() -> Self {
        Self::default()
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": {"type": "string"}})
    }

    fn written(text: &str) -> String {
        let pairs = from_text(text).map(|map| map.0).unwrap_or_default();
        let pairs: Vec<String> = pairs.iter().map(|(group, role)| format!("{group:?} = {role:?}")).collect();
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// `group=role` pairs, as an environment variable has them.
fn from_text(text: &str) -> Read<GroupMap> {
    let pair = |part: &str| {
        let (group, role) = part.rsplit_once('=')?;
        Some((group.trim().to_owned(), role.trim().to_owned()))
    };
    let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
    pairs.map(GroupMap).ok_or_else(|| {
        vec![Wrong::malformed("not a list of groups with their roles", "write parts-admins=admin,parts=user")]
    })
}

pub(super) fn read(reader: &mut Reader<'_>, provider: &Table<'_>, roles: &Roles) -> Option<OutsideRoles> {
    let table = reader.open(provider, "roles", "identify.oidc.NAME.roles");
    let claim = reader.read(&table, &CLAIM);
    let said = reader.read_if_said(&table, &MAP);
    if !table.is_there() && said.is_none() {
        return None;
    }
    let before = reader.found.len();
    if NO_GROUPS.contains(&claim.as_str()) {
        let place = reader.places.of(&table.at("claim"));
        reader.note(
            Diagnostic::error(Code::Contradiction, place, format!("the claim `{claim}` names no groups"))
                .help("write the claim in which the provider lists groups: claim = \"groups\""),
        );
    }
    let GroupMap(map) = said.unwrap_or_default();
    if map.is_empty() && reader.found.len() == before {
        reader.note(
            Diagnostic::error(Code::Missing, table.place(), "no group gives a role")
                .help("write map = { \"parts-admins\" = \"admin\" }, or take the table out"),
        );
    }
    let mut known = Vec::with_capacity(map.len());
    for (group, role) in map {
        match roles.index(&role) {
            Some(index) => known.push((group, RoleSet::of(index))),
            None => {
                let place = reader.places.of(&table.at("map"));
                reader.note(roles.unknown(&role, place));
            }
        }
    }
    Some(OutsideRoles { claim, map: known })
}

/// Which of a provider's groups give which roles, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideRoles {
    /// The claim that names groups.
    pub claim: String,
    /// Groups, letter by letter, with the role that each gives.
    pub map: Vec<(String, RoleSet)>,
}

impl OutsideRoles {
    /// What whoever is in these groups is given.
    pub fn given(&self, is_in: impl Fn(&str) -> bool) -> RoleSet {
        let theirs = self.map.iter().filter(|(group, _)| is_in(group));
        theirs.fold(RoleSet::EMPTY, |all, (_, role)| all.with(*role))
    }
}
