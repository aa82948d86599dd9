//! Whoever signs out at the provider is signed out here (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_at_the_provider_ends_the_session_here() {
    let world = World::start("").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let (mut ada, mut elsewhere) = (world.person(), world.person());
    for person in [&mut ada, &mut elsewhere] {
        assert_eq!(person.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
    }
    let host = world.provider.issuer().trim_start_matches("http://").to_owned();
    let headers = [("host", host.as_str())];
    let page = ada.there.send(Method::GET, "/session/end", &headers, "").await;
    let xsrf =
        page.text().split_once("name=\"xsrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let headers = [("host", host.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let body = format!("xsrf={xsrf}&logout=yes");
    let done = ada.there.send(Method::POST, "/session/end/confirm", &headers, &body).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    for _ in 0..50 {
        if ada.me().await == Value::Null {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ada.me().await, Value::Null, "{}", world.last_reason());
    assert_eq!(elsewhere.me().await["name"], "ada", "another session of theirs goes on");
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_signs_people_out() {
    let world = World::start("").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    ada.sign_in("/auth/oidc/company").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
    let path = "/auth/oidc/company/backchannel-logout";
    for body in ["", "logout_token=", "logout_token=x.y.z", &format!("logout_token={unsigned}&other=1")] {
        let answer = world.site.client().send(Method::POST, path, &form, body).await;
        world.site.assert_refused(&answer, 400, "identify.provider");
    }
    let answer = world
        .site
        .client()
        .send(Method::POST, "/auth/oidc/x/backchannel-logout", &form, "logout_token=a")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(ada.me().await["name"], "ada");
}

/// The query of an address.
fn query(address: &str) -> Vec<(String, String)> {
    let query = address.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn of<'q>(query: &'q [(String, String)], key: &str) -> &'q str {
    &query.iter().find(|(name, _)| name == key).unwrap_or_else(|| panic!("no {key}: {query:?}")).1
}

/// Presses the button on the account page.
async fn press(world: &World, person: &mut super::Person) -> crate::support::Answer {
    let token = person.here.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let field = world.site.running.policy.csrf.field.clone();
    crate::identify::post(&world.site, &mut person.here, "/auth/logout", &[(&field, &token)]).await
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_here_signs_out_at_the_provider_too_and_comes_back() {
    let world = World::start("sign_out_there = true\n").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    assert_eq!(ada.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
    let stolen = ada.here.cookies();
    let page = press(&world, &mut ada).await;
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(ada.me().await, Value::Null, "here at once, whatever becomes of the rest");
    let mut thief = world.site.client();
    let (name, value) = stolen
        .split("; ")
        .find_map(|pair| pair.split_once('=').filter(|(name, _)| name.contains("session")))
        .unwrap();
    thief.put_cookie(name, value);
    assert_eq!(thief.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);

    let there = super::goes_on_to(&page).replace("&amp;", "&").replace("&#38;", "&");
    let sent = query(&there);
    let own = format!("http://{}/auth/signed-out", world.site.address);
    assert_eq!((of(&sent, "client_id"), of(&sent, "post_logout_redirect_uri")), ("palisade", own.as_str()));
    let hint = of(&sent, "id_token_hint").to_owned();
    assert_eq!(hint.split('.').count(), 3);
    assert!(!world.site.events().iter().any(|event| event.to_string().contains(&hint)), "in the log");

    // The provider asks, ends its session, and sends them back.
    let host = world.provider.issuer().trim_start_matches("http://").to_owned();
    let path = there.strip_prefix(&world.provider.issuer()).expect("another site").to_owned();
    let headers = [("host", host.as_str())];
    let asked = ada.there.send(Method::GET, &path, &headers, "").await;
    let xsrf = asked.text().split_once("name=\"xsrf\" value=\"").unwrap_or_else(|| panic!("{asked:?}")).1;
    let body = format!("xsrf={}&logout=yes", xsrf.split('"').next().unwrap());
    let headers = [("host", host.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let done = ada.there.send(Method::POST, "/session/end/confirm", &headers, &body).await;
    let back = done.header("location").unwrap_or_else(|| panic!("{done:?}")).to_owned();
    let path = back.strip_prefix(&format!("http://{}", world.site.address)).expect("not back here");
    assert_eq!(of(&query(path), "state"), of(&sent, "state"));
    let landed = ada.here.get(path).await;
    assert_eq!(landed.header("location"), Some("/auth/login?done=signed-out-there"));
    for forged in ["/auth/signed-out", "/auth/signed-out?state=x", "/auth/signed-out?state=99999999999.AAAA"]
    {
        let landed = world.site.client().get(forged).await;
        assert_eq!(landed.header("location"), Some("/auth/login?done=signed-out"), "{forged}");
    }
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_works_while_the_provider_is_away_and_where_nobody_asked_for_more() {
    for (more, away) in [("", false), ("sign_out_there = true\n", true)] {
        let world = World::start(more).await;
        world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
        let mut ada = world.person();
        assert_eq!(ada.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
        let (mut site, provider) = (world.site, world.provider);
        if away {
            // What was known of it is forgotten, and it does not answer.
            drop(provider);
            site = site.restart().await;
            ada.here = ada.here.at(site.address);
        }
        let token = ada.here.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
        let field = site.running.policy.csrf.field.clone();
        let done = crate::identify::post(&site, &mut ada.here, "/auth/logout", &[(&field, &token)]).await;
        assert_eq!(done.header("location"), Some("/auth/login?done=signed-out"), "{done:?}");
        assert_eq!(ada.me().await, Value::Null);
    }
}
