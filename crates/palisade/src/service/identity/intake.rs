//! What a client sends: a form or a small JSON object, read strictly (VAL-1).
//!
//! Both become the same [`Intake`], so that a page and a program meet the same rules. A field that comes twice is
//! refused: two readers could each believe another one. So is a field that nobody asked for.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::{HeaderMap, Request, header};
use bytes::Bytes;
use palisade_gate::wire::of_error;
use palisade_model::{Denial, FieldFault, Refusal, Secret};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{Desk, No};

/// The longest body that is read here, in bytes: a name, two passwords and a path fit many times.
pub const LIMIT: usize = 16 * 1024;

/// How long a body of that size may take in all: only pauses are limited elsewhere.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most fields in one body.
const FIELDS: usize = 32;

/// In which form the client speaks, and is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// `application/x-www-form-urlencoded`: a browser, which gets pages and redirects.
    Form,
    /// `application/json`: a program, which gets JSON and problems.
    Json,
}

/// One value of a field.
#[derive(Clone, PartialEq, Eq)]
enum Scalar {
    Text(Secret),
    Flag(bool),
}

/// The fields of one request. What is asked for is taken out; what is left at the end was not expected.
pub struct Intake {
    /// In which form the client speaks.
    pub speech: Speech,
    fields: Vec<(String, Scalar)>,
    faults: Vec<FieldFault>,
}

/// A handler takes it last, behind what may refuse before a body is read.
impl FromRequest<Desk> for Intake {
    type Rejection = No;

    async fn from_request(request: Request<Body>, desk: &Desk) -> Result<Self, No> {
        let (head, body) = request.into_parts();
        let mut intake = Self::read(&head.headers, body).await?;
        if intake.speech == Speech::Form {
            // The gate has read the token against forged requests.
            intake.skip(&desk.policy.csrf.field);
        }
        Ok(intake)
    }
}

impl Intake {
    /// Reads the body.
    ///
    /// # Errors
    /// 415 for another media type, 413 for too long a body, 408 for one that drips, 400 for one that is not well-formed, and 422 for a field
    /// that comes twice.
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let speech = speech(headers)?;
        let bytes = whole(body, PATIENCE).await?;
        let fields = match speech {
            Speech::Form => form(&bytes)?,
            Speech::Json => json(&bytes)?,
        };
        Ok(Self { speech, fields, faults: Vec::new() })
    }

    fn take(&mut self, name: &str) -> Option<Scalar> {
        let at = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.swap_remove(at).1)
    }

    /// Takes the first of these former names that is there for `name`, unless that is there itself.
    pub fn rename(&mut self, former: &[&str], name: &str) {
        if self.fields.iter().any(|(known, _)| known == name) {
            return;
        }
        if let Some((known, _)) = self.fields.iter_mut().find(|(known, _)| former.contains(&known.as_str())) {
            name.clone_into(known);
        }
    }

    fn fault(&mut self, field: &'static str, message: &'static str) {
        self.faults.push(FieldFault::new(field, message));
    }

    /// A text that may be missing or empty.
    pub fn optional(&mut self, name: &'static str) -> Option<Secret> {
        match self.take(name)? {
            Scalar::Text(text) if text.expose().is_empty() => None,
            Scalar::Text(text) => Some(text),
            Scalar::Flag(_) => {
                self.fault(name, "Send a string.");
                None
            }
        }
    }

    /// A text that has to be there; `missing` says what to do when it is not.
    pub fn required(&mut self, name: &'static str, missing: &'static str) -> Secret {
        let before = self.faults.len();
        let text = self.optional(name);
        if text.is_none() && self.faults.len() == before {
            self.fault(name, missing);
        }
        text.unwrap_or_else(|| Secret::new(""))
    }

    /// A switch; off when missing.
    pub fn flag(&mut self, name: &'static str) -> bool {
        match self.take(name) {
            None => false,
            Some(Scalar::Flag(on)) => on,
            Some(Scalar::Text(_)) => {
                self.fault(name, "Send true or false.");
                false
            }
        }
    }

    /// Leaves out a field that is of no use here.
    pub fn skip(&mut self, name: &str) {
        self.take(name);
    }

    /// Nothing more is expected.
    ///
    /// # Errors
    /// 422 with every fault that was met, and one for each field that nobody asked for.
    pub fn finish(&mut self) -> Result<(), Refusal> {
        let unknown = std::mem::take(&mut self.fields);
        self.faults.extend(unknown.into_iter().map(|(name, _)| FieldFault {
            field: name.into(),
            message: "This field is not known here. Leave it out.".into(),
        }));
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::fields(std::mem::take(&mut self.faults))) }
    }
}

/// The media type says how to read; only these two are read (RFC 9110 section 8.3).
fn speech(headers: &HeaderMap) -> Result<Speech, Refusal> {
    let refuse = |why| Err(Refusal::new(Denial::MediaType, why));
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return refuse("not one Content-Type") };
    let text = value.to_str().unwrap_or_default();
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    if !parameters.trim().is_empty() && !parameters.trim().eq_ignore_ascii_case("charset=utf-8") {
        return refuse("a parameter other than charset=utf-8");
    }
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Ok(Speech::Form),
        "application/json" => Ok(Speech::Json),
        _ => refuse("neither a form nor JSON"),
    }
}

/// Why a body could not be read: whatever the layers under it have found out.
fn unread(error: &axum::Error) -> Refusal {
    if let Some(violation) = of_error(error) {
        return violation.into();
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return refusal.clone();
        }
        if inner.is::<http_body_util::LengthLimitError>() {
            return Denial::BodyTooLarge.into();
        }
        cause = inner.source();
    }
    Denial::BodyIncomplete.into()
}

fn malformed(why: &'static str) -> Refusal {
    Refusal::new(Denial::BodyMalformed, why)
}

fn twice(name: String) -> Refusal {
    Refusal::fields(vec![FieldFault {
        field: name.into(),
        message: "This field comes twice. Send it once.".into(),
    }])
}

/// The URL standard's form encoding, without its leniency: bad escapes and bytes that are not UTF-8 are refused.
fn form(bytes: &[u8]) -> Result<Vec<(String, Scalar)>, Refusal> {
    let mut fields: Vec<(String, Scalar)> = Vec::new();
    for pair in bytes.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        if fields.len() == FIELDS {
            return Err(malformed("too many fields"));
        }
        let name = unescape(name)?;
        let value = unescape(value.get(1..).unwrap_or_default())?;
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(twice(name));
        }
        fields.push((name, Scalar::Text(Secret::new(value))));
    }
    Ok(fields)
}

fn unescape(text: &[u8]) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(malformed("a bad escape in the form")),
            },
            other => *other,
        });
    }
    String::from_utf8(out).map_err(|_| malformed("the form is not UTF-8"))
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn json(bytes: &[u8]) -> Result<Vec<(String, Scalar)>, Refusal> {
    let Flat { fields, twice: repeated } =
        serde_json::from_slice(bytes).map_err(|_| malformed("not a flat JSON object"))?;
    match repeated {
        Some(name) => Err(twice(name)),
        None => Ok(fields),
    }
}

/// A JSON object of strings and booleans; `null` counts as missing. Nothing can be nested in it.
struct Flat {
    fields: Vec<(String, Scalar)>,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Flat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                let mut flat = Flat { fields: Vec::new(), twice: None };
                let mut seen = std::collections::HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, Option<Scalar>>()? {
                    if seen.len() == FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                    if !seen.insert(name.clone()) {
                        flat.twice.get_or_insert(name);
                    } else if let Some(value) = value {
                        flat.fields.push((name, value));
                    }
                }
                Ok(flat)
            }
        }
        source.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a boolean")
            }
            fn visit_bool<E: Error>(self, on: bool) -> Result<Scalar, E> {
                Ok(Scalar::Flag(on))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(Secret::new(text)))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(Secret::new(text)))
            }
        }
        source.deserialize_any(Value)
    }
}

async fn whole(body: Body, patience: Duration) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(patience, axum::body::to_bytes(body, LIMIT)).await {
        Ok(read) => read.map_err(|error| unread(&error)),
        Err(_) => Err(Refusal::new(Denial::RequestTimeout, "the body took too long in all")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    async fn read(kind: &'static str, body: impl Into<String>) -> Result<Intake, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Intake::read(&headers, Body::from(body.into())).await
    }

    // Every piece comes in time, the whole never: such bodies must not pile up.
    // proves: EDGE-5
    #[tokio::test]
    async fn a_body_that_drips_is_let_go() {
        let drip = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"a")), ()))
        });
        let refusal = whole(Body::from_stream(drip), Duration::from_millis(60)).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::RequestTimeout);
        let at_once = whole(Body::from("a=b"), Duration::from_millis(60)).await.unwrap();
        assert_eq!(at_once, "a=b");
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    // proves: VAL-1
    #[tokio::test]
    async fn a_form_and_an_object_read_alike() {
        let bodies =
            [(FORM, "login=%C3%A9va+x&password=a%26b"), (JSON, r#"{"login":"éva x","password":"a&b"}"#)];
        for (kind, body) in bodies {
            let mut intake = read(kind, body).await.unwrap();
            assert_eq!(intake.required("login", "").expose(), "éva x");
            assert_eq!(intake.required("password", "").expose(), "a&b");
            assert!(!intake.flag("session"));
            intake.finish().unwrap();
        }
    }

    // proves: VAL-1
    #[tokio::test]
    async fn a_field_that_comes_twice_or_uninvited_is_refused_by_name() {
        for (kind, body) in [
            (FORM, "login=a&login=b"),
            (FORM, "login=a&l%6fgin=b"),
            (JSON, r#"{"login":"a","login":"b"}"#),
            (JSON, r#"{"login":"a","l\u006fgin":"b"}"#),
            (JSON, r#"{"login":null,"login":"b"}"#),
        ] {
            let refusal = read(kind, body).await.err().unwrap();
            assert_eq!((refusal.status(), &*refusal.fields[0].field), (422, "login"), "{body}");
        }
        let mut intake = read(JSON, r#"{"login":"a","admin":true}"#).await.unwrap();
        intake.required("login", "");
        let refusal = intake.finish().unwrap_err();
        assert_eq!((refusal.fields.len(), &*refusal.fields[0].field), (1, "admin"));
    }

    // proves: VAL-1
    #[tokio::test]
    async fn what_is_not_well_formed_is_refused() {
        for (kind, body, status) in [
            (FORM, "login=%zz", 400),
            (FORM, "login=%4", 400),
            (FORM, "login=%ff", 400),
            (FORM, &(0..40).map(|i| format!("f{i}=&")).collect::<String>(), 400),
            (JSON, "", 400),
            (JSON, "[]", 400),
            (JSON, r#"{"login":"a"} x"#, 400),
            (JSON, r#"{"login":{"$ne":null}}"#, 400),
            (JSON, r#"{"login":["a"]}"#, 400),
            (JSON, r#"{"login":1}"#, 400),
            ("multipart/form-data; boundary=x", "--x--", 415),
            ("text/plain", r#"{"login":"a"}"#, 415),
            ("application/json; charset=utf-7", "{}", 415),
            ("application/jsonp", "{}", 415),
        ] {
            let refusal = read(kind, body).await.err().unwrap();
            let denial = if status == 400 { Denial::BodyMalformed } else { Denial::MediaType };
            assert_eq!((refusal.status(), refusal.denial), (status, denial), "{kind} {body}");
        }
        let refusal = read(FORM, "a".repeat(LIMIT + 1)).await.err().unwrap();
        assert_eq!(refusal.denial, Denial::BodyTooLarge);
        assert!(read(FORM, format!("a={}", "b".repeat(LIMIT - 2))).await.is_ok());
    }

    #[tokio::test]
    async fn a_missing_and_a_wrong_field_each_say_what_to_send() {
        let mut intake = read(JSON, r#"{"password":true,"session":"yes"}"#).await.unwrap();
        intake.required("login", "Enter your name.");
        intake.required("password", "Enter your password.");
        intake.flag("session");
        let faults = intake.finish().unwrap_err().fields;
        let texts: Vec<_> = faults.iter().map(|f| (&*f.field, &*f.message)).collect();
        assert_eq!(
            texts,
            [
                ("login", "Enter your name."),
                ("password", "Send a string."),
                ("session", "Send true or false.")
            ]
        );
    }
}
