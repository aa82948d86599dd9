//! Who changed what, from where, in which request.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{guarded, of_action, trail};
use crate::identify::{FORM, encoded, open};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream, public};

const AGENT: (&str, &str) = ("user-agent", "test/1");

/// Sends a form from a page of the site.
async fn form(site: &Site, client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let own = format!("http://{}", site.address);
    let headers = [("content-type", FORM), ("origin", &own), ("accept", "text/html"), AGENT];
    client.send(Method::POST, path, &headers, &encoded(fields)).await
}

async fn object(client: &mut Client, path: &str, fields: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[("content-type", "application/json"), AGENT], fields].concat();
    client.send(Method::POST, path, &headers, &body.to_string()).await
}

/// The trail as far as it was looked at.
struct Reader<'a> {
    site: &'a Site,
    seen: usize,
}

impl Reader<'_> {
    /// The answer's request left exactly these rows, and each says who asked, from where and in which request.
    async fn expect(&mut self, answer: &Answer, user: &str, actions: &[&str]) {
        let rows = trail(self.site).await.split_off(self.seen);
        self.seen += rows.len();
        let found: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
        assert_eq!(found, actions, "{answer:?}");
        let id = self.site.running.store.user_by_login(user).await.unwrap().map(|user| user.id);
        for row in rows {
            assert_eq!(row.user, id, "{row:?}");
            assert_eq!(row.request_id.as_deref(), answer.header("x-request-id"), "{row:?}");
            let personal = row.personal.expect("nobody was erased");
            assert_eq!(personal.email.as_deref(), Some(user), "{}", row.action);
            assert_eq!(personal.address.as_deref(), Some("127.0.0.1"));
            assert!(personal.address_known);
            assert_eq!(personal.agent.as_deref(), Some("test/1"));
        }
    }
}

async fn csrf(client: &mut Client) -> String {
    let answer = client.get("/api/v1/auth/csrf").await;
    answer.json()["csrf_token"].as_str().expect("a token").to_owned()
}

// proves: AUD-1, AUD-2, EDGE-4
#[tokio::test]
async fn whatever_people_change_of_their_accounts_is_recorded_with_its_request() {
    let app = Upstream::plain().await;
    let site = Site::start(&open(&app, "1000/minute")).await;
    let mut reader = Reader { site: &site, seen: trail(&site).await.len() };
    let mut eva = site.client();
    let registered =
        form(&site, &mut eva, "/auth/register", &[("name", "eva"), ("password", PASSWORD)]).await;
    assert_eq!(registered.status, StatusCode::SEE_OTHER, "{}", registered.text());
    reader.expect(&registered, "eva", &["user.created", "session.signed_in"]).await;

    let token = csrf(&mut eva).await;
    let left = form(&site, &mut eva, "/auth/logout", &[("csrf_token", &token)]).await;
    reader.expect(&left, "eva", &["session.signed_out"]).await;
    let wrong = form(&site, &mut eva, "/auth/login", &[("login", "eva"), ("password", "wrong-one-9")]).await;
    reader.expect(&wrong, "eva", &["session.sign_in_failed"]).await;
    let back = form(&site, &mut eva, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    reader.expect(&back, "eva", &["session.signed_in"]).await;

    let token = csrf(&mut eva).await;
    let new = "an0ther-Harbour-crane&9";
    let fields = [("csrf_token", token.as_str()), ("old_password", PASSWORD), ("new_password", new)];
    let changed = form(&site, &mut eva, "/account/password", &fields).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text());
    reader.expect(&changed, "eva", &["user.password_changed"]).await;

    let mut program = site.client();
    let login = json!({ "login": "eva", "password": new });
    let issued = object(&mut program, "/api/v1/auth/login", &[], &login).await;
    reader.expect(&issued, "eva", &["token.issued"]).await;
    let refresh = json!({ "refresh_token": issued.json()["refresh_token"] });
    let refreshed = object(&mut program, "/api/v1/auth/refresh", &[], &refresh).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text());
    reader.expect(&refreshed, "eva", &["token.refreshed"]).await;
    let bearer = format!("Bearer {}", refreshed.json()["access_token"].as_str().unwrap());
    let revoked =
        object(&mut program, "/api/v1/auth/logout", &[("authorization", &bearer)], &json!({})).await;
    assert!(revoked.status.is_success(), "{}", revoked.text());
    reader.expect(&revoked, "eva", &["token.revoked"]).await;

    // Looking changes nothing; neither does what is refused on the way.
    for path in ["/account", "/auth/login", "/api/v1/auth/me", "/api/v1/auth/sessions", "/x", "/nowhere"] {
        eva.send(Method::GET, path, &[AGENT], "").await;
    }
    let forged = form(&site, &mut eva, "/account/sessions/end", &[("session", "others")]).await;
    site.events_of(forged.header("x-request-id").unwrap());
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let closed =
        form(&site, &mut site.client(), "/auth/register", &[("name", "eva"), ("password", PASSWORD)]).await;
    assert_eq!(closed.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", closed.text());
    assert_eq!(trail(&site).await.len(), reader.seen);
    assert!(site.running.store.verify_chain().await.unwrap().is_whole());
}

// proves: AUD-1, ID-1
#[tokio::test]
async fn a_one_time_link_leaves_its_use_in_the_trail_and_never_itself() {
    let app = Upstream::plain().await;
    let site = Site::start(&public(app.address)).await;
    let link = site.running.first_link.clone().unwrap();
    let token = link.rsplit('/').next().unwrap();
    let mut reader = Reader { site: &site, seen: trail(&site).await.len() };
    let mut admin = site.client();
    let path = format!("/auth/link/{token}");
    assert_eq!(admin.send(Method::GET, &path, &[("accept", "text/html")], "").await.status, StatusCode::OK);
    assert_eq!(trail(&site).await.len(), reader.seen, "a mail program that looks changes nothing");
    let used = form(&site, &mut admin, &path, &[("password", PASSWORD)]).await;
    assert_eq!(used.status, StatusCode::SEE_OTHER, "{}", used.text());
    let actions = ["link.used", "user.password_changed", "session.signed_in"];
    let mut found: Vec<_> =
        trail(&site).await.split_off(reader.seen).into_iter().map(|row| row.action).collect();
    found.sort_unstable_by_key(|action| actions.iter().position(|known| known == action));
    assert_eq!(found, actions);
    reader.seen += found.len();
    let again = form(&site, &mut admin, &path, &[("password", PASSWORD)]).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert_eq!(trail(&site).await.len(), reader.seen);
    assert!(!format!("{:?}{:?}", trail(&site).await, site.events()).contains(token));
}

// proves: AUD-1, AUD-2, ACC-3
#[tokio::test]
async fn each_change_at_an_application_leaves_one_row_and_reading_none() {
    let app = Upstream::plain().await;
    let site = Site::start(&guarded(&app)).await;
    let mut admin = site.signed_in_at("ada", "admin", Some("north")).await;
    let own = format!("http://{}", site.address);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert_eq!(admin.send(method, "/orders/7", &[], "").await.status, StatusCode::OK);
    }
    assert!(of_action(&site, "request.changed").await.is_empty(), "reading is no change");

    let methods = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    for (n, method) in methods.iter().enumerate() {
        let answer = admin.send(method.clone(), "/orders/7?why=old", &[AGENT, ("origin", &own)], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let rows = of_action(&site, "request.changed").await;
        assert_eq!(rows.len(), n + 1);
        let row = &rows[n];
        assert_eq!(row.request_id.as_deref(), answer.header("x-request-id"));
        assert_eq!(row.request_id.as_deref(), app.received().pop().unwrap().header("x-request-id"));
        assert_eq!((row.tenant.as_deref(), row.entity_type.as_str()), (Some("north"), "request"));
        let ada = site.running.store.user_by_login("ada").await.unwrap().unwrap();
        assert_eq!(row.user, Some(ada.id));
        let personal = row.personal.as_ref().unwrap();
        assert_eq!(personal.email.as_deref(), Some("ada"));
        assert_eq!(personal.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(personal.agent.as_deref(), Some("test/1"));
        assert_eq!(personal.changes["method"]["new"], method.as_str());
        assert_eq!(personal.changes["path"]["new"], "/orders/7", "without its query");
    }
    assert!(site.running.store.verify_chain().await.unwrap().is_whole());
}

// proves: AUD-1
#[tokio::test]
async fn a_policy_may_leave_the_applications_changes_to_the_application() {
    let app = Upstream::plain().await;
    let site = Site::start_with(&[("PALISADE_AUDIT__RECORD_CHANGES", "false")], &public(app.address)).await;
    let before = trail(&site).await.len();
    assert_eq!(site.client().send(Method::POST, "/x", &[], "x").await.status, StatusCode::OK);
    assert_eq!((trail(&site).await.len(), app.received().len()), (before, 1));
}
