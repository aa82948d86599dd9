//! Rate limits (LIMIT-1, LIMIT-2): who is counted by what, and what the client is told.

use crate::house::{Ask, HEAD, House};

fn policy(limit: &str) -> String {
    format!(
        r#"{HEAD}
[shield.limits]
here = {limit}
[[route]]
path = "/open/{{*rest}}"
to = "upstream:app"
allow = "public"
csrf = "off"
limits = ["here"]
"#
    )
}

async fn statuses(house: &House, asks: impl IntoIterator<Item = Ask>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for ask in asks {
        statuses.push(house.send(ask).await.status());
    }
    statuses
}

// proves: LIMIT-1, LIMIT-2, OBS-1
#[tokio::test]
async fn over_the_limit_there_is_429_with_all_that_a_client_needs() {
    let house = House::from_policy(&policy(r#""3/minute""#)).await;
    for left in ["2", "1", "0"] {
        let got = house.send(Ask::get("/open/x")).await;
        assert_eq!((got.status(), got.header("x-ratelimit-remaining")), (200, left));
        assert_eq!(got.header("x-ratelimit-limit"), "3");
        assert_eq!(got.header("ratelimit-policy"), r#""here";q=3;w=60"#);
        assert!(
            got.header("ratelimit").starts_with(&format!(r#""here";r={left};t="#)),
            "{}",
            got.header("ratelimit")
        );
        assert!(!got.has("retry-after"));
    }
    let got = house.send(Ask::get("/open/x")).await;
    assert_eq!((got.status(), got.problem()["code"].as_str()), (429, Some("shield.limit")));
    let wait: u64 = got.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let reset: u64 = got.header("x-ratelimit-reset").parse().unwrap();
    assert!((1_800_000_001..=1_800_000_061).contains(&reset), "{reset}");
    assert_eq!((got.header("x-ratelimit-remaining"), house.hits()), ("0", 3));
    assert_eq!(house.events().last().unwrap()["event"], "rate_limited");
    assert!(house.metrics.encode().contains("rate_limited_total 1"));

    house.pass(61);
    assert_eq!(house.send(Ask::get("/open/x")).await.status(), 200, "the window never ended");
}

// proves: LIMIT-8
#[tokio::test]
async fn whom_a_proxy_hides_is_not_stopped_by_what_one_other_may_do_and_guessing_still_ends() {
    let house = House::from_policy(&policy(r#""3/minute""#)).await;
    let hidden = || Ask::get("/open/x").peer("10.0.0.1", false);
    let known = || hidden().header("x-forwarded-for", "198.51.100.1");
    for _ in 0..60 {
        assert_eq!(house.send(hidden()).await.status(), 200);
    }
    assert_eq!(house.send(hidden()).await.status(), 429, "the shared counter has an end");
    assert_eq!(house.send(hidden().header("forwarded", "for=unknown")).await.status(), 429);
    assert_eq!(
        statuses(&house, (0..4).map(|_| known())).await,
        [200, 200, 200, 429],
        "the strict one is theirs"
    );
}

// proves: LIMIT-1
#[tokio::test]
async fn several_windows_count_at_once() {
    let house = House::from_policy(&policy(r#"["4/day", "2/minute"]"#)).await;
    let got = house.send(Ask::get("/open/x")).await;
    assert_eq!(got.header("ratelimit-policy"), r#""here-86400";q=4;w=86400, "here-60";q=2;w=60"#);
    assert!(got.header("ratelimit").starts_with(r#""here-60";r=1;"#), "{}", got.header("ratelimit"));
    assert_eq!(statuses(&house, (0..2).map(|_| Ask::get("/open/x"))).await, [200, 429]);
    house.pass(61);
    assert_eq!(statuses(&house, (0..2).map(|_| Ask::get("/open/x"))).await, [200, 200]);
    house.pass(61);
    assert_eq!(
        statuses(&house, (0..1).map(|_| Ask::get("/open/x"))).await,
        [429],
        "the day's window did not count"
    );
}

// proves: LIMIT-1, LIMIT-8, EDGE-3
#[tokio::test]
async fn addresses_are_counted_apart_and_cannot_be_made_up() {
    let house = House::from_policy(&policy(r#""1/minute""#)).await;
    let from = |ip: &str| Ask::get("/open/x").from(ip);
    assert_eq!(
        statuses(&house, [from("203.0.113.1"), from("203.0.113.2"), from("203.0.113.1")]).await,
        [200, 200, 429]
    );
    let forged = (0..3).map(|n| from("203.0.113.1").header("x-forwarded-for", &format!("198.51.100.{n}")));
    assert_eq!(statuses(&house, forged).await, [429, 429, 429], "a forged header opened a bucket of its own");
    let proxied = |list: &str| from("10.0.0.1").header("x-forwarded-for", list);
    let rotated = (0..2).map(|n| proxied(&format!("192.0.2.{n}, 198.51.100.77")));
    assert_eq!(statuses(&house, rotated).await, [200, 429], "the client's own part of the list counted");
    // One IPv6 subscriber is a /64.
    assert_eq!(
        statuses(&house, [from("2001:db8:1:1::1"), from("2001:db8:1:1:ffff::2"), from("2001:db8:1:2::1")])
            .await,
        [200, 429, 200]
    );
    // Senders that are unknown share a bucket, and it is not the proxy's own.
    assert_eq!(
        statuses(&house, (0..20).map(|_| proxied("?"))).await,
        [200; 20],
        "it takes more than one client's"
    );
    assert_eq!(statuses(&house, [proxied("?"), proxied("??"), from("10.0.0.1")]).await, [429, 429, 429]);
    // Somebody whose own address is the proxy's is not among them.
    let own = from("10.0.0.2").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(house.send(own).await.status(), 200);
    assert!(house.metrics.client_unknown_at().is_some());
}

// proves: LIMIT-1
#[tokio::test]
async fn users_tenants_and_credentials_are_counted_wherever_they_come_from() {
    for (by, expected) in [
        ("user", [200, 429, 200, 429, 200]),
        ("tenant", [200, 429, 429, 429, 200]),
        ("token", [200, 200, 200, 429, 200]),
    ] {
        let house = House::from_policy(&policy(&format!(r#"{{ limit = "1/minute", by = "{by}" }}"#))).await;
        let ann = house.sign_in("ann", &["user"], Some("north")).await;
        let ann_elsewhere = house.sign_in_again("ann").await;
        let bob = house.sign_in("bob", &["user"], Some("north")).await;
        let asks = [
            Ask::get("/open/x").signed_in(&ann),
            Ask::get("/open/x").from("203.0.113.8").signed_in(&ann_elsewhere),
            Ask::get("/open/x").from("203.0.113.9").signed_in(&bob),
            Ask::get("/open/x").from("203.0.113.9").signed_in(&bob),
            // Nobody: by address.
            Ask::get("/open/x").from("203.0.113.9"),
        ];
        assert_eq!(statuses(&house, asks).await, expected, "by {by}");
    }
}

// proves: LIMIT-1
#[tokio::test]
async fn a_form_field_is_counted_from_however_many_addresses() {
    let house = House::from_policy(&policy(r#"{ limit = "2/minute", by = "field:login" }"#)).await;
    let form = |n: u8, body: &'static str| {
        let kind =
            if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        Ask::post("/open/x").from(&format!("203.0.113.{n}")).header("content-type", kind).body(body)
    };
    let asks = [
        form(1, "login=ann&password=a"),
        form(2, "password=b&login=%41nn"),
        form(3, "login=+ANN+&password=c"),
        form(4, r#"{"login": "Ann", "password": "d"}"#),
        form(5, "login=bob"),
    ];
    assert_eq!(statuses(&house, asks).await, [200, 200, 429, 429, 200]);
    // Two values: which of them the application reads cannot be known, so that it would be a way past the limit.
    let unclear = house.send(form(6, "login=carl&login=ann")).await;
    assert_eq!((unclear.status(), unclear.problem()["code"].as_str()), (400, Some("edge.ambiguous")));
    // Without the field, by address.
    let bare = || form(7, "other=1");
    assert_eq!(statuses(&house, [bare(), bare(), bare()]).await, [200, 200, 429]);
}

// proves: LIMIT-1
#[tokio::test]
async fn guessing_credentials_is_limited_before_they_are_looked_at() {
    let house = House::from_policy(&policy(r#""2/minute""#)).await;
    let guess = |n: u32| Ask::get("/open/x").header("authorization", &format!("Bearer guess{n}"));
    assert_eq!(statuses(&house, (0..4).map(guess)).await, [200, 200, 429, 429]);
}

// proves: LIMIT-5
#[tokio::test]
async fn exempt_networks_are_not_counted_unless_the_sender_is_unknown() {
    let exempt = policy(r#""1/minute""#)
        .replace("[shield.limits]", "[shield]\nexempt = [\"10.0.0.0/8\", \"192.0.2.0/24\"]\n[shield.limits]");
    let house = House::from_policy(&exempt).await;
    let twice = |ask: fn() -> Ask| [ask(), ask()];
    assert_eq!(statuses(&house, twice(|| Ask::get("/open/x").from("192.0.2.9"))).await, [200, 200]);
    assert_eq!(statuses(&house, twice(|| Ask::get("/open/x"))).await, [200, 429]);
    // Behind a proxy that is exempt itself, with a list that hides who asks.
    let hidden = || Ask::get("/open/x").from("10.0.0.1").header("x-forwarded-for", "unknown");
    assert_eq!(statuses(&house, (0..20).map(|_| hidden())).await, [200; 20], "as many share the counter");
    assert_eq!(house.send(hidden()).await.status(), 429);
}

// proves: LIMIT-7
#[tokio::test]
async fn limits_can_be_switched_off_for_testing() {
    let off = policy(r#""1/minute""#)
        .replace("[shield.limits]", "[shield]\nlimits_enabled = false\n[shield.limits]");
    let house = House::from_policy(&off).await;
    let got = house.send(Ask::get("/open/x")).await;
    assert!(!got.has("x-ratelimit-limit"));
    assert_eq!(house.send(Ask::get("/open/x")).await.status(), 200);
}
