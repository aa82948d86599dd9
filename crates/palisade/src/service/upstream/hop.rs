//! Hop-by-hop header fields: what belongs to one connection and goes no further (RFC 9110 section 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

/// Fields that never pass, in either direction. Proxy-Authenticate and Proxy-Authorization are between a client and
/// the proxy that it chose, which Palisade is not; Trailer announces what is left out anyway.
const NEVER: [HeaderName; 9] = [
    CONNECTION,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    UPGRADE,
];

/// Fields that a Connection field cannot take away: without them the other side would read another message, or
/// another host, than was judged.
const NEEDED: [HeaderName; 2] = [http::header::HOST, CONTENT_LENGTH];

/// Removes what goes no further: the fields above and those that Connection names.
pub(super) fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        remove_named(headers);
    }
    // Comparing the names that are there is cheaper than looking for those that are not.
    let there: Vec<HeaderName> = headers.keys().filter(|name| NEVER.contains(name)).cloned().collect();
    for name in there {
        headers.remove(name);
    }
}

fn remove_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| !NEEDED.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether the client asks to go on as a WebSocket (RFC 6455 section 4.1). No other protocol is offered to an
/// application: `h2c` for one would carry requests that nobody has judged.
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade") && has_token(headers, &UPGRADE, "websocket")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    // proves: EDGE-6
    #[test]
    fn what_belongs_to_one_connection_goes_no_further() {
        let mut headers = map(&[
            ("connection", "close, X-Secret-Hop"),
            ("connection", "x-other ,,host, Content-Length"),
            ("x-secret-hop", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "trailers"),
            ("trailer", "X-Sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("host", "a"),
            ("content-length", "3"),
            ("accept", "*/*"),
            ("x-kept", "3"),
        ]);
        remove(&mut headers);
        assert_eq!(
            headers,
            map(&[("host", "a"), ("content-length", "3"), ("accept", "*/*"), ("x-kept", "3")])
        );
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        assert!(asks_for_websocket(&map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")])));
        assert!(!asks_for_websocket(&map(&[("upgrade", "websocket")])));
        assert!(!asks_for_websocket(&map(&[("connection", "upgrade"), ("upgrade", "h2c")])));
        assert!(!asks_for_websocket(&map(&[("connection", "upgrade"), ("upgrade", "websocketx")])));
    }
}
