//! JSON as others break it, sent to a route that reads JSON. An own excerpt of the kinds in JSONTestSuite (by Nicolas
//! Seriot); `PALISADE_JSONTEST` names a folder with all of its files, to send each.

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use palisade_store::AuditQuery;

use super::site;
use crate::support::Site;

/// No JSON at all: an unfaithful reader makes something of each.
const BROKEN: &[&[u8]] = &[
    b"",
    b" ",
    b"\xef\xbb\xbf{}",
    b"{\"login\":\"a\",}",
    b"{\"login\":\"a\"}}",
    b"{\"login\":\"a\"}{}",
    b"{\"login\":\"a\"}#",
    b"{\"login\":\"a\"}/**/",
    b"{\"login\":\"a\",,\"password\":\"b\"}",
    b"{\"login\" \"a\"}",
    b"{\"login\"::\"a\"}",
    b"{'login':'a'}",
    b"{login:\"a\"}",
    b"{\"login\":\"a\" \"password\":\"b\"}",
    b"{\"login\":\"a\nb\"}",
    b"{\"login\":\"a\tb\"}",
    b"{\"login\":\"a\0b\"}",
    b"{\"login\":\"\\x61\"}",
    b"{\"login\":\"\\u00\"}",
    b"{\"login\":\"\\ud800\"}",
    b"{\"login\":\"\\udc00\\ud800\"}",
    b"{\"login\":\"\xff\"}",
    b"{\"login\":\"\xc0\xaf\"}",
    b"{\"login\":\"\xed\xa0\x80\"}",
    b"{\"login\":tru}",
    b"{\"login\":True}",
    b"{\"login\":+1}",
    b"{\"login\":01}",
    b"{\"login\":1.}",
    b"{\"login\":.1}",
    b"{\"login\":NaN}",
    b"{\"login\":0x1}",
    b"{\"\":\"a\",\"b\"",
    b"{\"a\":\"b\"]",
    b"{\0\"l\0o\0g\0i\0n\0\"\0:\0\"\0a\0\"\0}\0",
];

async fn send(site: &Site, body: &[u8]) -> u16 {
    let headers = [("content-type", "application/json")];
    let body = Full::new(Bytes::copy_from_slice(body));
    let answer = site.client().open(Method::POST, "/api/v1/auth/login", &headers, body).await;
    let status = answer.status().as_u16();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(problem["status"], status);
    status
}

// proves: VAL-1, OBS-5
#[tokio::test(flavor = "multi_thread")]
async fn no_broken_json_is_made_something_of() {
    let site = site().await;
    let rows = async || site.running.store.audit_rows(&AuditQuery::default()).await.unwrap().len();
    let (jobs, before) = (site.running.access.hashing_load().taken, rows().await);
    for body in BROKEN {
        assert_eq!(send(&site, body).await, 400, "{}", String::from_utf8_lossy(body));
    }
    if let Some(folder) = std::env::var_os("PALISADE_JSONTEST").map(PathBuf::from) {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let status = send(&site, &std::fs::read(&path).unwrap()).await;
            // What is well-formed is still no sign-in: not flat, or with other fields.
            let right = match name.split('_').next() {
                Some("n") => matches!(status, 400 | 413),
                _ => matches!(status, 400 | 413 | 422),
            };
            assert!(right, "{name}: {status}");
            files += 1;
        }
        assert!(files > 300, "{files}");
    }
    assert_eq!(site.running.access.hashing_load().taken, jobs, "something was hashed");
    assert_eq!(rows().await, before, "something was written");
}
