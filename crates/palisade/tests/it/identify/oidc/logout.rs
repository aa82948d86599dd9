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
