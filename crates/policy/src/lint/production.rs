//! What must not be so where real people's data is (POL-2).

use std::time::Duration;

use http::header::CONTENT_SECURITY_POLICY;

use super::Lint;
use crate::Code;
use crate::diagnostic::Severity::{Error, Warning};
use crate::read::quantity::duration_text;
use crate::section::identify::Hashing;
use crate::section::mail::{Carrier, Tls};
use crate::section::shield::{SameSite, Window, limits};
use crate::section::store::Database;

pub(super) fn check(lint: &mut Lint<'_>) {
    if !lint.in_production() {
        return;
    }
    switches(lint);
    hosts(lint);
    clients(lint);
    guessing(lint);
    hashing(lint);
    letters(lint);
    cookies(lint);
    headers(lint);
}

/// Links in letters let people in, and prove whose an address is (ID-4).
fn letters(lint: &mut Lint<'_>) {
    if matches!(&lint.policy.mail.carrier, Carrier::Smtp(smtp) if smtp.tls == Tls::None) {
        lint.say(Warning, Code::MailPlain, "mail.dangerous_plain", "letters cross the network in the clear")
            .because("whoever is on the way reads the links in them, and sets other people's passwords")
            .write("leave it out, so that no letter goes without TLS; or write smtps://");
    }
    if lint.policy.identify.sign_up && !lint.policy.identify.verify {
        lint.say(
            Warning,
            Code::SignUpUnproven,
            "identify.sign_up.open",
            "anybody may register with anybody's address",
        )
        .because("nobody asks whether the address is theirs, and the form tells who has an account")
        .write("write server = \"smtp://...\" in [mail], and leave identify.sign_up.verify on");
    }
}

fn switches(lint: &mut Lint<'_>) {
    if !lint.policy.app.base_url.secure {
        lint.say(Error, Code::PlainHttp, "app.base_url", "the public address is not https in production")
            .because("cookies, passwords and tokens would cross the network in the clear")
            .write("write base_url = \"https://...\" in [app]; TLS may end at a proxy in front");
    }
    if !lint.policy.csrf.enforced {
        lint.say(Error, Code::CsrfOpen, "csrf.mode", "CSRF protection is switched off in production")
            .because("any page on the web could act for whoever is signed in")
            .write("write mode = \"enforced\" in [csrf], or leave it out; exempt single routes by csrf = \"origin\"");
    }
    if !lint.policy.shield.limits_enabled {
        lint.say(
            Error,
            Code::LimitsOff,
            "shield.limits_enabled",
            "rate limits are switched off in production",
        )
        .because("passwords could be guessed without end")
        .write("write limits_enabled = true in [shield], or leave it out");
    }
    if !lint.policy.identify.lockout.enabled {
        lint.say(
            Error,
            Code::LimitsOff,
            "identify.lockout.enabled",
            "lockouts are switched off in production",
        )
        .because("passwords could be guessed without end")
        .write("write enabled = true in [identify.lockout], or leave it out");
    }
    if matches!(lint.policy.store.database, Database::Memory) {
        lint.say(
            Error,
            Code::StoreVolatile,
            "store.database",
            "users and the trail would be lost at the next restart",
        )
        .write(
            "write database = \"sqlite:palisade-data/palisade.db\", or \"env:DATABASE_URL\" for PostgreSQL",
        );
    }
    if matches!(lint.policy.audit.log_level.as_str(), "debug" | "trace") {
        lint.say(
            Warning,
            Code::Verbose,
            "audit.log_level",
            "the application log tells too much for production",
        )
        .because("details of requests help attackers who come to read the log, and fill disks")
        .write("write log_level = \"info\" in [audit]");
    }
    let metrics = lint.policy.edge.metrics_listen;
    if let Some(address) = metrics.filter(|address| !address.ip().is_loopback()) {
        let message = format!("metrics are served on {address}, to whoever reaches it");
        lint.say(Warning, Code::MetricsOpen, "edge.metrics_listen", message)
            .because("they tell how much is going on, and when nobody is looking")
            .write("write metrics_listen = \"127.0.0.1:9464\", or an address of a network that only the collector reaches");
    }
}

fn hosts(lint: &mut Lint<'_>) {
    let hosts = &lint.policy.edge.allowed_hosts;
    if hosts.exact.is_empty() && hosts.suffixes.is_empty() {
        lint.say(Error, Code::HostsOpen, "edge.allowed_hosts", "no host is allowed")
            .because(
                "every request would be refused, and an empty list often means that somebody expected 'any'",
            )
            .write(
                "name the hosts that are served, or leave allowed_hosts out: then it is the host of base_url",
            );
    }
    // `*` has an empty suffix, and `*.com` one that whole countries share.
    let is_open = |suffix: &String| !suffix.trim_start_matches('.').contains('.');
    if hosts.suffixes.iter().any(is_open) {
        lint.say(Error, Code::HostsOpen, "edge.allowed_hosts", "every host is allowed in production")
            .because("a forged Host header ends up in links, redirects and caches")
            .write("name the hosts that are served: allowed_hosts = [\"app.example.com\"]");
    }
}

/// TLS ends in front of Palisade, so what connects to it is a proxy: the clients' addresses are its to tell (LIMIT-8).
fn clients(lint: &mut Lint<'_>) {
    if lint.policy.app.base_url.secure && lint.policy.edge.trusted_proxies.is_empty() {
        lint.say(
            Warning,
            Code::ClientsAsOne,
            "edge.trusted_proxies",
            "all clients look like one: the proxy that ends TLS is not a trusted one",
        )
        .because("limits and lockouts by address count everybody together, so that one stranger's failures stop everybody's sign-in")
        .write("name the proxy in [edge]: trusted_proxies = [\"127.0.0.1\"], and let it set X-Forwarded-For (docs/stages/edge.md)");
    }
}

/// Attempts to sign in, by the tightest window: a few hundred an hour are plenty for people.
fn guessing(lint: &mut Lint<'_>) {
    let lockout = &lint.policy.identify.lockout;
    for (key, attempts) in [
        ("identify.lockout.attempts", lockout.attempts),
        ("identify.lockout.account_attempts", lockout.account_attempts),
    ] {
        let weak = attempts > 100 || lockout.window < Duration::from_secs(60);
        if weak {
            let message = format!("{attempts} failures in {} are let pass", duration_text(lockout.window));
            lint.say(Warning, Code::LimitWeak, key, message)
                .because("common passwords are found within thousands of attempts (ASVS 6.3.1)")
                .write("write at most 100 failures, and a window of a minute at least");
        }
    }
    const PER_HOUR: u64 = 1_200;
    let Some(limit) = lint.policy.shield.limits.iter().find(|limit| limit.name == limits::LOGIN_NAME) else {
        return;
    };
    let hourly =
        |window: &Window| u64::from(window.count).saturating_mul(3_600) / window.per.as_secs().max(1);
    if let Some(count) = limit.windows.iter().map(hourly).min().filter(|count| *count > PER_HOUR) {
        let message = format!("one address may try {count} passwords an hour");
        lint.say(Warning, Code::LimitWeak, "shield.limits.login", message)
            .because("common passwords are found within thousands of attempts (ASVS 6.3.1)")
            .write(
                "write login = \"5/minute\" in [shield.limits], or a list such as [\"5/minute\", \"50/day\"]",
            );
    }
}

/// The least that is advised for argon2id comes to the same work: 46 MiB once, 19 MiB twice, down to 7 MiB five times.
fn hashing(lint: &mut Lint<'_>) {
    // The bounds of the other ways' costs are what is advised.
    let Hashing::Argon2id { memory_kib, passes } = lint.policy.identify.passwords.hashing else { return };
    let work = u64::from(memory_kib) * u64::from(passes);
    if memory_kib < 7 * 1024 || work < 35 * 1024 {
        lint.say(
            Error,
            Code::HashWeak,
            "identify.passwords.memory",
            "passwords are hashed too cheaply for production",
        )
        .because("whoever gets hold of the store could try passwords quickly (ASVS 11.4.2)")
        .write("write memory = \"19MiB\" and passes = 2 in [identify.passwords], or leave both out");
    }
}

fn cookies(lint: &mut Lint<'_>) {
    if lint.policy.identify.sessions.same_site == SameSite::None {
        lint.say(
            Error,
            Code::CookieWeak,
            "identify.sessions.same_site",
            "the session cookie goes along with requests from every site",
        )
        .write("write same_site = \"strict\", or \"lax\" if people arrive by links from elsewhere");
    }
    let rules = lint.policy.shield.cookies;
    if !rules.secure && lint.policy.app.base_url.secure {
        lint.say(
            Error,
            Code::CookieWeak,
            "shield.cookies.secure",
            "the application's cookies may travel in the clear",
        )
        .write("leave shield.cookies.secure out, or write true");
    }
    if !rules.http_only {
        lint.say(
            Warning,
            Code::CookieWeak,
            "shield.cookies.http_only",
            "scripts can read the application's cookies",
        )
        .write("write http_only = true, unless scripts of the application need a cookie");
    }
}

fn headers(lint: &mut Lint<'_>) {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let shield = &lint.policy.shield;
    let age = shield.hsts.as_ref().and_then(|value| value.to_str().ok()).and_then(|value| {
        value.strip_prefix("max-age=")?.split(';').next()?.parse::<u64>().ok().map(Duration::from_secs)
    });
    if lint.policy.app.base_url.secure && age.is_none_or(|age| age < YEAR) {
        lint.say(
            Warning,
            Code::HeaderWeak,
            "shield.headers.hsts",
            "Strict-Transport-Security holds for less than a year",
        )
        .because("until a browser has seen it, somebody on the way can keep it on plain http (ASVS 3.4.1)")
        .write("write hsts = \"365d\" in [shield.headers]");
    }
    if !shield.default_headers.iter().any(|(name, _)| name == CONTENT_SECURITY_POLICY) {
        lint.say(Warning, Code::HeaderWeak, "shield.headers.content_security_policy", "pages get no Content-Security-Policy")
            .because("a script that somebody manages to put into a page would run (ASVS 3.4.3)")
            .write("write at least content_security_policy = \"default-src 'self'; object-src 'none'; base-uri 'none'\"");
    }
}
