//! Logout tokens: the right one ends just what it names, once; no other does anything.

use palisade_model::Denial;
use serde_json::{Value, json};

use super::evil::{Forged, Signed};
use super::{COMPANY, Place, session};
use crate::house::{BETTER, GOOD, origin, secret};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn good(place: &Place, id: &str) -> Forged {
    let mut token = Forged::good(COMPANY, "", place.house.world.now());
    token.header["typ"] = "logout+jwt".into();
    token.claims = json!({
        "iss": COMPANY, "aud": "us", "iat": token.now, "exp": token.now + 120, "jti": id,
        "events": {EVENT: {}}, "sub": "ada", "sid": "their-session",
    });
    token
}

type Lie = (&'static str, fn(&mut Forged));

const LIES: &[Lie] = &[
    ("another issuer", |f| f.claims["iss"] = "https://other.example.com".into()),
    ("another client", |f| f.claims["aud"] = "somebody-else".into()),
    ("another client", |f| f.claims["aud"] = json!(["us", "somebody-else"])),
    ("another client", |f| f.claims["aud"] = json!([])),
    ("expired", |f| f.claims["exp"] = (f.now - 61).into()),
    ("expired", |f| {
        f.without("exp");
        f.claims["iat"] = (f.now - 3600).into();
    }),
    ("future", |f| f.claims["iat"] = (f.now + 120).into()),
    ("no logout event", |f| f.claims["events"] = json!({})),
    ("no logout event", |f| f.claims["events"] = json!({EVENT: true})),
    ("cannot be read", |f| f.without("events")),
    ("cannot be read", |f| f.without("jti")),
    ("nonce", |f| f.claims["nonce"] = "n".into()),
    ("nonce", |f| f.claims["nonce"] = Value::Bool(false)),
    ("neither subject nor session", |f| {
        f.without("sub");
        f.without("sid");
    }),
    ("empty", |f| f.claims["sid"] = "".into()),
    ("another kind", |f| f.header["typ"] = "at+jwt".into()),
    ("another kind", |f| f.header["crit"] = json!(["exp"])),
    ("another kind", |f| f.header["typ"] = "JWS".into()),
    ("algorithm", |f| f.signed = Signed::None),
    ("algorithm", |f| f.signed = Signed::ByPublicKey),
    ("algorithm", |f| f.header["alg"] = "ES256".into()),
    ("signature is wrong", |f| f.signed = Signed::ByForeignKey),
    ("not the provider's", |f| f.header["kid"] = "unknown".into()),
];

// proves: ID-6
#[tokio::test]
async fn a_logout_token_ends_its_session_once_and_a_false_one_nothing() {
    let place = Place::new("").await;
    let ada = session(place.come_back(|_| {}).await.unwrap());
    let elsewhere = session(place.come_back(|f| f.claims["sid"] = "second".into()).await.unwrap());
    let bob = session(
        place
            .come_back(|f| {
                f.claims["sub"] = "bob".into();
                f.claims["email"] = "bob@example.com".into();
                f.claims["sid"] = "bobs".into();
            })
            .await
            .unwrap(),
    );
    let lives = async |new: &palisade_access::NewSession| {
        place.access.session(new.cookie.expose()).await.unwrap().is_some()
    };
    let send = async |token: String| place.access.provider_logout("company", &token, &origin()).await;
    let key = place.evil.key();
    for (n, (why, bend)) in LIES.iter().enumerate() {
        let mut token = good(&place, &format!("lie-{n}"));
        bend(&mut token);
        let refusal = send(token.token(&key)).await.expect_err(why);
        assert_eq!(refusal.denial, Denial::ProviderRefused);
        assert!(refusal.why.contains(why), "lie {n}: {why:?} in {:?}", refusal.why);
    }
    // An ID token is no logout token, though the same key has signed it.
    let id_token = Forged::good(COMPANY, "n", place.house.world.now()).token(&key);
    assert!(send(id_token).await.is_err());
    for malformed in ["", ".", "..", "a.b.c", "a.b.c.d", &"a".repeat(10_000)] {
        assert!(send(malformed.to_owned()).await.is_err());
    }
    assert!(lives(&ada).await && lives(&elsewhere).await && lives(&bob).await);

    let token = good(&place, "one").token(&key);
    assert_eq!(send(token.clone()).await.unwrap(), 1);
    assert!(!lives(&ada).await && lives(&elsewhere).await && lives(&bob).await);
    assert_eq!(send(token).await.unwrap_err().why, "logout token: used before");
    assert_eq!(place.house.count("session.revoked").await, 1);

    let mut all = good(&place, "two");
    all.without("sid");
    assert_eq!(send(all.token(&key)).await.unwrap(), 1);
    assert!(!lives(&elsewhere).await && lives(&bob).await);
    // A sign-in that began before the logout of its session comes to nothing.
    assert!(place.come_back(|_| {}).await.is_err());
}

// proves: ID-6, ID-8
#[tokio::test]
async fn another_password_does_not_cut_a_session_loose_from_its_provider() {
    let place = Place::new("").await;
    let ada = session(place.come_back(|_| {}).await.unwrap());
    let (access, house) = (&place.access, &place.house);
    let first = access.set_first_password(&ada.principal, &secret(GOOD), &origin()).await.unwrap();
    let second =
        access.change_password(&first.principal, &secret(GOOD), &secret(BETTER), &origin()).await.unwrap();
    let lives = async |new: &palisade_access::NewSession| {
        access.session(new.cookie.expose()).await.unwrap().is_some()
    };
    assert!(!lives(&ada).await && !lives(&first).await, "a cookie from before the change");
    assert!(lives(&second).await);
    assert_eq!(second.principal.proven_at(), ada.principal.proven_at());
    assert_eq!(second.expires_at, ada.expires_at, "no change makes a session longer");
    assert_eq!(house.count("session.signed_in").await, 1, "nobody signed in anew");
    let logout = good(&place, "after").token(&place.evil.key());
    assert_eq!(access.provider_logout("company", &logout, &origin()).await.unwrap(), 1);
    assert!(!lives(&second).await, "signed out at the provider, and still in here");
}

// Whoever finds such a session open must not give the account a password of theirs.
// proves: ID-2, ID-6, ID-17
#[tokio::test]
async fn a_first_password_asks_for_recent_proof_and_is_the_first() {
    let place = Place::new("").await;
    let ada = session(place.come_back(|_| {}).await.unwrap());
    let (access, house) = (&place.access, &place.house);
    house.clock.advance(std::time::Duration::from_secs(11 * 60));
    let stale = access.set_first_password(&ada.principal, &secret(GOOD), &origin()).await.unwrap_err();
    assert_eq!(stale.denial, Denial::ProofNeeded);
    assert!(!access.has_password(&ada.principal).await.unwrap());
    let ada = session(place.come_back(|f| f.claims["sid"] = "another".into()).await.unwrap());
    let first = access.set_first_password(&ada.principal, &secret(GOOD), &origin()).await.unwrap();
    let again = access.set_first_password(&first.principal, &secret(BETTER), &origin()).await.unwrap_err();
    assert_eq!((again.denial, again.fields[0].field.as_ref()), (Denial::InvalidInput, "old_password"));
    assert_eq!(house.count("user.password_changed").await, 1);
}
