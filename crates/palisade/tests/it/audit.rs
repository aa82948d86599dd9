//! What the trail holds after requests through the whole server.

use http::{Method, StatusCode};
use palisade_store::{AuditQuery, AuditRow};

use crate::support::{Site, Upstream, public};

async fn rows(site: &Site, action: &str) -> Vec<AuditRow> {
    let query = AuditQuery { action: Some(action.to_owned()), ..AuditQuery::default() };
    site.running.store.audit_rows(&query).await.unwrap()
}

fn guarded(app: &Upstream) -> String {
    public(app.address).replace("read = \"public\", write = \"public\"", "read = \"user\", write = \"admin\"")
}

// proves: AUD-1, AUD-2
#[tokio::test]
async fn each_change_leaves_one_row_and_reading_none() {
    let app = Upstream::plain().await;
    let site = Site::start(&guarded(&app)).await;
    let mut admin = site.signed_in("ada", "admin").await;
    assert_eq!(admin.get("/orders/7").await.status, StatusCode::OK);
    assert!(rows(&site, "request.changed").await.is_empty(), "reading is no change");

    let answer = admin.send(Method::DELETE, "/orders/7?why=old", &[("user-agent", "test/1")], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    let rows = rows(&site, "request.changed").await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row.request_id.as_deref(), answer.header("x-request-id"));
    assert!(row.user.is_some());
    let personal = row.personal.as_ref().unwrap();
    assert_eq!(personal.email.as_deref(), Some("ada"));
    assert_eq!(personal.address.as_deref(), Some("127.0.0.1"));
    assert!(site.running.store.verify_chain().await.unwrap().is_whole());
}

// proves: AUD-1, AUD-4, ACC-2
#[tokio::test]
async fn a_refused_change_leaves_an_event_and_no_change() {
    let app = Upstream::plain().await;
    let site = Site::start(&guarded(&app)).await;
    let mut user = site.signed_in("ben", "user").await;
    let before = site.events().len();
    let refused = user.send(Method::DELETE, "/orders/7", &[], "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(rows(&site, "request.changed").await.is_empty());
    assert!(app.received().is_empty(), "the application never heard of it");
    let events = site.events().split_off(before);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["event"], "request_refused");
    assert_eq!(events[0]["payload"]["code"], "authorize.role");
    assert_eq!(events[0]["payload"]["request_id"], refused.header("x-request-id").unwrap());
}

// proves: AUD-1
#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let app = Upstream::plain().await;
    let policy = public(app.address);
    let site = Site::start(&policy).await;
    assert_eq!(site.client().send(Method::POST, "/orders", &[], "x").await.status, StatusCode::OK);
    site.running.store.clone().close().await;
    let refused = site.client().send(Method::POST, "/orders", &[], "x").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["code"], "audit.unavailable");
    assert_eq!(app.received().len(), 1, "no audit, no change");
}
