//! Where a request really comes from (EDGE-3, LIMIT-8).
//!
//! Forwarding headers are hearsay. They count only from a trusted proxy, and only the part that trusted
//! proxies wrote: lists are read from the right, one entry for each hop, and the first address that is not a trusted
//! proxy's is the client. Whatever stands further left was written by the client and is not read at all.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use palisade_model::ClientAddress;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// What the trusted proxies say of the request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) client: ClientAddress,
    /// Whether the peer is a trusted proxy at all.
    pub(super) trusted: bool,
    /// Whether the peer looks like a proxy that nobody named: then many clients may share its address (LIMIT-8).
    pub(super) doubtful: bool,
    /// Whether the client speaks https, if they say.
    pub(super) secure: Option<bool>,
    /// The host that the client asked for, if they say.
    pub(super) host: Option<String>,
}

/// Reads the forwarding headers of a request from `peer`.
pub(super) fn read(headers: &HeaderMap, peer: IpAddr, proxies: &[IpNet], hops: usize) -> Seen {
    let trusts = |ip: IpAddr| proxies.iter().any(|net| net.contains(&ip.to_canonical()));
    if hops == 0 || !trusts(peer) {
        let forwards = headers.contains_key(&FOR) || headers.contains_key(&FORWARDED);
        let doubtful = forwards && is_near(peer);
        // Only a proxy on this machine would say so from here; from elsewhere anybody could, to be counted by nothing.
        let client = if doubtful && peer.to_canonical().is_loopback() {
            ClientAddress::behind(peer)
        } else {
            ClientAddress::known(peer)
        };
        return Seen { client, trusted: false, doubtful, secure: None, host: None };
    }
    let legacy = headers.contains_key(&FOR);
    let standard = headers.contains_key(&FORWARDED);
    let by_list = walk(list(headers, &FOR).map(address), peer, hops, trusts);
    let by_elements = walk(
        list(headers, &FORWARDED).map(|element| parameter(element, "for").and_then(address)),
        peer,
        hops,
        trusts,
    );
    // Proxies commonly set one of the two and pass the other on as the client wrote it: where both are
    // there they have to agree.
    let found = match (legacy, standard) {
        (true, false) => by_list,
        (false, true) => by_elements,
        (true, true) if by_list.client == by_elements.client => by_list,
        _ => Walk { client: ClientAddress::behind(peer), hop: 1 },
    };
    let element =
        (standard && !legacy).then(|| nth_from_right(list(headers, &FORWARDED), found.hop)).flatten();
    let say = |name: &HeaderName, key: &str| match element {
        Some(element) => parameter(element, key),
        None => nth_from_right(list(headers, name), found.hop),
    };
    let secure = say(&PROTO, "proto").and_then(|proto| match proto {
        proto if proto.eq_ignore_ascii_case("https") => Some(true),
        proto if proto.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    });
    Seen {
        client: found.client,
        trusted: true,
        doubtful: false,
        secure,
        host: say(&HOST, "host").map(str::to_owned),
    }
}

/// An address of this machine or of a private network (RFC 1918, RFC 4193), where proxies stand.
fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

struct Walk {
    client: ClientAddress,
    /// Which entry from the right is the client's, counted from one.
    hop: usize,
}

/// Walks from the peer towards the client, over trusted proxies only and over so many hops at most.
fn walk<'a>(
    entries: impl DoubleEndedIterator<Item = Option<IpAddr>> + 'a,
    peer: IpAddr,
    hops: usize,
    trusts: impl Fn(IpAddr) -> bool,
) -> Walk {
    let (mut at, mut hop) = (peer, 0);
    for entry in entries.rev().take(hops) {
        let Some(next) = entry else { return Walk { client: ClientAddress::behind(at), hop: hop + 1 } };
        (at, hop) = (next, hop + 1);
        if !trusts(next) {
            break;
        }
    }
    let client = if hop == 0 { ClientAddress::behind(peer) } else { ClientAddress::known(at) };
    Walk { client, hop: hop.max(1) }
}

/// The comma-separated elements of every line of a header. Quoted commas are not known here: none of what is read
/// can hold one, and an element that was cut in two is malformed on both sides.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    // A line that is not text is one malformed entry.
    let text = |value: &'a HeaderValue| value.to_str().unwrap_or("?");
    headers.get_all(name).iter().flat_map(move |value| text(value).split(',')).map(str::trim)
}

/// The `n`th element from the right; the leftmost where there are fewer, as a proxy that overwrites
/// instead of appending leaves but one.
fn nth_from_right<'a>(elements: impl DoubleEndedIterator<Item = &'a str>, n: usize) -> Option<&'a str> {
    elements.rev().take(n).last().filter(|element| !element.is_empty())
}

/// One parameter of a `Forwarded` element (RFC 7239 section 4), without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
        key.trim().eq_ignore_ascii_case(name).then_some(bare)
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(peer: &str, hops: usize, lines: &[(&'static str, &str)]) -> Seen {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        read(&headers, peer.parse().unwrap(), &proxies, hops)
    }

    fn known(ip: &str) -> ClientAddress {
        ClientAddress::known(ip.parse().unwrap())
    }

    fn behind(ip: &str) -> ClientAddress {
        ClientAddress::behind(ip.parse().unwrap())
    }

    // proves: EDGE-3, LIMIT-8
    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_trusted_proxys() {
        for (peer, hops, list, client) in [
            // From a stranger the header is not read at all.
            ("203.0.113.9", 1, "198.51.100.1", known("203.0.113.9")),
            ("203.0.113.9", 1, "10.0.0.1", known("203.0.113.9")),
            // No hops are trusted: nobody's header counts.
            ("10.0.0.1", 0, "198.51.100.1", known("10.0.0.1")),
            ("10.0.0.1", 1, "198.51.100.1", known("198.51.100.1")),
            // What stands left of the proxy's own entry was written by the client.
            ("10.0.0.1", 1, "1.1.1.1, 198.51.100.1", known("198.51.100.1")),
            ("10.0.0.1", 9, "1.1.1.1, 198.51.100.1", known("198.51.100.1")),
            ("10.0.0.1", 9, "10.0.0.7, 198.51.100.1", known("198.51.100.1")),
            // Two proxies in a row, and one more hop than is trusted.
            ("10.0.0.1", 2, "198.51.100.1, 10.0.0.2", known("198.51.100.1")),
            ("10.0.0.1", 1, "198.51.100.1, 10.0.0.2", known("10.0.0.2")),
            ("10.0.0.1", 2, "198.51.100.1, 10.0.0.3, 10.0.0.2", known("10.0.0.3")),
            // A client from a trusted network.
            ("10.0.0.1", 5, "10.0.0.9", known("10.0.0.9")),
            // Forms.
            ("10.0.0.1", 1, "198.51.100.1:4711", known("198.51.100.1")),
            ("10.0.0.1", 1, "2001:db8::1", known("2001:db8::1")),
            ("10.0.0.1", 1, "[2001:db8::1]:4711", known("2001:db8::1")),
            ("fd00::1", 1, "[2001:db8::1]", known("2001:db8::1")),
            ("::ffff:10.0.0.1", 1, "::ffff:198.51.100.1", known("198.51.100.1")),
            // Malformed where a proxy should have written: the client cannot be known.
            ("10.0.0.1", 1, "", behind("10.0.0.1")),
            ("10.0.0.1", 1, "198.51.100.1, unknown", behind("10.0.0.1")),
            ("10.0.0.1", 1, "198.51.100.1,", behind("10.0.0.1")),
            ("10.0.0.1", 1, "198.51.100.1 198.51.100.2", behind("10.0.0.1")),
            ("10.0.0.1", 2, "evil, 10.0.0.2", behind("10.0.0.2")),
            // Malformed further left is the client's own affair.
            ("10.0.0.1", 1, "evil, 198.51.100.1", known("198.51.100.1")),
        ] {
            let seen = read_lines(peer, hops, &[("x-forwarded-for", list)]);
            assert_eq!(seen.client, client, "{peer} {hops} {list:?}");
        }
    }

    // proves: EDGE-3
    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(read_lines("10.0.0.1", 1, &lines).client, known("198.51.100.1"));
    }

    // proves: LIMIT-8
    #[test]
    fn a_trusted_proxy_that_says_nothing_leaves_the_client_unknown() {
        assert_eq!(read_lines("10.0.0.1", 1, &[]).client, behind("10.0.0.1"));
    }

    // proves: LIMIT-8
    #[test]
    fn a_proxy_that_nobody_named_is_noticed_and_one_on_this_machine_hides_its_clients() {
        let said = [("x-forwarded-for", "198.51.100.1")];
        for (peer, client, doubtful) in [
            ("127.0.0.1", behind("127.0.0.1"), true),
            ("::1", behind("::1"), true),
            ("::ffff:127.0.0.1", behind("127.0.0.1"), true),
            ("192.168.1.9", known("192.168.1.9"), true),
            ("172.17.0.1", known("172.17.0.1"), true),
            ("203.0.113.9", known("203.0.113.9"), false),
        ] {
            let seen = read_lines(peer, 1, &said);
            assert_eq!((seen.client, seen.trusted, seen.doubtful), (client, false, doubtful), "{peer}");
            let seen = read_lines(peer, 1, &[]);
            assert!(seen.client.is_known() && !seen.doubtful, "{peer}");
        }
    }

    // proves: EDGE-3
    #[test]
    fn forwarded_is_read_like_the_older_header() {
        let element = r#"for=1.1.1.1;proto=http, For="[2001:db8::1]:47";Proto=https;host="app.example""#;
        let seen = read_lines("10.0.0.1", 1, &[("forwarded", element)]);
        assert_eq!(
            seen,
            Seen {
                client: known("2001:db8::1"),
                trusted: true,
                doubtful: false,
                secure: Some(true),
                host: Some("app.example".into())
            }
        );
        for hidden in ["for=unknown", "for=_mystery", "proto=https", "for=\"198.51.100.1"] {
            assert_eq!(
                read_lines("10.0.0.1", 1, &[("forwarded", hidden)]).client,
                behind("10.0.0.1"),
                "{hidden}"
            );
        }
    }

    // The proxy appends to one header and passes the other on as the attacker wrote it.
    // proves: EDGE-3, LIMIT-8
    #[test]
    fn two_headers_that_disagree_name_nobody() {
        let forged = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(read_lines("10.0.0.1", 1, &forged).client, behind("10.0.0.1"));
        let agreed = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(read_lines("10.0.0.1", 1, &agreed).client, known("198.51.100.1"));
    }

    // proves: EDGE-3, EDGE-7
    #[test]
    fn scheme_and_host_come_from_trusted_proxies_alone() {
        let lines = [
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example"),
        ];
        let seen = read_lines("10.0.0.1", 1, &lines);
        assert_eq!((seen.secure, seen.host.as_deref()), (Some(true), Some("app.example")));
        let seen = read_lines("203.0.113.9", 1, &lines);
        assert_eq!((seen.secure, seen.host), (None, None));
        let appended = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https, http")];
        assert_eq!(read_lines("10.0.0.1", 1, &appended).secure, Some(false));
        let odd = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "gopher")];
        assert_eq!(read_lines("10.0.0.1", 1, &odd).secure, None);
    }

    proptest::proptest! {
        // Whatever a client writes in front, in however many lines and in either header, the proxy's own entry decides.
        // proves: EDGE-3
        #[test]
        fn nothing_that_a_client_writes_moves_it(
            junk in proptest::collection::vec("[ -~]{0,40}", 0..4),
            hops in 1..6_usize,
        ) {
            let own = "198.51.100.1";
            let mut lines: Vec<(&'static str, &str)> = junk.iter().map(|line| ("x-forwarded-for", line.as_str())).collect();
            proptest::prop_assert_eq!(read_lines("203.0.113.9", hops, &lines).client, known("203.0.113.9"));
            lines.push(("x-forwarded-for", own));
            proptest::prop_assert_eq!(read_lines("10.0.0.1", hops, &lines).client, known(own));
            let appended = format!("{}, {own}", junk.join(", "));
            proptest::prop_assert_eq!(read_lines("10.0.0.1", hops, &[("x-forwarded-for", &appended)]).client, known(own));
            let elements = format!("{}, for={own}", junk.join(", "));
            proptest::prop_assert_eq!(read_lines("10.0.0.1", hops, &[("forwarded", &elements)]).client, known(own));
        }
    }
}
