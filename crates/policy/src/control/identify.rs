//! Promises about who is asking.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::read::kind::Word;
use crate::read::quantity::{duration_text, size_text};
use crate::section::identify::Hashing;

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "identify.sign_in",
        title: "Signing in tells nothing of who exists",
        stage: Stage::Identify,
        keys: &["identify.sign_up.open", "identify.sign_up.roles"],
        enforced_by: "crates/access/src/service/mod.rs",
        requirements: &["ID-1"],
        references: &["ASVS V6.3.8", "ASVS V7.2.4"],
        sentence: |policy| {
            let roles: Vec<&str> = policy.roles.names_of(policy.identify.default_roles).collect();
            let sign_up = if policy.identify.sign_up {
                format!("Anybody may register, with the roles: {}.", listed(&roles))
            } else {
                "Nobody can register; administrators make users.".to_owned()
            };
            format!("A wrong name and a wrong password get the same answer in the same time. {sign_up}")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.lockout",
        title: "Guessing leads to a lockout",
        stage: Stage::Identify,
        keys: &[
            "identify.lockout.attempts",
            "identify.lockout.account_attempts",
            "identify.lockout.window",
            "identify.lockout.first",
            "identify.lockout.cap",
        ],
        enforced_by: "crates/access/src/service/sign_in/attempt.rs",
        requirements: &["LIMIT-3", "LIMIT-8"],
        references: &["ASVS V6.1.1", "ASVS V6.3.1"],
        sentence: |policy| {
            let lockout = &policy.identify.lockout;
            format!(
                "{} failures in {} lock an address out for {}, and each time for twice as long, up to {}; so do {} on one account, from any addresses, but never on a device that signed in to it before.",
                lockout.attempts,
                duration_text(lockout.window),
                duration_text(lockout.first),
                duration_text(lockout.cap),
                lockout.account_attempts,
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.lockout_on",
        title: "Lockouts are on in production",
        stage: Stage::Identify,
        keys: &["identify.lockout.enabled"],
        enforced_by: "crates/policy/src/lint/production.rs",
        requirements: &["LIMIT-7"],
        references: &["ASVS V15.2.3"],
        sentence: |policy| {
            let state = if policy.identify.lockout.enabled { "on" } else { "off, for testing" };
            format!("Lockouts are {state}; in production a policy that switches them off does not start.")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.passwords",
        title: "Passwords keep to rules",
        stage: Stage::Identify,
        keys: &[
            "identify.passwords.min_length",
            "identify.passwords.max_length",
            "identify.passwords.require",
            "identify.passwords.refuse_common",
            "identify.passwords.min_strength",
            "identify.passwords.max_age",
            "identify.passwords.history",
        ],
        enforced_by: "crates/access/src/password/rules.rs",
        requirements: &["ID-2"],
        references: &["ASVS V6.2.1", "ASVS V6.2.4", "ASVS V6.2.9", "ASVS V6.2.11"],
        sentence: |policy| {
            let rules = &policy.identify.passwords;
            let age = rules
                .max_age
                .map_or_else(String::new, |age| format!(" They are changed after {}.", duration_text(age)));
            format!(
                "Passwords have {} to {} characters and a strength of at least {} of 4; the last {} do not come back.{age}",
                rules.min_length, rules.max_length, rules.min_strength, rules.history,
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.hashing",
        title: "Passwords are kept as slow, salted hashes",
        stage: Stage::Identify,
        keys: &[
            "identify.passwords.algorithm",
            "identify.passwords.memory",
            "identify.passwords.passes",
            "identify.passwords.bcrypt_cost",
            "identify.passwords.pbkdf2_rounds",
            "identify.passwords.workers",
            "identify.passwords.queue",
        ],
        enforced_by: "crates/access/src/password/scheme.rs",
        requirements: &["ID-3"],
        references: &["ASVS V11.4.2", "RFC 9106"],
        sentence: |policy| {
            let rules = &policy.identify.passwords;
            let way = match rules.hashing {
                Hashing::Argon2id { memory_kib, passes } => {
                    let memory = size_text(u64::from(memory_kib) * 1024);
                    format!("argon2id with {memory} and {passes} passes")
                }
                Hashing::Bcrypt { cost } => format!("bcrypt of cost {cost}, over a keyed digest"),
                Hashing::Pbkdf2Sha256 { rounds } => format!("PBKDF2-HMAC-SHA256 with {rounds} rounds"),
            };
            format!(
                "Passwords are hashed by {way}, {} at once; beyond {} that wait, people get 503 and others go on. Hashes of other ways are renewed at the next sign-in.",
                rules.workers, rules.queue,
            )
        },
        probe: Probe::Unobservable("hashes do not leave the store"),
    },
    Control {
        id: "identify.no_defaults",
        title: "No default user or password exists",
        stage: Stage::Identify,
        keys: &["identify.auth_users"],
        enforced_by: "crates/access/src/open.rs",
        requirements: &["ID-5"],
        references: &["ASVS V6.3.2", "ASVS V6.4.1"],
        sentence: |policy| {
            let count = policy.identify.auth_users.len();
            format!(
                "No user or password exists by default; users that come from the environment, as hashes: {count}. The first administrator comes by a one-time link."
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.mail",
        title: "Links by mail are for one use and tell nothing",
        stage: Stage::Identify,
        keys: &[
            "mail.server",
            "mail.password",
            "mail.ca_file",
            "mail.dangerous_plain",
            "identify.sign_up.verify",
        ],
        enforced_by: "crates/access/src/service/account/reset.rs",
        requirements: &["ID-4"],
        references: &["ASVS V6.4.2", "ASVS V6.4.3", "ASVS V6.3.7", "ASVS V2.4.1"],
        sentence: |policy| {
            if !policy.mail.is_on() {
                return "No mail is sent: whoever forgot a password asks an administrator for a link."
                    .to_owned();
            }
            let verify = if policy.identify.verify {
                " An account is made only once its e-mail address was confirmed."
            } else {
                ""
            };
            format!(
                "A link to set a password works once, within a day, and ends every session and token of the account; \
                 asking for one tells nobody whether there is an account.{verify}"
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.second_factor",
        title: "A second factor cannot be gone round",
        stage: Stage::Identify,
        keys: &["identify.second_factor.required_for", "identify.second_factor.required_for_tenants"],
        enforced_by: "crates/access/src/service/sign_in/enter.rs",
        requirements: &["ID-17"],
        references: &["ASVS V6.3.3", "ASVS V6.4.4", "ASVS V6.5.1", "ASVS V6.5.5"],
        sentence: |policy| {
            let rule = &policy.identify.second_factor;
            let roles: Vec<&str> = policy.roles.names_of(rule.required_for).collect();
            let tenants: Vec<&str> = rule.tenants.iter().map(|tenant| tenant.as_str()).collect();
            let who = match (roles.as_slice(), tenants.as_slice()) {
                _ if rule.everybody => "Everybody needs one.".to_owned(),
                ([], []) => "Nobody has to have one.".to_owned(),
                (roles, []) => format!("These roles need one: {}.", listed(roles)),
                ([], tenants) => format!("Users of these tenants need one: {}.", listed(tenants)),
                (roles, tenants) => {
                    format!(
                        "These roles need one: {}; and users of these tenants: {}.",
                        listed(roles),
                        listed(tenants)
                    )
                }
            };
            format!(
                "Whoever has a second factor is not signed in without it, by whatever way they come. {who}"
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.fresh_proof",
        title: "What is sensitive asks for proof anew",
        stage: Stage::Identify,
        keys: &["identify.second_factor.fresh"],
        enforced_by: "crates/access/src/service/sign_in/enter.rs",
        requirements: &["ID-17"],
        references: &["ASVS V7.5.1", "ASVS V7.5.3", "RFC 9470"],
        sentence: |policy| {
            format!(
                "Second factors, addresses and keys are changed only within {} after a proof of identity.",
                duration_text(policy.identify.second_factor.fresh)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.session_cookie",
        title: "The session cookie is out of reach",
        stage: Stage::Identify,
        keys: &["identify.sessions.cookie", "identify.sessions.same_site"],
        enforced_by: "crates/palisade/src/service/identity/mod.rs",
        requirements: &["ID-8"],
        references: &["ASVS V3.3.1", "ASVS V3.3.2", "ASVS V3.3.3", "ASVS V3.3.4", "ASVS V7.2.3"],
        sentence: |policy| {
            let sessions = &policy.identify.sessions;
            let secure = if sessions.secure { ", Secure" } else { "" };
            format!(
                "The session cookie `{}` is opaque, HttpOnly{secure} and SameSite={}.",
                sessions.cookie,
                sessions.same_site.as_str()
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.session_life",
        title: "Sessions end",
        stage: Stage::Identify,
        keys: &["identify.sessions.idle", "identify.sessions.absolute", "identify.sessions.max_per_user"],
        enforced_by: "crates/access/src/session/mod.rs",
        requirements: &["ID-8"],
        references: &["ASVS V7.1.2", "ASVS V7.3.1", "ASVS V7.3.2", "ASVS V7.4.1"],
        sentence: |policy| {
            let sessions = &policy.identify.sessions;
            let most = sessions
                .max_per_user
                .map_or_else(String::new, |most| format!("; a user has at most {most} of them"));
            format!(
                "A session ends after {} without a request and {} after sign-in{most}.",
                duration_text(sessions.idle),
                duration_text(sessions.absolute)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.access_tokens",
        title: "Access tokens are short-lived and cannot choose their algorithm",
        stage: Stage::Identify,
        keys: &[
            "identify.tokens.algorithm",
            "identify.tokens.secret",
            "identify.tokens.audience",
            "identify.tokens.access",
        ],
        enforced_by: "crates/access/src/token/mod.rs",
        requirements: &["ID-9"],
        references: &["RFC 8725", "ASVS V9.1.1", "ASVS V9.1.2", "ASVS V9.2.1", "ASVS V9.2.3"],
        sentence: |policy| {
            let tokens = &policy.identify.tokens;
            format!(
                "Access tokens are JWTs signed by {} and live for {}.",
                tokens.algorithm.word(),
                duration_text(tokens.access)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.refresh_tokens",
        title: "A refresh token works once",
        stage: Stage::Identify,
        keys: &["identify.tokens.refresh", "identify.tokens.race"],
        enforced_by: "crates/access/src/token/mod.rs",
        requirements: &["ID-10"],
        references: &["ASVS V10.4.5", "ASVS V10.4.8", "RFC 9700 section 4.14"],
        sentence: |policy| {
            let tokens = &policy.identify.tokens;
            format!(
                "Refresh tokens live for {} and are replaced at each use; a second use later than {} revokes the whole family.",
                duration_text(tokens.refresh),
                duration_text(tokens.race),
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.providers",
        title: "Sign-in elsewhere proves who somebody is, and takes over nobody",
        stage: Stage::Identify,
        keys: &[
            "identify.oidc.NAME.issuer",
            "identify.oidc.NAME.default_roles",
            "identify.oidc.NAME.domains",
            "identify.oidc.NAME.sign_up",
            "identify.oidc.NAME.trust_email",
            "identify.oidc.NAME.trust_second_factor",
        ],
        enforced_by: "crates/access/src/oidc/mod.rs",
        requirements: &["ID-6"],
        references: &[
            "OpenID Connect Core 1.0 section 3.1.3.7",
            "RFC 9700",
            "RFC 9207",
            "ASVS V10.5.1",
            "ASVS V10.5.2",
            "ASVS V10.5.3",
        ],
        sentence: |policy| {
            let labels: Vec<&str> =
                policy.identify.providers.iter().map(|provider| provider.label.as_str()).collect();
            format!(
                "Sign-in at other sites (OpenID Connect with PKCE, state and nonce): {}. Accounts are found by issuer and subject; an address that has an account already is linked only by its owner.",
                listed(&labels)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.key_rotation",
        title: "Keys can be changed without signing anybody out",
        stage: Stage::Identify,
        keys: &[
            "identify.tokens.previous_secrets",
            "identify.tokens.publish_ahead",
            "identify.previous_secret_keys",
        ],
        enforced_by: "crates/access/src/service/keys.rs",
        requirements: &["ID-11"],
        references: &["ASVS V11.1.1", "NIST SP 800-57 section 5.3"],
        sentence: |policy| {
            format!(
                "A new signing key is published {} before it signs; what the former one signed is accepted until it runs out.",
                duration_text(policy.identify.tokens.publish_ahead)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.outside_roles",
        title: "Roles follow the groups of the site that somebody comes from",
        stage: Stage::Identify,
        keys: &["identify.oidc.NAME.roles.claim", "identify.oidc.NAME.roles.map"],
        enforced_by: "crates/access/src/service/sign_in/follow.rs",
        requirements: &["ID-6", "ACC-1"],
        references: &["ASVS V8.3.2", "ASVS V10.5.2"],
        sentence: |policy| {
            let following = policy.identify.providers.iter().filter(|one| one.roles.is_some());
            let labels: Vec<&str> = following.map(|one| one.label.as_str()).collect();
            format!(
                "Each sign-in gives the roles of somebody's groups there and takes back what groups gave before; sites that \
                 give roles: {}.",
                listed(&labels)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.sign_out_there",
        title: "Signing out can end the session elsewhere too",
        stage: Stage::Identify,
        keys: &["identify.oidc.NAME.sign_out_there"],
        enforced_by: "crates/access/src/service/sign_in/follow.rs",
        requirements: &["ID-6"],
        references: &["ASVS V10.6.2", "OpenID Connect RP-Initiated Logout 1.0"],
        sentence: |policy| {
            let leading = policy.identify.providers.iter().filter(|one| one.sign_out_there);
            let labels: Vec<&str> = leading.map(|one| one.label.as_str()).collect();
            format!(
                "Signing out ends the session here first; it leads on to sign out at: {}.",
                listed(&labels)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.no_test_user",
        title: "No fixed user stands in for a sign-in",
        stage: Stage::Identify,
        keys: &["identify.oidc.NAME.dangerous_test_user"],
        enforced_by: "crates/policy/src/lint/providers.rs",
        requirements: &["ID-7"],
        references: &["ASVS V6.3.2"],
        sentence: |policy| {
            let fixed = policy.identify.providers.iter().any(|provider| provider.test_user.is_some());
            if fixed {
                "For automatic tests, a fixed user stands in for sign-in elsewhere; production refuses to start like this.".to_owned()
            } else {
                "Nothing stands in for a real sign-in elsewhere.".to_owned()
            }
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "identify.secrets",
        title: "Secrets stand beside the policy",
        stage: Stage::Identify,
        keys: &["identify.secret_key", "identify.oidc.NAME.client_secret", "store.database"],
        enforced_by: "crates/policy/src/read/secret.rs",
        requirements: &["POL-1"],
        references: &["ASVS V13.3.1", "ASVS V11.2.3"],
        sentence: |_| {
            "Secrets come from the environment or from files, never from the policy; a key has at least 32 bytes.".to_owned()
        },
        probe: Probe::Unobservable("where a secret comes from does not show from outside"),
    },
];
