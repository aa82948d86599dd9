//! What a taker or a squatter leaves behind, and what its owner hears of.

use std::time::Duration;

use palisade_access::{KeyWish, Matter, NewSession, Notice, Scopes, SignUp};
use palisade_model::audit::Origin;
use palisade_model::{Action, Denial, Secret, Token};
use palisade_policy::section::route::Found;
use palisade_store::{FactorChange, Identity, Link, User};

use crate::house::{BETTER, GOOD, House, LIGHT, from, origin, policy, secret};

const LEASE: Duration = Duration::from_secs(60);

const ISSUER: &str = "https://login.example.com";

/// Every letter that waits, and an empty outbox.
async fn letters(house: &House) -> Vec<Matter> {
    let waiting = house.access.claim_mail(LEASE, 100).await.unwrap();
    let mut matters = Vec::new();
    for one in waiting {
        house.access.forget_mail(one.id).await.unwrap();
        matters.push(one.letter.unwrap().matter);
    }
    matters
}

async fn notices(house: &House) -> Vec<Notice> {
    let notice = |matter| match matter {
        Matter::Notice(notice) => Some(notice),
        _ => None,
    };
    letters(house).await.into_iter().filter_map(notice).collect()
}

async fn user(house: &House, name: &str) -> User {
    house.store.user_by_login(name).await.unwrap().unwrap()
}

async fn sign_in(house: &House, name: &str, origin: &Origin) -> NewSession {
    house.access.sign_in(name, &secret(GOOD), origin, None).await.unwrap().session().unwrap()
}

async fn key_of(house: &House, session: &NewSession) -> Secret {
    let wish = KeyWish {
        name: "robot".into(),
        scopes: Scopes::everything(),
        networks: Vec::new(),
        life: Duration::from_secs(3600),
    };
    house.access.make_own_api_key(&session.principal, wish, &origin()).await.unwrap().token
}

async fn link_account(house: &House, user: &User, subject: &str) {
    let identity = Identity {
        issuer: ISSUER.into(),
        subject: subject.into(),
        user: user.id,
        provider: "company".into(),
        email: None,
        linked_at: house.world.now(),
        last_used: None,
    };
    house.store.link_identity(&identity, vec![]).await.unwrap();
}

async fn set_up_factor(house: &House, user: &User) {
    let add = FactorChange::AddTotp { sealed: vec![1], step: 1 };
    house.store.change_factors(user.id, add, Some(vec![[3; 32]]), None, vec![]).await.unwrap();
}

async fn has_factor(house: &House, user: &User) -> bool {
    let factors = house.store.factors(user.id).await.unwrap();
    factors.any() || factors.recovery_codes > 0
}

async fn who_calls(house: &House, key: &Secret) -> Option<String> {
    let client = origin().address.unwrap();
    house.access.api_key(key.expose(), client).await.ok().map(|principal| principal.name().to_owned())
}

/// Makes the user's address a confirmed one, as the store does when a link proves it.
async fn confirm(house: &House, name: &str) {
    let read = user(house, name).await;
    let link = mailed(house, &read, "email", read.email.as_deref().unwrap());
    house.store.create_link(&link, vec![]).await.unwrap();
    let now = house.world.now();
    house.store.change_email(&link.digest, &read, now, None, None, vec![]).await.unwrap();
}

fn mailed(house: &House, of: &User, purpose: &str, email: &str) -> Link {
    Link {
        digest: Token::generate(&*house.world.entropy).unwrap().digest(),
        user: of.id,
        purpose: purpose.into(),
        expires_at: house.world.now().plus(Duration::from_secs(3600)),
        used_at: None,
        email: Some(email.into()),
    }
}

async fn reset_token(house: &House, login: &str) -> String {
    house.access.request_reset(login, &origin()).await.unwrap();
    match letters(house).await.pop() {
        Some(Matter::Reset { token }) => token,
        _ => panic!("no letter with a link"),
    }
}

// A taker changes the address, and fastens what lets them in again later.
// proves: ID-4, ID-6
#[tokio::test]
async fn who_has_the_account_back_by_a_former_address_shares_it_with_no_taker() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    confirm(&house, "ann").await;
    let taker = sign_in(&house, "ann", &origin()).await;
    house.access.request_email(&taker.principal, "taker@example.com", &origin()).await.unwrap();
    let Some(Matter::Address { token }) = letters(&house).await.pop() else { panic!("no letter") };
    house.access.confirm_email(&taker.principal, &token, &origin()).await.unwrap();
    let told = notices(&house).await;
    let Some(Notice::EmailChanged { undo, .. }) = told.into_iter().next() else { panic!("no way back") };
    let key = key_of(&house, &taker).await;
    link_account(&house, &user(&house, "ann").await, "taker").await;
    assert_eq!(who_calls(&house, &key).await.as_deref(), Some("ann"));

    let owner =
        house.access.redeem_link(&undo, &secret(BETTER), &origin(), None).await.unwrap().session().unwrap();
    let ann = user(&house, "ann").await;
    assert_eq!(ann.email.as_deref(), Some("ann@tracker.example"));
    assert_eq!(who_calls(&house, &key).await, None, "the taker's key");
    assert_eq!(house.store.user_by_identity(ISSUER, "taker").await.unwrap(), None, "the taker's account");
    assert!(house.access.session(taker.cookie.expose()).await.unwrap().is_none());
    assert!(house.access.session(owner.cookie.expose()).await.unwrap().is_some());
}

// A stranger's address that nobody confirmed must not become a way into the account that gave it up.
// proves: ID-4
#[tokio::test]
async fn a_former_address_that_nobody_confirmed_gets_no_way_back() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let ann = sign_in(&house, "ann", &origin()).await;
    house.access.request_email(&ann.principal, "own@example.com", &origin()).await.unwrap();
    let Some(Matter::Address { token }) = letters(&house).await.pop() else { panic!("no letter") };
    house.access.confirm_email(&ann.principal, &token, &origin()).await.unwrap();
    assert_eq!(user(&house, "ann").await.email.as_deref(), Some("own@example.com"));
    assert!(letters(&house).await.is_empty(), "a link to an address that nobody confirmed");
    // The present one is confirmed: whoever changes it tells it.
    let ann = sign_in(&house, "ann", &origin()).await;
    house.access.request_email(&ann.principal, "next@example.com", &origin()).await.unwrap();
    let Some(Matter::Address { token }) = letters(&house).await.pop() else { panic!("no letter") };
    house.access.confirm_email(&ann.principal, &token, &origin()).await.unwrap();
    assert_eq!(notices(&house).await.len(), 1);
}

// A reset of one's own confirmed account leaves one's own things; the link an administrator hands over too.
// proves: ID-4
#[tokio::test]
async fn a_reset_of_a_confirmed_account_keeps_its_factors_and_accounts_elsewhere() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    confirm(&house, "ann").await;
    let ann = user(&house, "ann").await;
    let key = key_of(&house, &sign_in(&house, "ann", &origin()).await).await;
    link_account(&house, &ann, "ann").await;
    set_up_factor(&house, &ann).await;
    let token = reset_token(&house, "ann").await;
    assert!(
        house.access.redeem_link(&token, &secret(BETTER), &origin(), None).await.unwrap().session().is_err()
    );
    assert!(has_factor(&house, &ann).await, "a mailbox gets round no second factor");
    assert_eq!(who_calls(&house, &key).await, None, "whoever had the account may have made it");
    assert!(house.store.user_by_identity(ISSUER, "ann").await.unwrap().is_some());
    assert_eq!(notices(&house).await, [Notice::PasswordChanged]);
}

// proves: ID-4, ID-17
#[tokio::test]
async fn a_squatters_second_factor_keeps_the_owner_of_the_address_out_of_nothing() {
    let open = format!("{LIGHT}\n[identify.sign_up]\nopen = true\nroles = [\"user\"]\nverify = false");
    let house = House::with(&open).await;
    let form = SignUp { name: "sly".into(), email: Some("ann@example.com".into()), password: secret(GOOD) };
    house.access.sign_up(form, &origin()).await.unwrap();
    let squatter = sign_in(&house, "sly", &origin()).await;
    let sly = user(&house, "sly").await;
    let key = key_of(&house, &squatter).await;
    link_account(&house, &sly, "sly").await;
    set_up_factor(&house, &sly).await;
    let token = reset_token(&house, "ann@example.com").await;
    let owner = house.access.redeem_link(&token, &secret(BETTER), &origin(), None).await.unwrap();
    assert_eq!(owner.session().unwrap().principal.user(), sly.id, "in without the squatter's telephone");
    assert!(!has_factor(&house, &sly).await);
    assert_eq!(who_calls(&house, &key).await, None);
    assert_eq!(house.store.user_by_identity(ISSUER, "sly").await.unwrap(), None);
    assert_eq!(house.count(Action::FactorsReset.name()).await, 1);
}

// Whom an administrator made has no squatter: there the factor is the owner's, and mail does not get round it.
// proves: ID-17
#[tokio::test]
async fn an_account_that_nobody_could_have_registered_keeps_its_second_factor() {
    let role = "roles = [\"user\"]";
    for (sign_up, roles) in [
        (format!("open = false\n{role}"), "user"),
        (format!("open = true\nverify = true\n{role}"), "user"),
        (format!("open = true\nverify = false\n{role}"), "manager"),
    ] {
        let house = House::with(&format!("{LIGHT}\n[identify.sign_up]\n{sign_up}")).await;
        house.user("ann", &[roles]).await;
        let ann = user(&house, "ann").await;
        assert_eq!(ann.email_verified_at, None);
        set_up_factor(&house, &ann).await;
        let token = reset_token(&house, "ann").await;
        let entered = house.access.redeem_link(&token, &secret(BETTER), &origin(), None).await.unwrap();
        assert_eq!(entered.session().unwrap_err().denial, Denial::SecondFactorNeeded, "{sign_up}");
        assert!(has_factor(&house, &ann).await, "{sign_up}");
        assert_eq!(house.count(Action::FactorsReset.name()).await, 0);
    }
}

// A key was made before its user got the role: it does not get round what the role needs.
// proves: ID-16, ID-17
#[tokio::test]
async fn a_key_is_no_way_round_a_second_factor_that_its_users_role_needs() {
    let house =
        House::of(policy(&format!("{LIGHT}\n[identify.second_factor]\nrequired_for = [\"admin\"]"), &[]))
            .await;
    let id = house.user("ann", &["user"]).await;
    let key = key_of(&house, &sign_in(&house, "ann", &origin()).await).await;
    let client = origin().address.unwrap();
    let principal = async || house.access.api_key(key.expose(), client).await.unwrap();
    let may = |principal: &palisade_access::Principal| {
        let method = http::Method::GET;
        let Found::Row(route) = house.policy.routes.find("/work", &method) else { panic!("no route") };
        let permit = house.access.authorize(route, &method, "/work", Some(principal));
        permit.map(|_| ()).map_err(|refusal| refusal.denial)
    };
    assert_eq!(may(&principal().await), Ok(()));
    house.access.set_roles(id, &["admin".to_owned()], None, &origin()).await.unwrap();
    assert!(principal().await.factor_missing());
    assert_eq!(may(&principal().await), Err(Denial::FactorRequired));
    set_up_factor(&house, &user(&house, "ann").await).await;
    let again = house.reopen(house.policy.clone()).await.unwrap();
    assert!(!again.api_key(key.expose(), client).await.unwrap().factor_missing(), "its owner has one now");
}

// proves: ID-4
#[tokio::test]
async fn the_owner_hears_of_a_device_that_is_not_known_and_of_a_key() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    confirm(&house, "ann").await;
    let first = sign_in(&house, "ann", &origin()).await;
    assert_eq!(notices(&house).await, [], "they have just made the account");
    house.clock.advance(Duration::from_secs(3600));
    let known = Origin { device: Some(secret(first.device.expose())), ..from("198.51.100.1") };
    sign_in(&house, "ann", &known).await;
    assert_eq!(notices(&house).await, [], "the device is known, wherever it is");
    let here = sign_in(&house, "ann", &from("198.51.100.2")).await;
    assert_eq!(notices(&house).await, [Notice::NewDevice]);
    let forged = Origin { device: Some(secret("AAAAAAAAAAAAAAAAAAAAAA.AAAA")), ..origin() };
    sign_in(&house, "ann", &forged).await;
    assert_eq!(notices(&house).await, [Notice::NewDevice]);
    for _ in 0..10 {
        sign_in(&house, "ann", &origin()).await;
    }
    assert_eq!(notices(&house).await.len(), 3, "no mailbox is filled");

    let program = async |address| {
        house.access.sign_in_tokens("ann", &secret(GOOD), &from(address)).await.unwrap();
        notices(&house).await.len()
    };
    assert_eq!((program("203.0.113.1").await, program("203.0.113.1").await), (1, 0));
    assert_eq!(program("203.0.113.2").await, 1, "from elsewhere");

    house
        .access
        .confirm(&here.principal, &palisade_access::Shown::Password(secret(GOOD)), &origin())
        .await
        .unwrap();
    key_of(&house, &sign_in(&house, "ann", &known).await).await;
    assert_eq!(notices(&house).await, [Notice::KeyMade { name: "robot".into() }]);
    let before = house.count("session.signed_in").await;
    assert!(house.access.sign_in("ann", &secret("wrong"), &origin(), None).await.is_err());
    assert_eq!((notices(&house).await, house.count("session.signed_in").await), (vec![], before));
}

// proves: ID-4
#[tokio::test]
async fn a_link_is_good_for_what_it_was_mailed_for_and_nothing_else() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let ann = sign_in(&house, "ann", &origin()).await;
    house.access.request_email(&ann.principal, "new@example.com", &origin()).await.unwrap();
    let Some(Matter::Address { token }) = letters(&house).await.pop() else { panic!("no letter") };
    // The stranger's mailbox that a mistyped address is sets no password.
    let refusal = house.access.set_password_by_link(&token, &secret(BETTER), &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkInvalid);
    let reset = reset_token(&house, "ann").await;
    let refusal = house.access.confirm_email(&ann.principal, &reset, &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkInvalid);
    assert_eq!(user(&house, "ann").await.email_verified_at, None);
    house.access.confirm_email(&ann.principal, &token, &origin()).await.unwrap();
}

// Whoever reads the mail of an address that a stranger registered with does not finish the stranger's account.
// proves: ID-4
#[tokio::test]
async fn a_registration_is_finished_by_its_password_alone() {
    let open = format!("{LIGHT}\n[identify.sign_up]\nopen = true\nverify = true");
    let house = House::with(&open).await;
    let form = SignUp { name: "eva".into(), email: Some("eva@example.com".into()), password: secret(GOOD) };
    house.access.sign_up(form, &origin()).await.unwrap();
    let Some(Matter::Register { token }) = letters(&house).await.pop() else { panic!("no letter") };
    for wrong in ["", BETTER] {
        let refusal =
            house.access.confirm_sign_up(&token, "eva", &secret(wrong), &origin(), None).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::InvalidInput);
    }
    assert_eq!(house.store.user_count().await.unwrap(), 0);
    let new = house.access.confirm_sign_up(&token, "eva", &secret(GOOD), &origin(), None).await.unwrap();
    assert!(new.session().is_ok() && user(&house, "eva").await.email_verified_at.is_some());
}

// proves: ID-4, ID-6, ID-17
#[tokio::test]
async fn an_address_and_an_account_elsewhere_ask_for_recent_proof_and_their_own_user() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    house.user("bob", &["user"]).await;
    let (ann, bob) = (sign_in(&house, "ann", &origin()).await, sign_in(&house, "bob", &origin()).await);
    link_account(&house, &user(&house, "ann").await, "ann").await;
    house.access.request_email(&ann.principal, "new@example.com", &origin()).await.unwrap();
    let Some(Matter::Address { token }) = letters(&house).await.pop() else { panic!("no letter") };
    let refusal = house.access.confirm_email(&bob.principal, &token, &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkInvalid, "another's link");
    house.clock.advance(Duration::from_secs(11 * 60));
    let refusal =
        house.access.request_email(&ann.principal, "more@example.com", &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::ProofNeeded);
    let refusal = house.access.unlink(&ann.principal, ISSUER, "ann", &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::ProofNeeded);
    assert!(letters(&house).await.is_empty());
    assert!(house.store.user_by_identity(ISSUER, "ann").await.unwrap().is_some());
}
