//! One text in many spellings: names, addresses and passwords that look alike, or are the same in other bytes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Site, Upstream, public};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn site_with(environment: &[(&str, &str)]) -> Site {
    let policy = format!(
        "[identify.sign_up]\nopen = true\n[identify.lockout]\nenabled = false\n[shield.limits]\nlogin = \"100000/minute\"\n\
         default = \"100000/minute\"\n[identify.passwords]\nmemory = \"64KiB\"\npasses = 1\n{}",
        public(Upstream::plain().await.address)
    );
    Site::start_with(environment, &policy).await
}

async fn send(site: &Site, path: &str, body: Value) -> Answer {
    site.client().send(Method::POST, path, &[JSON], &body.to_string()).await
}

async fn register(site: &Site, name: &str, email: Option<&str>, password: &str) -> StatusCode {
    let mut body = json!({ "name": name, "password": password });
    if let Some(email) = email {
        body["email"] = email.into();
    }
    send(site, "/api/v1/auth/register", body).await.status
}

/// As whom somebody is signed in.
async fn whom(site: &Site, login: &str, password: &str) -> Option<String> {
    let done = send(site, "/api/v1/auth/login", json!({ "login": login, "password": password })).await;
    if done.status == StatusCode::UNAUTHORIZED {
        return None;
    }
    assert_eq!(done.status, StatusCode::OK, "{login:?}: {}", done.text());
    let bearer = format!("Bearer {}", done.json()["access_token"].as_str().unwrap());
    let me = site.client().send(Method::GET, "/api/v1/auth/me", &[("authorization", &bearer)], "").await;
    Some(me.json()["name"].as_str().unwrap().to_owned())
}

async fn names(site: &Site) -> Vec<String> {
    site.running.store.users(None, 1000).await.unwrap().into_iter().map(|user| user.name).collect()
}

/// What one keyboard writes as one sign, another writes as two; which one it was does not keep anybody out.
// proves: ID-1, ID-3
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_same_in_every_spelling_and_no_other_one_is() {
    let site = site_with(&[]).await;
    let composed = "Violet-Caf\u{e9}-\u{fb01}ord-39-\u{c5}";
    assert_eq!(register(&site, "ann", None, composed).await, StatusCode::CREATED);
    for same in [
        "Violet-Caf\u{e9}-\u{fb01}ord-39-\u{c5}",
        "Violet-Cafe\u{301}-\u{fb01}ord-39-A\u{30a}",
        "Violet-Caf\u{e9}-fiord-39-\u{212b}",
        "\u{ff36}iolet-Caf\u{e9}-fiord-\u{ff13}\u{ff19}-\u{c5}",
    ] {
        assert_eq!(whom(&site, "ann", same).await.as_deref(), Some("ann"), "{same}");
    }
    for other in [
        "violet-Caf\u{e9}-fiord-39-\u{c5}",
        "Violet-Cafe-fiord-39-\u{c5}",
        "Violet-Caf\u{e9}-fiord-39-A",
        "Violet-C\u{430}f\u{e9}-fiord-39-\u{c5}",
        "Violet-Caf\u{e9}-fiord-39-\u{c5}\u{200b}",
        "Violet-Caf\u{e9}-fiord\u{ad}-39-\u{c5}",
        "\u{feff}Violet-Caf\u{e9}-fiord-39-\u{c5}",
        "Violet-Caf\u{e9}-fiord-39-\u{c5}\u{202e}",
        " Violet-Caf\u{e9}-fiord-39-\u{c5}",
        "Violet-Caf\u{e9}-fiord-39-\u{c5}\n",
    ] {
        assert_eq!(whom(&site, "ann", other).await, None, "{other:?}");
    }
    // Strength and length are judged of what is hashed.
    let padded = format!("{}aA1!", "\u{fdfa}".repeat(8));
    assert_eq!(
        register(&site, "bob", None, &padded).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "144 letters and more"
    );
    let wide = "\u{ff30}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}\u{ff11}\u{ff01}";
    assert_eq!(
        register(&site, "bob", None, wide).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "'Password1!' in disguise"
    );
}

// proves: ID-1
#[tokio::test(flavor = "multi_thread")]
async fn a_name_cannot_be_taken_twice_by_another_spelling_of_it() {
    let site = site_with(&[]).await;
    for (name, kept) in
        [("paypal", "paypal"), ("Caf\u{e9}", "Caf\u{e9}"), ("finn", "finn"), ("istanbul", "istanbul")]
    {
        assert_eq!(register(&site, name, None, PASSWORD).await, StatusCode::CREATED, "{name}");
        assert_eq!(whom(&site, name, PASSWORD).await.as_deref(), Some(kept));
    }
    let before = names(&site).await;
    for taken in [
        "PayPal",
        " paypal ",
        "\u{ff50}aypal",
        "p\u{1d43}ypal",
        "Cafe\u{301}",
        "CAF\u{c9}",
        "\u{fb01}nn",
        "FINN",
        "p\u{430}ypal",
        "\u{440}\u{430}\u{443}\u{440}\u{430}l",
        "pay\u{200b}pal",
        "pay\u{200d}pal",
        "pay\u{ad}pal",
        "\u{202e}lapyap",
        "paypal\u{2060}",
        "pa\u{443}pal",
        "\u{1d429}aypal",
        "ISTANBUL",
        "pay pal",
        "paypal\u{3164}",
        "paypal\u{fe0f}",
        "pay\u{34f}pal",
    ] {
        let status = register(&site, taken, None, PASSWORD).await;
        assert!(matches!(status.as_u16(), 409 | 422), "{taken:?}: {status}");
    }
    assert_eq!(names(&site).await, before);
    // Whoever types it differently is the same one, or nobody: never somebody else.
    for (typed, who) in [
        ("PAYPAL", Some("paypal")),
        ("\u{ff50}aypal", Some("paypal")),
        ("CAFE\u{301}", Some("Caf\u{e9}")),
        ("\u{fb01}nn", Some("finn")),
        ("p\u{430}ypal", None),
        ("pay\u{200b}pal", None),
        ("paypal\0", None),
    ] {
        assert_eq!(whom(&site, typed, PASSWORD).await.as_deref(), who, "{typed:?}");
    }
}

/// Turkish has an i without a dot and an I with one: case folding must not make one name of two, nor keep anybody out.
// proves: ID-1
#[tokio::test(flavor = "multi_thread")]
async fn the_turkish_i_names_nobody_else() {
    let site = site_with(&[]).await;
    assert_eq!(register(&site, "irmak", None, PASSWORD).await, StatusCode::CREATED);
    assert_eq!(whom(&site, "IRMAK", PASSWORD).await.as_deref(), Some("irmak"));
    for other in ["\u{131}rmak", "\u{130}rmak", "I\u{307}rmak", "i\u{307}rmak"] {
        assert_ne!(whom(&site, other, PASSWORD).await.as_deref(), Some("irmak"), "{other:?}");
    }
    for (name, password) in
        [("\u{131}\u{15f}\u{131}k", "Violet-kayak-39-umbrella"), ("stra\u{df}e", "Granite-oboe-58-lantern")]
    {
        assert_eq!(register(&site, name, None, password).await, StatusCode::CREATED, "{name}");
        assert_eq!(whom(&site, name, password).await.as_deref(), Some(name));
    }
    assert_eq!(whom(&site, "strasse", "Granite-oboe-58-lantern").await, None, "another name");
    assert_eq!(whom(&site, "i\u{15f}ik", "Violet-kayak-39-umbrella").await, None, "another name");
}

// proves: ID-1, ID-4
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_one_mailbox_on_every_way_in() {
    let site = site_with(&[]).await;
    assert_eq!(
        register(&site, "mike", Some("mike@b\u{fc}cher.example"), PASSWORD).await,
        StatusCode::CREATED
    );
    for same in ["mike@xn--bcher-kva.example", "MIKE@B\u{dc}CHER.EXAMPLE", "mike@bu\u{308}cher.example"] {
        assert_eq!(whom(&site, same, PASSWORD).await.as_deref(), Some("mike"), "{same}");
        let status = register(&site, "other", Some(same), PASSWORD).await;
        assert!(matches!(status.as_u16(), 409 | 422), "{same}: {status}");
    }
    let mut mike = site.signed_in("olga", "user").await;
    let csrf = mike.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    let own = format!("http://{}", site.address);
    for bad in [
        "mi\u{212a}e@b\u{fc}cher.example",
        "\u{ff4d}ike@b\u{fc}cher.example",
        "m\u{131}\u{200b}ke@b\u{fc}cher.example",
        "mike\u{200b}@b\u{fc}cher.example",
        "\u{202e}ekim@b\u{fc}cher.example",
        "mike\u{ff20}b\u{fc}cher.example",
        "mike@b\u{fc}cher\u{3002}example\u{3002}",
        "mike@evil.example\u{2024}b\u{fc}cher.example@x",
    ] {
        let status = register(&site, "other", Some(bad), PASSWORD).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad:?}");
        let headers =
            [("content-type", super::FORM), ("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
        let asked =
            mike.send(Method::POST, "/account/email", &headers, &super::encoded(&[("email", bad)])).await;
        assert!(matches!(asked.status.as_u16(), 403 | 422), "{bad:?}: {}", asked.status);
    }
    assert!(!names(&site).await.contains(&"other".to_owned()));
}

/// AUTH_USERS and an import bring names as they came, in the one spelling in which they are looked up.
// proves: ID-3, ID-5
#[tokio::test(flavor = "multi_thread")]
async fn who_is_brought_along_is_found_by_every_spelling_of_the_name() {
    let hash =
        "pbkdf2:sha256:1000$nfdsaltnfdsalt$7056ea7eee87e8cdfeb1fcefe363febcf77f8c558f602a5b4844e73291323485";
    let site = site_with(&[("AUTH_USERS", &format!("Zo\u{eb}:{hash}"))]).await;
    for typed in ["Zo\u{eb}", "zoe\u{308}", "ZO\u{cb}"] {
        assert_eq!(whom(&site, typed, "Cafe\u{301} oboe").await.as_deref(), Some("Zo\u{eb}"), "{typed:?}");
    }
    assert_eq!(whom(&site, "zoe", "Cafe\u{301} oboe").await, None);

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("palisade.toml"), "[authorize.roles]\nadmin = {}\nuser = {}\n")
        .unwrap();
    let rows = [
        format!("Ren\u{e9},,{hash}"),
        format!("Rene\u{301},,{hash}"),
        format!("REN\u{c9},,{hash}"),
        format!("\u{fb01}nn,,{hash}"),
        format!("finn,,{hash}"),
        format!("p\u{200b}aul,,{hash}"),
        format!("ivo,mi\u{212a}e@example.com,{hash}"),
        format!("uli,ULI@B\u{dc}CHER.example,{hash}"),
        format!("uwe,uli@xn--bcher-kva.example,{hash}"),
    ];
    std::fs::write(folder.path().join("users.csv"), format!("name,email,password\n{}\n", rows.join("\n")))
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_palisade"))
        .env_clear()
        .current_dir(folder.path())
        .args(["import", "users", "users.csv", "--format", "json"])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused: Vec<u64> =
        report["refused"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect();
    assert_eq!((report["taken"].as_u64(), refused), (Some(3), vec![3, 4, 6, 7, 8, 10]), "{report}");
}
