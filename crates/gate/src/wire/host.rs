//! The Host field and `:authority` (RFC 9110 section 7.2, RFC 3986 section 3.2).

use std::net::Ipv6Addr;

use super::Violation;

const MALFORMED: Violation = Violation::malformed("host is not a name or address with an optional port");

/// Judges `name`, `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
///
/// Stricter than the grammar, where the grammar serves nobody but attackers: no percent-encoding, no sub-delimiters
/// (`a.example,b.example`), no user part, no zone, no empty label, no empty port.
///
/// # Errors
/// The rule that it breaks.
pub fn judge(host: &[u8]) -> Result<(), Violation> {
    if host.is_empty() {
        return Err(Violation::malformed("host is empty"));
    }
    if host.len() > 255 + ":65535".len() {
        return Err(Violation::malformed("host is too long"));
    }
    let (port, valid) = if let Some(rest) = host.strip_prefix(b"[") {
        let end = memchr::memchr(b']', rest).ok_or(MALFORMED)?;
        let (address, after) = rest.split_at_checked(end).ok_or(MALFORMED)?;
        (after.get(1..).unwrap_or_default(), is_ipv6(address))
    } else {
        let end = memchr::memchr(b':', host).unwrap_or(host.len());
        let (name, after) = host.split_at_checked(end).ok_or(MALFORMED)?;
        (after, is_name(name))
    };
    if valid && is_port(port) { Ok(()) } else { Err(MALFORMED) }
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Letters, digits, `-`, `_`, `~` and dots with something between them; one dot at the end is the root's.
fn is_name(name: &[u8]) -> bool {
    let mut after_dot = true;
    for &byte in name {
        match byte {
            b'.' if after_dot => return false,
            b'.' => after_dot = true,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => after_dot = false,
            _ => return false,
        }
    }
    !name.is_empty()
}

/// Nothing, or `:` and a number from 1 to 65535 without leading zeros.
fn is_port(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b":") else { return text.is_empty() };
    let number = digits.iter().try_fold(0_u32, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    });
    digits.len() <= 5
        && digits.first().is_some_and(|first| *first != b'0')
        && number.is_some_and(|n| n <= 65535)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: EDGE-6
    #[test]
    fn names_and_addresses_pass() {
        for host in [
            "a",
            "localhost:8080",
            "app.example.com",
            "APP.Example.com",
            "example.com.",
            "my_app.internal:65535",
            "192.0.2.7",
            "192.0.2.7:1",
            "[::1]",
            "[2001:db8::7]:8443",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(judge(host.as_bytes()), Ok(()), "{host}");
        }
    }

    // proves: EDGE-6
    #[test]
    fn what_two_readers_could_split_differently_does_not() {
        for host in [
            "",
            " ",
            ":",
            ":80",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:+80",
            "a:80:80",
            "a:80a",
            "a b",
            "a,b",
            "a\t",
            "u@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a%2eb",
            "a;b",
            ".a",
            "a..b",
            ".",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[]",
            "[192.0.2.1]",
            "[v1.x]",
            "http://a",
            "b\u{fc}cher.example",
            "a\u{0}",
            &"a".repeat(300),
        ] {
            assert!(judge(host.as_bytes()).is_err(), "{host:?}");
        }
    }
}
