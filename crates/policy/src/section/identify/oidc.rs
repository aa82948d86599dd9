//! `[identify.oidc.NAME]`: sign-in at another site by OpenID Connect (ID-6, ID-7).

use std::path::PathBuf;

use palisade_model::Secret;
use serde_json::{Value, json};
use url::{Host, Url};

use super::outside::{self, OutsideRoles};
use crate::diagnostic::{Code, Diagnostic};
use crate::read::kind::{Context, Kind, Raw, Read, Wrong, text_of};
use crate::read::setting::Variable;
use crate::read::{Reader, Scope, Setting, Shape, Table};
use crate::section::authorize::{RoleSet, Roles};

/// The provider that needs neither an issuer nor a label.
const GOOGLE: &str = "google";

/// Google's issuer, as its discovery document has it.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";

const ISSUER: Setting<Issuer> = Setting::optional(
    "identify.oidc.NAME.issuer",
    "The provider's issuer, letter by letter as its discovery document has it.",
)
.else_by("https://accounts.google.com for the table named `google`");
const CLIENT_ID: Setting<String> = Setting::optional(
    "identify.oidc.NAME.client_id",
    "What the provider calls this site. The variable is read for the table named `google` alone.",
);
const GOOGLE_ID: Setting<String> = CLIENT_ID.or_from(&[Variable::plain("GOOGLE_CLIENT_ID")]);
const CLIENT_SECRET: Setting<Secret> = Setting::optional(
    "identify.oidc.NAME.client_secret",
    "What proves this site to the provider; none for a public client. The variable is read for `google` alone.",
)
.such_as("env:GOOGLE_CLIENT_SECRET");
const GOOGLE_SECRET: Setting<Secret> = CLIENT_SECRET.or_from(&[Variable::plain("GOOGLE_CLIENT_SECRET")]);
const LABEL: Setting<String> =
    Setting::optional("identify.oidc.NAME.label", "What people read: `Continue with LABEL`.")
        .else_by("the table's name with a capital")
        .between("1", "40")
        .such_as("Google");
const SCOPES_ASKED: Setting<Vec<String>> = Setting::new(
    "identify.oidc.NAME.scopes",
    "openid, email, profile",
    "What the provider is asked for; `openid` always goes along.",
);
const DEFAULT_ROLES: Setting<Vec<String>> = Setting::optional(
    "identify.oidc.NAME.default_roles",
    "The roles of somebody who comes from there for the first time.",
)
.else_by("those of `identify.sign_up.roles`")
.such_as("user");
const DOMAINS: Setting<Vec<String>> = Setting::new(
    "identify.oidc.NAME.domains",
    "",
    "Who may come: the domain of a verified address, and at Google the hosted domain too. Empty for anybody.",
)
.such_as("example.com");
const SIGN_UP: Setting<bool> = Setting::new(
    "identify.oidc.NAME.sign_up",
    "true",
    "Whether a first sign-in makes an account; else only accounts that linked theirs can come.",
);
const TRUST_EMAIL: Setting<bool> = Setting::new(
    "identify.oidc.NAME.trust_email",
    "true",
    "Whether an address that the provider calls verified is taken over, as verified.",
);
const TRUST_FACTOR: Setting<bool> = Setting::new(
    "identify.oidc.NAME.trust_second_factor",
    "false",
    "Whether a second factor that the provider asked for (`mfa` in amr) counts here.",
);
const SIGN_OUT_THERE: Setting<bool> = Setting::new(
    "identify.oidc.NAME.sign_out_there",
    "false",
    "Whether signing out here leads on to the provider, to sign out there too, where it offers that. Register \
     BASE_URL/auth/signed-out there.",
);
const CA_FILE: Setting<PathBuf> = Setting::optional(
    "identify.oidc.NAME.ca_file",
    "Certificates (PEM) by which the provider is known, instead of the system's.",
);
const TEST_USER: Setting<String> = Setting::optional(
    "identify.oidc.NAME.dangerous_test_user",
    "For automatic tests: everybody who signs in becomes this user, by address, and no network is used. \
     Only for the environment `testing`.",
)
.such_as("tester@example.com");

pub(crate) const SCOPES: &[Scope] = &[Scope {
    path: "identify.oidc.NAME",
    doc: "Sign-in at another site by OpenID Connect; the provider's redirect URI is BASE_URL/auth/callback/NAME.",
    settings: &[
        &ISSUER,
        &GOOGLE_ID,
        &GOOGLE_SECRET,
        &LABEL,
        &SCOPES_ASKED,
        &DEFAULT_ROLES,
        &DOMAINS,
        &SIGN_UP,
        &TRUST_EMAIL,
        &TRUST_FACTOR,
        &SIGN_OUT_THERE,
        &CA_FILE,
        &TEST_USER,
    ],
    tables: &["roles"],
    shape: Shape::Named,
}];

/// An issuer (OpenID Connect Core 1.0, section 2): kept as written, since it is compared letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// As written.
    pub text: String,
    /// Whether it is https.
    pub secure: bool,
    /// Whether its host is this machine.
    pub loopback: bool,
}

fn issuer(text: &str) -> Result<Issuer, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    let secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("it does not begin with https://"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it holds a query or a fragment");
    }
    if url.path().ends_with("/.well-known/openid-configuration") {
        return Err(
            "/.well-known/openid-configuration belongs to it only in the provider's address: leave that off",
        );
    }
    let loopback = match url.host().ok_or("it has no host")? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    Ok(Issuer { text: text.to_owned(), secure, loopback })
}

const TAKES: &str = "an issuer such as \"https://login.example.com\"";

impl Kind for Issuer {
    const EXAMPLE: &'static str = "https://login.example.com";

    fn takes() -> String {
        TAKES.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, TAKES)?;
        issuer(text).map_err(|why| {
            let help = "write the `issuer` that stands in the provider's /.well-known/openid-configuration";
            vec![Wrong::malformed(format!("not an issuer: {why}"), help)]
        })
    }

    fn nothing() -> Self {
        Self { text: String::new(), secure: true, loopback: false }
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^https?://[^?#@]+$"})
    }
}

/// Every provider. GOOGLE_CLIENT_ID alone is enough for one named `google`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    parent: &Table<'_>,
    roles: &Roles,
    default_roles: RoleSet,
) -> Vec<Provider> {
    let mut tables = reader.named(parent, "oidc", "identify.oidc.NAME");
    let by_variable = reader.has_variable("GOOGLE_CLIENT_ID");
    if by_variable && tables.iter().all(|(name, _)| name != GOOGLE) {
        tables.push((GOOGLE.to_owned(), Table::missing("identify.oidc.google")));
    }
    let one = |(name, table): (String, Table<'_>)| read_one(reader, name, &table, roles, default_roles);
    tables.into_iter().map(one).collect()
}

fn read_one(
    reader: &mut Reader<'_>,
    name: String,
    table: &Table<'_>,
    roles: &Roles,
    default_roles: RoleSet,
) -> Provider {
    let google = name == GOOGLE;
    let issuer = if google {
        let usual = Issuer { text: GOOGLE_ISSUER.to_owned(), secure: true, loopback: false };
        reader.read_if_said(table, &ISSUER).unwrap_or(usual)
    } else {
        reader.require(table, &ISSUER)
    };
    let (id, secret) = if google { (GOOGLE_ID, GOOGLE_SECRET) } else { (CLIENT_ID, CLIENT_SECRET) };
    let domains = reader.read(table, &DOMAINS);
    Provider {
        issuer,
        client_id: reader.require(table, &id),
        client_secret: reader.read_if_said(table, &secret),
        label: reader.read_if_said(table, &LABEL).unwrap_or_else(|| capital(&name)),
        scopes: reader.read(table, &SCOPES_ASKED),
        default_roles: read_roles(reader, table, roles).unwrap_or(default_roles),
        domains: domains.into_iter().map(|domain| domain.to_lowercase()).collect(),
        sign_up: reader.read(table, &SIGN_UP),
        trust_email: reader.read(table, &TRUST_EMAIL),
        trust_second_factor: reader.read(table, &TRUST_FACTOR),
        roles: outside::read(reader, table, roles),
        sign_out_there: reader.read(table, &SIGN_OUT_THERE),
        ca_file: reader.read_if_said(table, &CA_FILE),
        test_user: reader.read_if_said(table, &TEST_USER),
        name,
    }
}

fn read_roles(reader: &mut Reader<'_>, table: &Table<'_>, roles: &Roles) -> Option<RoleSet> {
    let names = reader.read_if_said(table, &DEFAULT_ROLES)?;
    let mut set = RoleSet::EMPTY;
    for (n, name) in names.iter().enumerate() {
        match roles.index(name) {
            Some(index) => set = set.with(RoleSet::of(index)),
            None => {
                let place = reader.places.item(&table.at("default_roles"), n);
                reader.note(roles.unknown(name, place));
            }
        }
    }
    Some(set)
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The same issuer twice would make one account out of two.
pub(super) fn check(reader: &mut Reader<'_>, providers: &[Provider]) {
    for (n, one) in providers.iter().enumerate() {
        let same = |other: &Provider| !one.issuer.text.is_empty() && other.issuer.text == one.issuer.text;
        if providers.iter().take(n).any(same) {
            let place = reader.places.of(&format!("identify.oidc.{}.issuer", one.name));
            reader.note(
                Diagnostic::error(Code::Malformed, place, "another provider has this issuer")
                    .help("write each issuer once: accounts are found by issuer and subject"),
            );
        }
    }
}

/// One provider, compiled.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in the policy and in paths.
    pub name: String,
    /// Who it is.
    pub issuer: Issuer,
    /// What it calls this site.
    pub client_id: String,
    /// What proves this site to it; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// What people read.
    pub label: String,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// The roles of a newcomer.
    pub default_roles: RoleSet,
    /// Domains of those who may come, in lower case; empty for anybody.
    pub domains: Vec<String>,
    /// Whether a first sign-in makes an account.
    pub sign_up: bool,
    /// Whether an address that it calls verified is verified here.
    pub trust_email: bool,
    /// Whether its second factor counts here.
    pub trust_second_factor: bool,
    /// Roles that follow its groups; `None` where it gives none.
    pub roles: Option<OutsideRoles>,
    /// Whether signing out here leads on to it.
    pub sign_out_there: bool,
    /// Certificates by which it is known, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Everybody becomes the user of this address, without a network (ID-7).
    pub test_user: Option<String>,
}
