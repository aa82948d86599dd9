//! `[identify.guests]`: visitors with a token and without a password (ID-14).

use std::time::Duration;

use super::read_roles;
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::authorize::{RoleSet, Roles};

const OPEN: Setting<bool> = Setting::new(
    "identify.guests.open",
    "false",
    "Whether anybody gets a user token at /register, without a name or a password.",
);
const ROLES: Setting<Vec<String>> =
    Setting::optional("identify.guests.roles", "The roles of somebody with a user token.")
        .else_by("`guest`, if there is such a role")
        .such_as("user");
const LIFE: Setting<Duration> =
    Setting::new("identify.guests.life", "365d", "How long a user token counts.").between("1h", "3650d");
const FIELD: Setting<String> = Setting::optional(
    "identify.guests.field",
    "The form field that may carry a user token, beside the header X-User-Token.",
)
.such_as("user_token");
const QUERY: Setting<Vec<String>> = Setting::new(
    "identify.guests.dangerous_query",
    "",
    "Query parameters that may carry a user token, as in /vault?user_token=... It is exchanged at once for a cookie and a clean address; yet it was in the address bar.",
)
.such_as("user_token");
const PAGE: Setting<String> = Setting::new(
    "identify.guests.page",
    "/account",
    "Where the link leads that a visitor gets with a user token: /vault for applications of Semptify's kind.",
);
const IMPORTED: Setting<bool> = Setting::new(
    "identify.guests.imported",
    "false",
    "Whether user tokens that another system made and that were imported count.",
);

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.guests",
    doc: "Visitors with a user token, `pal_usr_...`, and no password.",
    settings: &[&OPEN, &ROLES, &LIFE, &FIELD, &QUERY, &PAGE, &IMPORTED],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>, roles: &Roles) -> Guests {
    let table = reader.open(parent, "guests", "identify.guests");
    Guests {
        open: reader.read(&table, &OPEN),
        roles: read_roles(reader, &table, &ROLES, "guest", roles),
        life: reader.read(&table, &LIFE),
        field: reader.read_if_said(&table, &FIELD),
        query: reader.read(&table, &QUERY),
        page: super::read_path(reader, &table, &PAGE),
        imported: reader.read(&table, &IMPORTED),
    }
}

/// Visitors with a user token (ID-14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guests {
    /// Whether anybody gets a token.
    pub open: bool,
    /// What its bearer may do.
    pub roles: RoleSet,
    /// How long it counts.
    pub life: Duration,
    /// The form field that may carry one.
    pub field: Option<String>,
    /// Query parameters that may carry one.
    pub query: Vec<String>,
    /// Where a visitor's link leads: a path of this site.
    pub page: String,
    /// Whether tokens of another form, imported as digests, count.
    pub imported: bool,
}
