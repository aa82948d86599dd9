//! The API's description is valid, and true of the running server.

use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::process::{python_of, repository};
use crate::support::{PASSWORD, Site, Upstream, public};

const PATH: &str = "/api/v1/openapi.json";

async fn site() -> Site {
    let limits = "[shield.limits]\ndefault = \"100000/minute\"\nlogin = \"100000/minute\"\n\
                  [identify.sign_up]\nopen = true\n[identify.passwords]\nmemory = \"64KiB\"\npasses = 1\n";
    Site::start(&format!("{limits}{}", public(Upstream::plain().await.address))).await
}

fn judge(arguments: &[&str]) -> Command {
    let mut command = python_of("PALISADE_TEST_OPENAPI", "openapi");
    command.args(arguments);
    command
}

/// Runs it beside the server, which answers from this process.
async fn said(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

// proves: EDGE-9
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_outside_of_production_with_the_policys_own_names() {
    let site = site().await;
    let answer = site.client().get(PATH).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    let described = answer.json();
    assert_eq!(described["components"]["securitySchemes"]["session"]["name"], "palisade_session");
    let environment: palisade_model::Environment =
        [("SECRET_KEY", "a-key-that-is-long-enough-for-this")].into_iter().collect();
    let text = "[app]\nname = \"A\"\nenvironment = \"production\"\nbase_url = \"https://a.example\"\n";
    let production = palisade_policy::Policy::from_toml("palisade.toml", text, &environment).unwrap().policy;
    assert!(production.routes.rows.iter().all(|row| row.path != PATH), "nothing there in production");
    assert!(production.routes.rows.iter().any(|row| row.path == "/api/v1/auth/me"), "the others are");
}

// proves: OBS-5
#[tokio::test(flavor = "multi_thread")]
async fn others_take_the_description_for_openapi() {
    let document = repository().join("docs/openapi.json");
    let text = said(judge(&["-m", "openapi_spec_validator", document.to_str().unwrap()])).await;
    assert!(text.contains("OK"), "{text}");
}

/// Schemathesis asks for what is described, in every way and in many wrong ones: no fault of the server's own, and no
/// status, media type or body that is not described. What would end its own session is left out.
// proves: VAL-1, OBS-5
#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_what_is_answered() {
    let site = site().await;
    site.signed_in("ada", "admin").await;
    let login = json!({ "login": "ada", "password": PASSWORD }).to_string();
    let headers = [("content-type", "application/json")];
    let tokens: Value = site.client().send(Method::POST, "/api/v1/auth/login", &headers, &login).await.json();
    let bearer = format!("Authorization: Bearer {}", tokens["access_token"].as_str().unwrap());
    let url = format!("http://{}{PATH}", site.address);
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let rules = repository().join("tests/openapi/schemathesis.toml");
    let mut schemathesis = judge(&[
        "-m",
        "schemathesis.cli",
        "--config-file",
        rules.to_str().unwrap(),
        "run",
        &url,
        "--header",
        &bearer,
        "--max-examples",
        "10",
        "--seed",
        "1",
        "--exclude-path",
        "/api/v1/auth/logout",
        "--exclude-path",
        "/api/v1/admin/users/{id}/sessions",
        "--checks",
        checks,
        "--generation-database",
        "none",
    ]);
    // It keeps notes where it runs: they go with the site.
    schemathesis.current_dir(site.folder.path());
    let text = said(schemathesis).await;
    assert!(text.contains("Tested:"), "{text}");
}
