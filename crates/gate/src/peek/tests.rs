use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;

use super::*;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=XyZ";

fn part(name: &str, value: &str) -> String {
    format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn request(content_type: &str, body: Body) -> Request<Body> {
    Request::post("/").header(header::CONTENT_TYPE, content_type).body(body).unwrap()
}

fn in_pieces(content_type: &str, bytes: &[u8], step: usize) -> Request<Body> {
    let pieces: Vec<_> =
        bytes.chunks(step.max(1)).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    request(content_type, Body::from_stream(stream::iter(pieces)))
}

async fn bytes_of(request: Request<Body>) -> Vec<u8> {
    request.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn field(content_type: &str, body: &str) -> Field {
    let mut answers = Vec::new();
    for step in [1, 3, body.len()] {
        let (answer, after) = form_field(in_pieces(content_type, body.as_bytes(), step), "user", LIMIT).await;
        assert_eq!(bytes_of(after).await, body.as_bytes(), "{body:?}");
        answers.push(answer);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    answers.pop().unwrap()
}

fn one(value: &str) -> Field {
    Field::One(value.to_owned())
}

// proves: LIMIT-1
#[tokio::test]
async fn the_one_value_of_a_form_is_found() {
    assert_eq!(field(URLENCODED, "user=ann&x=1").await, one("ann"));
    assert_eq!(field(URLENCODED, "x=1&us%65r=a+b%40c").await, one("a b@c"));
    assert_eq!(field("Application/X-WWW-Form-Urlencoded; charset=UTF-8", "user").await, one(""));
    assert_eq!(field(URLENCODED, "x=user&users=1&User=2").await, Field::Missing);
    assert_eq!(field(URLENCODED, "").await, Field::Missing);
    let body = [part("x", "user"), part("user", "a\r\nb--Xy"), "--XyZ--\r\n".into()].concat();
    assert_eq!(field(MULTIPART, &body).await, one("a\r\nb--Xy"));
    assert_eq!(field("multipart/form-data; charset=x; boundary=\"XyZ\"", &body).await, one("a\r\nb--Xy"));
    assert_eq!(field(MULTIPART, &[part("user", ""), "--XyZ--".into()].concat()).await, one(""));
    assert_eq!(field(MULTIPART, "--XyZ--\r\n").await, Field::Missing);
    let file = "--XyZ\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=\"user\"; \
                filename=\"C:\\\"\r\n\r\nann\r\n--XyZ--";
    assert_eq!(field(MULTIPART, file).await, Field::Missing);
    assert_eq!(field("application/json", r#" {"a":{"user":"no"},"us\u0065r":"ann"} "#).await, one("ann"));
    assert_eq!(field("application/vnd.api+json", r#"{"user":7}"#).await, one("7"));
    assert_eq!(field("application/json", r#"[{"user":"ann"}]"#).await, Field::Missing);
    assert_eq!(field("text/plain", "user=ann").await, Field::Missing);
}

// proves: LIMIT-1
#[tokio::test]
async fn what_the_service_could_read_differently_is_unclear() {
    assert_eq!(field(URLENCODED, "user=a&user=b").await, Field::Unclear);
    assert_eq!(field(URLENCODED, "user=a&x=1&%75ser=a").await, Field::Unclear);
    let twice = [part("user", "a"), part("user", "b"), "--XyZ--".into()].concat();
    assert_eq!(field(MULTIPART, &twice).await, Field::Unclear);
    for json in [
        r#"{"user":"a","user":"b"}"#,
        r#"{"user":"a","\u0075ser":"b"}"#,
        r#"{"user":["a"]}"#,
        r#"{"user":null}"#,
        r#"{"user":"a"} {"user":"b"}"#,
        r#"{"user":"a""#,
        "",
    ] {
        assert_eq!(field("application/json", json).await, Field::Unclear, "{json}");
    }
    let end = "--XyZ--\r\n";
    let user = part("user", "a");
    for malformed in [
        user.clone(),
        format!("{user}--XyZ"),
        format!("preamble\r\n{user}{end}"),
        format!("\r\n{user}{end}"),
        format!("{user}--XyZ \r\n{end}"),
        format!("{user}\n{end}").replace("\r\n\n--XyZ--", "\n--XyZ--"),
        format!("{user}{end}").replace("\r\n", "\n"),
        format!("{user}{end}")
            .replace("a\r\n", "a\n--XyZ\nContent-Disposition: form-data; name=user\n\nb\r\n"),
        format!("{user}{end}").replace("name=\"user\"", "name=user"),
        format!("{user}{end}").replace("name=\"user\"", "name=\"user\"; name=\"x\""),
        format!("{user}{end}").replace("name=\"user\"", "name*=\"UTF-8''user\""),
        format!("{user}{end}").replace("name=\"user\"", "name=\"\\\"; x=\"; name=\"user\""),
        format!("{user}{end}").replace("name=\"user\"", "name=\"user\"\nX: y"),
        format!("{user}{end}").replace("Content-Disposition", "X: y\r\n Content-Disposition"),
        format!("{user}{end}").replace("form-data", "attachment"),
        format!("{user}{end}")
            .replace("\r\n\r\na", "\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\na"),
    ] {
        assert_eq!(field(MULTIPART, &malformed).await, Field::Unclear, "{malformed:?}");
    }
    for boundary in
        ["", "; boundary=", "; boundary=a; boundary=XyZ", "; boundary=\"XyZ", "; boundary=X\u{e4}"]
    {
        let answer = field(&format!("multipart/form-data{boundary}"), &format!("{user}{end}")).await;
        assert_eq!(answer, Field::Unclear, "{boundary}");
    }
    let mut zipped = in_pieces(URLENCODED, b"user=a", 9);
    zipped.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(form_field(zipped, "user", LIMIT).await.0, Field::Unclear);
    let mut two_types = in_pieces(URLENCODED, b"user=a", 9);
    two_types.headers_mut().append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(form_field(two_types, "user", LIMIT).await.0, Field::Unclear);
}

// proves: LIMIT-1
#[tokio::test]
async fn a_value_behind_the_limit_cannot_hide() {
    for (length, expected) in [(40, one("a")), (41, Field::Unclear)] {
        let body = format!("user=a&x={}", "y".repeat(length - 9));
        for step in [1, 16, 1000] {
            let (answer, after) = form_field(in_pieces(URLENCODED, body.as_bytes(), step), "user", 40).await;
            assert_eq!(answer, expected, "{length} by {step}");
            assert_eq!(bytes_of(after).await, body.as_bytes());
        }
    }
}

// proves: CSRF-1
#[tokio::test]
async fn an_accepted_field_is_taken_out_and_the_rest_stays() {
    let find = async |content_type: &str, body: &str| {
        let mut request = in_pieces(content_type, body.as_bytes(), 5);
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let (search, after) = find(request, "csrf", LIMIT, |value| value == "good").await;
        let announced: usize = after.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let left = String::from_utf8(bytes_of(after).await).unwrap();
        assert_eq!(announced, left.len());
        (search, left)
    };
    for (body, left) in [
        ("csrf=good", ""),
        ("csrf=good&a=1", "a=1"),
        ("a=1&csrf=good", "a=1"),
        ("a=1&c%73rf=g%6fod&b=2", "a=1&b=2"),
        ("csrf=theirs&csrf=good&b=2", "csrf=theirs&b=2"),
        ("csrf=good&csrf=theirs", "csrf=theirs"),
    ] {
        assert_eq!(find(URLENCODED, body).await, (Search::Accepted, left.to_owned()), "{body}");
    }
    for (body, outcome) in [
        ("csrf=bad", Search::Refused),
        ("a=1&csrf=&b=2", Search::Refused),
        ("a=good", Search::Missing),
        ("", Search::Missing),
    ] {
        assert_eq!(find(URLENCODED, body).await, (outcome, body.to_owned()), "{body}");
    }
    let (token, other, end) = (part("csrf", "good"), part("a", "1"), "--XyZ--\r\n");
    for (body, left) in [
        (format!("{token}{other}{end}"), format!("{other}{end}")),
        (format!("{other}{token}{end}"), format!("{other}{end}")),
        (format!("{token}{end}"), end.to_owned()),
    ] {
        assert_eq!(find(MULTIPART, &body).await, (Search::Accepted, left));
    }
    let json = r#"{"csrf":"good","a":1}"#;
    assert_eq!(find("application/json", json).await, (Search::Accepted, json.to_owned()));
    assert_eq!(find("text/plain", "csrf=good").await.0, Search::Unreadable);
    assert_eq!(find(MULTIPART, "csrf=good").await.0, Search::Unreadable);
    let many = "csrf=bad&".repeat(100) + "csrf=good";
    assert_eq!(find(URLENCODED, &many).await, (Search::Refused, many.clone()));
}

// proves: CSRF-1
#[tokio::test]
async fn a_body_with_a_digest_is_never_changed() {
    let mut request = in_pieces(URLENCODED, b"csrf=good&a=1", 99);
    request.headers_mut().insert("content-digest", HeaderValue::from_static("sha-256=:x:"));
    let (search, after) = find(request, "csrf", LIMIT, |value| value == "good").await;
    assert_eq!(search, Search::Accepted);
    assert_eq!(bytes_of(after).await, b"csrf=good&a=1");
}

// proves: CSRF-1
#[tokio::test]
async fn a_field_behind_a_long_upload_is_out_of_sight_and_nothing_is_held() {
    let upload = part("file", &"x".repeat(1 << 20));
    let late = format!("{upload}{}--XyZ--", part("csrf", "good"));
    let (search, after) = find(in_pieces(MULTIPART, late.as_bytes(), 4096), "csrf", LIMIT, |_| true).await;
    assert_eq!(search, Search::TooFar);
    assert_eq!(bytes_of(after).await, late.as_bytes());
    let early = format!("{}{upload}--XyZ--", part("csrf", "good"));
    let pieces = early.as_bytes().chunks(512).enumerate().map(|(i, piece)| {
        assert!(i < 4, "read on after the token was found");
        Ok::<_, Infallible>(Bytes::copy_from_slice(piece))
    });
    let pieces: Vec<_> = pieces.take(4).collect();
    let (search, _) =
        find(request(MULTIPART, Body::from_stream(stream::iter(pieces))), "csrf", LIMIT, |_| true).await;
    assert_eq!(search, Search::Accepted);
}

// proves: CSRF-1
#[tokio::test]
async fn lengths_trailers_and_errors_survive_a_look() {
    let (answer, after) = form_field(request(URLENCODED, Body::from("user=ann")), "user", LIMIT).await;
    assert_eq!((answer, after.body().size_hint().exact()), (one("ann"), Some(8)));
    let (_, after) = form_field(request(URLENCODED, Body::from("user=ann")), "user", 3).await;
    assert_eq!(after.body().size_hint().exact(), Some(8));

    let trailers: HeaderMap = [(header::ETAG, HeaderValue::from_static("x"))].into_iter().collect();
    let frames = [Frame::data(Bytes::from_static(b"user=ann")), Frame::trailers(trailers.clone())];
    let body = Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))));
    let (answer, after) = form_field(request(URLENCODED, body), "user", LIMIT).await;
    let collected = after.into_body().collect().await.unwrap();
    assert_eq!((answer, collected.trailers()), (one("ann"), Some(&trailers)));

    let broken = stream::iter([Ok(Bytes::from_static(b"user=ann")), Err(std::io::Error::other("reset"))]);
    let (answer, after) = form_field(request(URLENCODED, Body::from_stream(broken)), "user", LIMIT).await;
    assert_eq!(answer, Field::Unclear);
    let mut body = after.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "user=ann");
    assert!(body.frame().await.unwrap().is_err());
}

proptest! {
    // proves: CSRF-1
    #[test]
    fn no_bytes_break_a_look_and_none_are_lost(
        kind in 0_usize..3,
        parts in prop::collection::vec(prop::sample::select(vec![
            "--XyZ", "--", "\r\n", "\r\n\r\n", "\n", "Content-Disposition: form-data; name=\"user\"", "a", "user=",
            "&", "=", "%", "%6", "+", "{", "}", "\"user\"", ":", "\"", "\\", ",", "\0", "\u{e4}",
        ]), 0..30),
        step in 1_usize..40,
        limit in 0_usize..100,
    ) {
        let source = parts.concat();
        let content_type = [URLENCODED, MULTIPART, "application/json"][kind];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (by_steps, after) = form_field(in_pieces(content_type, source.as_bytes(), step), "user", limit).await;
            assert_eq!(bytes_of(after).await, source.as_bytes());
            let whole = in_pieces(content_type, source.as_bytes(), source.len());
            assert_eq!(form_field(whole, "user", limit).await.0, by_steps);
        });
    }

    // proves: CSRF-1
    #[test]
    fn taking_the_field_out_leaves_every_other_one(
        before in prop::collection::vec(("[a-z]{1,3}", "[a-z=%&+ ]{0,5}"), 0..4),
        after in prop::collection::vec(("[a-z]{1,3}", "[a-z=%&+ ]{0,5}"), 0..4),
        step in 1_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pair = |(name, value): &(String, String)| {
            format!("{name}={}", percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC))
        };
        let others: Vec<_> = before.iter().chain(&after).cloned().collect();
        let token = ("csrf".to_owned(), "good".to_owned());
        let all: Vec<_> = before.iter().chain([&token]).chain(&after).cloned().collect();
        let form = |pairs: &[(String, String)]| pairs.iter().map(pair).collect::<Vec<_>>().join("&");
        let parts = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, value)| part(name, value)).collect::<String>() + "--XyZ--\r\n"
        };
        runtime.block_on(async {
            for (content_type, with, without) in
                [(URLENCODED, form(&all), form(&others)), (MULTIPART, parts(&all), parts(&others))]
            {
                let request = in_pieces(content_type, with.as_bytes(), step);
                let (search, after) = find(request, "csrf", LIMIT, |value| value == "good").await;
                assert_eq!(search, Search::Accepted);
                assert_eq!(String::from_utf8(bytes_of(after).await).unwrap(), without);
            }
        });
    }
}
