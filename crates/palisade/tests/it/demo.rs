//! `palisade demo`: the same application, bare and behind Palisade.

use http::{Method, StatusCode};
use palisade::demo::{self, Options};

use crate::support::{Client, PASSWORD};

const ANY: Options = Options { port: 0, application_port: 0 };

// proves: ACC-1, CSRF-3, HEAD-1, HEAD-2
#[tokio::test]
async fn the_same_application_is_open_bare_and_guarded_behind_palisade() {
    let demo = demo::start(ANY).await.unwrap();
    let mut bare = Client::new(demo.application);
    let page = bare.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("x-powered-by"), Some("an afternoon"));
    assert_eq!(bare.send(Method::DELETE, "/api/notices/1", &[], "").await.status, StatusCode::NO_CONTENT);

    let mut stranger = Client::new(demo.running.address);
    let forged = [("remote-user", "admin")];
    let believed = bare.send(Method::GET, "/api/whoami", &forged, "").await;
    assert_eq!(believed.text(), "The board takes you for admin.\n");
    let told = stranger.send(Method::GET, "/api/whoami", &forged, "").await;
    assert_eq!(
        (told.status, told.text()),
        (StatusCode::OK, "The board takes you for nobody in particular.\n")
    );
    assert_eq!(stranger.get("/api/notices").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.get("/board.css").await.status, StatusCode::OK);
    let delete = stranger.send(Method::DELETE, "/api/notices/2", &[], "").await;
    assert!(delete.status.is_client_error(), "{}", delete.status);
    assert!(bare.get("/api/notices").await.text().contains("key to shed 4"), "the notice is still there");
}

// proves: ID-5, CSRF-3, ACC-6
#[tokio::test]
async fn the_printed_link_makes_the_administrator_who_can_then_use_the_unchanged_forms() {
    let demo = demo::start(ANY).await.unwrap();
    let link = demo.running.first_link.clone().unwrap();
    let origin = format!("http://{}", demo.running.address);
    let path = link.strip_prefix(&origin).unwrap();
    let mut admin = Client::new(demo.running.address);
    let form = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
    let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let set = admin.send(Method::POST, path, &form, &format!("password={password}")).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text());

    let page = admin.get("/").await;
    assert!(page.text().contains("You are admin."), "{}", page.text());
    assert_eq!(page.header("x-powered-by"), None);
    let (_, rest) = page.text().split_once("name=\"csrf_token\" value=\"").expect("the field is written in");
    let token = rest.split('"').next().unwrap().to_owned();
    let without = admin.send(Method::POST, "/notices", &form, "text=forged").await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let with = admin.send(Method::POST, "/notices", &form, &format!("text=pinned&csrf_token={token}")).await;
    assert_eq!(with.status, StatusCode::SEE_OTHER);
    let notices = admin.get("/api/notices").await;
    assert!(notices.text().contains("pinned") && !notices.text().contains("forged"), "{}", notices.text());
    assert_eq!(admin.get("/admin").await.status, StatusCode::OK);

    let again = Client::new(demo.running.address).get(path).await;
    assert_eq!(again.status, StatusCode::GONE, "the link works once");
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = demo::start(Options { port, ..ANY }).await.err().unwrap().to_string();
    assert_eq!(error, format!("port {port} is in use; choose another with `palisade demo --port PORT`"));
}
