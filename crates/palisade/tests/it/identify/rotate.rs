//! Another id for a session whose user's rights have changed, as a browser meets it.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;

use crate::support::{Client, Reply, Site, Upstream, public};

async fn promote(site: &Site, client: &mut Client, role: &str) {
    let id = client.get("/api/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned();
    let id = UserId::parse(&id).unwrap();
    site.running.access.set_roles(id, &[role.to_owned()], None, &Origin::default()).await.unwrap();
}

// proves: ID-8, HEAD-2
#[tokio::test]
async fn a_proxied_answer_hands_it_over_once_and_no_cache_may_share_it() {
    let upstream = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=600\r\nContent-Length: 4\r\n\r\npage"
                .to_vec(),
        )
    })
    .await;
    let site = Site::start(&format!("[csrf]\ncookie = \"csrf_token\"\n{}", public(upstream.address))).await;
    let mut eva = site.signed_in("eva", "user").await;
    eva.get("/").await;
    assert_eq!(eva.get("/").await.header("set-cookie"), None, "nothing to hand over");
    let before = eva.cookies();
    let mut thief = eva.clone();

    promote(&site, &mut eva, "admin").await;
    let answer = eva.get("/").await;
    let set: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(
        set[0].starts_with("palisade_session=") && set[0].contains("; HttpOnly; SameSite=Lax"),
        "{set:?}"
    );
    assert!(set[1].starts_with("csrf_token=") && !set[1].contains("HttpOnly"), "{set:?}");
    let caching = answer.header("cache-control").unwrap();
    assert!(caching.contains("private") && !caching.contains("public"), "{caching}");
    assert_ne!(eva.cookies(), before);

    let me = eva.get("/api/v1/auth/me").await;
    assert_eq!((me.json()["roles"][0].as_str(), me.header("set-cookie")), (Some("admin"), None));
    // The former id gets no cookie, whatever it asks for in the moment that is left to it.
    let late = thief.get("/").await;
    assert_eq!((late.status, late.header("set-cookie")), (StatusCode::OK, None));
}

/// Signing out with the very request that would have got another id leaves no cookie behind.
// proves: ID-8
#[tokio::test]
async fn signing_out_wins_over_another_id() {
    let site = Site::start(&public(Upstream::plain().await.address)).await;
    let mut eva = site.signed_in("eva", "user").await;
    let token = eva.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    promote(&site, &mut eva, "admin").await;
    let own = format!("http://{}", site.address);
    let headers = [("origin", own.as_str()), ("x-csrf-token", token.as_str())];
    let mut held = eva.clone();
    let out = eva.send(Method::POST, "/api/v1/auth/logout", &headers, "").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
    let set: Vec<_> = out.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(set.len() == 1 && set[0].contains("Max-Age=0"), "{set:?}");
    assert_eq!(held.get("/api/v1/auth/me").await.status, StatusCode::UNAUTHORIZED);
}
