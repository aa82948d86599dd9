use palisade_model::Environment;
use palisade_policy::{Code, Policy};

use crate::whole::{PRODUCTION, secrets};
use crate::{check, environment};

fn warnings(text: &str, environment: &Environment) -> Vec<Code> {
    match Policy::from_toml("palisade.toml", text, environment) {
        Ok(checked) => checked.warnings.iter().map(|one| one.code).collect(),
        Err(errors) => panic!("{errors}"),
    }
}

// proves: POL-2
#[test]
fn what_is_sound_says_nothing() {
    assert_eq!(warnings(PRODUCTION, &secrets()), []);
    assert_eq!(warnings("", &Environment::default()), []);
}

// proves: LIMIT-8
#[test]
fn a_proxy_that_nobody_named_is_told_where_tls_ends_in_front() {
    let proxies = "trusted_proxies = [\"127.0.0.1\"]\n";
    for listen in ["127.0.0.1:8080", "0.0.0.0:8443"] {
        let text = PRODUCTION.replace("0.0.0.0:8443", listen);
        for unnamed in [text.replace(proxies, ""), text.replace(proxies, "trusted_proxies = []\n")] {
            assert_eq!(warnings(&unnamed, &secrets()), [Code::ClientsAsOne], "{unnamed}");
        }
        assert_eq!(warnings(&text, &secrets()), []);
    }
    // A developer has no proxy.
    let text = PRODUCTION.replace(proxies, "").replace("\"production\"", "\"testing\"");
    assert!(!warnings(&text, &secrets()).contains(&Code::ClientsAsOne));
}

// proves: HEAD-1
#[test]
fn weak_headers_are_told_in_production() {
    for weak in ["hsts = \"off\"", "hsts = \"30d\"", "content_security_policy = \"off\""] {
        let text = format!("{PRODUCTION}\n[shield.headers]\n{weak}\n");
        assert_eq!(warnings(&text, &secrets()), [Code::HeaderWeak], "{weak}");
    }
    let text = format!("{PRODUCTION}\n[shield.cookies]\nhttp_only = false\n");
    assert_eq!(warnings(&text, &secrets()), [Code::CookieWeak]);
}

// proves: ACC-1
#[test]
fn a_route_for_nobody_and_one_for_everybody_are_told() {
    let route = |allow: &str| {
        format!(
            "[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n[[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\n{allow}\n"
        )
    };
    let told = |allow: &str| warnings(&route(allow), &Environment::default());
    assert_eq!(told(""), [Code::RouteNobody]);
    assert_eq!(told("allow = \"nobody\""), [], "said on purpose");
    assert_eq!(told("allow = \"public\""), [Code::PublicWrite]);
    assert_eq!(told("allow = \"public\"\nmethods = [\"GET\"]"), []);
    assert_eq!(told("allow = { read = \"public\", write = \"user\" }"), []);
    assert_eq!(told("allow = \"user\"\ncsrf = \"off\""), [Code::CsrfOff]);
}

// proves: ID-17, ACC-1
#[test]
fn a_way_to_the_same_page_that_asks_for_no_proof_is_told() {
    let routes = |proof: &str| {
        format!(
            "[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n\
             [[route]]\npath = \"/pay\"\nto = \"upstream:app\"\nallow = \"user\"\nproof = \"recent\"\n\
             [[route]]\npath = \"/app/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\nstrip = \"/app\"\n{proof}\n"
        )
    };
    let told = |proof: &str| warnings(&routes(proof), &Environment::default());
    assert!(told("").contains(&Code::RouteAlias), "{:?}", told(""));
    assert!(told("proof = \"strong\"").contains(&Code::RouteAlias));
    assert_eq!(told("proof = \"recent\""), []);
}

// proves: ID-6
#[test]
fn a_group_elsewhere_that_makes_administrators_is_told() {
    let told = |map: &str| {
        let text = format!(
            "[identify.oidc.company]\nissuer = \"https://login.example.com\"\nclient_id = \"us\"\n\
             [identify.oidc.company.roles]\nmap = {map}\n"
        );
        warnings(&text, &Environment::default())
    };
    assert_eq!(told("{ \"/parts/admins\" = \"admin\", it = \"user\" }"), [Code::OutsideAdministrators]);
    assert_eq!(told("{ \"/parts/admins\" = \"manager\" }"), []);
}

#[test]
fn a_colour_that_is_too_faint_is_told_with_its_contrast() {
    let app = |accent: &str| format!("[app]\naccent = \"{accent}\"\n");
    assert_eq!(warnings(&app("#0b6549"), &Environment::default()), []);
    assert_eq!(warnings(&app("#ffcc00"), &Environment::default()), [Code::AccentFaint]);
    let checked = Policy::from_toml("palisade.toml", &app("#ffcc00"), &Environment::default()).unwrap();
    let told = checked.warnings.to_string();
    assert!(told.contains("1.3") && told.contains("to 1"), "{told}");
}

#[test]
fn what_nothing_uses_is_told() {
    assert_eq!(
        warnings("[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n", &Environment::default()),
        [Code::Unused]
    );
    assert_eq!(warnings("[shield.limits]\napi = \"5/minute\"\n", &Environment::default()), [Code::Unused]);
    assert_eq!(
        warnings("[shield.limits]\nlogin = \"9/minute\"\n", &Environment::default()),
        [],
        "that one is in use"
    );
    let key = environment(&[("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef")]);
    assert_eq!(warnings("[identify.tokens]\nalgorithm = \"ES256\"\n", &key), [Code::Unused]);
}

// proves: LIMIT-1
#[test]
fn a_limit_that_leaves_time_to_guess_is_told() {
    let told = |rate: &str| warnings(&format!("{PRODUCTION}\n[shield.limits]\nlogin = {rate}\n"), &secrets());
    assert_eq!(told("\"100/second\""), [Code::LimitWeak]);
    assert_eq!(told("{ limit = \"30/minute\", by = \"field:login\" }"), [Code::LimitWeak]);
    assert_eq!(told("[\"100/second\", \"50/day\"]"), [], "the tightest window counts");
    assert_eq!(told("\"5 per 15 minutes\""), []);
}

#[test]
fn names_that_clash_are_told() {
    let same = "[csrf]\ncookie = \"palisade_session\"\n";
    assert_eq!(
        check(same).unwrap_err().iter().map(|one| one.code).collect::<Vec<_>>(),
        [Code::Contradiction]
    );
    let strip = |strip: &str| {
        format!(
            "[upstream.app]\nurl = \"http://127.0.0.1:5000\"\n[[route]]\npath = \"/api/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\nstrip = \"{strip}\"\n"
        )
    };
    assert_eq!(warnings(&strip("/app"), &Environment::default()), [Code::Contradiction]);
    for fits in ["/api", "/api/", "/api/v1"] {
        assert_eq!(warnings(&strip(fits), &Environment::default()), [], "{fits}");
    }
}

#[test]
fn an_application_out_on_the_internet_is_told() {
    let text = |url: &str| {
        format!(
            "[upstream.app]\nurl = \"{url}\"\n[[route]]\npath = \"/\"\nto = \"upstream:app\"\nallow = \"user\"\n"
        )
    };
    for url in ["http://192.0.2.1:80", "http://8.8.8.8", "http://[2001:db8::1]:80"] {
        assert_eq!(warnings(&text(url), &Environment::default()), [Code::PlainHttp], "{url}");
    }
    for url in [
        "http://10.1.2.3:80",
        "http://172.16.0.1",
        "http://[::1]:5000",
        "http://[fd00::1]:80",
        "http://app:5000",
    ] {
        assert_eq!(warnings(&text(url), &Environment::default()), [], "{url}");
    }
}

// Over plain http Chromium sends `Origin: null` and no Sec-Fetch-Site; to 127.0.0.1 it sends the latter.
// proves: CSRF-1
#[test]
fn a_referrer_policy_that_breaks_forms_is_told() {
    let told = |base: &str, policy: &str| {
        let text = format!(
            "[app]\nbase_url = \"{base}\"\n[shield.headers]\nreferrer_policy = \"{policy}\"\n[csrf]\nmode = \"MODE\"\n"
        );
        let of = |mode: &str| warnings(&text.replace("MODE", mode), &Environment::default());
        assert_eq!(of("open").iter().filter(|code| **code == Code::ReferrerHidden).count(), 0);
        of("enforced")
    };
    assert_eq!(told("http://app.example", "no-referrer"), [Code::ReferrerHidden]);
    assert_eq!(told("http://app.example", "origin, No-Referrer"), [Code::ReferrerHidden]);
    assert_eq!(told("http://app.example", "no-referrer, same-origin"), [], "the last one counts");
    assert_eq!(told("http://app.example", "same-origin"), []);
    for fine in ["https://app.example", "http://127.0.0.1:8080", "http://localhost:8080"] {
        assert_eq!(told(fine, "no-referrer"), [], "{fine}");
    }
}

#[test]
fn no_text_of_the_policy_reaches_a_terminal_as_a_command() {
    let errors = check("\"\\u001b[2Jname\" = 1\n[edge]\nlisten = \"\\u001b[31m\"\n").unwrap_err();
    assert_eq!(errors.len(), 2);
    for one in &errors {
        assert!(!one.message.contains('\u{1b}'), "{one:?}");
    }
    assert!(!errors.render(false).contains('\u{1b}'));
}

#[test]
fn programs_get_each_finding_with_its_place() {
    let json = check("[edge]\n  listn = 1\n").unwrap_err().to_json();
    let one = &json[0];
    assert_eq!((&one["code"], &one["severity"]), (&"P002".into(), &"error".into()));
    assert_eq!((&one["line"], &one["column"], &one["file"]), (&2.into(), &3.into(), &"palisade.toml".into()));
    assert!(one["help"].as_str().unwrap().contains("listen"));
    let variable = environment(&[("PALISADE_EDGE__LISTEN", "x")]);
    let json = Policy::from_toml("palisade.toml", "", &variable).unwrap_err().to_json();
    assert_eq!(
        (&json[0]["variable"], &json[0]["line"]),
        (&"PALISADE_EDGE__LISTEN".into(), &serde_json::Value::Null)
    );
}

// proves: ID-12, ID-14, POL-10
#[test]
fn tokens_that_are_shared_or_stand_in_addresses_are_told() {
    let with = |token: &'static str, text: &str| {
        let environment: Environment = [("ADMIN_TOKEN", token)].into_iter().collect();
        warnings(text, &environment)
    };
    let shared = "[identify.admin_tokens]\nlegacy = \"env:ADMIN_TOKEN\"\n";
    assert_eq!(with("short", shared), [Code::TokenShared]);
    // The environment alone lets nobody in.
    assert_eq!(with("short", ""), []);
    let query = "[identify.guests]\nopen = true\ndangerous_query = [\"user_token\"]\n";
    assert_eq!(warnings(query, &Environment::default()), [Code::TokenInAddress]);

    let mut environment: Vec<(String, String)> =
        secrets().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    environment.push(("ADMIN_TOKEN".into(), "not-thirty-two-characters".into()));
    let environment: Environment = environment.into_iter().collect();
    let found = Policy::from_toml("palisade.toml", &format!("{PRODUCTION}\n{shared}"), &environment);
    let codes: Vec<Code> =
        found.err().map(|all| all.iter().map(|one| one.code).collect()).unwrap_or_default();
    assert!(codes.contains(&Code::SecretShort), "{codes:?}");
}

// proves: ACC-1
#[test]
fn roles_among_which_none_is_that_of_administrators_are_told() {
    let told = |roles: &str| warnings(&format!("[authorize.roles]\n{roles}\n"), &Environment::default());
    assert_eq!(told("user = {}\neditor = {}"), [Code::NobodyAdministers]);
    assert_eq!(
        told("admin = {}\nroot = { includes = [\"user\"] }\nuser = {}\nboss = { includes = [\"user\"] }"),
        [Code::NobodyAdministers]
    );
    for clear in ["user = {}", "user = {}\nadmin = {}", "a = { includes = [\"b\"] }\nb = {}\nuser = {}"] {
        assert_eq!(told(clear), [], "{clear}");
    }
}

// proves: ID-6
#[test]
fn providers_that_could_let_nobody_in_are_told_before_somebody_tries() {
    let told = |lines: &str| check(&format!("[identify.oidc.x]\nclient_id = \"a\"\n{lines}")).map(|_| ());
    let words = |lines: &str| told(lines).unwrap_err().render(false);
    let long = words("issuer = \"https://login.example.com/.well-known/openid-configuration\"\n");
    assert!(long.contains("leave that off"), "{long}");
    let sound = "issuer = \"https://login.example.com\"\n";
    let at = words(&format!("{sound}domains = [\"@example.com\"]\n"));
    assert!(at.contains("write domains = [\"example.com\"]"), "{at}");
    assert!(told(&format!("{sound}domains = [\"example.com\"]\n")).is_ok());
    let google =
        |pairs: &[(&str, &str)]| Policy::from_toml("palisade.toml", "", &environment(pairs)).map(|_| ());
    let bare = google(&[("GOOGLE_CLIENT_ID", "a")]).unwrap_err().render(false);
    assert!(bare.contains("set GOOGLE_CLIENT_SECRET"), "{bare}");
    assert!(google(&[("GOOGLE_CLIENT_ID", "a"), ("GOOGLE_CLIENT_SECRET", "b")]).is_ok());
    // Not said twice where it is said and not there.
    let unset = words("issuer = \"https://accounts.google.com\"\nclient_secret = \"env:NOT_SET\"\n");
    assert!(unset.contains("P008") && !unset.contains("P025"), "{unset}");
}
