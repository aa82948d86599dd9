//! Where a request was made from, as far as the browser tells.

use http::HeaderMap;
use http::header::{ORIGIN, REFERER};
use palisade_policy::section::shield::Cors;
use url::Url;

/// What Origin, Referer and Sec-Fetch-Site come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A page of this site, or of one that the policy trusts.
    Own,
    /// Another site; the reason is for the log.
    Foreign(&'static str),
    /// Nothing tells: no browser of the last ten years, or none at all.
    Absent,
}

/// The origins whose pages may make requests.
#[derive(Clone, Debug)]
pub(super) struct Trusted<'a> {
    /// The site's own: `scheme://host[:port]` without default ports, in lower case.
    pub(super) own: [Option<String>; 2],
    /// The route's cross-origin rules. Who may read answers with credentials may also send requests.
    pub(super) cors: Option<&'a Cors>,
    /// Whether the request carries the session: then rules without credentials do not count.
    pub(super) by_session: bool,
}

impl<'a> Trusted<'a> {
    /// The origin of `base_url`, and the one under which the request came in, whose host the edge
    /// has found among `allowed_hosts`.
    pub(super) fn new(
        base: &str,
        secure: bool,
        host: &str,
        cors: Option<&'a Cors>,
        by_session: bool,
    ) -> Self {
        let scheme = if secure { "https" } else { "http" };
        Self { own: [Some(base.to_owned()), origin_of(&format!("{scheme}://{host}"))], cors, by_session }
    }

    fn has(&self, origin: &str) -> bool {
        self.own.iter().flatten().any(|own| own.eq_ignore_ascii_case(origin))
            || self.cors.is_some_and(|cors| {
                // A star stands for nobody in particular, so nobody is trusted by it.
                (cors.credentials || !self.by_session) && cors.origins.iter().any(|listed| listed == origin)
            })
    }
}

/// Judges the headers that no page can set for itself (Fetch, forbidden request headers).
pub(super) fn evidence(headers: &HeaderMap, trusted: &Trusted<'_>) -> Evidence {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    match single(headers, &ORIGIN) {
        Err(Several) => return Evidence::Foreign("more than one Origin"),
        // Opaque: a sandboxed frame or a redirect over a foreign site, but also a page of this site
        // that lets no referrer out. Only Sec-Fetch-Site tells them apart.
        Ok(Some("null")) if site == Some(b"same-origin") => return Evidence::Own,
        Ok(Some("null")) => return Evidence::Foreign("an opaque Origin"),
        Ok(Some(origin)) if trusted.has(origin) => return Evidence::Own,
        Ok(Some(_)) => return Evidence::Foreign("the Origin is another site's"),
        Ok(None) => {}
    }
    match single(headers, &REFERER) {
        Err(Several) => return Evidence::Foreign("more than one Referer"),
        Ok(Some(referer)) => {
            return match origin_of(referer) {
                Some(origin) if trusted.has(&origin) => Evidence::Own,
                _ => Evidence::Foreign("the Referer is another site's"),
            };
        }
        Ok(None) => {}
    }
    match site {
        Some(b"same-origin") => Evidence::Own,
        Some(b"none") | None => Evidence::Absent,
        Some(_) => Evidence::Foreign("Sec-Fetch-Site names another site"),
    }
}

struct Several;

fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Result<Option<&'a str>, Several> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // What is not text equals no origin.
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or("?"))),
        (Some(_), Some(_)) => Err(Several),
    }
}

/// The origin of an http or https address, serialised (HTML, origins).
pub(super) fn origin_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn judged(pairs: &[(&'static str, &'static str)], cors: Option<&Cors>, by_session: bool) -> Evidence {
        let headers: HeaderMap = pairs.iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            headers
        });
        evidence(&headers, &Trusted::new("https://app.example", false, "127.0.0.1:8080", cors, by_session))
    }

    // proves: CSRF-1
    #[test]
    fn own_origins_are_known_by_any_of_the_three() {
        for own in [
            &[("origin", "https://app.example")][..],
            &[("origin", "http://127.0.0.1:8080")],
            &[("origin", "https://app.example"), ("referer", "https://evil.example/")],
            &[("origin", "https://app.example"), ("sec-fetch-site", "same-site")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("referer", "https://app.example/a?b#c")],
            &[("referer", "https://app.example:443")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(judged(own, None, true), Evidence::Own, "{own:?}");
        }
        assert_eq!(judged(&[], None, true), Evidence::Absent);
        assert_eq!(judged(&[("sec-fetch-site", "none")], None, true), Evidence::Absent);
    }

    // proves: CSRF-1
    #[test]
    fn every_other_origin_is_foreign() {
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://app.example")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://app.example.evil.example")],
            &[("origin", "https://evil-app.example")],
            &[("origin", "https://sub.app.example")],
            &[("origin", "https://app.example/")],
            &[("origin", "https://app.example, https://evil.example")],
            &[("origin", "https://127.0.0.1:8080")],
            &[("origin", "http://127.0.0.1:8081")],
            &[("origin", "http://127.0.0.1")],
            &[("origin", "")],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("referer", "https://app.example/")],
            &[("origin", "https://evil.example"), ("referer", "https://app.example/")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://app.example"), ("origin", "https://evil.example")],
            &[("referer", "https://evil.example/https://app.example/")],
            &[("referer", "https://app.example@evil.example/")],
            &[("referer", "https://evil.example/?https://app.example")],
            &[("referer", "about:client")],
            &[("referer", "app.example")],
            &[("referer", "")],
            &[("referer", "https://app.example/"), ("referer", "https://evil.example/")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-site", "Same-Origin, cross-site")],
        ] {
            assert!(matches!(judged(foreign, None, true), Evidence::Foreign(_)), "{foreign:?}");
        }
    }

    // proves: CSRF-1
    #[test]
    fn cross_origin_rules_extend_trust_only_by_name_and_with_credentials() {
        let cors = |origin: &str, credentials: bool| Cors {
            origins: vec![origin.to_owned()],
            methods: Vec::new(),
            headers: Vec::new(),
            allow_methods: HeaderValue::from_static(""),
            allow_headers: HeaderValue::from_static(""),
            expose_headers: None,
            credentials,
            max_age: HeaderValue::from_static("0"),
        };
        let from = [("origin", "https://spa.example"), ("sec-fetch-site", "cross-site")];
        let foreign = |cors: &Cors, by_session| judged(&from, Some(cors), by_session) != Evidence::Own;
        assert!(!foreign(&cors("https://spa.example", true), true));
        assert!(foreign(&cors("https://spa.example", false), true));
        assert!(!foreign(&cors("https://spa.example", false), false));
        assert!(foreign(&cors("*", false), false) && foreign(&cors("*", false), true));
        assert!(foreign(&cors("https://other.example", true), true));
    }
}
