//! Requests on their way to applications and answers on their way back.

mod failure;
mod headers;
mod lasting;
mod stream;
mod websocket;

use http::{Method, StatusCode};

use crate::support::{Reply, Site, Upstream, public};

#[tokio::test]
async fn the_application_reads_the_request_as_it_was_sent() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.client();
    client.put_cookie("theme", "dark");
    let answer = client
        .send(
            Method::POST,
            "/a/b%20c?q=1&r=%2F",
            &[("content-type", "text/plain"), ("x-own", "kept")],
            "body",
        )
        .await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"));

    let seen = app.only();
    assert_eq!(seen.line(), "POST /a/b%20c?q=1&r=%2F HTTP/1.1");
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.header("x-own"), Some("kept"));
    assert_eq!(seen.header("cookie"), Some("theme=dark"));
    assert_eq!(seen.header("content-length"), Some("4"));
    assert_eq!(seen.header("host"), Some(site.address.to_string().as_str()));
}

// proves: EDGE-3, EDGE-4, EDGE-7
#[tokio::test]
async fn the_application_learns_where_a_request_comes_from_and_what_it_is_called() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let answer = site.client().get("/").await;
    let seen = app.only();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), [site.address.to_string()]);
    assert_eq!(seen.all("x-forwarded-port"), [site.address.port().to_string()]);
    assert_eq!(seen.all("via"), ["1.1 palisade"]);
    assert_eq!(seen.all("x-request-id"), [answer.header("x-request-id").unwrap()]);
}

#[tokio::test]
async fn each_route_leads_to_its_own_application_by_its_own_path() {
    let (shop, wiki) = (Upstream::plain().await, Upstream::plain().await);
    let site = Site::start(&format!(
        r#"
[[route]]
path = "/shop/{{*rest}}"
to = "upstream:shop"
strip = "/shop"
allow = {{ read = "public" }}
[[route]]
path = "/wiki/{{*rest}}"
to = "upstream:wiki"
strip = "/wiki"
prefix = "/pages"
allow = {{ read = "public" }}
[[route]]
path = "/plain"
to = "upstream:wiki"
allow = {{ read = "public" }}
[upstream.shop]
url = "http://{}"
[upstream.wiki]
url = "http://{}/base"
preserve_host = false
"#,
        shop.address, wiki.address
    ))
    .await;
    let mut client = site.client();
    for path in ["/shop/cart?n=2", "/shop", "/wiki/Home", "/plain?x"] {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(client.get("/elsewhere").await.status, StatusCode::NOT_FOUND);

    let lines = |app: &Upstream| app.received().iter().map(|r| r.path().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&shop), ["/cart?n=2", "/"]);
    assert_eq!(lines(&wiki), ["/base/pages/Home", "/base/plain?x"]);
    assert_eq!(shop.received()[0].header("x-forwarded-prefix"), Some("/shop"));
    assert_eq!(shop.received()[0].header("host"), Some(site.address.to_string().as_str()));
    assert_eq!(wiki.received()[0].header("host"), Some(wiki.address.to_string().as_str()));
}

#[tokio::test]
async fn connections_to_the_application_are_used_again() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.client();
    for _ in 0..10 {
        client.get("/").await;
        client.send(Method::POST, "/", &[], "x").await;
        client.send(Method::HEAD, "/", &[], "").await;
    }
    assert_eq!(app.received().len(), 30);
    // The application of the test answers HEAD with a body, so that connection is not used again.
    assert!(app.connections() <= 11, "{} connections", app.connections());
}

#[tokio::test]
async fn answers_without_a_body_are_passed_on_as_such() {
    let app = Upstream::start(|request| match request.path() {
        "/204" => Reply::Bytes(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n".to_vec()),
        "/304" => {
            Reply::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 9\r\n\r\n".to_vec())
        }
        "/103" => Reply::Bytes(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        ),
        _ => Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
                .to_vec(),
        ),
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let mut client = site.client();

    let none = client.get("/204").await;
    assert_eq!((none.status.as_u16(), none.body.len(), none.header("x-a")), (204, 0, Some("1")));
    let same = client.get("/304").await;
    assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, Some("\"e\"")));
    let hinted = client.get("/103").await;
    assert_eq!((hinted.status.as_u16(), hinted.text()), (200, "ok"));
    let head = client.send(Method::HEAD, "/page", &[], "").await;
    assert_eq!(
        (head.status.as_u16(), head.body.len(), head.header("content-length")),
        (200, 0, Some("1234"))
    );
    assert_eq!(head.header("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "the application's Date is kept");
    assert_eq!(app.connections(), 1, "each of them leaves the connection usable");
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_its_body() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let request = format!(
        "GET /q HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        site.address
    );
    let answer = crate::support::raw(site.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(app.only().body, b"abc");
}

// proves: EDGE-5
#[tokio::test]
async fn requests_beyond_the_connections_wait_and_then_hear_that_the_application_is_busy() {
    let app = Upstream::start(|_| {
        Reply::script(|mut stream| async move {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        })
    })
    .await;
    let policy = public(app.address) + "connections = 1\nconnect_timeout = \"300ms\"\n";
    let site = Site::start(&policy).await;
    let mut first = site.client();
    let first = tokio::spawn(async move { first.get("/first").await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let second = site.client().get("/second").await;
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.json()["code"], "service.busy");
    assert!(second.header("retry-after").is_some());
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    assert_eq!(app.only().path(), "/first", "the second never reached the application");

    let mut third = site.client();
    assert_eq!(third.get("/third").await.status, StatusCode::OK, "the slot is free again");
}

// A client that holds what it can, by slow uploads or endless answers, leaves room for the others.
// proves: EDGE-5
#[tokio::test]
async fn one_address_cannot_hold_every_connection_to_the_application() {
    let app = Upstream::start(|request| {
        if request.path() != "/slow" {
            return Reply::ok("quick");
        }
        Reply::script(|mut stream| async move {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        })
    })
    .await;
    let policy = public(app.address) + "connections = 4\nconnect_timeout = \"300ms\"\n";
    let site = Site::start(&policy).await;
    let greedy = |_| {
        let mut client = site.client();
        tokio::spawn(async move { client.get("/slow").await.status })
    };
    let held: Vec<_> = (0..4).map(greedy).collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;

    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(site.address).await.unwrap();
    let ask = format!("GET /quick HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.address);
    tokio::io::AsyncWriteExt::write_all(&mut other, ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut other, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("quick"), "{answer}");

    let mut statuses = Vec::new();
    for client in held {
        statuses.push(client.await.unwrap().as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 503], "the fourth waited for its own");
}

#[tokio::test]
async fn http_2_from_the_client_is_http_1_to_the_application() {
    let app = Upstream::plain().await;
    let site = Site::open_to_all(&app).await;
    let stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}/over/two?q", site.address))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(http_body_util::Full::<bytes::Bytes>::from("body"))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_2));
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "hello");

    let seen = app.only();
    assert_eq!(seen.line(), "POST /over/two?q HTTP/1.1");
    assert_eq!(seen.all("host"), [site.address.to_string()]);
    assert_eq!(seen.all("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.all("via"), ["2.0 palisade"]);
    assert_eq!(seen.body, b"body");
}
