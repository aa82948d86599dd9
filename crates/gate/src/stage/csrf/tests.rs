use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, REFERER};
use http_body_util::BodyExt;
use palisade_model::Environment;

use super::*;

const OWN: (&str, &str) = ("origin", "https://app.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn policy(sections: &str) -> Policy {
    let toml = format!(
        r#"
[app]
environment = "testing"
base_url = "https://app.example"
[identify]
secret_key = "env:SECRET_KEY"
[upstream.app]
url = "http://127.0.0.1:5000"
[[route]]
path = "/token"
to = "upstream:app"
allow = "public"
[[route]]
path = "/origin"
to = "upstream:app"
allow = "public"
csrf = "origin"
[[route]]
path = "/off"
to = "upstream:app"
allow = "public"
csrf = "off"
[[route]]
path = "/socket"
to = "upstream:app"
allow = "public"
upgrade = true
{sections}"#
    );
    let environment: Environment = [("SECRET_KEY", "0123456789abcdef0123456789abcdef")].into_iter().collect();
    Policy::from_toml("test", &toml, &environment).unwrap_or_else(|e| panic!("{e}")).policy
}

struct Case {
    policy: Policy,
    path: &'static str,
    credential: Credential,
}

impl Case {
    fn new(path: &'static str, credential: Credential) -> Self {
        Self { policy: policy(""), path, credential }
    }

    /// What the check says, and the request that would go on.
    async fn judge(&self, request: Request<Body>) -> (Result<(), Refusal>, Request<Body>) {
        let route = self.policy.routes.rows.iter().find(|row| row.path == self.path).unwrap();
        let terms = Terms {
            policy: &self.policy,
            route,
            credential: self.credential,
            secure: false,
            host: "127.0.0.1:8080",
        };
        let mut request = request;
        let verdict = check(&terms, |token| token == "good", &mut request).await;
        (verdict, request)
    }

    /// The code of the refusal, or nothing.
    async fn code(&self, method: &str, headers: &[(&'static str, &str)], body: &str) -> &'static str {
        let (verdict, after) = self.judge(request(method, headers, body)).await;
        if verdict.is_err() {
            let bytes = after.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(bytes, body, "a refused request was changed");
        }
        verdict.map_or_else(|refusal| refusal.denial.facts().code, |()| "")
    }
}

fn request(method: &str, headers: &[(&'static str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::new(Body::from(body.to_owned()));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

// proves: CSRF-1
#[tokio::test]
async fn a_change_with_the_cookie_needs_the_token_and_an_own_origin() {
    let case = Case::new("/token", Credential::Cookie);
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        for (headers, body, code) in [
            (&[OWN, FORM][..], "csrf_token=good", ""),
            (&[FORM], "csrf_token=good", ""),
            (&[OWN, ("x-csrf-token", "good")], "", ""),
            (&[OWN, ("x-csrftoken", "good")], "", ""),
            (&[OWN, ("content-type", "application/json")], r#"{"csrf_token":"good"}"#, ""),
            (&[OWN, FORM], "csrf_token=bad", "csrf.token"),
            (&[OWN, FORM], "csrf_token=", "csrf.token"),
            (&[OWN, FORM], "", "csrf.token"),
            (&[OWN], "csrf_token=good", "csrf.token"),
            (&[OWN, ("content-type", "text/plain")], "csrf_token=good", "csrf.token"),
            (&[OWN, ("x-csrf-token", "bad")], "", "csrf.token"),
            (&[OWN, ("x-csrf-token", "")], "", "csrf.token"),
            (&[OWN, ("x-other", "good")], "", "csrf.token"),
            (&[OWN, ("cookie", "csrf_token=good")], "", "csrf.token"),
            (&[], "", "csrf.token"),
            // A token that leaked is of no use to another site.
            (&[EVIL, FORM], "csrf_token=good", "csrf.origin"),
            (&[EVIL, ("x-csrf-token", "good")], "", "csrf.origin"),
            (&[("origin", "null"), ("x-csrf-token", "good")], "", "csrf.origin"),
            (&[("referer", "https://evil.example/"), ("x-csrf-token", "good")], "", "csrf.origin"),
            (&[("sec-fetch-site", "cross-site"), ("x-csrf-token", "good")], "", "csrf.origin"),
            (&[("sec-fetch-site", "same-site"), ("x-csrf-token", "good")], "", "csrf.origin"),
        ] {
            assert_eq!(case.code(method, headers, body).await, code, "{method} {headers:?} {body}");
        }
    }
}

// proves: CSRF-1
#[tokio::test]
async fn a_route_by_origin_needs_to_know_that_the_request_is_the_sites_own() {
    let case = Case::new("/origin", Credential::Cookie);
    for (headers, code) in [
        (&[OWN][..], ""),
        (&[("origin", "http://127.0.0.1:8080")], ""),
        (&[("referer", "https://app.example/page")], ""),
        (&[("sec-fetch-site", "same-origin")], ""),
        (&[], "csrf.origin"),
        (&[("sec-fetch-site", "none")], "csrf.origin"),
        (&[("x-csrf-token", "good")], "csrf.origin"),
        (&[EVIL], "csrf.origin"),
        (&[("origin", "null")], "csrf.origin"),
        (&[EVIL, ("x-csrf-token", "good")], "csrf.origin"),
        (&[("referer", "https://evil.example/")], "csrf.origin"),
        (&[("sec-fetch-site", "cross-site")], "csrf.origin"),
    ] {
        assert_eq!(case.code("POST", headers, "").await, code, "{headers:?}");
    }
}

// proves: CSRF-1
#[tokio::test]
async fn nobody_is_signed_in_by_another_site() {
    let anonymous = Case::new("/origin", Credential::None);
    for (headers, code) in [
        (&[][..], ""),
        (&[OWN], ""),
        (&[("sec-fetch-site", "none")], ""),
        (&[EVIL], "csrf.origin"),
        (&[("origin", "null")], "csrf.origin"),
        (&[("referer", "https://evil.example/")], "csrf.origin"),
        (&[("sec-fetch-site", "cross-site")], "csrf.origin"),
    ] {
        assert_eq!(anonymous.code("POST", headers, "").await, code, "{headers:?}");
    }
    // What an application's own cookie allows is not to be forged either; a hook has no cookie.
    let open = Case::new("/token", Credential::None);
    assert_eq!(open.code("POST", &[EVIL, ("cookie", "sid=1")], "").await, "csrf.origin");
    assert_eq!(open.code("POST", &[EVIL], "").await, "");
    assert_eq!(open.code("POST", &[("cookie", "sid=1")], "").await, "");
}

// proves: CSRF-4
#[tokio::test]
async fn bearers_exempt_routes_and_reading_are_asked_nothing() {
    for path in ["/token", "/origin", "/off"] {
        assert_eq!(Case::new(path, Credential::Bearer).code("POST", &[EVIL], "").await, "", "{path}");
    }
    assert_eq!(Case::new("/off", Credential::Cookie).code("POST", &[EVIL], "").await, "");
    for method in ["GET", "HEAD", "OPTIONS"] {
        for credential in [Credential::Cookie, Credential::None] {
            assert_eq!(
                Case::new("/token", credential).code(method, &[EVIL, ("cookie", "a=b")], "").await,
                ""
            );
        }
    }
}

// proves: CSRF-1
#[tokio::test]
async fn no_other_site_opens_a_websocket_with_somebodys_cookies() {
    let upgrade = ("upgrade", "websocket");
    let case = Case::new("/socket", Credential::Cookie);
    assert_eq!(case.code("GET", &[OWN, upgrade], "").await, "");
    assert_eq!(case.code("GET", &[upgrade], "").await, "");
    assert_eq!(case.code("GET", &[EVIL, upgrade], "").await, "csrf.origin");
    assert_eq!(case.code("GET", &[("origin", "null"), upgrade], "").await, "csrf.origin");
    assert_eq!(case.code("GET", &[EVIL], "").await, "");
    let anonymous = Case::new("/socket", Credential::None);
    assert_eq!(anonymous.code("GET", &[EVIL, upgrade, ("cookie", "sid=1")], "").await, "csrf.origin");
    assert_eq!(anonymous.code("GET", &[EVIL, upgrade], "").await, "");
}

// proves: CSRF-1
#[tokio::test]
async fn the_policy_chooses_the_status() {
    let case = |toml: &str| Case { policy: policy(toml), path: "/token", credential: Credential::Cookie };
    for (toml, status) in [("", 403), ("[csrf]\nstatus = 400", 400)] {
        let (verdict, _) = case(toml).judge(request("POST", &[OWN], "")).await;
        assert_eq!(verdict.unwrap_err().status(), status);
        let (verdict, _) = case(toml).judge(request("POST", &[EVIL], "")).await;
        assert_eq!(verdict.unwrap_err().status(), status);
    }
}

// proves: CSRF-1
#[tokio::test]
async fn a_token_was_for_palisade_and_goes_no_further() {
    let case = Case::new("/token", Credential::Cookie);
    let headers = [OWN, FORM, ("x-csrf-token", "theirs"), ("x-csrftoken", "good"), ("content-length", "22")];
    let (verdict, after) = case.judge(request("POST", &headers, "a=1&csrf_token=good&b=2")).await;
    assert!(verdict.is_ok());
    assert_eq!(
        (after.headers().get("x-csrftoken"), &after.headers()["x-csrf-token"]),
        (None, &"theirs".parse().unwrap())
    );
    // The header was enough: the body was not even looked into.
    assert_eq!(after.into_body().collect().await.unwrap().to_bytes(), "a=1&csrf_token=good&b=2");

    let (verdict, after) =
        case.judge(request("POST", &[OWN, FORM], "a=1&csrf_token=good&csrf_token=theirs")).await;
    assert!(verdict.is_ok());
    assert_eq!(after.into_body().collect().await.unwrap().to_bytes(), "a=1&csrf_token=theirs");
}

// proves: CSRF-1
#[tokio::test]
async fn a_token_behind_a_mebibyte_is_refused_with_the_reason_and_the_upload_is_not_held() {
    let case = Case::new("/token", Credential::Cookie);
    let part = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = [part("file", &"x".repeat(1 << 20)), part("csrf_token", "good"), "--B--\r\n".into()].concat();
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = read.clone();
    let pieces: Vec<Bytes> = body.as_bytes().chunks(8192).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces.into_iter().map(move |piece| {
        counted.fetch_add(piece.len(), std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::convert::Infallible>(piece)
    }));
    let mut upload = Request::post("/token").body(Body::from_stream(pieces)).unwrap();
    upload.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=B"));
    upload.headers_mut().insert(REFERER, HeaderValue::from_static("https://app.example/"));
    let (verdict, _) = case.judge(upload).await;
    let refusal = verdict.unwrap_err();
    assert_eq!(refusal.denial, Denial::CsrfToken);
    assert!(refusal.why.contains("beginning of the body"), "{}", refusal.why);
    assert!(read.load(std::sync::atomic::Ordering::Relaxed) <= peek::LIMIT + 8192);
}

// proves: CSRF-2
#[test]
fn the_cookie_of_the_double_submit_is_renewed_when_it_is_not_the_sessions() {
    let policy = policy("[csrf]\ncookie = \"csrf_token\"");
    let due = |cookies: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in cookies {
            headers.append(COOKIE, line.parse().unwrap());
        }
        cookie_due(&policy, &headers, |token| token == "good", || "good".to_owned())
    };
    for fresh in
        [&["a=b; csrf_token=good"][..], &["csrf_token=tossed; csrf_token=good"], &["x=y", "csrf_token=good"]]
    {
        assert_eq!(due(fresh), None, "{fresh:?}");
    }
    for stale in [
        &[][..],
        &["csrf_token=old"],
        &["csrf_token=tossed; csrf_token=old"],
        &["xcsrf_token=good"],
        &["csrf_token2=good"],
    ] {
        let line = due(stale).unwrap();
        let line = line.to_str().unwrap();
        assert!(line.starts_with("csrf_token=good; Path=/; Max-Age="), "{line}");
        assert!(
            line.contains("; Secure") && line.contains("; SameSite=") && !line.contains("HttpOnly"),
            "{line}"
        );
    }
    let none = super::tests::policy("");
    assert_eq!(
        none.csrf.cookie.is_some(),
        cookie_due(&none, &HeaderMap::new(), |_| false, || "x".into()).is_some()
    );

    let mut response = Response::new(Body::empty());
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_static("csrf_token=; Max-Age=0"));
    add_cookie(&policy, &mut response, HeaderValue::from_static("csrf_token=good"));
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
    let mut response = Response::new(Body::empty());
    response.headers_mut().append(SET_COOKIE, HeaderValue::from_static("csrf_token2=x"));
    add_cookie(&policy, &mut response, HeaderValue::from_static("csrf_token=good"));
    assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
}
