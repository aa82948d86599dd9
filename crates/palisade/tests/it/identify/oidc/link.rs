//! Linking an account elsewhere to one's own, and taking it off again.

use http::{Method, StatusCode};
use palisade_access::NewUser;
use palisade_model::Secret;
use palisade_model::audit::Origin;
use serde_json::{Value, json};

use super::{Person, World, goes_on_to};
use crate::support::{Answer, PASSWORD};

impl World {
    /// A user with a password and that address.
    pub async fn user(&self, name: &str, email: &str) {
        let new = NewUser {
            name: name.to_owned(),
            email: Some(email.to_owned()),
            email_verified: true,
            roles: Some(vec!["user".to_owned()]),
            password: Some(Secret::new(PASSWORD)),
            ..NewUser::default()
        };
        self.site.running.access.create_user(new, None, &Origin::default()).await.unwrap();
    }
}

impl Person {
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.here.get("/api/v1/auth/csrf").await;
        let token =
            if token.status == StatusCode::OK { token.json()["csrf_token"].clone() } else { Value::Null };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        if let Some(token) = token.as_str() {
            form.append_pair("csrf_token", token);
        }
        form.extend_pairs(fields);
        let origin = self.origin();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
        self.here.send(Method::POST, path, &headers, &form.finish()).await
    }

    pub async fn by_password(&mut self, name: &str) {
        let answer = self.post("/auth/login", &[("login", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    }

    /// Links at the provider; the answer of the callback.
    pub async fn link(&mut self) -> Answer {
        let page = self.post("/account/identities/link", &[("provider", "company")]).await;
        let location = goes_on_to(&page).replace("&#38;", "&").replace("&amp;", "&");
        let callback = self.at_provider(&location).await;
        self.here.get(&callback).await
    }
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_linked_by_its_owner_alone() {
    let world = World::start("").await;
    world.user("boss", "boss@example.com").await;
    world.user("bob", "bob@example.com").await;
    world.account(json!({"sub": "boss-there", "email": "BOSS@example.com", "email_verified": true})).await;
    let users = world.users().await;
    let mut stranger = world.person();
    let answer = stranger.sign_in("/auth/oidc/company").await;
    world.site.assert_refused(&answer, 409, "identify.link_needed");
    assert_eq!((stranger.me().await, world.users().await), (Value::Null, users));

    // A link needs the form's token: no foreign page links its own account to somebody's.
    let mut boss = world.person();
    boss.by_password("boss").await;
    let origin = boss.origin();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
    let forged = boss.here.send(Method::POST, "/account/identities/link", &headers, "provider=company").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(goes_on_to(&boss.link().await), "/account/security?done=linked");
    let page = boss.here.get("/account/security").await;
    assert!(page.text().contains("BOSS@example.com") && !page.text().contains("Link The Company"));

    let mut again = world.person();
    assert_eq!(again.sign_in("/auth/oidc/company").await.status, StatusCode::OK);
    assert_eq!(again.me().await["name"], "boss");

    // Nobody else can have it.
    let mut bob = world.person();
    bob.by_password("bob").await;
    world.site.assert_refused(&bob.link().await, 409, "identify.identity_taken");
    assert_eq!(bob.me().await["name"], "bob");

    // Unlinked, it lets nobody in, and what it let in is over.
    let issuer = world.provider.issuer();
    let fields = [("issuer", issuer.as_str()), ("subject", "boss-there")];
    assert_eq!(bob.post("/account/identities/unlink", &fields).await.status, StatusCode::NOT_FOUND);
    assert_eq!(boss.post("/account/identities/unlink", &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(again.me().await, Value::Null);
    assert_eq!(boss.me().await["name"], "boss");
    let answer = world.person().sign_in("/auth/oidc/company").await;
    world.site.assert_refused(&answer, 409, "identify.link_needed");
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_begun_in_a_session_ends_with_it() {
    let world = World::start("").await;
    world.user("boss", "boss@example.com").await;
    world.account(json!({"sub": "eve-there", "email": "eve@example.com", "email_verified": true})).await;
    let mut boss = world.person();
    boss.by_password("boss").await;
    let page = boss.post("/account/identities/link", &[("provider", "company")]).await;
    let location = goes_on_to(&page).replace("&#38;", "&").replace("&amp;", "&");
    let callback = boss.at_provider(&location).await;
    assert_eq!(boss.post("/auth/logout", &[]).await.status, StatusCode::SEE_OTHER);
    world.site.assert_refused(&boss.here.get(&callback).await, 400, "identify.provider");
    assert_eq!(world.last_reason(), "the session that wanted the link is over");
}

// proves: ID-6, ID-2
#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_from_elsewhere_sets_a_first_password_without_an_old_one() {
    let world = World::start("").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    ada.sign_in("/auth/oidc/company").await;
    let page = ada.here.get("/account/security").await;
    assert!(
        page.text().contains("Set a password") && !page.text().contains("old_password"),
        "{}",
        page.text()
    );
    let weak = ada.post("/account/password", &[("new_password", "short")]).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY, "{weak:?}");
    let done = ada.post("/account/password", &[("new_password", PASSWORD)]).await;
    assert_eq!(done.header("location"), Some("/account/security?done=password-set"), "{done:?}");
    let name = ada.me().await["name"].as_str().unwrap().to_owned();
    world.person().by_password(&name).await;

    // From now on the old one is asked for.
    let page = ada.here.get("/account/security").await;
    assert!(page.text().contains("Change your password") && page.text().contains("old_password"));
    let other = "granite lantern oboe 58 B!";
    let again = ada.post("/account/password", &[("new_password", other)]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{again:?}");
    world.person().by_password(&name).await;
}

// proves: ID-6
#[tokio::test(flavor = "multi_thread")]
async fn the_last_way_in_stays() {
    let world = World::start("").await;
    world.account(json!({"sub": "ada", "email": "ada@example.com", "email_verified": true})).await;
    let mut ada = world.person();
    ada.sign_in("/auth/oidc/company").await;
    let issuer = world.provider.issuer();
    let fields = [("issuer", issuer.as_str()), ("subject", "ada")];
    let answer = ada.post("/account/identities/unlink", &fields).await;
    world.site.assert_refused(&answer, 409, "identify.last_way");
    assert_eq!(world.person().sign_in("/auth/oidc/company").await.status, StatusCode::OK);
}

/// A callback of somebody else's, in the browser of somebody who is signed in and has begun to link an account.
// proves: ID-6, CSRF-3
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_others_brought_along_links_nothing_and_signs_nobody_in() {
    let world = World::start("").await;
    for name in ["boss", "eve"] {
        world.user(name, &format!("{name}@example.com")).await;
    }
    world
        .account(json!({"sub": "eve-there", "email": "eve@elsewhere.example", "email_verified": true}))
        .await;
    let begun = async |person: &mut Person| {
        let page = person.post("/account/identities/link", &[("provider", "company")]).await;
        goes_on_to(&page).replace("&#38;", "&").replace("&amp;", "&")
    };
    let kept = |person: &Person| {
        let cookies = person.here.cookies();
        cookies.split("; ").find_map(|pair| pair.strip_prefix("palisade_oidc=")).unwrap().to_owned()
    };
    let linked = async |name: &str| {
        let id = world.site.running.store.user_by_login(name).await.unwrap().unwrap().id;
        world.site.running.store.identities_of(id).await.unwrap().len()
    };
    // Eve's answers: to a sign-in, and to a link of her own.
    let (mut stranger, mut eve) = (world.person(), world.person());
    eve.by_password("eve").await;
    let location = stranger.leave("/auth/oidc/company").await;
    let sign_in = stranger.at_provider(&location).await;
    let location = begun(&mut eve).await;
    let link = eve.at_provider(&location).await;

    let mut boss = world.person();
    boss.by_password("boss").await;
    for callback in [&sign_in, &link] {
        begun(&mut boss).await;
        world.site.assert_refused(&boss.here.get(callback).await, 400, "identify.provider");
        assert_eq!(world.last_reason(), "the state is not this browser's, or too old");
        // With Eve's cookie beside his own nobody can tell which is his.
        let both = format!("{}; palisade_oidc={}", boss.here.cookies(), kept(&eve));
        let tossed = world.site.client().send(Method::GET, callback, &[("cookie", &both)], "").await;
        world.site.assert_refused(&tossed, 400, "identify.provider");
        assert_eq!(world.last_reason(), "the browser has begun no sign-in");
    }
    assert_eq!((linked("boss").await, linked("eve").await), (0, 0));
    assert_eq!(boss.me().await["name"], "boss");

    // Her cookie in the place of his: the link is still that of whoever began it, and of nobody else.
    boss.here.put_cookie("palisade_oidc", &kept(&eve));
    boss.here.get(&link).await;
    assert_eq!((linked("boss").await, linked("eve").await), (0, 1));
    assert_eq!(boss.me().await["name"], "boss");
}
