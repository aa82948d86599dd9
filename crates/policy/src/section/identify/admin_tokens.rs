//! `[identify.admin_tokens]`: what administrators of Semptify's kind show instead of signing in (ID-12).

use palisade_model::Secret;

use crate::read::{Reader, Scope, Setting, Shape, Table};

const LEGACY: Setting<Secret> = Setting::optional(
    "identify.admin_tokens.legacy",
    "One shared token from the environment that counts as an administrator's: for moving over from ADMIN_TOKEN. 32 characters at the least in production.",
)
.such_as("env:ADMIN_TOKEN");
const LEGACY_USER: Setting<String> = Setting::new(
    "identify.admin_tokens.legacy_user",
    "admin",
    "As which user the shared token acts, with that user's roles.",
);
const IMPORTED: Setting<bool> = Setting::new(
    "identify.admin_tokens.imported",
    "false",
    "Whether X-Admin-Token also takes tokens that another system made and that were imported.",
);
const QUERY: Setting<Vec<String>> = Setting::new(
    "identify.admin_tokens.dangerous_query",
    "",
    "Query parameters that may carry an administrator's or a breakglass token. It is exchanged at once for a cookie and a clean address; yet it was in the address bar.",
)
.such_as("admin_token");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.admin_tokens",
    doc: "Administrators' tokens: `pal_adm_...` in X-Admin-Token or as bearer token.",
    settings: &[&LEGACY, &LEGACY_USER, &IMPORTED, &QUERY],
    tables: &[],
    shape: Shape::Once,
}];

pub(super) fn read(reader: &mut Reader<'_>, parent: &Table<'_>) -> AdminTokens {
    let table = reader.open(parent, "admin_tokens", "identify.admin_tokens");
    AdminTokens {
        legacy: reader.read_if_said(&table, &LEGACY),
        legacy_user: reader.read(&table, &LEGACY_USER),
        imported: reader.read(&table, &IMPORTED),
        query: reader.read(&table, &QUERY),
    }
}

/// Administrators' tokens (ID-12).
#[derive(Clone, Debug)]
pub struct AdminTokens {
    /// ADMIN_TOKEN, where the policy takes it.
    pub legacy: Option<Secret>,
    /// As whom it acts.
    pub legacy_user: String,
    /// Whether tokens of another form, imported as digests, count.
    pub imported: bool,
    /// Query parameters that may carry one.
    pub query: Vec<String>,
}
