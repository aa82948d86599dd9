//! The strict reading of HTTP/1 without sockets: however the bytes come, the verdict is the same, and what is handed
//! on is what was judged.

#[path = "../../../../../tests/wire/case.rs"]
#[allow(dead_code, reason = "outcomes are compared where there are sockets")]
mod case;
mod hostile;
mod reader;
mod scripted;
mod splits;
mod through;

use std::time::Duration;

use palisade_policy::section::edge::WireLimits;

/// The limits that the cases were written for, and clocks that never strike.
fn limits() -> WireLimits {
    let never = Duration::from_secs(3600);
    WireLimits {
        uri_bytes: 2048,
        header_bytes: 8192,
        headers: 50,
        header_timeout: never,
        body_timeout: never,
        idle_timeout: never,
        connections: 1,
        connections_per_address: 1,
        streams: 1,
    }
}
