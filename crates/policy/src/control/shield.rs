//! Promises about headers, origins and rates.

use palisade_model::Stage;

use super::{Control, Probe, listed};
use crate::Policy;
use crate::section::shield::{Limit, limits};

pub(super) const CONTROLS: &[Control] = &[
    Control {
        id: "shield.headers",
        title: "Every answer carries the security headers",
        stage: Stage::Shield,
        keys: &[
            "shield.headers.frame_options",
            "shield.headers.referrer_policy",
            "shield.headers.permissions_policy",
            "shield.headers.opener_policy",
            "shield.headers.xss_protection",
        ],
        enforced_by: "crates/gate/src/stage/shield/seal.rs",
        requirements: &["HEAD-1"],
        references: &["ASVS V3.4.4", "ASVS V3.4.5", "ASVS V3.4.6", "ASVS V3.4.8", "ASVS V13.4.6"],
        sentence: |policy| {
            let names: Vec<&str> = policy.shield.headers.iter().map(|(name, _)| name.as_str()).collect();
            format!(
                "Every answer, refusals included, carries {}; the application's Server and X-Powered-By are removed.",
                listed(&names)
            )
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.content_security_policy",
        title: "Pages have a Content-Security-Policy",
        stage: Stage::Shield,
        keys: &["shield.headers.content_security_policy"],
        enforced_by: "crates/gate/src/stage/shield/seal.rs",
        requirements: &["HEAD-1"],
        references: &["ASVS V3.4.3", "ASVS V3.4.6"],
        sentence: |policy| {
            let given = policy.shield.default_headers.iter().find_map(|(_, value)| value.to_str().ok());
            match given {
                Some(value) => format!("Pages that bring no Content-Security-Policy of their own get `{value}`."),
                None => "Pages of the application get no Content-Security-Policy; Palisade's own have one with a nonce.".to_owned(),
            }
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.hsts",
        title: "Browsers keep to https",
        stage: Stage::Shield,
        keys: &["shield.headers.hsts", "shield.headers.hsts_subdomains"],
        enforced_by: "crates/gate/src/stage/shield/seal.rs",
        requirements: &["HEAD-1"],
        references: &["ASVS V3.4.1", "RFC 6797"],
        sentence: |policy| match policy.shield.hsts.as_ref().and_then(|value| value.to_str().ok()) {
            Some(value) => format!("Answers over https say Strict-Transport-Security: {value}."),
            None => {
                "Strict-Transport-Security is not sent, as the site is not https or the policy leaves it out."
                    .to_owned()
            }
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.cookies",
        title: "The application's cookies are raised to the policy's",
        stage: Stage::Shield,
        keys: &["shield.cookies.secure", "shield.cookies.http_only", "shield.cookies.same_site"],
        enforced_by: "crates/gate/src/stage/shield/seal.rs",
        requirements: &["HEAD-2"],
        references: &["ASVS V3.3.1", "ASVS V3.3.2", "ASVS V3.3.4"],
        sentence: |policy| {
            let rules = policy.shield.cookies;
            let mut marks = vec![format!("SameSite={}", rules.same_site.as_str())];
            marks.extend(rules.secure.then(|| "Secure".to_owned()));
            marks.extend(rules.http_only.then(|| "HttpOnly".to_owned()));
            format!("Cookies that the application sets get at least {}.", listed(&marks))
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.origins",
        title: "Other origins are named one by one",
        stage: Stage::Shield,
        keys: &["shield.cors.origins", "shield.cors.credentials"],
        enforced_by: "crates/gate/src/stage/shield/cors.rs",
        requirements: &["CORS-1", "CORS-2"],
        references: &["ASVS V3.4.2"],
        sentence: |policy| {
            match &policy.shield.cors {
            None => "Pages of other origins may not ask: no answer carries a CORS header, but where a route says so.".to_owned(),
            Some(cors) => {
                let with = if cors.credentials { "with" } else { "without" };
                format!("Pages of {} may ask, {with} credentials; others get no CORS header.", listed(&cors.origins))
            }
        }
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.preflight",
        title: "Preflights are answered at the gate",
        stage: Stage::Shield,
        keys: &["shield.cors.methods", "shield.cors.headers", "shield.cors.expose", "shield.cors.max_age"],
        enforced_by: "crates/gate/src/stage/shield/cors.rs",
        requirements: &["CORS-1"],
        references: &["ASVS V3.5.2", "Fetch standard section 3.2"],
        sentence: |_| {
            "Preflights are answered at the gate with the methods and headers of the policy, and never reach the application.".to_owned()
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.limits",
        title: "Requests are counted",
        stage: Stage::Shield,
        keys: &["shield.limits.NAME", "shield.limits.default", "route.limits"],
        enforced_by: "crates/gate/src/stage/shield/limit.rs",
        requirements: &["LIMIT-1", "LIMIT-2"],
        references: &["ASVS V2.4.1"],
        sentence: |policy| {
            let limits: Vec<String> = policy.shield.limits.iter().map(limit_text).collect();
            format!("Over a limit the answer is 429 with Retry-After: {}.", listed(&limits))
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.sign_in_limit",
        title: "Attempts to sign in are counted",
        stage: Stage::Shield,
        keys: &["shield.limits.login"],
        enforced_by: "crates/gate/src/stage/shield/limit.rs",
        requirements: &["LIMIT-1"],
        references: &["ASVS V6.3.1", "ASVS V6.3.4"],
        sentence: |policy| match named(policy, "login") {
            Some(limit) => format!("Both ways to sign in share one limit: {}.", limit_text(limit)),
            None => "Both ways to sign in share one limit.".to_owned(),
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.admin_limit",
        title: "Administrative requests are counted by themselves",
        stage: Stage::Shield,
        keys: &["shield.admin_requests", "shield.admin_window"],
        enforced_by: "crates/gate/src/stage/shield/limit.rs",
        requirements: &["LIMIT-6"],
        references: &["ASVS V2.4.1"],
        sentence: |policy| match named(policy, limits::ADMIN_NAME) {
            Some(limit) => format!(
                "What is for administrators alone has a limit of its own beside the others: {}.",
                limit_text(limit)
            ),
            None => "What is for administrators alone has a limit of its own.".to_owned(),
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.networks",
        title: "Networks are always or never refused",
        stage: Stage::Shield,
        keys: &["shield.refuse", "shield.exempt"],
        enforced_by: "crates/gate/src/stage/shield.rs",
        requirements: &["LIMIT-5"],
        references: &["OWASP A04:2021"],
        sentence: |policy| {
            let text =
                |nets: &[ipnet::IpNet]| listed(&nets.iter().map(ToString::to_string).collect::<Vec<_>>());
            format!(
                "Always refused: {}; never limited: {}.",
                text(&policy.shield.refuse),
                text(&policy.shield.exempt)
            )
        },
        probe: Probe::Unobservable("it takes an address in the refused network to see it"),
    },
    Control {
        id: "shield.limits_on",
        title: "Limits are on in production",
        stage: Stage::Shield,
        keys: &["shield.limits_enabled"],
        enforced_by: "crates/policy/src/lint/production.rs",
        requirements: &["LIMIT-7"],
        references: &["ASVS V15.2.3"],
        sentence: |policy| {
            let state = if policy.shield.limits_enabled { "on" } else { "off, for testing" };
            format!("Rate limits are {state}; in production a policy that switches them off does not start.")
        },
        probe: Probe::WithTheProver,
    },
    Control {
        id: "shield.client_key",
        title: "Clients are told apart fairly",
        stage: Stage::Shield,
        keys: &[],
        enforced_by: "crates/model/src/address.rs",
        requirements: &["LIMIT-8"],
        references: &["ASVS V15.3.4"],
        sentence: |_| {
            "IPv6 clients count by their /64 network, and clients behind a proxy that hides them are never thrown into one bucket silently.".to_owned()
        },
        probe: Probe::Unobservable("it takes many addresses of one network to see it"),
    },
];

fn named<'a>(policy: &'a Policy, name: &str) -> Option<&'a Limit> {
    policy.shield.limits.iter().find(|limit| limit.name == name)
}

/// `login 5/minute by address`.
fn limit_text(limit: &Limit) -> String {
    let windows: Vec<String> = limit.windows.iter().map(|window| window.text()).collect();
    format!("{} {} by {}", limit.name, listed(&windows), limit.by.text())
}
