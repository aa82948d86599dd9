//! Who may do what: roles on routes, through the whole program.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;

use crate::support::{Client, Site, Upstream};

fn policy(upstream: &Upstream) -> String {
    let route =
        |path: &str, rest: &str| format!("[[route]]\npath = \"{path}\"\nto = \"upstream:app\"\n{rest}\n");
    [
        route("/orders/{*rest}", "allow = { read = \"user\", write = \"admin\" }"),
        route("/board/{*rest}", "allow = \"admin\"\nhide = true"),
        route("/open/{*rest}", "allow = { read = \"public\" }"),
        route("/mine/{*rest}", "allow = \"signed-in\""),
        route("/forgotten/{*rest}", ""),
        format!("[upstream.app]\nurl = \"http://{}\"\n", upstream.address),
    ]
    .join("\n")
}

async fn site(upstream: &Upstream) -> Site {
    Site::start(&policy(upstream)).await
}

async fn status(client: &mut Client, method: Method, path: &str, site: &Site) -> StatusCode {
    let own = format!("http://{}", site.address);
    let token = client.get("/api/v1/auth/csrf").await;
    let token = if token.status == StatusCode::OK {
        token.json()["csrf_token"].as_str().unwrap().to_owned()
    } else {
        String::new()
    };
    let headers = [("origin", own.as_str()), ("x-csrf-token", token.as_str())];
    client.send(method, path, &headers, "").await.status
}

/// Method and path, and the status for nobody, for a user and for an administrator.
const CASES: [(Method, &str, [u16; 3]); 9] = [
    (Method::GET, "/orders/7", [401, 200, 200]),
    (Method::POST, "/orders/7", [401, 403, 200]),
    (Method::GET, "/board/x", [404, 404, 200]),
    (Method::GET, "/open/x", [200, 200, 200]),
    (Method::POST, "/open/x", [401, 403, 403]),
    (Method::GET, "/mine/x", [401, 200, 200]),
    (Method::DELETE, "/mine/x", [401, 200, 200]),
    (Method::GET, "/forgotten/x", [401, 403, 403]),
    (Method::GET, "/nowhere", [404, 404, 404]),
];

// proves: ACC-1, ACC-2
#[tokio::test]
async fn a_role_opens_what_the_policy_says_and_nothing_else() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream).await;
    let mut nobody = site.client();
    let mut user = site.signed_in("eva", "user").await;
    let mut admin = site.signed_in("ada", "admin").await;
    let mut passed = 0;
    for (method, path, expected) in CASES {
        for (client, expected) in [&mut nobody, &mut user, &mut admin].into_iter().zip(expected) {
            let got = status(client, method.clone(), path, &site).await;
            assert_eq!(got.as_u16(), expected, "{method} {path}");
            passed += usize::from(expected == 200);
        }
    }
    assert_eq!(upstream.received().len(), passed, "what was refused reached the application");
}

// proves: POL-6
#[tokio::test]
async fn explain_says_beforehand_what_happens_then() {
    let upstream = Upstream::plain().await;
    let folder = tempfile::tempdir().unwrap();
    let roles = "[authorize.roles]\nadmin = { includes = [\"user\"] }\nuser = {}\n";
    std::fs::write(folder.path().join("palisade.toml"), format!("{roles}{}", policy(&upstream))).unwrap();
    for (method, path, expected) in CASES {
        for (who, expected) in
            [&[][..], &["--roles", "user"], &["--roles", "admin"]].into_iter().zip(expected)
        {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_palisade"))
                .env_clear()
                .current_dir(folder.path())
                .args(["explain", method.as_str(), path])
                .args(who)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let verdict =
                if expected == 200 { "It passes".to_owned() } else { format!("It is refused: {expected}") };
            assert!(said.contains(&verdict), "{method} {path} {who:?}: {said}");
            assert_eq!(output.status.code(), Some(i32::from(expected != 200)));
        }
    }
    assert!(!folder.path().join("palisade-data").exists(), "explaining needs no store");
}

// proves: ACC-2
#[tokio::test]
async fn what_is_hidden_reads_like_what_is_not_there() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream).await;
    let mut user = site.signed_in("eva", "user").await;
    for mut client in [site.client(), user.clone()] {
        for html in [false, true] {
            let accept = [("accept", if html { "text/html" } else { "application/json" })];
            let mut answers = Vec::new();
            for path in ["/board/secret-plan", "/nowhere/secret-plan"] {
                let answer = client.send(Method::GET, path, &accept, "").await;
                let id = answer.header("x-request-id").unwrap().to_owned();
                let text = answer.text().replace(&id, "ID");
                let names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
                answers.push((answer.status, text, names));
            }
            assert_eq!(answers[0], answers[1]);
        }
    }
    assert_eq!(user.get("/mine/x").await.status, StatusCode::OK);
    assert_eq!(upstream.received().len(), 1);
}

// proves: ACC-1, ACC-2, ID-8
#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_with_the_next_request() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream).await;
    let access = &site.running.access;
    let mut ada = site.signed_in("ada", "admin").await;
    assert_eq!(status(&mut ada, Method::POST, "/orders/7", &site).await, StatusCode::OK);
    let id = site.running.store.user_by_login("ada").await.unwrap().unwrap().id;
    access.set_roles(id, &["user".to_owned()], None, &Origin::default()).await.unwrap();
    let hits = upstream.received().len();
    let before = ada.cookies();
    assert_eq!(status(&mut ada, Method::POST, "/orders/7", &site).await, StatusCode::FORBIDDEN);
    assert_ne!(ada.cookies(), before, "a change of rights gives the session another id (ID-8)");
    access.disable(id, None, &Origin::default()).await.unwrap();
    assert_eq!(status(&mut ada, Method::GET, "/orders/7", &site).await, StatusCode::UNAUTHORIZED);
    assert_eq!(upstream.received().len(), hits);
}

// proves: ACC-2, ID-1
#[tokio::test]
async fn a_browser_that_is_not_signed_in_is_led_there_and_back() {
    let upstream = Upstream::plain().await;
    let site = site(&upstream).await;
    let mut client = site.client();
    let led = client.send(Method::GET, "/orders/7?a=b%20c", &[("accept", "text/html")], "").await;
    assert_eq!(led.status, StatusCode::SEE_OTHER);
    let location = led.header("location").unwrap().to_owned();
    let page = client.send(Method::GET, &location, &[("accept", "text/html")], "").await;
    assert_eq!(page.status, StatusCode::OK);
    let wanted = r#"<input type="hidden" name="next" value="/orders/7?a=b%20c">"#;
    assert!(page.text().contains(wanted), "{}", page.text());
    assert_eq!(upstream.received().len(), 0);
}
