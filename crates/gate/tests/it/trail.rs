//! What is written down: each change before it happens, each end of a request, and nothing secret.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Once};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use palisade_gate::{Peer, SignedIn};
use palisade_model::{Denial, Refusal};
use palisade_store::AuditQuery;

use crate::house::{Ask, House};

async fn changes(house: &House) -> Vec<palisade_store::AuditRow> {
    let rows = house.store.audit_rows(&AuditQuery::default()).await.unwrap();
    rows.into_iter().filter(|row| row.action == "request.changed").collect()
}

// proves: AUD-1
#[tokio::test]
async fn a_change_has_its_row_and_reading_has_none() {
    let house = House::usual().await;
    let ann = house.sign_in("ann", &["user"], Some("north")).await;
    house.send(Ask::get("/in/x").signed_in(&ann)).await;
    house.send(Ask::new("HEAD", "/in/x").signed_in(&ann)).await;
    house.send(Ask::post("/in/x").header("origin", "https://evil.example").signed_in(&ann)).await;
    assert!(changes(&house).await.is_empty(), "reading or a refused change left a row");

    let got = house.send(Ask::new("DELETE", "/in/lots/7?secret=1").own_origin().signed_in(&ann)).await;
    assert_eq!(got.status(), 200);
    let rows = changes(&house).await;
    let row = &rows[0];
    assert_eq!((rows.len(), row.entity_id.as_str()), (1, "/in/{*rest}"));
    assert_eq!(row.request_id.as_deref(), Some(got.header("x-request-id")));
    assert!(row.user.is_some() && row.tenant.as_deref() == Some("north"), "{row:?}");
    let personal = format!("{row:?}");
    assert!(personal.contains("/in/lots/7") && !personal.contains("secret"), "{personal}");
}

// proves: AUD-1
#[tokio::test]
async fn no_audit_no_change() {
    let house = House::usual().await;
    house.store.clone().close().await;
    let got = house.send(Ask::post("/open/x")).await;
    assert_eq!((got.status(), got.problem()["code"].as_str()), (503, Some("audit.unavailable")));
    assert_eq!(house.hits(), 0, "the application was asked for a change that nobody could record");
    assert_eq!(house.send(Ask::get("/open/x")).await.status(), 200, "reading needs no row");
}

// proves: AUD-1, EDGE-5
#[tokio::test]
async fn a_client_that_leaves_is_seen() {
    let house = House::usual().await;
    // While the service is at it.
    let waiting = Arc::new(tokio::sync::Notify::new());
    let service = {
        let waiting = waiting.clone();
        tower::service_fn(move |_: http::Request<Body>| {
            let waiting = waiting.clone();
            async move {
                waiting.notified().await;
                Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
            }
        })
    };
    {
        let mut request = std::pin::pin!(house.gate.handle(Ask::get("/open/x").into_request(), &service));
        tokio::select! {
            biased;
            _ = request.as_mut() => panic!("answered before the service was done"),
            () = std::future::ready(()) => {}
        }
    }
    let events = house.events();
    assert_eq!((events.len(), events[0]["event"].as_str()), (1, Some("request_abandoned")));
    assert_eq!(events[0]["payload"]["code"], "audit.abandoned");

    // While the answer is on its way.
    house.answers(|_| {
        let pieces = (0..3).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"piece")));
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    });
    let mut half = house.open(Ask::get("/open/x")).await.into_body();
    half.frame().await.unwrap().unwrap();
    drop(half);
    assert_eq!(house.events().len(), 2);

    // Read to its end there is nothing to tell, with and without an announced length.
    house.send(Ask::get("/open/x")).await;
    house.answers(|_| Response::new(Body::from("whole")));
    let mut body = house.open(Ask::get("/open/x")).await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    // Leaving is how a stream of events ends.
    house.answers(|_| {
        let one = futures_util::stream::iter([
            Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n")),
            Ok(Bytes::new()),
        ]);
        Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(one)).unwrap()
    });
    drop(house.open(Ask::get("/open/x")).await);
    assert_eq!(house.events().len(), 2, "{:?}", house.events());
    assert!(house.metrics.encode().contains("requests_abandoned_total 2"), "{}", house.metrics.encode());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_the_applications_fault() {
    let house = House::usual().await;
    house.answers(|_| {
        let pieces = vec![Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("upstream died"))];
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    });
    let body = house.open(Ask::get("/open/x")).await.into_body();
    assert!(body.collect().await.is_err(), "a broken answer ended as if it were whole");
    let events = house.events();
    assert_eq!((events.len(), events[0]["event"].as_str()), (1, Some("answer_broken")));
}

// proves: EDGE-6, HEAD-1, AUD-4
#[tokio::test]
async fn what_never_became_a_request_is_turned_away_with_a_whole_answer() {
    let house = House::usual().await;
    let peer = Peer { address: "203.0.113.7:4711".parse().unwrap(), secure: true };
    let refusal = Refusal::new(Denial::Ambiguous, "both Content-Length and Transfer-Encoding");
    let words = house.gate.turn_away(&refusal, peer);
    assert_eq!(words.status(), 400);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ] {
        assert_eq!(words.headers()[name], value);
    }
    let text = std::str::from_utf8(words.body()).unwrap();
    assert!(!text.contains("Transfer-Encoding"), "told why: {text}");
    let events = house.events();
    assert_eq!((events.len(), &events[0]["payload"]["ip"]), (1, &"203.0.113.7".into()));
    assert_eq!((&events[0]["payload"]["method"], &events[0]["payload"]["path"]), (&"-".into(), &"*".into()));
    assert!(text.contains(events[0]["payload"]["request_id"].as_str().unwrap()));
}

thread_local! {
    /// What this test wrote to the log: a test runs on one thread.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A log that each test reads for itself. One subscriber serves them all: a scoped one is not asked where another
/// thread came by first.
struct Lines;

impl Lines {
    fn listen() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
                .with_writer(|| Self)
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
    }

    fn so_far() -> String {
        LINES.with_borrow(|lines| String::from_utf8(lines.clone()).unwrap())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// Every place where a client can put a secret, and all that the gate writes.
// proves: AUD-5, AUD-6, EDGE-4
#[tokio::test]
async fn no_secret_reaches_log_events_or_audit() {
    Lines::listen();
    let house = House::usual().await;
    let ann = house.sign_in("ann", &["user"], None).await;
    let token = house.access_token("ann").await;
    let link = "Zx81kQ0v5mYt2LwP9aBc7DeF1gHi3JkL5mNo7PqR9sT";
    let mark = "MARKED-SECRET-1";
    let asks = [
        Ask::get(&format!("/auth/link/{link}")),
        Ask::get("/auth/link/short-link"),
        Ask::post(&format!("/auth/link/{link}")).header("origin", "https://evil.example"),
        Ask::get(&format!("/open/reset/{link}?token={mark}")),
        Ask::get(&format!("/nothing/{link}?token={mark}")),
        Ask::get("/in/x").signed_in(&ann).header("referer", &format!("https://app.example/?t={mark}")),
        Ask::get("/in/x").header("authorization", &format!("Bearer {token}")),
        Ask::get("/in/x").header("authorization", &format!("Bearer {mark}")),
        Ask::get("/open/x").header("x-csrftoken", mark).header("x-tenant-id", mark).header("cookie", mark),
        Ask::post("/in/x").own_origin().signed_in(&ann).body(mark),
        Ask::post("/open/joe@example.com/4111111111111111").body(mark),
        Ask::get("/open/x").header("host", "evil.example").header("x-forwarded-for", mark),
    ];
    let mut ids = Vec::new();
    for ask in asks {
        ids.push(house.send(ask).await.header("x-request-id").to_owned());
    }
    let rows = house.store.audit_rows(&AuditQuery::default()).await.unwrap();
    let log = Lines::so_far();
    let written = format!("{log}{:?}{rows:?}", house.events());
    for secret in
        [ann.as_str(), token.as_str(), link, "short-link", mark, "joe@example.com", "4111111111111111"]
    {
        assert!(!written.contains(secret), "{secret} was written down: {written}");
    }
    for id in ids {
        let line = log.lines().find(|line| line.contains("palisade::access") && line.contains(&id));
        let line = line.unwrap_or_else(|| panic!("no line for {id}"));
        for field in ["method=", "route=", "status=", "duration_us=", "client="] {
            assert!(line.contains(field), "{field} is missing: {line}");
        }
    }
    assert!(log.contains("/auth/link/{token}"), "the route's pattern stands for its path");
}

// proves: OBS-1
#[tokio::test]
async fn everything_is_counted() {
    let house = House::usual().await;
    let ann = house.sign_in("ann", &["user"], None).await;
    house.send(Ask::get("/open/x")).await;
    house.send(Ask::get("/nothing")).await;
    house.send(Ask::get("/admin").signed_in(&ann)).await;
    house.answers(|_| Response::builder().status(503).body(Body::empty()).unwrap());
    house.send(Ask::get("/open/x")).await;
    house.answers(|_| {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(SignedIn);
        response
    });
    house.send(Ask::post("/auth/login").own_origin()).await;
    let text = house.metrics.encode();
    for line in [
        "requests_total 5",
        "sign_ins_total 1",
        "admin_requests_total 1",
        "errors_total 1",
        r#"refusals_total{stage="authorize",code="authorize.role",fault="client"} 1"#,
        r#"refusals_total{stage="edge",code="edge.route",fault="client"} 1"#,
        r#"answer_seconds_count{route="/open/{*rest}",class="2xx"} 1"#,
        r#"answer_seconds_count{route="/open/{*rest}",class="5xx"} 1"#,
        r#"answer_seconds_count{route="none",class="4xx"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
}
