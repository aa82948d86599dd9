//! What the outside is told about Palisade's own state.

use std::net::SocketAddr;

use http::StatusCode;

use crate::support::{Client, Site, Upstream, public};

// proves: OBS-2
#[tokio::test]
async fn health_says_what_works_and_nothing_secret() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.client();
    let alive = client.get("/healthz").await;
    assert_eq!((alive.status, alive.text()), (StatusCode::OK, r#"{"status":"ok"}"#));
    for path in ["/readyz", "/health", "/api/health", "/api/v1/health"] {
        let ready = client.get(path).await;
        assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
        let report = ready.json();
        assert_eq!(report["status"], "ready");
        for component in ["database", "audit", "limiter", "events", "client_ip"] {
            assert_eq!(report["components"][component], "ready", "{component}");
        }
        assert!(!ready.text().contains(site.folder.path().to_str().unwrap()));
    }
    assert!(app.received().is_empty(), "health is Palisade's own");
}

// proves: OBS-2
#[tokio::test]
async fn a_store_that_is_away_is_not_ready_but_alive() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    site.running.store.clone().close().await;
    let mut client = site.client();
    let ready = client.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["components"]["database"], "failing");
    assert_eq!(client.get("/healthz").await.status, StatusCode::OK);
}

// proves: OBS-1
#[tokio::test]
async fn metrics_are_on_their_own_listener_alone() {
    let app = Upstream::plain().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let policy = public(app.address);
    let site = Site::start_with_metrics(&policy, free).await;
    site.client().get("/").await;
    assert_eq!(
        site.client().get("/metrics").await.text(),
        "hello",
        "on the public side it is the application's"
    );

    let metrics: SocketAddr = site.running.metrics_address.unwrap();
    let text = Client::new(metrics).get("/metrics").await;
    assert_eq!(text.status, StatusCode::OK);
    assert!(text.text().contains("upstream_idle{upstream=\"app\"} 1\n"), "{}", text.text());
    for name in ["requests_total", "admin_requests_total", "rate_limited_total", "errors_total"] {
        assert!(text.text().contains(&format!("{name} ")), "{name} is missing:\n{}", text.text());
    }
}
