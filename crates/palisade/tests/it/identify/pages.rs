//! The pages, as a browser without scripts uses them.

use http::{Method, StatusCode};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;

use super::{FORM, HTML, encoded, open, post, site};
use crate::support::{Answer, Client, PASSWORD, Site, Upstream};

/// The token in the account page's forms.
async fn csrf(client: &mut Client) -> String {
    let page = client.send(Method::GET, "/account", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let mark = r#"name="csrf_token" value=""#;
    let (_, rest) = page.text().split_once(mark).expect("a token in the page");
    rest.split_once('"').unwrap().0.to_owned()
}

async fn user(site: &Site, name: &str) -> UserId {
    let access = &site.running.access;
    let new = palisade_access::NewUser {
        name: name.to_owned(),
        password: Some(palisade_model::Secret::new(PASSWORD)),
        ..Default::default()
    };
    access.create_user(new, None, &Origin::default()).await.unwrap()
}

/// A page with what differs from one request to the next taken out.
fn settled(answer: &Answer, typed: &str) -> String {
    let text = answer.text().replace(typed, "TYPED");
    let (head, tail) = text.split_once("nonce=\"").unwrap();
    format!("{head}{}", tail.split_once('"').unwrap().1)
}

// proves: ID-1, ID-8
#[tokio::test]
async fn signing_up_in_and_out_and_being_refused_afterwards() {
    let site = site().await;
    let mut client = site.client();
    let page = client.send(Method::GET, "/auth/register", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK);

    let fields =
        [("name", "eva"), ("email", "eva@example.com"), ("password", PASSWORD), ("next", "/orders?id=7")];
    let done = post(&site, &mut client, "/auth/register", &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(done.header("location"), Some("/orders?id=7"));

    let account = client.send(Method::GET, "/account", &[HTML], "").await;
    assert_eq!(account.status, StatusCode::OK);
    assert!(account.text().contains("eva@example.com"), "{}", account.text());
    assert!(!account.text().contains(PASSWORD));

    let stolen = client.clone();
    let token = csrf(&mut client).await;
    let out = post(&site, &mut client, "/auth/logout", &[("csrf_token", &token)]).await;
    assert_eq!(
        (out.status, out.header("location")),
        (StatusCode::SEE_OTHER, Some("/auth/login?done=signed-out"))
    );
    assert_eq!(out.header("clear-site-data"), Some("\"cache\", \"storage\""));
    let cleared = out.header("set-cookie").unwrap();
    assert!(cleared.contains("=; Path=/; Max-Age=0; HttpOnly"), "{cleared}");

    // The cookie that somebody kept is worth nothing.
    for mut late in [client.clone(), stolen] {
        let refused = late.send(Method::GET, "/account", &[], "").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(!refused.text().contains("eva"), "{}", refused.text());
    }
    let back =
        post(&site, &mut client, "/auth/login", &[("login", "EVA@example.com"), ("password", PASSWORD)])
            .await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, Some("/")));
}

// proves: ID-1
#[tokio::test]
async fn a_wrong_password_an_unknown_name_and_a_disabled_user_read_the_same() {
    let site = site().await;
    user(&site, "eva").await;
    let gone = user(&site, "otto").await;
    site.running.access.disable(gone, None, &Origin::default()).await.unwrap();
    let mut pages = Vec::new();
    for (login, password) in [("eva", "wrong-password-1"), ("nobody", PASSWORD), ("otto", PASSWORD)] {
        let mut client = site.client();
        let page = post(&site, &mut client, "/auth/login", &[("login", login), ("password", password)]).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert_eq!(page.header("set-cookie"), None);
        assert!(!page.text().contains(password), "a typed password came back");
        assert!(
            page.text().contains(&format!("value=\"{login}\"")),
            "what was typed is kept: {}",
            page.text()
        );
        let names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        pages.push((settled(&page, login), names));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
}

// proves: ID-1
#[tokio::test]
async fn next_never_leads_off_the_site() {
    let site = site().await;
    user(&site, "eva").await;
    for bad in
        ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "/.//evil.example"]
    {
        let mut client = site.client();
        let page = client.get(&format!("/auth/login?{}", encoded(&[("next", bad)]))).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.text().contains("evil"), "{bad}: {}", page.text());
        let fields = [("login", "eva"), ("password", PASSWORD), ("next", bad)];
        let done = post(&site, &mut client, "/auth/login", &fields).await;
        assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, Some("/")), "{bad}");
        // Who is signed in already is sent on, and no further.
        let again = client.get(&format!("/auth/login?{}", encoded(&[("next", bad)]))).await;
        assert_eq!(again.header("location"), Some("/"), "{bad}");
    }
}

// proves: HEAD-1
#[tokio::test]
async fn nothing_that_comes_back_is_markup() {
    let site = site().await;
    let nasty = r#""><script>alert(1)</script><img src=x onerror=alert(2)>'"#;
    let mut client = site.client();
    let query = encoded(&[("next", &format!("/x{nasty}")), ("done", nasty)]);
    let fields = [("login", nasty), ("password", "x"), ("next", nasty)];
    let sign_up = [("name", nasty), ("email", nasty), ("password", nasty), ("next", nasty)];
    for page in [
        client.get(&format!("/auth/login?{query}")).await,
        client.get(&format!("/auth/register?{query}")).await,
        post(&site, &mut client, "/auth/login", &fields).await,
        post(&site, &mut client, "/auth/register", &sign_up).await,
        post(&site, &mut client, "/auth/register", &[(nasty, nasty)]).await,
    ] {
        let text = page.text();
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
}

// proves: HEAD-1
#[tokio::test]
async fn an_own_page_has_a_nonce_of_its_own_and_the_style_sheet_that_it_names() {
    let site = site().await;
    let mut client = site.client();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let page = client.send(Method::GET, "/auth/login", &[HTML], "").await;
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let nonce = page.text().split_once("nonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let policy = page.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains(&format!("'nonce-{nonce}'")), "{policy}");
        let sheet = page.text().split_once("href=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let style = client.get(&sheet).await;
        assert_eq!(
            (style.status, style.header("content-type")),
            (StatusCode::OK, Some("text/css; charset=utf-8"))
        );
        assert!(style.header("cache-control").unwrap().contains("immutable"));
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
    let other = client.get("/.palisade/assets/palisade.css").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

// proves: CSRF-1, CSRF-2
#[tokio::test]
async fn a_form_of_our_own_needs_this_sessions_token_and_our_own_origin() {
    let site = site().await;
    let mut eva = site.signed_in("eva", "user").await;
    let mut otto = site.signed_in("otto", "user").await;
    let (own, others) = (csrf(&mut eva).await, csrf(&mut otto).await);
    let password = [("old_password", PASSWORD), ("new_password", "another-Harb0ur&crane")];
    for path in ["/auth/logout", "/account/password", "/account/sessions/end"] {
        for token in [None, Some(""), Some(others.as_str()), Some("x")] {
            let mut fields = password.to_vec();
            fields.extend(token.map(|token| ("csrf_token", token)));
            let refused = post(&site, &mut eva, path, &fields).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {token:?}");
        }
        let headers = [("content-type", FORM), ("origin", "https://evil.example")];
        let fields = encoded(&[("csrf_token", &own), ("session", "others")]);
        let refused = eva.send(Method::POST, path, &headers, &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} from elsewhere");
    }
    assert_eq!(eva.get("/account").await.status, StatusCode::OK, "nothing was done");
    // Signing somebody in from elsewhere is refused too, though nobody is signed in yet.
    let headers = [("content-type", FORM), ("origin", "https://evil.example")];
    let fields = encoded(&[("login", "eva"), ("password", PASSWORD)]);
    let refused = site.client().send(Method::POST, "/auth/login", &headers, &fields).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (StatusCode::FORBIDDEN, None));
}

// proves: ID-2, ID-8
#[tokio::test]
async fn changing_the_password_ends_every_other_session_and_renews_this_one() {
    let site = site().await;
    user(&site, "eva").await;
    let (mut here, mut there) = (site.client(), site.client());
    for client in [&mut here, &mut there] {
        let done = post(&site, client, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
    }
    let token = csrf(&mut here).await;
    let wrong = [
        ("old_password", "not-mine-at-all"),
        ("new_password", "another-Harb0ur&crane"),
        ("csrf_token", &token),
    ];
    let page = post(&site, &mut here, "/account/password", &wrong).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text().contains("href=\"#old_password\""), "{}", page.text());
    let weak = [("old_password", PASSWORD), ("new_password", "short"), ("csrf_token", &token)];
    let page = post(&site, &mut here, "/account/password", &weak).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text().contains("href=\"#new_password\"") && !page.text().contains("\"short\""),
        "{}",
        page.text()
    );
    assert_eq!(there.get("/account").await.status, StatusCode::OK, "a refused change ends nothing");

    let before = here.clone();
    let good =
        [("old_password", PASSWORD), ("new_password", "another-Harb0ur&crane"), ("csrf_token", &token)];
    let done = post(&site, &mut here, "/account/password", &good).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, Some("/account/security?done=password"))
    );
    assert_eq!(here.get("/account").await.status, StatusCode::OK);
    for mut former in [there, before] {
        assert_eq!(former.get("/account").await.status, StatusCode::UNAUTHORIZED);
    }
}

// proves: ID-8
#[tokio::test]
async fn people_end_their_own_sessions_and_nobody_elses() {
    let site = site().await;
    user(&site, "eva").await;
    let (mut here, mut there) = (site.client(), site.client());
    for client in [&mut here, &mut there] {
        post(&site, client, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
    }
    let mut otto = site.signed_in("otto", "user").await;
    let page = here.send(Method::GET, "/account/sessions", &[HTML], "").await;
    let mark = r#"name="session" value=""#;
    let id = page.text().split_once(mark).unwrap().1.split_once('"').unwrap().0.to_owned();

    let token = csrf(&mut otto).await;
    post(&site, &mut otto, "/account/sessions/end", &[("csrf_token", &token), ("session", &id)]).await;
    assert_eq!(there.get("/account").await.status, StatusCode::OK, "another's session was ended");

    let token = csrf(&mut here).await;
    let done =
        post(&site, &mut here, "/account/sessions/end", &[("csrf_token", &token), ("session", &id)]).await;
    assert_eq!(done.header("location"), Some("/account/sessions?done=session"));
    assert_eq!(there.get("/account").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(here.get("/account").await.status, StatusCode::OK);

    post(&site, &mut there, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
    let done =
        post(&site, &mut here, "/account/sessions/end", &[("csrf_token", &token), ("session", "others")])
            .await;
    assert_eq!(done.header("location"), Some("/account/sessions?done=sessions"));
    assert_eq!(there.get("/account").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(otto.get("/account").await.status, StatusCode::OK);
}

// proves: ID-1, ID-4, AUD-5
#[tokio::test]
async fn a_link_sets_one_password_once_and_leaves_no_trace() {
    let site = site().await;
    let id = user(&site, "eva").await;
    let mut old = site.signed_in("otto", "user").await;
    let link = site.running.access.issue_link(id, None, &Origin::default()).await.unwrap();
    let path = format!("/auth/link/{}", link.expose());

    // Looking does not use it up.
    let mut client = site.client();
    for method in [Method::HEAD, Method::GET, Method::GET] {
        let page = client.send(method, &path, &[HTML], "").await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.header("referrer-policy"), Some("strict-origin"), "the path is let out");
        assert!(!page.text().contains(link.expose()), "the page repeats the token");
    }
    let weak = post(&site, &mut client, &path, &[("password", "short")]).await;
    assert_eq!((weak.status, weak.header("set-cookie")), (StatusCode::UNPROCESSABLE_ENTITY, None));

    let new = "another-Harb0ur&crane";
    let mut tries = Vec::new();
    for _ in 0..4 {
        let (mut client, path) = (site.client(), path.clone());
        let headers = [("content-type", FORM.to_owned()), ("origin", format!("http://{}", site.address))];
        tries.push(tokio::spawn(async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client.send(Method::POST, &path, &headers, &encoded(&[("password", new)])).await.status
        }));
    }
    let mut won = 0;
    for one in tries {
        match one.await.unwrap() {
            StatusCode::SEE_OTHER => won += 1,
            other => assert_eq!(other, StatusCode::GONE),
        }
    }
    assert_eq!(won, 1);
    let late = client.send(Method::GET, &path, &[HTML], "").await;
    assert_eq!((late.status, late.header("set-cookie")), (StatusCode::GONE, None));
    let done = post(&site, &mut client, "/auth/login", &[("login", "eva"), ("password", new)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(old.get("/account").await.status, StatusCode::OK, "somebody else's session ended");

    let _ = site.events();
    for entry in std::fs::read_dir(site.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [link.expose(), new, PASSWORD] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds a secret", path.display());
            }
        }
    }
}

// proves: ID-1
#[tokio::test]
async fn every_input_that_people_see_has_a_label_and_no_page_needs_a_script() {
    let site = site().await;
    let id = user(&site, "eva").await;
    let link = site.running.access.issue_link(id, None, &Origin::default()).await.unwrap();
    let mut otto = site.signed_in("otto", "user").await;
    let link = format!("/auth/link/{}", link.expose());
    let own = ["/account", "/account/security", "/account/factors", "/account/sessions", "/account/keys"];
    for path in ["/auth/login", "/auth/register", "/auth/forgot-password", &link].iter().chain(&own) {
        let mut client = if own.contains(path) { otto.clone() } else { site.client() };
        let page = client.send(Method::GET, path, &[HTML], "").await;
        let text = page.text();
        assert!(
            text.contains("<html lang=\"en\">") && text.contains("<title>") && text.contains("<main "),
            "{path}"
        );
        assert!(!text.contains("<script") && !text.contains(" on") || !text.contains("onclick"), "{path}");
        assert_eq!(text.matches("<h1>").count(), 1, "{path}");
        for input in text.split("<input").skip(1).map(|rest| rest.split_once('>').unwrap().0) {
            if input.contains("type=\"hidden\"") || input.contains(" hidden") {
                continue;
            }
            let id = input.split_once(" id=\"").expect(input).1.split_once('"').unwrap().0;
            assert!(text.contains(&format!("<label for=\"{id}\"")), "{path}: {input}");
            assert!(input.contains("autocomplete=\""), "{path}: {input}");
        }
    }
    assert_eq!(otto.get("/account").await.status, StatusCode::OK);
}

// proves: ID-2
#[tokio::test]
async fn a_password_that_has_run_out_opens_the_account_and_nothing_else_until_it_is_changed() {
    let (still, clock) = palisade_model::World::still(palisade_model::Timestamp::from_secs(1_780_000_000));
    let world = palisade_model::World { clock: still.clock, ..palisade_model::World::real() };
    let upstream = Upstream::plain().await;
    let rest = open(&upstream, "1000/minute").replace("read = \"public\"", "read = \"user\"");
    let site = Site::start_in(world, &format!("[identify.passwords]\nmax_age = \"90d\"\n{rest}")).await;
    user(&site, "eva").await;
    clock.advance(std::time::Duration::from_secs(91 * 86_400));
    let mut client = site.client();
    let done = post(&site, &mut client, "/auth/login", &[("login", "eva"), ("password", PASSWORD)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let refused = client.send(Method::GET, "/orders", &[HTML], "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.text().contains("href=\"/account/security\""),
        "the way out is shown: {}",
        refused.text()
    );
    let account = client.send(Method::GET, "/account", &[HTML], "").await;
    assert!(account.text().contains("Your password has run out."), "{}", account.text());
    assert_eq!(upstream.received().len(), 0);

    let token = csrf(&mut client).await;
    let new = "another-Harb0ur&crane";
    let fields = [("old_password", PASSWORD), ("new_password", new), ("csrf_token", &token)];
    let done = post(&site, &mut client, "/account/password", &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert_eq!(client.get("/orders").await.status, StatusCode::OK);
    assert!(!client.send(Method::GET, "/account", &[HTML], "").await.text().contains("run out"));
}
