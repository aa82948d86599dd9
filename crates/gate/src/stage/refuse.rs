//! Puts a refusal into words: a problem for programs (RFC 9457), a small page for people, or the
//! way to the sign-in form.
//!
//! Says what to do instead and nothing of how the server is made (OBS-5): the reason (`why`) goes to the
//! log and the events, never into an answer.

mod page;

use std::sync::Arc;

use axum::body::Body;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use palisade_model::{Denial, Refusal, RequestId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::exchange::Refused;
use crate::manner::Manner;

pub(crate) use page::policy as page_csp;
pub use page::wait_in_words;

/// Response extension: this answer is a refusal's page, whose one style is known by its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalPage;

/// What may stand unencoded in the `next` parameter.
const NEXT_SAFE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The refusal as a response, complete but for the headers that the shield seals onto every answer.
#[must_use]
pub fn render(refusal: &Refusal, id: &RequestId, wants_html: bool) -> Response<Body> {
    write(refusal, id, wants_html, None).map(Body::from)
}

/// A form that was refused and is not kept.
pub(crate) struct Unsent<'a> {
    /// The page that it was on, where that is known.
    back: Option<&'a str>,
}

/// The same as text.
pub(crate) fn write(
    refusal: &Refusal,
    id: &RequestId,
    wants_html: bool,
    unsent: Option<&Unsent<'_>>,
) -> Response<String> {
    let facts = public(refusal.denial).facts();
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, text) = if wants_html {
        ("text/html; charset=utf-8", page::write(status, facts, refusal, id, unsent))
    } else {
        ("application/problem+json", problem(status, facts, refusal, id))
    };
    let length = text.len();
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    describe(refusal, status, headers);
    if wants_html {
        response.extensions_mut().insert(RefusalPage);
    }
    response
}

/// What a refusal tells programs in headers.
fn describe(refusal: &Refusal, status: StatusCode, headers: &mut HeaderMap) {
    if let Some(allow) = refusal.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(seconds) = seconds_to_wait(refusal) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, challenge(refusal.denial));
    }
}

/// The page on which people can put right what they were refused for.
const fn remedy(denial: Denial) -> Option<&'static str> {
    match denial {
        Denial::SignInRequired => Some("/auth/login"),
        Denial::ProofNeeded => Some("/auth/confirm"),
        Denial::FactorRequired => Some("/account/factors"),
        _ => None,
    }
}

/// After how many seconds to come again: rounded up, and never none.
fn seconds_to_wait(refusal: &Refusal) -> Option<u64> {
    let after = refusal.retry_after?;
    Some((after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
}

/// The refusal as this client gets it.
pub(crate) fn answer(refusal: &Refusal, id: &RequestId, manner: &Manner) -> Response<Body> {
    let onward = remedy(refusal.denial).zip(manner.next.as_deref());
    let redirected = onward.and_then(|(page, next)| redirect(page, next));
    let unsent = manner.sent.then_some(Unsent { back: manner.back.as_deref() });
    let render = || write(refusal, id, manner.html, unsent.as_ref()).map(Body::from);
    let mut response = redirected.unwrap_or_else(render);
    if manner.head {
        *response.body_mut() = Body::empty();
    }
    response
}

/// A service's no that is still to be rendered.
pub(crate) fn of(response: &Response<Body>) -> Option<Refusal> {
    let refused = response.extensions().get::<Refused>()?;
    (!refused.rendered).then(|| Refusal::clone(&refused.refusal))
}

/// A service's no that it rendered itself; what is still missing is put in.
pub(crate) fn rendered(response: &mut Response<Body>) -> Option<Arc<Refusal>> {
    let refused = response.extensions().get::<Refused>().filter(|refused| refused.rendered)?;
    let (refusal, status) = (refused.refusal.clone(), response.status());
    describe(&refusal, status, response.headers_mut());
    Some(refusal)
}

/// What the client may know: a hidden thing reads like one that is not there (ACC-2).
const fn public(denial: Denial) -> Denial {
    match denial {
        Denial::Hidden => Denial::RouteUnknown,
        other => other,
    }
}

fn problem(
    status: StatusCode,
    facts: palisade_model::denial::Facts,
    refusal: &Refusal,
    id: &RequestId,
) -> String {
    let mut problem = json!({
        "type": format!("urn:palisade:{}", facts.code),
        "title": facts.title,
        "status": status.as_u16(),
        "detail": for_programs(refusal.denial).unwrap_or(facts.detail),
        "code": facts.code,
        "request_id": id.as_str(),
    });
    if let (Some(object), false) = (problem.as_object_mut(), refusal.fields.is_empty()) {
        object.insert("errors".into(), json!(refusal.fields));
    }
    problem.to_string()
}

/// What to do instead, where that is something else for programs than for people.
const fn for_programs(denial: Denial) -> Option<&'static str> {
    match denial {
        Denial::CredentialInvalid => {
            Some("The token is wrong, used or run out. Send another one, or sign in to get one.")
        }
        Denial::ProofNeeded => Some(
            "A session with a recent proof is needed: sign in with 'session: true', or prove anew at /api/v1/auth/confirm.",
        ),
        Denial::CsrfOrigin => {
            Some("A request that shows a cookie needs the header Origin, with the address of this site.")
        }
        _ => None,
    }
}

/// RFC 6750 section 3: a request that showed no token is not told about errors of tokens. RFC 9470 section 3: what is
/// asked for is a newer proof.
fn challenge(denial: Denial) -> HeaderValue {
    HeaderValue::from_static(match denial {
        Denial::CredentialInvalid => r#"Bearer realm="api", error="invalid_token""#,
        Denial::ProofNeeded => r#"Bearer realm="api", error="insufficient_user_authentication""#,
        _ => r#"Bearer realm="api""#,
    })
}

fn redirect(page: &str, next: &str) -> Option<Response<Body>> {
    let location = format!("{page}?next={}", utf8_percent_encode(next, NEXT_SAFE));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;
    use http::{Method, Uri};
    use palisade_model::FieldFault;

    fn id() -> RequestId {
        RequestId::parse("req-12345678").unwrap()
    }

    async fn text(response: Response<Body>) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn asked(accept: &str) -> HeaderMap {
        [(ACCEPT, accept.parse().unwrap())].into_iter().collect()
    }

    // proves: OBS-5
    #[tokio::test]
    async fn a_problem_says_what_to_do_and_never_why() {
        for denial in Denial::ALL {
            let refusal = Refusal::new(*denial, "SELECT secret FROM /etc/palisade v1.2.3");
            for html in [false, true] {
                let response = render(&refusal, &id(), html);
                assert_eq!(response.status().as_u16(), denial.facts().status);
                assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
                let length: usize = response.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
                let body = text(response).await;
                assert_eq!(body.len(), length);
                assert!(
                    body.contains("req-12345678") && !body.contains("SELECT") && !body.contains("1.2.3"),
                    "{body}"
                );
            }
        }
    }

    // proves: ACC-2
    #[tokio::test]
    async fn hidden_and_unknown_are_the_same_bytes() {
        for html in [false, true] {
            let hidden = render(&Refusal::from(Denial::Hidden), &id(), html);
            let unknown = render(&Refusal::from(Denial::RouteUnknown), &id(), html);
            assert_eq!(hidden.headers(), unknown.headers());
            assert_eq!(text(hidden).await, text(unknown).await);
        }
    }

    // proves: OBS-5, VAL-1
    #[tokio::test]
    async fn fields_are_listed_and_cannot_inject_markup() {
        let fault = FieldFault { field: "<b>".into(), message: "\"><script>alert(1)</script>".into() };
        let refusal = Refusal::fields(vec![fault]);
        let problem: serde_json::Value =
            serde_json::from_str(&text(render(&refusal, &id(), false)).await).unwrap();
        assert_eq!(problem["errors"][0]["field"], "<b>");
        let page = text(render(&refusal, &id(), true)).await;
        assert!(!page.contains("<script") && page.contains("&lt;script"), "{page}");
    }

    #[test]
    fn a_form_that_waits_for_proof_is_not_lost_silently() {
        let refusal = Refusal::from(Denial::ProofNeeded);
        let uri: Uri = "/pay".parse().unwrap();
        let mut headers = asked("text/html");
        headers.insert(http::header::HOST, "app.example".parse().unwrap());
        let page = |headers: &HeaderMap| {
            let page = write(&refusal, &id(), true, Some(&Unsent { back: None }));
            assert!(page.body().contains("send it once more"));
            let answer = answer(&refusal, &id(), &Manner::of(&Method::POST, &uri, headers));
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            answer
        };
        let body = |answer| futures_util::future::FutureExt::now_or_never(text(answer)).unwrap();
        let lost = body(page(&headers));
        assert!(lost.contains("was not carried out") && lost.contains("href=\"/auth/confirm\""), "{lost}");
        headers.insert(http::header::REFERER, "https://app.example/pay/form?n=\"7".parse().unwrap());
        assert!(body(page(&headers)).contains("href=\"/auth/confirm\""), "no address that is none");
        headers.insert(http::header::REFERER, "https://app.example/pay/form?n=7&m=8".parse().unwrap());
        let lost = body(page(&headers));
        assert!(lost.contains("href=\"/auth/confirm?next=/pay/form%3Fn%3D7%26m%3D8\""), "{lost}");
    }

    #[test]
    fn only_a_browser_on_its_way_to_a_page_is_sent_to_sign_in() {
        let refusal = Refusal::from(Denial::SignInRequired);
        let uri: Uri = "/reports?month=5&q=a%20b".parse().unwrap();
        let manner = Manner::of(&Method::GET, &uri, &asked("text/html"));
        let response = answer(&refusal, &id(), &manner);
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[LOCATION], "/auth/login?next=/reports%3Fmonth%3D5%26q%3Da%2520b");

        let mut fetching = asked("text/html");
        fetching.insert("sec-fetch-mode", HeaderValue::from_static("cors"));
        for manner in [
            Manner::of(&Method::POST, &uri, &asked("text/html")),
            Manner::of(&Method::GET, &uri, &asked("*/*")),
            Manner::of(&Method::GET, &uri, &fetching),
        ] {
            let response = answer(&refusal, &id(), &manner);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="api""#);
        }
        let forbidden = answer(&Refusal::from(Denial::Forbidden), &id(), &manner);
        assert_eq!(forbidden.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn head_gets_the_headers_of_get_and_no_body() {
        let uri: Uri = "/x".parse().unwrap();
        let refusal = Refusal::from(Denial::Forbidden);
        let get = answer(&refusal, &id(), &Manner::of(&Method::GET, &uri, &HeaderMap::new()));
        let head = answer(&refusal, &id(), &Manner::of(&Method::HEAD, &uri, &HeaderMap::new()));
        assert_eq!(get.headers(), head.headers());
        assert_eq!(text(head).await, "");
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let refusal =
                Refusal::from(Denial::RateLimited).retry_after(std::time::Duration::from_millis(millis));
            assert_eq!(render(&refusal, &id(), false).headers()[RETRY_AFTER], seconds);
        }
    }

    #[tokio::test]
    async fn people_are_told_how_long_to_wait_and_only_where_that_is_known() {
        for (seconds, words) in [
            (1, "in 1 second."),
            (40, "in 40 seconds."),
            (121, "in 3 minutes."),
            (7_200, "in 120 minutes."),
            (86_399, "in 24 hours."),
        ] {
            for denial in [Denial::RateLimited, Denial::HashingBusy] {
                let refusal = Refusal::from(denial).retry_after(std::time::Duration::from_secs(seconds));
                let page = text(render(&refusal, &id(), true)).await;
                assert!(page.contains(&format!("<p>Try again {words}</p>")), "{page}");
            }
        }
        assert!(
            !text(render(&Refusal::from(Denial::RateLimited), &id(), true)).await.contains("Try again in")
        );
    }
}
