//! How a client likes to be told no.

use http::header::{ACCEPT, HOST, REFERER};
use http::{HeaderMap, Method, Uri};

/// A longer address is not remembered across sign-in: its query is left out.
const NEXT_BYTES: usize = 1024;

/// How the client likes to be told no: read from its request before the request is given away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// A page rather than a problem.
    pub(crate) html: bool,
    /// Where to go on after sign-in, if a browser was on its way to a page.
    pub(crate) next: Option<String>,
    /// A form of a browser, which is lost if it is refused.
    pub(crate) sent: bool,
    /// The page of this site that it came from.
    pub(crate) back: Option<String>,
    /// A HEAD request: headers alone.
    pub(crate) head: bool,
}

impl Manner {
    /// From what the client says of itself.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let html = prefers_html(headers);
        let navigates = headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        let reads = *method == Method::GET || *method == Method::HEAD;
        let sent = html && navigates && !reads;
        Self {
            html,
            next: (html && navigates && reads).then(|| next_of(uri)).flatten(),
            sent,
            back: sent.then(|| back_of(headers)).flatten(),
            head: *method == Method::HEAD,
        }
    }
}

/// The request's own path and query, if a browser that is sent there stays on this site: `//host` and
/// `/\host` would lead away from it.
fn next_of(uri: &Uri) -> Option<String> {
    let path = uri.path();
    let stays = path.starts_with('/')
        && !path.starts_with("//")
        && !path.bytes().any(|byte| byte == b'\\' || byte.is_ascii_control());
    let whole = uri.path_and_query().map_or(path, http::uri::PathAndQuery::as_str);
    stays
        .then_some(if whole.len() <= NEXT_BYTES { whole } else { path })
        .filter(|next| next.len() <= NEXT_BYTES)
        .map(str::to_owned)
}

/// The path of the page that led here, if it is of the host that is asked.
fn back_of(headers: &HeaderMap) -> Option<String> {
    let page: Uri = headers.get(REFERER)?.to_str().ok()?.parse().ok()?;
    let own = headers.get(HOST).is_some_and(|host| {
        page.authority().is_some_and(|authority| authority.as_str().as_bytes() == host.as_bytes())
    });
    own.then(|| next_of(&page)).flatten()
}

/// Whether the client would rather read HTML than JSON (RFC 9110 section 12.5.1). It has to say so:
/// `*/*` alone is how programs ask.
fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0_u16, 0_u16);
    for range in headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
    {
        let (kind, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = weight(parameters);
        match kind.trim() {
            kind if kind.eq_ignore_ascii_case("text/html") => html = html.max(weight),
            kind if kind.eq_ignore_ascii_case("application/json")
                || kind.eq_ignore_ascii_case("application/problem+json") =>
            {
                json = json.max(weight);
            }
            _ => {}
        }
    }
    html > 0 && html >= json
}

/// A `q` parameter in thousandths; 1000 when there is none.
fn weight(parameters: &str) -> u16 {
    let q = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(q) = q else { return 1000 };
    let (whole, part) = q.split_once('.').unwrap_or((q, ""));
    let thousandths = format!("{part:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0_u16);
    if whole == "1" { 1000 } else { thousandths }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A form's page is a way back only on this very host: its path comes from the client.
    #[test]
    fn the_way_back_is_a_page_of_this_site() {
        let uri: Uri = "/pay".parse().unwrap();
        let back = |method: Method, referer: &str| {
            let mut headers = asked("text/html");
            headers.insert(HOST, "app.example:8443".parse().unwrap());
            headers.insert(REFERER, referer.parse().unwrap());
            Manner::of(&method, &uri, &headers).back
        };
        let form = "https://app.example:8443/pay/form?n=7";
        assert_eq!(back(Method::POST, form).as_deref(), Some("/pay/form?n=7"));
        assert_eq!(back(Method::GET, form), None);
        for foreign in [
            "https://evil.example/pay",
            "https://app.example:8443//evil.example/",
            "/pay",
            "app.example:8443",
            "https://app.example:8443@evil.example/x",
        ] {
            assert_eq!(back(Method::POST, foreign), None, "{foreign}");
        }
    }

    fn asked(accept: &str) -> HeaderMap {
        [(ACCEPT, accept.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn html_has_to_be_asked_for() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html;q=0", false),
            ("text/html;q=0.8, application/json;q=0.7", true),
            ("TEXT/HTML", true),
            ("", false),
        ] {
            assert_eq!(prefers_html(&asked(accept)), html, "{accept}");
        }
    }

    // The open redirect: a path that a browser would read as another host must not become `next`.
    #[test]
    fn next_never_leads_to_another_site() {
        for path in ["//evil.example", "//evil.example/x?y", "///evil.example", "/\\evil.example"] {
            let uri = Uri::builder().path_and_query(path).build();
            if let Ok(uri) = uri {
                assert_eq!(next_of(&uri), None, "{path}");
            }
        }
        let long = format!("/a?{}", "x".repeat(2000));
        assert_eq!(next_of(&long.parse().unwrap()).as_deref(), Some("/a"));
    }
}
