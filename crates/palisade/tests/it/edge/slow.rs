//! A thousand clients that are slow on purpose, against the real program, and one that is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::Upstream;
use crate::support::server::Server;

const SLOW: usize = 1_000;
const ROUNDS: usize = 3;

/// How long one measurement goes on.
const SPAN: Duration = Duration::from_millis(1200);

/// What slow clients begin with: of ten, five never end their head, three sign in and two write to the application
/// with a body that drips.
fn beginning(which: usize) -> &'static str {
    match which % 10 {
        0..5 => "GET /never HTTP/1.1\r\nHost: HOST\r\nX-A: ",
        5..8 => {
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
        }
        _ => {
            "POST /open/drip HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\n"
        }
    }
}

/// Sends a byte now and then, until it is let go. Fifty share an address.
async fn drip(server: SocketAddr, which: usize) {
    let socket = TcpSocket::new_v4().unwrap();
    let host = u8::try_from(which / 50 + 1).unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 7, host), 0).into()).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    let begun = beginning(which).replace("HOST", &server.to_string());
    stream.write_all(begun.as_bytes()).await.unwrap();
    while stream.write_all(b"a").await.is_ok() {
        sleep(Duration::from_millis(400)).await;
    }
}

/// The time under which nineteen of twenty of an honest client's requests are, over one connection and signed in.
async fn honest(stream: &mut TcpStream, request: &str) -> Duration {
    let (begun, mut times) = (Instant::now(), Vec::new());
    let mut answer = Vec::new();
    while begun.elapsed() < SPAN {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        answer.clear();
        while !answer.ends_with(b"hello") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
        times.push(sent.elapsed());
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
    times.sort();
    times[times.len() * 95 / 100]
}

// The goal is twice the quiet time. What is asserted leaves room for a machine that does other things meanwhile: the
// slow clients and the application run in this process, on the same cores.
// proves: EDGE-5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_clients_leave_an_honest_one_its_speed() {
    let app = Upstream::plain().await;
    let server = Server::start_with(
        &[],
        &format!(
            "[shield.limits]\ndefault = \"1000000/minute\"\nlogin = \"1000000/minute\"\n\
             [[route]]\npath = \"/open/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"public\"\n\
             [[route]]\npath = \"/{{*rest}}\"\nto = \"upstream:app\"\nallow = \"user\"\n\
             [upstream.app]\nurl = \"http://{}\"\n",
            app.address
        ),
    );
    let cookies = server.sign_in(&server.link).await.cookies();
    let request = format!("GET /honest HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\n\r\n", server.address);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut kept_speed = 0;
    for round in 1..=ROUNDS {
        let quiet = honest(&mut stream, &request).await;
        let mut slow: JoinSet<()> = (0..SLOW).map(|which| drip(server.address, which)).collect();
        sleep(Duration::from_millis(500)).await;
        let attacked = honest(&mut stream, &request).await;
        // None of them was turned away meanwhile: it was an attack by all.
        let let_go = std::iter::from_fn(|| slow.try_join_next()).count();
        assert_eq!(let_go, 0, "slow clients that were let go early");
        slow.shutdown().await;
        let ratio = attacked.as_secs_f64() / quiet.as_secs_f64();
        println!("round {round}: p95 {quiet:?} quiet, {attacked:?} attacked: {ratio:.2} times (goal 2)");
        kept_speed += usize::from(attacked <= 4 * quiet + Duration::from_millis(20));
    }
    assert!(kept_speed * 2 > ROUNDS, "in most rounds the honest client was slowed down");
    let received = app.received();
    assert!(received.len() > 100 && received.iter().all(|request| request.path() == "/honest"));
}
