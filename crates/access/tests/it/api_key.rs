//! API keys, administrators' and user tokens.

use std::time::Duration;

use http::Method;
use palisade_access::{Access, KeyWish, MadeKey, NewKey, Scopes, Via};
use palisade_model::id::UserId;
use palisade_model::{ClientAddress, Denial, digest};
use palisade_store::{StoreError, TokenKind};

use crate::house::{House, LIGHT, origin, policy, secret};

const DAY: Duration = Duration::from_secs(86_400);

fn here() -> ClientAddress {
    ClientAddress::known("192.0.2.7".parse().unwrap())
}

fn new(user: UserId, kind: TokenKind, scopes: &str) -> NewKey {
    NewKey {
        kind,
        user,
        name: "nightly report".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        networks: Vec::new(),
        expires_at: None,
    }
}

async fn made(house: &House, user: UserId, scopes: &str) -> MadeKey {
    house.access.make_api_key(new(user, TokenKind::Key, scopes), None, &origin()).await.unwrap()
}

async fn denial(access: &Access, token: &str) -> Option<Denial> {
    access.api_key(token, here()).await.err().map(|refusal| refusal.denial)
}

// proves: ID-16
#[tokio::test]
async fn a_key_is_its_user_and_only_its_digest_is_kept() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let key = made(&house, user, "read").await;
    let text = key.token.expose();
    let principal = house.access.api_key(text, here()).await.unwrap();
    assert_eq!((principal.user(), principal.via()), (user, Via::Key(key.kept.id)));
    assert_eq!(principal.token(), Some(TokenKind::Key));
    assert_eq!(key.kept.digest, digest::sha256(&[text.as_bytes()]));
    assert!(!format!("{key:?}").contains(&text[8..]), "a token prints itself");
    assert_eq!(house.count("api_key.made").await, 1);
    let trail = format!("{:?}", house.trail().await);
    assert!(!trail.contains(&text[8..20]), "the trail holds a token");
}

// proves: ID-16
#[tokio::test]
async fn a_key_does_what_its_user_may_and_its_scopes_hold() {
    let house = House::new().await;
    let user = house.user("ann", &["manager"]).await;
    let route = house.policy.routes.rows.iter().find(|row| row.path == "/work").unwrap();
    let asks = async |scopes: &str, method: &Method| {
        let key = made(&house, user, scopes).await;
        let principal = house.access.api_key(key.token.expose(), here()).await.unwrap();
        let answer = house.access.authorize(route, method, "/work", Some(&principal));
        answer.err().map(|refusal| refusal.denial)
    };
    assert_eq!(asks("read", &Method::GET).await, None);
    assert_eq!(asks("read", &Method::POST).await, Some(Denial::OutOfScope));
    assert_eq!(asks("write:/work", &Method::POST).await, None);
    assert_eq!(asks("write:/other", &Method::POST).await, Some(Denial::OutOfScope));
    // Fewer rights of the user are fewer rights of the key, from the next request on.
    let key = made(&house, user, "write").await;
    house.access.api_key(key.token.expose(), here()).await.unwrap();
    house.access.set_roles(user, &["user".into()], None, &origin()).await.unwrap();
    let principal = house.access.api_key(key.token.expose(), here()).await.unwrap();
    let answer = house.access.authorize(route, &Method::POST, "/work", Some(&principal));
    assert_eq!(answer.unwrap_err().denial, Denial::Forbidden);
}

// proves: ID-16, ID-12
#[tokio::test]
async fn what_is_ended_is_refused_at_once_here_and_on_other_nodes() {
    let house = House::new().await;
    let there = house.neighbour().await;
    let (one, other) = (House::run(&house.access).await, House::run(&there).await);
    let user = house.user("ann", &["user"]).await;
    for ending in ["disable", "revoke", "user"] {
        let key = made(&house, user, "read").await;
        let (text, id) = (key.token.expose(), key.kept.id);
        for access in [&house.access, &there] {
            access.api_key(text, here()).await.unwrap();
            access.api_key(text, here()).await.unwrap();
        }
        match ending {
            "disable" => assert!(house.access.set_api_key_enabled(id, false, None, &origin()).await.unwrap()),
            "revoke" => assert!(house.access.revoke_api_key(id, None, None, &origin()).await.unwrap()),
            _ => house.access.disable(user, None, &origin()).await.unwrap(),
        }
        assert_eq!(denial(&house.access, text).await, Some(Denial::CredentialInvalid), "{ending}");
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(denial(&there, text).await, Some(Denial::CredentialInvalid), "{ending}, elsewhere");
    }
    one.end().await;
    other.end().await;
}

// proves: ID-16
#[tokio::test]
async fn a_key_ends_in_time_and_in_place() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let wish = NewKey {
        networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        expires_at: Some(house.world.now().plus(DAY)),
        ..new(user, TokenKind::Key, "read")
    };
    let key = house.access.make_api_key(wish, None, &origin()).await.unwrap();
    let text = key.token.expose();
    for run in ["from the store", "from the cache"] {
        let from = async |address: ClientAddress| house.access.api_key(text, address).await.is_ok();
        assert!(from(here()).await, "{run}");
        assert!(from(ClientAddress::known("2001:db8::1".parse().unwrap())).await, "{run}");
        assert!(!from(ClientAddress::known("198.51.100.1".parse().unwrap())).await, "{run}");
        assert!(!from(ClientAddress::behind("192.0.2.7".parse().unwrap())).await, "a proxy, {run}");
    }
    house.clock.advance(DAY);
    assert_eq!(denial(&house.access, text).await, Some(Denial::CredentialInvalid));
}

// proves: ID-16
#[tokio::test]
async fn rotation_lets_both_live_for_the_overlap_and_happens_once() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let wish =
        NewKey { expires_at: Some(house.world.now().plus(DAY * 30)), ..new(user, TokenKind::Key, "read") };
    let old = house.access.make_api_key(wish, None, &origin()).await.unwrap();
    house.clock.advance(DAY * 29);
    let rotate = async || {
        house
            .access
            .rotate_api_key(old.kept.id, None, Duration::from_secs(3600), None, &origin())
            .await
            .unwrap()
    };
    let next = rotate().await.unwrap();
    assert!(rotate().await.is_none(), "rotated twice");
    assert_eq!(next.kept.expires_at, Some(house.world.now().plus(DAY * 30)));
    assert!(house.access.api_key(old.token.expose(), here()).await.is_ok());
    assert!(house.access.api_key(next.token.expose(), here()).await.is_ok());
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(denial(&house.access, old.token.expose()).await, Some(Denial::CredentialInvalid));
    assert!(house.access.api_key(next.token.expose(), here()).await.is_ok());
}

// proves: ID-16
#[tokio::test]
async fn what_is_no_token_costs_no_store_read() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let key = made(&house, user, "read").await;
    house.store.clone().close().await;
    let text = key.token.expose();
    // The store is gone: whoever asked it would hear that it cannot be known.
    assert_eq!(denial(&house.access, text).await, Some(Denial::IdentityUnavailable));
    for bad in
        [&text[..56], &text.replace("pal_key", "pal_adm"), "pal_key_", "pal_", "", "x", &"a".repeat(1 << 20)]
    {
        assert_eq!(denial(&house.access, bad).await, Some(Denial::CredentialInvalid));
    }
}

// proves: ID-12, ID-15
#[tokio::test]
async fn a_token_of_another_system_counts_where_the_policy_says_so() {
    let house = House::with(&format!("{LIGHT}\n[identify.admin_tokens]\nimported = true")).await;
    let user = house.user("ann", &["admin"]).await;
    let theirs = "an-old-administrator-token-0123456789";
    let digest = digest::sha256(&[theirs.as_bytes()]);
    let wish = || new(user, TokenKind::Admin, "write");
    assert!(house.access.import_api_key(digest, wish(), true, &origin()).await.unwrap().is_some());
    assert!(house.access.import_api_key(digest, wish(), true, &origin()).await.unwrap().is_none(), "twice");
    let principal = house.access.api_key_of_kind(theirs, TokenKind::Admin, here()).await.unwrap();
    assert_eq!(principal.token(), Some(TokenKind::Admin));
    assert!(house.access.api_key(theirs, here()).await.is_err(), "as a bearer token");
    assert!(house.access.api_key_of_kind(theirs, TokenKind::User, here()).await.is_err(), "as a user token");
    let strict = house.reopen(policy(LIGHT, &[]).into()).await.unwrap();
    assert!(strict.api_key_of_kind(theirs, TokenKind::Admin, here()).await.is_err(), "not taken here");
}

// proves: ID-12
#[tokio::test]
async fn the_shared_token_acts_as_its_user_and_ends_with_them() {
    let token = "a-shared-token-of-more-than-32-characters";
    let more =
        format!("{LIGHT}\n[identify.admin_tokens]\nlegacy = \"env:ADMIN_TOKEN\"\nlegacy_user = \"ann\"");
    let house = House::of(policy(&more, &[("ADMIN_TOKEN", token)])).await;
    let shown = async |text: &str| house.access.api_key_of_kind(text, TokenKind::Admin, here()).await;
    assert!(shown(token).await.is_err(), "there is no such user yet");
    let user = house.user("ann", &["admin"]).await;
    assert_eq!(shown(token).await.unwrap().user(), user);
    assert!(shown(&token[1..]).await.is_err());
    assert!(house.access.api_key(token, here()).await.is_err(), "as a bearer token");
    house.access.disable(user, None, &origin()).await.unwrap();
    assert!(shown(token).await.is_err());
}

// proves: ID-16
#[tokio::test]
async fn users_make_keys_for_themselves_within_the_policys_bounds() {
    let house =
        House::with(&format!("{LIGHT}\n[identify.api_keys]\nmax_per_user = 2\nlongest = \"30d\"")).await;
    house.user("ann", &["user"]).await;
    let session = house
        .access
        .sign_in("ann", &secret(crate::house::GOOD), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    let wish = |name: &str, life| KeyWish {
        name: name.into(),
        scopes: Scopes::parse("read").unwrap(),
        networks: Vec::new(),
        life,
    };
    let make = async |wish| house.access.make_own_api_key(&session.principal, wish, &origin()).await;
    assert_eq!(make(wish("a", DAY * 31)).await.unwrap_err().denial, Denial::InvalidInput);
    assert_eq!(make(wish(" ", DAY)).await.unwrap_err().denial, Denial::InvalidInput);
    assert_eq!(make(wish("a\nb", DAY)).await.unwrap_err().denial, Denial::InvalidInput);
    let key = make(wish("a", DAY)).await.unwrap();
    make(wish("b", DAY)).await.unwrap();
    assert_eq!(make(wish("c", DAY)).await.unwrap_err().denial, Denial::KeysClosed);
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(make(wish("late", DAY)).await.unwrap_err().denial, Denial::ProofNeeded);
    // A key is no way to make another, and none to end somebody's.
    let by_key = house.access.api_key(key.token.expose(), here()).await.unwrap();
    let refused = house.access.make_own_api_key(&by_key, wish("d", DAY), &origin()).await.unwrap_err();
    assert_eq!(refused.denial, Denial::Forbidden);
    let eve = house.user("eve", &["user"]).await;
    assert!(!house.access.revoke_api_key(key.kept.id, Some(eve), Some(eve), &origin()).await.unwrap());
    assert!(
        house
            .access
            .rotate_api_key(key.kept.id, Some(eve), DAY, Some(eve), &origin())
            .await
            .unwrap()
            .is_none()
    );
    assert!(house.access.api_key(key.token.expose(), here()).await.is_ok());
    let digest = key.kept.digest;
    let again = house.store.create_api_token(&key.kept, None, Vec::new()).await;
    assert!(matches!(again, Err(StoreError::Taken { what: "digest" })), "{digest:?} {again:?}");
}

// proves: ID-12
#[tokio::test]
async fn an_administrators_token_is_for_administrators() {
    let house = House::new().await;
    for (name, roles) in [("ann", &["user"][..]), ("max", &["manager", "auditor"]), ("non", &[])] {
        let user = house.user(name, roles).await;
        let wish = new(user, TokenKind::Admin, "write");
        let refusal = house.access.make_api_key(wish, None, &origin()).await.unwrap_err();
        assert_eq!(
            (refusal.denial, refusal.fields[0].field.as_ref()),
            (Denial::InvalidInput, "user"),
            "{name}"
        );
        assert!(house.store.api_tokens_of(user).await.unwrap().is_empty());
    }
    assert_eq!(house.count("api_key.made").await, 0);
    let user = house.user("ada", &["admin", "user"]).await;
    house.access.make_api_key(new(user, TokenKind::Admin, "write"), None, &origin()).await.unwrap();
}

// proves: ID-14, AUD-1
#[tokio::test]
async fn a_visitor_is_removed_a_month_after_their_last_token_and_nobody_else() {
    let life = "[identify.guests]\nopen = true\nlife = \"10d\"";
    let house = House::with(&format!("{LIGHT}\n{life}")).await;
    let guest = async || house.access.register_guest(&origin()).await.unwrap().kept;
    // Nobody but a visitor has all that a visitor has not.
    let named = |name: &str| palisade_access::NewUser { name: name.into(), ..Default::default() };
    let bare = house.access.create_user(named("guest-0123456789abcdef"), None, &origin()).await.unwrap();
    house.access.issue_link(bare, None, &origin()).await.unwrap();
    let (gone, stopped, ended, going) = (guest().await, guest().await, guest().await, guest().await);
    let other = house.access.create_user(named("guest-of-honour"), None, &origin()).await.unwrap();
    house.access.set_api_key_enabled(stopped.id, false, None, &origin()).await.unwrap();
    house.access.revoke_api_key(ended.id, None, None, &origin()).await.unwrap();
    let later = house.world.now().plus(DAY * 60);
    let long = NewKey { expires_at: Some(later), ..new(going.user, TokenKind::User, "write") };
    house.access.make_api_key(long, None, &origin()).await.unwrap();
    let there = async |user| house.store.user(user).await.unwrap().is_some();

    house.clock.advance(DAY * 30);
    assert_eq!(house.access.remove_guests().await.unwrap(), 1, "whose token was ended for good");
    assert!(!there(ended.user).await && there(gone.user).await);
    house.clock.advance(DAY * 10);
    let name = house.store.user(gone.user).await.unwrap().unwrap().name;
    assert_eq!(house.access.remove_guests().await.unwrap(), 2);
    assert!(!there(gone.user).await && !there(stopped.user).await);
    assert_eq!(house.store.user_by_login(&name).await.unwrap(), None);
    assert!(house.store.api_token(gone.id).await.unwrap().is_none());
    assert!(there(going.user).await && there(other).await && there(bare).await, "somebody who can come");
    assert_eq!(house.access.remove_guests().await.unwrap(), 0);
    let rows = house.trail().await.into_iter().filter(|row| row.action == "user.removed");
    let mut removed: Vec<_> = rows.map(|row| row.entity_id).collect();
    removed.sort();
    let mut wanted = [gone.user, stopped.user, ended.user].map(|user| user.to_string());
    wanted.sort();
    assert_eq!(removed, wanted);
    assert!(house.store.verify_chain().await.unwrap().is_whole());
}
