//! What an application reads: the client's request, less what belongs to one connection, plus what Palisade knows.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE, VIA};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};
use palisade_gate::Exchange;
use palisade_model::{Denial, Refusal};
use palisade_policy::section::route::Rewrite;

use super::hop;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The request target in origin form, as the application reads it.
pub(super) fn target(rewrite: &Rewrite, uri: &Uri) -> Result<Uri, Refusal> {
    let Some(target) = uri.path_and_query() else { return Err(bad_target()) };
    if rewrite.is_none() {
        return Ok(Uri::from(target.clone()));
    }
    let mut text = String::with_capacity(rewrite.front.len() + target.as_str().len() + 1);
    rewrite.write(target.path(), &mut text);
    if let Some(query) = target.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::try_from(text).map(Uri::from).map_err(|_| bad_target())
}

fn bad_target() -> Refusal {
    Refusal::new(Denial::Malformed, "the request target has no path")
}

/// What the client sent, less what belongs to its own connection.
///
/// `Expect` stays here too: Palisade has answered it by the time the body flows.
pub(super) fn leave_behind(parts: &mut Parts) {
    hop::remove(&mut parts.headers);
    parts.headers.remove(EXPECT);
}

/// Where the request comes from and what it is called (EDGE-3, EDGE-4, RFC 9110 section 7.6.3).
pub(super) fn introduce(parts: &mut Parts, exchange: &Exchange, prefix: Option<&str>) {
    let via = match parts.version {
        Version::HTTP_10 => "1.0 palisade",
        Version::HTTP_2 => "2.0 palisade",
        _ => "1.1 palisade",
    };
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    // Room at once for these and for who is asking.
    headers.reserve(12);
    headers.append(VIA, HeaderValue::from_static(via));
    set(headers, X_REQUEST_ID, exchange.id.as_str());
    headers.insert(X_FORWARDED_FOR, address(exchange.client.ip()));
    let (proto, port) = if exchange.secure { ("https", "443") } else { ("http", "80") };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    match port_of(&exchange.host) {
        Some(port) => set(headers, X_FORWARDED_PORT, port),
        None => {
            headers.insert(X_FORWARDED_PORT, HeaderValue::from_static(port));
        }
    }
    set(headers, X_FORWARDED_HOST, &exchange.host);
    if let Some(prefix) = prefix {
        set(headers, X_FORWARDED_PREFIX, prefix);
    }
}

/// The host that was judged, or the application's own name.
///
/// Never the Host field as such: over HTTP/2 there is none, and from a trusted proxy that names another host it is one
/// that nobody has judged.
pub(super) fn address_to(headers: &mut HeaderMap, own: Option<&HeaderValue>, exchange: &Exchange) {
    let judged = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(exchange.host.as_bytes());
    match own {
        Some(own) => {
            headers.insert(HOST, own.clone());
        }
        None if headers.get(HOST).is_some_and(judged) => {}
        None => set(headers, HOST, &exchange.host),
    }
}

/// Says how the body is framed where hyper would guess: a GET whose body has no known length would lose it.
pub(super) fn frame(headers: &mut HeaderMap, has_body: bool) {
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Asks the application to go on as a WebSocket, in the words of this connection.
pub(super) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Sets a field, or takes it away if the value cannot stand in one: no stale or foreign value survives.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => headers.insert(name, value),
        Err(_) => headers.remove(name),
    };
}

fn address(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// The port in `host:port`; IPv6 hosts stand in brackets.
fn port_of(host: &str) -> Option<&str> {
    let (_, port) = host.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(front: &str, strip: Option<&str>, target: &str) -> String {
        let rewrite = Rewrite { front: front.to_owned(), strip: strip.map(str::to_owned) };
        super::target(&rewrite, &target.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn paths_are_rewritten_by_whole_segments_and_queries_left_alone() {
        assert_eq!(rewritten("", None, "https://site.example/a?b=c%2F"), "/a?b=c%2F");
        assert_eq!(rewritten("", Some("/app"), "/app/x/y?q"), "/x/y?q");
        assert_eq!(rewritten("", Some("/app"), "/app"), "/");
        assert_eq!(rewritten("", Some("/app/"), "/app?x=1"), "/?x=1");
        assert_eq!(rewritten("", Some("/app"), "/apple"), "/apple");
        assert_eq!(rewritten("/base/v2", Some("/app"), "/app/x"), "/base/v2/x");
        assert_eq!(rewritten("/base", None, "/x?"), "/base/x?");
    }

    // A client behind a trusted proxy that passes X-Forwarded-Host on as it came: the name in it was judged, and the
    // one in Host would have reached the application's links.
    // proves: EDGE-2, EDGE-3
    #[test]
    fn the_application_hears_the_host_that_was_judged_and_no_other() {
        let exchange = Exchange {
            id: palisade_model::RequestId::unknown(),
            client: palisade_model::ClientAddress::known([198, 51, 100, 1].into()),
            secure: true,
            host: "app.example".to_owned(),
            route: 0,
            started: palisade_model::Timestamp::from_secs(0),
            device: None,
            agent: None,
        };
        let told = |host: Option<&'static str>, own: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            host.map(|host| headers.insert(HOST, HeaderValue::from_static(host)));
            address_to(&mut headers, own.map(HeaderValue::from_static).as_ref(), &exchange);
            assert_eq!(headers.get_all(HOST).iter().count(), 1);
            headers[HOST].to_str().unwrap().to_owned()
        };
        assert_eq!(told(Some("evil.example"), None), "app.example");
        assert_eq!(told(Some("App.Example"), None), "App.Example");
        assert_eq!(told(None, None), "app.example");
        assert_eq!(told(Some("evil.example"), Some("127.0.0.1:5000")), "127.0.0.1:5000");
    }

    #[test]
    fn the_port_of_a_host_is_found_behind_brackets_too() {
        assert_eq!(port_of("site.example:8443"), Some("8443"));
        assert_eq!(port_of("[::1]:80"), Some("80"));
        assert_eq!(port_of("[::1]"), None);
        assert_eq!(port_of("site.example"), None);
    }
}
