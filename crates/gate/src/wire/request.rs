//! A request that came over HTTP/2 (RFC 9113 section 8), once its frames were read.
//!
//! Framing, pseudo-header order, lower case and the agreement of Content-Length with the data are kept by the `h2`
//! library. What is judged here is what an HTTP/1 application behind would read otherwise.

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, header};
use palisade_model::Denial;

use super::field::{self, Singles};
use super::{Violation, host, path, target};

/// Judges the head of an HTTP/2 request.
///
/// # Errors
/// The rule that it breaks.
pub fn judge(parts: &Parts) -> Result<(), Violation> {
    if !matches!(
        parts.method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    ) {
        return Err(Violation::new(Denial::MethodUnsupported, "method that is not supported"));
    }
    judge_target(parts)?;
    let mut singles = Singles::default();
    for (name, value) in &parts.headers {
        judge_field(name.as_str().as_bytes(), value.as_bytes(), &mut singles)?;
    }
    Ok(())
}

fn judge_target(parts: &Parts) -> Result<(), Violation> {
    let uri = &parts.uri;
    if !matches!(uri.scheme(), Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) {
        return Err(Violation::malformed("scheme is neither http nor https"));
    }
    let authority = uri.authority().ok_or(Violation::malformed("no authority"))?.as_str();
    host::judge(authority.as_bytes())?;
    if let Some(host) = parts.headers.get(header::HOST)
        && !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
    {
        return Err(Violation::ambiguous("host differs from the authority"));
    }
    if uri.path() == "*" && parts.method == Method::OPTIONS {
        return Ok(());
    }
    path::judge(uri.path())?;
    uri.query().map_or(Ok(()), |query| target::judge_query(query.as_bytes()))
}

fn judge_field(name: &[u8], value: &[u8], singles: &mut Singles) -> Result<(), Violation> {
    if field::token_length(name).1 {
        field::judge_odd_name(name)?;
    }
    field::judge_value(value)?;
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade"
        | b"http2-settings" => Err(Violation::malformed("connection field in HTTP/2")),
        b"te" if value != b"trailers" => Err(Violation::malformed("transfer coding in HTTP/2")),
        b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
            Err(Violation::new(Denial::ExpectationUnknown, "unknown expectation"))
        }
        b"content-length" => {
            singles.note(name)?;
            field::content_length(value).map(|_| ())
        }
        // Crumbs are joined, see `join_cookies`.
        b"cookie" => Ok(()),
        _ => singles.note(name),
    }
}

/// Makes one Cookie field of the crumbs that an HTTP/2 client may send (RFC 9113 section 8.2.3), so that everything
/// behind sees one, as over HTTP/1.
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Joined from valid values with valid bytes, so that it is one.
    if let Ok(mut value) = HeaderValue::from_bytes(&joined) {
        value.set_sensitive(true);
        headers.insert(header::COOKIE, value);
    }
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.1). Other upgrades are not spoken here.
#[must_use]
pub fn wants_websocket(parts: &Parts) -> bool {
    let mut upgrades = parts.headers.get_all(header::UPGRADE).iter();
    let websocket = matches!((upgrades.next(), upgrades.next()), (Some(one), None)
        if one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"));
    let mut options = field::Options::default();
    let named =
        parts.headers.get_all(header::CONNECTION).iter().all(|value| options.add(value.as_bytes()).is_ok());
    parts.method == Method::GET
        && parts.version == http::Version::HTTP_11
        && websocket
        && named
        && options.upgrade
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn verdict(
        build: impl FnOnce(http::request::Builder) -> http::request::Builder,
    ) -> Result<(), Violation> {
        let builder = Request::builder().version(http::Version::HTTP_2).uri("https://a.example/x?y=1");
        judge(&build(builder).body(()).unwrap().into_parts().0)
    }

    // proves: EDGE-6
    #[test]
    fn an_ordinary_request_passes() {
        assert_eq!(
            verdict(|b| b
                .header("host", "A.example")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("te", "trailers")
                .header("content-length", "3")
                .header("api_key", "k")),
            Ok(())
        );
        assert_eq!(verdict(|b| b.method("OPTIONS").uri("https://a.example/*")), Ok(()));
    }

    // proves: EDGE-6
    #[test]
    fn what_http1_would_refuse_is_refused() {
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("keep-alive", "1"),
            ("te", "gzip"),
            ("host", "b.example"),
            ("content-length", "+3"),
            ("content_length", "3"),
            ("x_forwarded_for", "127.0.0.1"),
            ("expect", "a-miracle"),
        ] {
            assert!(verdict(|b| b.header(name, value)).is_err(), "{name}: {value}");
        }
        assert!(verdict(|b| b.header("authorization", "a").header("authorization", "b")).is_err());
        assert!(verdict(|b| b.uri("https://a.example/a/..%2f")).is_err());
        assert!(verdict(|b| b.uri("https://a.example//a")).is_err());
        assert!(verdict(|b| b.uri("/no-authority")).is_err());
        assert!(verdict(|b| b.uri("ftp://a.example/")).is_err());
        assert!(verdict(|b| b.uri("https://user@a.example/")).is_err());
        assert!(verdict(|b| b.method("CONNECT")).is_err());
        assert!(verdict(|b| b.method("TRACE")).is_err());
        assert!(verdict(|b| b.method("BREW")).is_err());
    }

    #[test]
    fn cookie_crumbs_become_one() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2", "c=3"] {
            headers.append("cookie", HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
