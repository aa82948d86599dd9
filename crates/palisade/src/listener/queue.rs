//! The queue of connections that the system has made and nobody has accepted yet.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted. The system may hold fewer (`net.core.somaxconn`).
///
/// The usual 128 is not a matter of speed alone. Once the queue overflows, Linux answers with SYN cookies and keeps
/// nothing of a connection; it then takes the sequence number of whichever segment arrives first as the beginning, if
/// it is off by no more than a few bytes. The first bytes of a stream are lost without an error: `GET /` is read as
/// `ET /`. A burst must wait instead.
const WAITING: u32 = 4096;

/// Listens on an address, with a queue that a burst of connections does not overflow.
///
/// # Errors
/// When the address is taken or not of this machine.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a restart need not wait for the connections of its predecessor to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    /// Far more than the 128 of a usual queue, and less than any system of today would hold.
    const BURST: usize = 600;

    // proves: EDGE-5, EDGE-6
    #[tokio::test]
    async fn a_burst_waits_and_loses_nothing() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let connect = async {
            for _ in 0..BURST {
                let mut client = TcpStream::connect(address).await.unwrap();
                client.set_nodelay(true).unwrap();
                for byte in b"GET /" {
                    client.write_all(&[*byte]).await.unwrap();
                }
                clients.push(client);
            }
        };
        timeout(Duration::from_secs(20), connect).await.expect("nobody is kept waiting before the queue");
        for _ in 0..BURST {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut first = [0; 5];
            server.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"GET /");
        }
    }
}
