//! Addresses, networks, origins, hosts and URLs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde_json::{Value, json};
use url::{Host, Url};

use super::kind::{Context, Kind, Raw, Read, Wrong, parsed, text_of};

parsed!(
    SocketAddr,
    "an address with its port such as \"127.0.0.1:8080\"",
    "127.0.0.1:8080",
    SocketAddr::from(([127, 0, 0, 1], 0)),
    |text| { text.parse().ok() }
);

const NETWORK: &str = "a network such as \"10.0.0.0/8\", or one address";

impl Kind for IpNet {
    const EXAMPLE: &'static str = "10.0.0.0/8";

    fn takes() -> String {
        NETWORK.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, NETWORK)?;
        let net = text.parse::<Self>().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from));
        let net = net.ok_or_else(|| {
            vec![Wrong::malformed(
                format!("`{text}` is not {NETWORK}"),
                "write an address and a prefix length: \"10.0.0.0/8\"",
            )]
        })?;
        // 10.0.0.7/8 may be a slip of the prefix length, and a wider network than was meant.
        if net.trunc() != net {
            let help = format!(
                "write \"{}\" for the network, or \"{}\" for that address alone",
                net.trunc(),
                net.addr()
            );
            return Err(vec![Wrong::malformed(
                format!("`{text}` has bits set beyond its prefix length"),
                help,
            )]);
        }
        Ok(net)
    }

    fn nothing() -> Self {
        Self::from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 2})
    }
}

/// A public origin: scheme, host and port, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `https://mtc.example.com`, without a trailing slash, default ports left out, lower case.
    pub origin: String,
    /// Whether the scheme is https.
    pub secure: bool,
    /// Host with port if it is not the scheme's own: what a Host header holds.
    pub authority: String,
}

/// An origin out of a URL without user, path, query or fragment.
fn base_url(text: &str) -> Result<BaseUrl, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    let secure = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("it does not begin with https:// or http://"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user name or a password");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("it holds more than scheme, host and port");
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it has no host")?;
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Ok(BaseUrl { origin: format!("{}://{authority}", url.scheme()), secure, authority })
}

const BASE: &str = "a URL of scheme, host and port such as \"https://app.example.com\"";

impl Kind for BaseUrl {
    const EXAMPLE: &'static str = "https://app.example.com";

    fn takes() -> String {
        BASE.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, BASE)?;
        base_url(text).map_err(|why| {
            let help = "write scheme, host and, if it is not the usual, port: \"https://app.example.com\"";
            vec![Wrong::malformed(format!("not a public address: {why}"), help)]
        })
    }

    fn nothing() -> Self {
        Self { origin: "http://127.0.0.1".into(), secure: false, authority: "127.0.0.1".into() }
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^https?://[^/?#@]+/?$"})
    }
}

/// An origin as CORS compares it: exact, or one of the two words that mean many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginText(pub String);

const ORIGIN: &str = "an origin such as \"https://app.example.com\"";

impl Kind for OriginText {
    const EXAMPLE: &'static str = "https://app.example.com";

    fn takes() -> String {
        ORIGIN.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, ORIGIN)?;
        if matches!(text, "*" | "null") {
            return Ok(Self(text.to_owned()));
        }
        if text.contains('*') {
            let help = "write each origin out; a pattern would let in every host that somebody takes over";
            return Err(vec![Wrong::malformed(format!("`{text}` is a pattern, not an origin"), help)]);
        }
        base_url(text).map(|base| Self(base.origin)).map_err(|why| {
            let help = "write scheme, host and port as a browser's Origin header has them: \"https://app.example.com\"";
            vec![Wrong::malformed(format!("not an origin: {why}"), help)]
        })
    }

    fn nothing() -> Self {
        Self(String::new())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(\\*|null|https?://[^/?#@*]+/?)$"})
    }
}

/// A host that is served: `app.example.com`, `app.example.com:8443` or `*.example.com`; `*` stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern(pub String);

const HOST: &str = "a host such as \"app.example.com\" or \"*.example.com\"";

fn host_pattern(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.into());
    }
    let (star, rest) = text.strip_prefix("*.").map_or(("", text), |rest| ("*.", rest));
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !rest.ends_with(']') => (name, Some(port.parse::<u16>().ok()?)),
        _ => (rest, None),
    };
    let host = Host::parse(name).ok().filter(|_| !name.contains('*'))?;
    let is_plain_name = matches!(host, Host::Domain(_)) && port.is_none();
    if !star.is_empty() && !is_plain_name {
        return None;
    }
    Some(match port {
        Some(port) => format!("{host}:{port}"),
        None => format!("{star}{host}"),
    })
}

impl Kind for HostPattern {
    const EXAMPLE: &'static str = "app.example.com";

    fn takes() -> String {
        HOST.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, HOST)?;
        host_pattern(text).map(Self).ok_or_else(|| {
            let help = if text.contains("://") {
                "write the host alone, without http:// or https://"
            } else {
                "write a name, a name with its port, or *. and a domain"
            };
            vec![Wrong::malformed(format!("`{text}` is not {HOST}"), help)]
        })
    }

    fn nothing() -> Self {
        Self(String::new())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[^/@?#]+$"})
    }
}

/// Where an application listens: `http://host:port`, perhaps with a path in front of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamUrl {
    /// `host:port`.
    pub authority: String,
    /// Empty, or `/prefix` without a slash at its end.
    pub base_path: String,
}

const UPSTREAM: &str = "a URL such as \"http://127.0.0.1:5000\"";

fn upstream_url(text: &str) -> Result<UpstreamUrl, (&'static str, &'static str)> {
    const WRITE: &str = "write where the application listens: \"http://127.0.0.1:5000\"";
    let url = Url::parse(text).map_err(|_| ("it is not a URL", WRITE))?;
    if url.scheme() == "https" {
        return Err((
            "https to an application is not spoken",
            "let the application listen on plain http on an address that only Palisade reaches: \"http://127.0.0.1:5000\"",
        ));
    }
    if url.scheme() != "http" {
        return Err(("it does not begin with http://", WRITE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "it holds a user name or a password",
            "leave them out: the application is told who asks by headers",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("it holds a query or a fragment", WRITE));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(("it has no host", WRITE))?;
    let authority = format!("{host}:{}", url.port().unwrap_or(80));
    Ok(UpstreamUrl { authority, base_path: url.path().trim_end_matches('/').to_owned() })
}

impl Kind for UpstreamUrl {
    const EXAMPLE: &'static str = "http://127.0.0.1:5000";

    fn takes() -> String {
        UPSTREAM.into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, UPSTREAM)?;
        upstream_url(text).map_err(|(why, help)| {
            vec![Wrong::malformed(format!("not an application's address: {why}"), help)]
        })
    }

    fn nothing() -> Self {
        Self { authority: "127.0.0.1:80".into(), base_path: String::new() }
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^http://[^?#@]+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: EDGE-7
    #[test]
    fn a_public_address_is_an_origin_and_nothing_more() {
        let base = base_url("HTTPS://MTC.Example.com:443/").unwrap();
        assert_eq!(
            (base.origin.as_str(), base.authority.as_str(), base.secure),
            ("https://mtc.example.com", "mtc.example.com", true)
        );
        assert_eq!(base_url("http://127.0.0.1:8080").unwrap().authority, "127.0.0.1:8080");
        for bad in
            ["mtc.example.com", "ftp://x", "https://u:p@x", "https://x/app", "https://x?q", "https://", ""]
        {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    // proves: EDGE-2
    #[test]
    fn host_patterns_are_names_and_never_urls() {
        assert_eq!(host_pattern("MTC.example.com").as_deref(), Some("mtc.example.com"));
        assert_eq!(host_pattern("*.example.com").as_deref(), Some("*.example.com"));
        assert_eq!(host_pattern("localhost:8080").as_deref(), Some("localhost:8080"));
        assert_eq!(host_pattern("[::1]").as_deref(), Some("[::1]"));
        for bad in ["", "https://x", "a b", "*.", "*.10.0.0.1", "a.*.b", "x:99999", "x/y", "u@x"] {
            assert_eq!(host_pattern(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_application_is_reached_by_plain_http() {
        let app = upstream_url("http://127.0.0.1:5000/base/").unwrap();
        assert_eq!((app.authority.as_str(), app.base_path.as_str()), ("127.0.0.1:5000", "/base"));
        assert_eq!(upstream_url("http://app").unwrap().authority, "app:80");
        for bad in ["https://x", "http://u:p@x", "http://x?q", "127.0.0.1:5000", ""] {
            assert!(upstream_url(bad).is_err(), "{bad}");
        }
    }
}
