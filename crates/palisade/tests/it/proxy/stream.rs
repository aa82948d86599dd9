//! Bodies flow: nothing is held, whatever the size.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::upstream::find;
use crate::support::{Reply, Site, Upstream, public};

const GIB: u64 = 1 << 30;
const PIECE: usize = 256 * 1024;

/// The most memory that this process held so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Takes any body, says how long it was, and sends a gibibyte to whoever asks for /big.
async fn huge_application() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_huge(stream));
        }
    });
    address
}

async fn serve_huge(mut stream: TcpStream) {
    let mut buffer = Vec::new();
    let end = loop {
        stream.read_buf(&mut buffer).await.unwrap();
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap().to_ascii_lowercase();
    let length: Option<u64> = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map(|value| value.parse().unwrap());
    if let Some(length) = length {
        let mut seen = (buffer.len() - end - 4) as u64;
        let mut piece = vec![0; PIECE];
        while seen < length {
            match stream.read(&mut piece).await.unwrap() {
                0 => break,
                count => seen += count as u64,
            }
        }
        let text = seen.to_string();
        let answer =
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    } else {
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {GIB}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![7; PIECE];
        for _ in 0..GIB / PIECE as u64 {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
    }
    let _ = stream.read(&mut [0]).await;
}

// proves: EDGE-5
#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_goes_both_ways_in_constant_memory() {
    let application = huge_application().await;
    let policy = public(application).replace("csrf = \"off\"", "csrf = \"off\"\nbody = \"2GiB\"");
    let site = Site::start(&policy).await;
    site.client().send(Method::POST, "/warm-up", &[], "x").await;
    let before = peak();

    let piece = Bytes::from(vec![1; PIECE]);
    let pieces = stream::iter(
        (0..GIB / PIECE as u64).map(move |_| Ok::<_, std::io::Error>(Frame::data(piece.clone()))),
    );
    let length = GIB.to_string();
    let up = site
        .client()
        .open(Method::POST, "/up", &[("content-length", &length)], StreamBody::new(pieces))
        .await;
    assert_eq!(up.status(), StatusCode::OK);
    assert_eq!(up.into_body().collect().await.unwrap().to_bytes(), length.as_bytes());

    let down = site.client().open(Method::GET, "/big", &[], Empty::<Bytes>::new()).await;
    assert_eq!(down.status(), StatusCode::OK);
    let mut down = down.into_body();
    let mut seen = 0;
    while let Some(frame) = down.frame().await {
        seen += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
    }
    assert_eq!(seen, GIB);
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {} MiB", grown >> 20);
}

#[tokio::test]
async fn server_sent_events_arrive_as_they_happen() {
    let app = Upstream::start(|_| {
        Reply::script(|mut stream| async move {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for number in 0..4 {
                let event = format!("data: {number}\n\n");
                stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        })
    })
    .await;
    let site = Site::open_to_all(&app).await;
    let begun = Instant::now();
    let response = site.client().open(Method::GET, "/events", &[], Empty::<Bytes>::new()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for number in 0..4_u64 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, format!("data: {number}\n\n"));
        let late = begun.elapsed().saturating_sub(Duration::from_millis(200 * number));
        assert!(late < Duration::from_millis(150), "event {number} was {late:?} late");
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_is_whole() {
    let app = Upstream::start(|_| Reply::ok("never")).await;
    let early = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::start(&public(early.local_addr().unwrap())).await;
    drop(app);
    tokio::spawn(async move {
        let (mut stream, _) = early.accept().await.unwrap();
        let _ = stream.read(&mut [0; 64]).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\nabc", site.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read_exact(&mut answer)).await;
    read.expect("the answer does not wait for the body").unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}
