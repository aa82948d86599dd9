//! What is found out about a request before anything else, and what is refused for it, through the whole program.

mod asked;
mod forwarded;
mod http2;
mod sizes;
mod slow;

use crate::support::{Site, Upstream};

/// A proxy on this machine is trusted.
const BEHIND_A_PROXY: [(&str, &str); 1] = [("PALISADE_EDGE__TRUSTED_PROXIES", "127.0.0.0/8")];

/// A request as bytes: its line, the site's own host and these fields.
fn head(site: &Site, line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", site.address)
}

fn assert_untouched(app: &Upstream, what: &str) {
    assert!(app.received().is_empty(), "the application heard of it: {what}");
}
