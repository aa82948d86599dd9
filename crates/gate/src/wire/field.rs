//! Names and values of header fields (RFC 9110 section 5).

use super::Violation;

const TOKEN: u8 = 1;
/// A token byte that is neither letter, digit nor `-`.
const ODD: u8 = 2;

#[expect(clippy::indexing_slicing, reason = "made by the compiler, which sees to the bounds")]
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            class[i] = TOKEN;
        }
        i += 1;
    }
    let odd = b"!#$%&'*+.^_`|~";
    let mut i = 0;
    while i < odd.len() {
        class[odd[i] as usize] = TOKEN | ODD;
        i += 1;
    }
    class
};

#[expect(clippy::indexing_slicing, reason = "a byte is always within 256 entries")]
const fn class_of(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// Whether these bytes are a token (RFC 9110 section 5.6.2), and not an empty one.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| class_of(*byte) != 0)
}

/// The length of the token that the line begins with, and whether it holds more than letters, digits and `-`.
pub(crate) fn token_length(line: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (at, &byte) in line.iter().enumerate() {
        let class = class_of(byte);
        if class == 0 {
            return (at, seen & ODD != 0);
        }
        seen |= class;
    }
    (line.len(), seen & ODD != 0)
}

/// Judges a field's value: tabs, visible ASCII, spaces and bytes over 127, but no control byte.
///
/// # Errors
/// When it holds one.
pub fn judge_value(value: &[u8]) -> Result<(), Violation> {
    // Without a branch in it, the compiler makes this a vector loop.
    let bad = value.iter().fold(false, |bad, &byte| bad | ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f));
    if bad { Err(Violation::malformed("control byte in a header value")) } else { Ok(()) }
}

/// Judges a name that holds more than letters, digits and `-`: CGI and its children (WSGI, Rack, PHP) read `-` and
/// `_` as one, so `Content_Length` is Content-Length to them. Any other odd byte is taken for a dash as well.
///
/// # Errors
/// When the name is taken for one that decides over framing, identity or the client's address.
pub fn judge_odd_name(name: &[u8]) -> Result<(), Violation> {
    let mut plain = [0_u8; 64];
    let Some(plain) = plain.get_mut(..name.len()) else { return Ok(()) };
    for (to, &from) in plain.iter_mut().zip(name) {
        *to = if class_of(from) & ODD == 0 { from.to_ascii_lowercase() } else { b'-' };
    }
    if is_weighty(plain) {
        return Err(Violation::ambiguous("header name that mimics another"));
    }
    Ok(())
}

/// Fields that something is decided by: here, on the way, or in the application.
const WEIGHTY: &[&[u8]] = &[
    b"authorization",
    b"connection",
    b"cookie",
    b"date",
    b"expect",
    b"forwarded",
    b"host",
    b"http2-settings",
    b"keep-alive",
    b"origin",
    b"path-info",
    b"proxy",
    b"referer",
    b"script-name",
    b"te",
    b"trailer",
    b"true-client-ip",
    b"upgrade",
    b"via",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-csrf-token",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    b"x-real-ip",
    b"x-request-id",
    b"x-tenant-id",
    b"x-xsrf-token",
];

/// Whole families of them.
const WEIGHTY_FAMILIES: &[&[u8]] = &[
    b"content-",
    b"transfer-",
    b"proxy-",
    b"remote-",
    b"sec-",
    b"x-auth-request-",
    b"x-forwarded-",
    b"x-original-",
    b"x-palisade-",
    b"x-rewrite-",
    b"x-user",
];

/// Whether something is decided by the field of this name, given in lower case.
fn is_weighty(name: &[u8]) -> bool {
    WEIGHTY.contains(&name) || WEIGHTY_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// What a Connection field asks for (RFC 9110 section 7.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl Options {
    /// Adds the options of one Connection field.
    ///
    /// A proxy removes the fields that are named here. One that something is decided by must not vanish on the
    /// client's word.
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<(), Violation> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match option {
                b"" => {}
                _ if option.eq_ignore_ascii_case(b"close") => self.close = true,
                _ if option.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                _ if option.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ if !is_token(option) => {
                    return Err(Violation::malformed("connection option is not a token"));
                }
                _ => judge_option(option)?,
            }
        }
        Ok(())
    }
}

/// Hop-by-hop fields that a client may rightly name in Connection.
const HOP_BY_HOP: &[&[u8]] = &[b"te", b"trailer", b"http2-settings", b"proxy-connection"];

fn judge_option(option: &[u8]) -> Result<(), Violation> {
    let mut plain = [0_u8; 64];
    let Some(plain) = plain.get_mut(..option.len()) else { return Ok(()) };
    for (to, &from) in plain.iter_mut().zip(option) {
        *to = if class_of(from) & ODD == 0 { from.to_ascii_lowercase() } else { b'-' };
    }
    if is_weighty(plain) && !HOP_BY_HOP.contains(&&*plain) {
        return Err(Violation::ambiguous("connection option that would strip an end-to-end field"));
    }
    Ok(())
}

/// Fields that may stand in a request once only: with two of them, one reader takes the first and another the last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Singles(u16);

impl Singles {
    const NAMES: [&[u8]; 12] = [
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"authorization",
        b"cookie",
        b"origin",
        b"referer",
        b"user-agent",
        b"expect",
        b"range",
        b"x-csrf-token",
    ];

    /// Notes a name, in any case.
    pub(crate) fn note(&mut self, name: &[u8]) -> Result<(), Violation> {
        let Some(place) = Self::NAMES.iter().position(|single| same(single, name)) else { return Ok(()) };
        let bit = 1 << place;
        if self.0 & bit != 0 {
            return Err(Violation::ambiguous("repeated header that may stand once only"));
        }
        self.0 |= bit;
        Ok(())
    }
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.eq_ignore_ascii_case(b)
}

/// The number in a Content-Length field: digits alone, at most 19 of them, no leading zero.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, Violation> {
    const BAD: Violation = Violation::malformed("content length is not a plain number");
    match value {
        [] => return Err(BAD),
        [b'0', _, ..] => return Err(Violation::ambiguous("content length with leading zeros")),
        _ if value.len() > 19 => return Err(Violation::malformed("content length is too large")),
        _ => {}
    }
    value.iter().try_fold(0_u64, |number, digit| {
        if !digit.is_ascii_digit() {
            return Err(BAD);
        }
        Ok(number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: EDGE-6
    #[test]
    fn look_alikes_are_seen_and_honest_odd_names_are_not_touched() {
        for name in [
            "Content_Length",
            "Transfer_Encoding",
            "Transfer.Encoding",
            "X_Forwarded_For",
            "X-Forwarded_For",
            "x_user",
            "X_User-Id",
            "Remote_User",
            "X_Tenant_Id",
            "X_Palisade_Assertion",
            "Sec_Fetch_Site",
            "X_HTTP_Method_Override",
            "Proxy_Authorization",
            "SCRIPT_NAME",
            "PATH_INFO",
        ] {
            assert!(token_length(name.as_bytes()).1, "{name}");
            assert!(judge_odd_name(name.as_bytes()).is_err(), "{name}");
        }
        for name in ["api_key", "access_token", "X_Custom", "x.trace", "a!b", "content", "_", "user_agent"] {
            assert_eq!(judge_odd_name(name.as_bytes()), Ok(()), "{name}");
        }
    }

    // proves: EDGE-6
    #[test]
    fn a_length_is_digits() {
        assert_eq!(content_length(b"0"), Ok(0));
        assert_eq!(content_length(b"1234567890123456789"), Ok(1_234_567_890_123_456_789));
        for bad in
            ["", "00", "01", "+1", "-1", "1,1", "1 1", "0x1", "1e3", "1.0", "12345678901234567890", "\u{661}"]
        {
            assert!(content_length(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    // proves: EDGE-6
    #[test]
    fn connection_cannot_strip_what_is_decided_by() {
        let options = |value: &str| {
            let mut options = Options::default();
            options.add(value.as_bytes()).map(|()| options)
        };
        assert!(options("Keep-Alive, Upgrade").unwrap().upgrade);
        assert!(options(" close ,, x-hop").unwrap().close);
        assert!(options("Upgrade, HTTP2-Settings, TE").is_ok());
        for bad in
            ["host", "close, X-Request-Id", "Cookie", "x-forwarded-for", "X_Forwarded_For", "authorization"]
        {
            assert!(options(bad).is_err(), "{bad}");
        }
        assert!(options("a b").is_err());
    }
}
