//! A provider behind TLS: known by an authority of its own, and by nothing else.

use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Person, World, goes_on_to};
use crate::support::{Client, process};

fn openssl(folder: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of its for that host and so many days.
fn certify(folder: &Path, name: &str, host: &str, days: i32) -> Value {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    std::fs::write(file("ext"), format!("subjectAltName=DNS:{host}\n")).unwrap();
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}-ca.key -out {name}-ca.pem \
             -days 2 -subj /CN={name} -addext basicConstraints=critical,CA:TRUE"
        ),
    );
    openssl(
        folder,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN=server"
        ),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -set_serial 7 -days {days} \
             -extfile {name}.ext -out {name}.pem"
        ),
    );
    let text = |end: &str| std::fs::read_to_string(file(end)).unwrap();
    json!({"key": text("key"), "cert": text("pem")})
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_known_by_its_own_authority_and_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = certify(folder.path(), "good", "localhost", 2);
    let late = certify(folder.path(), "late", "localhost", -1);
    let foreign = certify(folder.path(), "foreign", "login.example.com", 2);
    for (served, trusted, known) in [
        (&good, Some("good"), true),
        (&good, Some("late"), false),
        (&good, None, false),
        (&late, Some("late"), false),
        (&foreign, Some("foreign"), false),
    ] {
        let provider = process::oidc();
        let told =
            Client::new(provider.address()).send(Method::PUT, "/test/listen", &[], &served.to_string()).await;
        let issuer = format!("https://localhost:{}", told.text());
        let authority = trusted.map_or_else(String::new, |name| {
            format!("ca_file = \"{}\"\n", folder.path().join(format!("{name}-ca.pem")).display())
        });
        let site = World::site(&issuer, &authority).await;
        let world = World { site, provider };
        world.begin(json!({ "issuer": issuer })).await;
        world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
        let mut ada = Person { issuer, ..world.person() };
        if known {
            assert_eq!(goes_on_to(&ada.sign_in("/auth/oidc/company").await), "/account");
            assert_eq!(ada.me().await["name"], "ada");
            continue;
        }
        let refused = ada.here.get("/auth/oidc/company").await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
        world.site.assert_refused(&refused, 502, "identify.provider_down");
        assert!(world.last_reason().contains("certificate is not trusted"), "{}", world.last_reason());
        assert_eq!(ada.me().await, Value::Null);
    }
}
