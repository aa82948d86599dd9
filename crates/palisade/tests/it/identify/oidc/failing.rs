//! A provider that is away, slow, or says far too much.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::World;
use crate::support::{Reply, Upstream};

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn without_its_provider_the_site_goes_on() {
    let huge = Upstream::start(|_| Reply::ok(&"x".repeat(2 * 1024 * 1024))).await;
    let redirecting = Upstream::start(|_| {
        Reply::Bytes(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec(),
        )
    })
    .await;
    let silent = Upstream::start(|_| {
        Reply::script(|stream| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(stream);
        })
    })
    .await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, why) in [
        (huge.address, "too long"),
        (redirecting.address, "302"),
        (nobody, "cannot be reached"),
        (silent.address, "in time"),
    ] {
        let site = World::site(&format!("http://{address}"), "").await;
        let begun = Instant::now();
        let answers = [site.client(), site.client(), site.client()]
            .map(|mut client| tokio::spawn(async move { client.get("/auth/oidc/company").await }));
        for answer in answers {
            let answer = answer.await.unwrap();
            let event = site.assert_refused(&answer, 502, "identify.provider_down");
            let said = event["payload"]["why"].as_str().unwrap().to_owned();
            assert!(said.contains(why) || said.contains("a moment ago"), "{said}");
            assert!(
                !answer.text().contains("127.0.0.1") && !answer.text().contains(why),
                "{}",
                answer.text()
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "those who wait do not wait one after the other");
        let mut client = site.client();
        assert_eq!(client.get("/auth/login").await.status, StatusCode::OK);
        let page = client.send(http::Method::GET, "/auth/oidc/company", &[("accept", "text/html")], "").await;
        assert!(page.text().contains("The other site does not answer"), "{}", page.text());
    }
    assert_eq!(
        redirecting.received().len(),
        1,
        "no redirect is followed, and a failure is not tried again at once"
    );
    assert_eq!(silent.received().len(), 1);
}
