//! `[identify.second_factor]`: who needs one, and how recent a proof has to be (ID-17).

use std::time::Duration;

use palisade_model::TenantId;

use crate::diagnostic::{Code, Diagnostic};
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::authorize::{RoleSet, Roles};

/// The word of `allow` that means everybody who has an account; no role can be named so.
const EVERYBODY: &str = "signed-in";

const REQUIRED_FOR: Setting<Vec<String>> = Setting::new(
    "identify.second_factor.required_for",
    "",
    "Roles that need a second factor, or \"signed-in\" for everybody. Who has none yet can only set one up.",
)
.such_as("admin");
const REQUIRED_FOR_TENANTS: Setting<Vec<String>> = Setting::new(
    "identify.second_factor.required_for_tenants",
    "",
    "Tenants whose users need a second factor, whatever their roles.",
)
.such_as("acme");
const FRESH: Setting<Duration> = Setting::new(
    "identify.second_factor.fresh",
    "10m",
    "How long ago a proof may be for what is sensitive; after it people confirm that it is them.",
)
.between("1m", "24h");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.second_factor",
    doc: "Second factors, and proof anew for what is sensitive.",
    settings: &[&REQUIRED_FOR, &REQUIRED_FOR_TENANTS, &FRESH],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>, roles: &Roles) -> SecondFactor {
    let table = reader.open(parent, "second_factor", "identify.second_factor");
    let names = reader.read(&table, &REQUIRED_FOR);
    let mut required = SecondFactor {
        everybody: false,
        required_for: RoleSet::EMPTY,
        tenants: read_tenants(reader, &table),
        fresh: reader.read(&table, &FRESH),
    };
    for (n, name) in names.iter().enumerate() {
        match roles.index(name) {
            _ if name == EVERYBODY => required.everybody = true,
            Some(index) => required.required_for = required.required_for.with(RoleSet::of(index)),
            None => {
                let place = reader.places.item("identify.second_factor.required_for", n);
                reader.note(roles.unknown(name, place));
            }
        }
    }
    required
}

/// A tenant is no setting of the policy: only what cannot be the name of one is known to be wrong.
fn read_tenants(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<TenantId> {
    let names = reader.read(table, &REQUIRED_FOR_TENANTS);
    let mut tenants = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let place = reader.places.item("identify.second_factor.required_for_tenants", n);
        match TenantId::parse(name) {
            Some(tenant) if tenants.contains(&tenant) => reader.note(
                Diagnostic::warning(
                    Code::Contradiction,
                    place,
                    format!("the tenant `{tenant}` stands here twice"),
                )
                .help("leave one of them out"),
            ),
            Some(tenant) => tenants.push(tenant),
            None => reader.note(
                Diagnostic::error(Code::Malformed, place, format!("no tenant can be named `{name}`"))
                    .help("write the tenant as its users have it: letters, digits, `_` and `-`, at most 64"),
            ),
        }
    }
    tenants
}

/// Second factors, and proof anew (ID-17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Everybody needs one.
    pub everybody: bool,
    /// Whoever has one of these roles needs one.
    pub required_for: RoleSet,
    /// Whoever is of one of these tenants needs one.
    pub tenants: Vec<TenantId>,
    /// How long ago a proof may be for what is sensitive.
    pub fresh: Duration,
}

impl SecondFactor {
    /// Whether somebody with these roles, and all that they include, and of this tenant needs a second factor.
    #[must_use]
    pub fn required(&self, roles: RoleSet, tenant: Option<&TenantId>) -> bool {
        self.everybody
            || roles.meets(self.required_for)
            || tenant.is_some_and(|tenant| self.tenants.contains(tenant))
    }
}
