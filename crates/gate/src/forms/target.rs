//! Where a form would be sent: to this site, or elsewhere.
//!
//! The token must never leave the site, so an address counts as own only where a browser could not
//! read it in another way. In doubt it is foreign: the form then goes without the field.

use url::Url;

/// The origins of the site, and the address that relative ones are read against.
#[derive(Clone, Debug)]
pub(super) struct Site {
    page: Url,
    own: Vec<Url>,
    /// A `<base>` of the page leads elsewhere, so no relative address is trusted.
    foreign_base: bool,
}

impl Site {
    /// A page at `path` of the first origin; every origin is the site's own (`https://host[:port]`).
    /// `None` when there is no origin that can be read.
    pub(super) fn new(origins: &[String], path: &str) -> Option<Self> {
        let own: Vec<Url> = origins.iter().filter_map(|origin| Url::parse(origin).ok()).collect();
        let mut page = own.first()?.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        page.set_path(path);
        page.set_query(query);
        Some(Self { page, own, foreign_base: false })
    }

    /// Notes that a `<base href>` leads elsewhere. A browser uses the first base; here a single foreign
    /// one is enough to distrust all relative addresses, because which of them counts depends on the
    /// whole tree.
    pub(super) fn distrust_relative(&mut self) {
        self.foreign_base = true;
    }

    /// Whether the attribute, as written in the page (character references and all), leads nowhere
    /// but to this site.
    pub(super) fn is_own(&self, attribute: &str) -> bool {
        if attribute.is_empty() {
            // The address of the page itself, whatever <base> says (HTML, form submission algorithm).
            return true;
        }
        let (address, whole) = decode_references(attribute);
        if !whole && !settles_origin(&address) {
            return false;
        }
        let resolves_home = |base: &Url| base.join(&address).is_ok_and(|target| self.has_origin_of(&target));
        if !resolves_home(&self.page) {
            return false;
        }
        // Read against foreign bases of both schemes, only an absolute own address still comes home.
        !self.foreign_base
            || ["https://elsewhere.invalid/", "http://elsewhere.invalid/"]
                .iter()
                .all(|base| Url::parse(base).is_ok_and(|base| resolves_home(&base)))
    }

    fn has_origin_of(&self, target: &Url) -> bool {
        self.own.iter().any(|own| {
            own.scheme() == target.scheme()
                && own.host() == target.host()
                && own.port_or_known_default() == target.port_or_known_default()
        })
    }
}

/// Whether nothing that is appended could change the origin any more: the path has begun after a
/// single slash, or the query or fragment has.
fn settles_origin(address: &str) -> bool {
    let mut seen =
        address.trim_start_matches(|c: char| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
    if address.contains(['?', '#']) {
        return true;
    }
    seen.next() == Some('/') && seen.next().is_some_and(|second| !matches!(second, '/' | '\\'))
}

/// The attribute with its character references read, up to the first one that is not known here,
/// and whether that is all of it.
fn decode_references(attribute: &str) -> (String, bool) {
    let mut out = String::with_capacity(attribute.len());
    let mut rest = attribute;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        if let Some((c, tail)) = reference(after) {
            out.push(c);
            rest = tail;
        } else if after.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return (out, false);
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    (out, true)
}

/// The references that templating engines write, and those that could hide a scheme or a slash.
const NAMED: &[(&str, char)] = &[
    ("amp;", '&'),
    ("lt;", '<'),
    ("gt;", '>'),
    ("quot;", '"'),
    ("apos;", '\''),
    ("sol;", '/'),
    ("bsol;", '\\'),
    ("colon;", ':'),
    ("period;", '.'),
    ("quest;", '?'),
    ("num;", '#'),
    ("equals;", '='),
    ("Tab;", '\t'),
    ("NewLine;", '\n'),
];

/// One character reference after its `&`, and what follows it.
fn reference(after: &str) -> Option<(char, &str)> {
    if let Some(number) = after.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (number, 10),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let (digits, tail) = digits.split_at_checked(end)?;
        if digits.is_empty() {
            return None;
        }
        let c = u32::from_str_radix(digits, radix).ok().filter(|n| *n != 0).and_then(char::from_u32);
        return Some((c.unwrap_or(char::REPLACEMENT_CHARACTER), tail.strip_prefix(';').unwrap_or(tail)));
    }
    NAMED.iter().find_map(|(name, c)| Some((*c, after.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::new(&["https://app.example".into(), "https://www.app.example".into()], "/notes/new?draft=1")
            .unwrap()
    }

    // proves: CSRF-3
    #[test]
    fn own_addresses_are_own() {
        for own in [
            "",
            " ",
            "/save",
            "save",
            "./save",
            "../save",
            "?page=2",
            "#top",
            "?a=1&b=2",
            "?a=1&amp;b=2",
            "/R&amp;D/save",
            "/R&D/save?x&y",
            "&#x2F;save",
            "&#47;save",
            "https://app.example/save",
            "HTTPS://APP.EXAMPLE:443/save",
            "https://www.app.example/save",
            "//app.example/save",
            "\t/save\n",
            "https:save",
        ] {
            assert!(site().is_own(own), "{own:?}");
        }
    }

    // proves: CSRF-1
    #[test]
    fn whatever_could_lead_elsewhere_is_foreign() {
        for foreign in [
            "https://evil.example/save",
            "//evil.example",
            "\\\\evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "\n//evil.example",
            "ht\ntps://evil.example",
            "\u{1} //evil.example",
            "&#x2f;&#x2F;evil.example",
            "&#47/evil.example",
            "&sol;&sol;evil.example",
            "/&sol;evil.example",
            "&Tab;//evil.example",
            "https&colon;//evil.example",
            "https://app.example@evil.example/",
            "https://app.example&commat;evil.example/",
            "https://app.example.evil.example/",
            "https://app.example&period;evil.example/",
            "&unknown;//evil.example",
            "x&unknown;",
            "http://app.example/save",
            "https://app.example:8443/save",
            "https:\\\\evil.example",
            "https:/\\evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "mailto:x@evil.example",
            "blob:https://app.example/1",
            "https://[",
        ] {
            assert!(!site().is_own(foreign), "{foreign:?}");
        }
    }

    // proves: CSRF-1
    #[test]
    fn a_foreign_base_takes_the_relative_addresses_with_it() {
        let mut site = site();
        assert!(site.is_own("save") && site.is_own("/app/"));
        assert!(!site.is_own("https://evil.example/"));
        site.distrust_relative();
        for lost in ["save", "/save", "?x", "https:save"] {
            assert!(!site.is_own(lost), "{lost:?}");
        }
        assert!(site.is_own("https://app.example/save") && site.is_own(""));
        assert!(!site.is_own("//evil.example/save") && !site.is_own(" "));
    }
}
