//! Start, stop, and what survives it.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Reply, Site, Upstream, public};

#[tokio::test]
async fn open_requests_end_before_the_server_does_and_new_ones_do_not_begin() {
    let app = Upstream::start(|_| {
        Reply::script(|mut stream| async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
            let _ = stream.write_all(answer).await;
        })
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let address = site.address;
    let mut client = site.client();
    let open = tokio::spawn(async move { client.get("/").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let Site { running, folder: _folder, .. } = site;
    let stopping = tokio::spawn(running.shutdown());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    let answer = open.await.unwrap();
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "done"));
    tokio::time::timeout(Duration::from_secs(5), stopping).await.expect("the server ends").unwrap();
}

// proves: LIMIT-4
#[tokio::test]
async fn what_was_counted_still_counts_after_a_restart() {
    let app = Upstream::plain().await;
    let policy = format!("[shield.limits]\ndefault = \"3/hour\"\n{}", public(app.address));
    let site = Site::start(&policy).await;
    let mut client = site.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, StatusCode::OK);
    }
    let site = site.restart().await;
    let limited = site.client().get("/").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.header("retry-after").is_some());
    assert_eq!(app.received().len(), 3);
}

// proves: ID-8
#[tokio::test]
async fn whoever_was_signed_in_still_is_after_a_restart() {
    let app = Upstream::plain().await;
    let policy = public(app.address).replace("read = \"public\"", "read = \"user\"");
    let site = Site::start(&policy).await;
    let client = site.signed_in("ada", "user").await;
    let site = site.restart().await;
    let answer = client.at(site.address).send(Method::GET, "/", &[], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(site.client().get("/").await.status, StatusCode::UNAUTHORIZED);
}
