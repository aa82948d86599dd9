//! Which protocol a connection speaks: HTTP/2 with prior knowledge begins with a preface that no HTTP/1 request has
//! (RFC 9113 section 3.4).

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const READ_BYTES: usize = 4096;

/// What the first bytes say. They were read, and have to be read again.
#[derive(Debug)]
pub(super) enum Protocol {
    Http1(BytesMut),
    Http2(BytesMut),
}

/// Reads as much as it takes to tell. `None` when nothing came until the deadline.
///
/// # Errors
/// When the socket fails.
pub(super) async fn sniff<T: AsyncRead + Unpin>(
    io: &mut T,
    deadline: Instant,
) -> io::Result<Option<Protocol>> {
    let mut first = BytesMut::with_capacity(READ_BYTES);
    loop {
        let read = timeout_at(deadline, io.read_buf(&mut first)).await.unwrap_or(Ok(0))?;
        if first.starts_with(PREFACE) {
            return Ok(Some(Protocol::Http2(first)));
        }
        // A preface that goes no further is judged as the request that it is not.
        if read == 0 || !PREFACE.starts_with(&first) {
            return Ok((!first.is_empty()).then_some(Protocol::Http1(first)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;

    async fn told(pieces: &[&[u8]]) -> Option<Protocol> {
        let (mut client, mut server) = tokio::io::duplex(64);
        let deadline = Instant::now() + Duration::from_millis(50);
        let write = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(write, sniff(&mut server, deadline)).1.unwrap()
    }

    #[tokio::test]
    async fn a_preface_is_told_from_requests_in_any_pieces() {
        assert!(matches!(told(&[PREFACE]).await, Some(Protocol::Http2(_))));
        assert!(matches!(
            told(&[b"P", b"RI * HT", b"TP/2.0\r\n\r\nSM\r\n\r\n\0\0"]).await,
            Some(Protocol::Http2(_))
        ));
        assert!(
            matches!(told(&[b"P", b"OST / HTTP/1.1"]).await, Some(Protocol::Http1(first)) if first.starts_with(b"PO"))
        );
        assert!(matches!(told(&[b"PRI * HTTP/2.0\r\n\r\nXX"]).await, Some(Protocol::Http1(_))));
        assert!(matches!(told(&[b"PRI"]).await, Some(Protocol::Http1(_))), "cut short");
        assert!(told(&[]).await.is_none(), "silent");
    }
}
