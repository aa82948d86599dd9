//! How many requests in which time, by whom.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use palisade_model::{Environment, ManualClock, Timestamp, World};
use palisade_policy::Policy;

use super::assert_sealed;
use crate::identify::encoded;
use crate::support::{Answer, Client, Site, Upstream, public};

const FORM: (&str, &str) = ("content-type", crate::identify::FORM);
const PROXY: (&str, &str) = ("PALISADE_EDGE__TRUSTED_PROXIES", "127.0.0.0/8");

/// Everything goes to the application and counts by this limit.
fn limited(app: &Upstream, limit: &str) -> String {
    let routes = public(app.address).replace("csrf = \"off\"", "csrf = \"off\"\nlimits = [\"here\"]");
    format!("[shield.limits]\nhere = {limit}\n{routes}")
}

async fn statuses(client: &mut Client, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.get("/x").await.status.as_u16());
    }
    statuses
}

/// The answer says how long to wait, in three ways that agree.
fn wait(answer: &Answer, now: i64) -> u64 {
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    let reset: i64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset - now, i64::try_from(seconds).unwrap());
    assert!(answer.header("ratelimit").unwrap().ends_with(&format!(";t={seconds}")), "{answer:?}");
    seconds
}

// proves: LIMIT-1, LIMIT-2, AUD-4, HEAD-1
#[tokio::test]
async fn several_windows_count_at_once_and_the_answer_says_when_to_come_again() {
    const NOW: i64 = 1_800_000_000;
    let app = Upstream::plain().await;
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let world = World { clock: clock.clone(), ..World::real() };
    let site = Site::start_in(world, &limited(&app, "[\"5/day\", \"2/minute\"]")).await;
    let mut client = site.client();
    for left in ["1", "0"] {
        let answer = client.get("/x").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"here-86400\";q=5;w=86400, \"here-60\";q=2;w=60")
        );
        assert_eq!(
            answer.header("ratelimit").unwrap().split(";t=").next(),
            Some(&*format!("\"here-60\";r={left}"))
        );
        assert_eq!(answer.header("x-ratelimit-limit"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left));
        assert_eq!(answer.header("retry-after"), None);
    }
    for _ in 0..5 {
        let over = client.get("/x").await;
        let event = site.assert_refused(&over, 429, "shield.limit");
        assert_eq!(
            (&event["event"], &event["payload"]["why"]),
            (&"rate_limited".into(), &"over the limit here-60".into())
        );
        assert_eq!(wait(&over, NOW), 60);
        assert_sealed(&over, "429");
    }
    clock.advance(Duration::from_secs(61));
    assert_eq!(statuses(&mut client, 3).await, [200, 200, 429], "what was refused did not count for the day");
    clock.advance(Duration::from_secs(61));
    assert_eq!(client.get("/x").await.status, StatusCode::OK);
    let over = client.get("/x").await;
    assert_eq!(
        site.assert_refused(&over, 429, "shield.limit")["payload"]["why"],
        "over the limit here-86400"
    );
    assert!((86_000..=86_400).contains(&wait(&over, NOW + 122)), "the day's window is longer");
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(client.get("/x").await.status, StatusCode::OK);
    assert_eq!(app.received().len(), 6, "only what had room reached the application");
}

// proves: LIMIT-1
#[tokio::test]
async fn users_tenants_and_credentials_are_counted_each_for_themselves() {
    let app = Upstream::plain().await;
    for (by, elsewhere, colleague) in
        [("user", 429, [200, 429]), ("token", 200, [200, 429]), ("tenant", 429, [429, 429])]
    {
        let site = Site::start(&limited(&app, &format!("{{ limit = \"1/hour\", by = \"{by}\" }}"))).await;
        let mut ann = site.signed_in_at("ann", "user", Some("north")).await;
        let mut bob = site.signed_in_at("bob", "user", Some("north")).await;
        let mut carl = site.signed_in_at("carl", "user", Some("south")).await;
        let origin = palisade_model::audit::Origin::default();
        let password = palisade_model::Secret::new(crate::support::PASSWORD);
        let session =
            site.running.access.sign_in("ann", &password, &origin, None).await.unwrap().session().unwrap();
        let mut ann_again = site.client();
        ann_again.put_cookie(&site.running.policy.identify.sessions.cookie, session.cookie.expose());
        assert_eq!(statuses(&mut ann, 2).await, [200, 429], "by {by}");
        assert_eq!(statuses(&mut ann_again, 1).await, [elsewhere], "by {by}: another session of ann's");
        assert_eq!(statuses(&mut bob, 2).await, colleague, "by {by}: bob is of ann's tenant");
        assert_eq!(statuses(&mut carl, 2).await, [200, 429], "by {by}: carl is of another");
        assert_eq!(statuses(&mut site.client(), 2).await, [200, 429], "by {by}: nobody, by address");
    }
}

// proves: LIMIT-1, EDGE-3
#[tokio::test]
async fn addresses_are_counted_apart_and_ipv6_by_its_network() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&[PROXY], &limited(&app, "\"1/hour\"")).await;
    for (address, status) in [
        ("198.51.100.1", 200),
        ("198.51.100.2", 200),
        ("6.6.6.6, 198.51.100.1", 429),
        ("2001:db8:1:1::1", 200),
        ("2001:db8:1:1:ffff::9", 429),
        ("2001:db8:1:2::1", 200),
        ("::ffff:198.51.100.2", 429),
        ("unknown", 200),
        // Whom the proxy hides, twenty times as much: they are many.
        ("_hidden", 200),
        ("127.0.0.1", 200),
    ] {
        let answer = site.client().send(Method::GET, "/x", &[("x-forwarded-for", address)], "").await;
        assert_eq!(answer.status.as_u16(), status, "{address}");
    }
    assert_eq!(app.received().len(), 7);
}

// proves: LIMIT-1
#[tokio::test]
async fn a_forms_field_is_counted_whoever_sends_it_and_the_body_stays_whole() {
    let app = Upstream::plain().await;
    let policy = limited(&app, "{ limit = \"2/hour\", by = \"field:login\" }");
    let site = Site::start_with(&[PROXY], &policy).await;
    let json = ("content-type", "application/json");
    let mut number = 0;
    for (kind, body, status) in [
        (FORM, "login=ann&password=a", 200),
        (json, "{\"login\": \" ANN \", \"password\": \"b\"}", 200),
        (FORM, "password=c&login=%41nn", 429),
        (json, "{\"login\":\"\\u0061nn\"}", 429),
        (FORM, "login=bob", 200),
        // Two values, of which the application may read the other one.
        (FORM, "login=carl&login=ann", 400),
        (json, "{\"login\":\"carl\",\"login\":\"ann\"}", 400),
        (json, "{\"login\":\"ann\"", 400),
    ] {
        number += 1;
        let from = format!("198.51.100.{number}");
        let answer = site.client().send(Method::POST, "/x", &[kind, ("x-forwarded-for", &from)], body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        match status {
            429 => drop(site.assert_refused(&answer, 429, "shield.limit")),
            400 => drop(site.assert_refused(&answer, 400, "edge.ambiguous")),
            _ => assert_eq!(app.received().pop().unwrap().body, body.as_bytes()),
        }
    }
    assert_eq!(app.received().len(), 3);
    // What was counted by is not written down.
    let events = format!("{:?}", site.events());
    assert!(!events.contains("ann") && !events.contains("carl"), "{events}");
}

// proves: LIMIT-5, AUD-4
#[tokio::test]
async fn networks_can_be_refused_and_exempted() {
    let app = Upstream::plain().await;
    let networks =
        "[shield]\nrefuse = [\"203.0.113.0/24\", \"2001:db8:bad::/48\"]\nexempt = [\"192.0.2.0/24\"]\n";
    let site = Site::start_with(&[PROXY], &format!("{networks}{}", limited(&app, "\"1/hour\""))).await;
    let from = async |path: &str, address: &str| {
        site.client().send(Method::GET, path, &[("x-forwarded-for", address)], "").await
    };
    for path in ["/x", "/auth/login", "/healthz", "/.well-known/jwks.json"] {
        for address in ["203.0.113.7", "2001:db8:bad:1::1", "::ffff:203.0.113.7", "192.0.2.1, 203.0.113.7"] {
            let event = site.assert_refused(&from(path, address).await, 403, "shield.address");
            assert_eq!(event["payload"]["path"], path);
        }
    }
    assert!(app.received().is_empty());
    for _ in 0..3 {
        let answer = from("/x", "192.0.2.9").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (StatusCode::OK, None));
    }
    assert_eq!(from("/x", "192.0.3.9").await.status, StatusCode::OK);
    assert_eq!(from("/x", "192.0.3.9").await.status, StatusCode::TOO_MANY_REQUESTS);

    // A stranger's word makes nobody exempt, and hides nobody who is refused.
    let strangers =
        Site::start(&format!("[shield]\nexempt = [\"192.0.2.0/24\"]\n{}", limited(&app, "\"1/hour\""))).await;
    for status in [[200; 20].as_slice(), &[429]].concat() {
        let answer =
            strangers.client().send(Method::GET, "/x", &[("x-forwarded-for", "192.0.2.9")], "").await;
        assert_eq!(answer.status.as_u16(), status);
    }
    let refusing =
        Site::start(&format!("[shield]\nrefuse = [\"127.0.0.0/8\"]\n{}", limited(&app, "\"1/hour\""))).await;
    let hidden = refusing.client().send(Method::GET, "/x", &[("x-forwarded-for", "192.0.2.9")], "").await;
    refusing.assert_refused(&hidden, 403, "shield.address");
}

// proves: LIMIT-7
#[tokio::test]
async fn limits_can_be_switched_off_for_testing_and_never_in_production() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&[("RATE_LIMIT_ENABLED", "false")], &limited(&app, "\"1/hour\"")).await;
    let mut client = site.client();
    assert_eq!(statuses(&mut client, 3).await, [200, 200, 200]);
    assert_eq!(client.get("/x").await.header("x-ratelimit-limit"), None);

    let text = "[app]\nenvironment = \"production\"\nbase_url = \"https://app.example\"\n\
                [identify]\nsecret_key = \"env:SECRET_KEY\"\n[shield]\nlimits_enabled = false\n";
    let key = [("SECRET_KEY", "0123456789abcdef0123456789abcdef")].into_iter().collect::<Environment>();
    let Err(faults) = Policy::from_toml("palisade.toml", text, &key) else { panic!("it started") };
    assert!(faults.render(false).contains("P023"), "{}", faults.render(false));
    let on = text.replace("false", "true");
    assert!(Policy::from_toml("palisade.toml", &on, &key).is_ok());
}

// proves: LIMIT-4
#[tokio::test]
async fn what_was_counted_by_user_and_by_field_survives_a_restart() {
    let app = Upstream::plain().await;
    let policy = limited(&app, "{ limit = \"2/hour\", by = \"user\" }")
        .replace("limits = [\"here\"]", "limits = [\"here\", \"name\"]")
        .replace(
            "[shield.limits]\n",
            "[shield.limits]\nname = { limit = \"4/hour\", by = \"field:login\" }\n",
        );
    let site = Site::start(&policy).await;
    let mut ann = site.signed_in("ann", "user").await;
    let send = async |client: &mut Client| {
        client.send(Method::POST, "/x", &[FORM], &encoded(&[("login", "zoe")])).await.status.as_u16()
    };
    assert_eq!([send(&mut ann).await, send(&mut ann).await, send(&mut ann).await], [200, 200, 429]);
    let site = site.restart().await;
    let mut ann = ann.at(site.address);
    assert_eq!(send(&mut ann).await, 429, "her two are still counted");
    // Two for the field by ann; a third and a fourth by bob, and then it is full.
    let mut bob = site.signed_in("bob", "user").await;
    assert_eq!([send(&mut bob).await, send(&mut bob).await], [200, 200]);
    let mut carl = site.signed_in("carl", "user").await;
    let over = carl.send(Method::POST, "/x", &[FORM], &encoded(&[("login", "Zoe")])).await;
    site.assert_refused(&over, 429, "shield.limit");
    assert_eq!(app.received().len(), 4);
}

// proves: LIMIT-6
#[tokio::test]
async fn what_is_for_administrators_has_a_window_of_its_own_and_reads_of_others_do_not_fill_it() {
    let app = Upstream::plain().await;
    let policy = format!(
        "[shield]\nadmin_requests = 3\nadmin_window = \"1h\"\n\
         [[route]]\npath = \"/mixed\"\nto = \"upstream:app\"\ncsrf = \"off\"\nallow = {{ read = \"user\", write = \"admin\" }}\n\
         [[route]]\npath = \"/admin\"\nto = \"upstream:app\"\nallow = \"admin\"\n{}",
        public(app.address)
    );
    let site = Site::start(&policy).await;
    let mut admin = site.signed_in("root", "admin").await;
    for _ in 0..5 {
        assert_eq!(admin.get("/mixed").await.status, StatusCode::OK, "reading is not administration");
    }
    assert_eq!(admin.send(Method::POST, "/mixed", &[], "").await.status, StatusCode::OK);
    assert_eq!(admin.get("/admin").await.header("x-ratelimit-remaining"), Some("1"));
    // Whoever guesses counts as well: by address.
    assert_eq!(site.client().get("/admin").await.status, StatusCode::UNAUTHORIZED);
    let refused = admin.get("/admin").await;
    site.assert_refused(&refused, 429, "shield.limit");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 3500);
    let unlock = admin.send(Method::POST, "/api/v1/admin/unlock", &[], "").await;
    assert_eq!(unlock.status, StatusCode::TOO_MANY_REQUESTS, "Palisade's own count too");
    assert_eq!(admin.get("/mixed").await.status, StatusCode::OK);
}
