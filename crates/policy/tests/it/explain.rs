use http::Method;
use palisade_policy::Policy;
use palisade_policy::explain::{Asking, Verdict, explain};

use crate::policy;

const POLICY: &str = r#"
[upstream.app]
url = "http://127.0.0.1:5000/base"

[[route]]
path = "/api/{*rest}"
to = "upstream:app"
strip = "/api"
allow = { read = "user", write = "manager" }

[[route]]
path = "/secret"
to = "upstream:app"
methods = ["GET"]
allow = "admin"
hide = true

[[route]]
path = "/hook"
to = "upstream:app"
methods = ["POST"]
allow = "public"
csrf = "off"

[[route]]
path = "/closed"
to = "upstream:app"
allow = "nobody"
"#;

// proves: ID-17
#[test]
fn the_proof_that_a_route_asks_for_is_told() {
    let guarded = POLICY.replace("path = \"/api/{*rest}\"", "path = \"/api/{*rest}\"\nproof = \"recent\"");
    let policy = policy(&guarded);
    let roles = ["manager".to_owned()];
    let told =
        explain(&policy, &Method::GET, "/api/x", Asking::As { name: "ada", roles: &roles }).to_string();
    assert!(told.contains("asks for proof of who it is within 10m"), "{told}");
    assert!(told.contains("the session proved who it is within 10m"), "{told}");
    let nobody = explain(&policy, &Method::GET, "/api/x", Asking::Anonymous).to_string();
    assert!(!nobody.contains("proof"), "{nobody}");
}

fn verdict(policy: &Policy, method: &Method, path: &str, asking: Asking<'_>) -> (u16, &'static str) {
    match explain(policy, method, path, asking).verdict {
        Verdict::LetIn { .. } => (200, ""),
        Verdict::Refused { status, code, .. } => (status, code),
    }
}

// proves: ACC-2
#[test]
fn each_verdict_is_the_one_that_the_gate_gives() {
    let policy = policy(POLICY);
    let (user, admin) = (["user".to_owned()], ["admin".to_owned()]);
    let ada = Asking::As { name: "ada", roles: &user };
    let root = Asking::As { name: "root", roles: &admin };
    let cases = [
        (Method::GET, "/api/x", Asking::Anonymous, 401),
        (Method::GET, "/api/x", ada, 200),
        (Method::POST, "/api/x", ada, 403),
        (Method::POST, "/api/x", root, 200),
        (Method::GET, "/secret", ada, 404),
        (Method::GET, "/secret", Asking::Anonymous, 404),
        (Method::GET, "/secret", root, 200),
        (Method::POST, "/secret", root, 404),
        (Method::PUT, "/hook", root, 405),
        (Method::POST, "/hook", Asking::Anonymous, 200),
        (Method::GET, "/closed", root, 403),
        (Method::GET, "/nowhere", root, 404),
        (Method::GET, "/SECRET", root, 404),
        (Method::POST, "/auth/login", Asking::Anonymous, 200),
        (Method::GET, "/account", Asking::Anonymous, 401),
    ];
    for (method, path, asking, status) in cases {
        assert_eq!(verdict(&policy, &method, path, asking).0, status, "{method} {path} as {asking:?}");
    }
}

#[test]
fn a_role_that_the_policy_dropped_gives_nothing() {
    let policy = policy(POLICY);
    let roles = ["superuser".to_owned()];
    let asking = Asking::As { name: "eve", roles: &roles };
    assert_eq!(verdict(&policy, &Method::GET, "/api/x", asking), (403, "authorize.role"));
}

#[test]
fn an_explanation_reads_well() {
    let policy = policy(POLICY);
    let roles = ["manager".to_owned()];
    let asking = Asking::As { name: "ada", roles: &roles };
    let post = explain(&policy, &Method::POST, "/api/reports", asking);
    insta::assert_snapshot!("let-in", post.to_string());
    assert_eq!(post.to_json()["line"], 5);
    assert_eq!(post.to_json()["verdict"]["let_in"]["provided"][0], "its limits have room");
    let all = [
        explain(&policy, &Method::GET, "/secret", Asking::Anonymous),
        explain(&policy, &Method::DELETE, "/hook", Asking::Anonymous),
        explain(&policy, &Method::GET, "/Hook", Asking::Anonymous),
        explain(&policy, &Method::POST, "/auth/login", Asking::Anonymous),
        explain(&policy, &Method::POST, "/hook", Asking::Anonymous),
    ];
    insta::assert_snapshot!("others", all.map(|one| one.to_string()).join("\n"));
}
