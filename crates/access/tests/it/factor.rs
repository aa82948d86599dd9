//! Second factors: there is no way round them, and each proof counts once.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use palisade_access::{
    Access, Changed, Completed, Entered, HalfIn, Issued, NewSession, Principal, Resealed, Shown,
};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal, Secret};
use palisade_store::NewPassword;

use crate::authenticator::Key;
use crate::house::{BETTER, GOOD, House, LIGHT, origin, policy, secret};

/// What an authenticator application does, from the text that it was given.
pub struct App(Vec<u8>);

impl App {
    pub fn code(&self, house: &House, steps: i64) -> Secret {
        let step = house.world.now().as_micros() / 30_000_000 + steps;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 0xf);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        Secret::new(format!("{:06}", number % 1_000_000))
    }
}

pub async fn signed_in(house: &House, name: &str) -> NewSession {
    house.access.sign_in(name, &secret(GOOD), &origin(), None).await.unwrap().session().unwrap()
}

pub async fn half_in(house: &House, name: &str) -> HalfIn {
    match house.access.sign_in(name, &secret(GOOD), &origin(), None).await.unwrap() {
        Entered::SecondFactor(half) => half,
        Entered::Session(_) => panic!("{name} got in without a second factor"),
    }
}

pub async fn with_app(house: &House, principal: &Principal) -> (App, Changed) {
    let offer = house.access.offer_totp(principal).await.unwrap();
    let text = offer.secret.expose().replace(' ', "");
    assert!(offer.uri.expose().contains(&text));
    let app = App(BASE32_NOPAD.decode(text.as_bytes()).unwrap());
    let code = app.code(house, 0);
    let changed = house.access.add_totp(principal, &offer.ceremony, &code, &origin()).await.unwrap();
    house.clock.advance(Duration::from_secs(30));
    (app, changed)
}

pub async fn with_key(house: &House, principal: &Principal) -> (Key, Changed) {
    let mut key = Key::new();
    let challenge = house.access.new_passkey_challenge(principal).await.unwrap();
    let credential = key.make(&challenge.options);
    let ceremony = secret(challenge.ceremony.expose());
    let changed =
        house.access.add_passkey(principal, "phone", &ceremony, &credential, &origin()).await.unwrap();
    (key, changed)
}

pub async fn second(access: &Access, half: &HalfIn, shown: &Shown) -> Result<Completed, Refusal> {
    access.second(half.ticket.expose(), shown, &origin(), None).await
}

fn session(completed: Completed) -> NewSession {
    match completed {
        Completed::Session(session) => session,
        Completed::Tokens(_) => panic!("tokens"),
    }
}

async fn whose(house: &House, new: &NewSession) -> Option<Principal> {
    house.access.session(new.cookie.expose()).await.unwrap()
}

// proves: ID-17
#[tokio::test]
async fn an_application_set_up_is_asked_for_at_every_way_in() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let other = signed_in(&house, "ann").await;
    let tokens =
        house.access.sign_in_tokens("ann", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap();
    let first = signed_in(&house, "ann").await;
    let (app, changed) = with_app(&house, &first.principal).await;
    assert_eq!(changed.codes.as_ref().unwrap().len(), 10);
    assert!(changed.session.principal.strong());
    assert!(whose(&house, &first).await.is_none(), "the cookie from before");
    assert!(whose(&house, &other).await.is_none(), "the other session");
    assert!(house.access.bearer(&tokens.access).await.is_err(), "tokens from before");
    assert!(house.access.refresh(tokens.refresh.expose(), &origin()).await.is_err());
    assert!(whose(&house, &changed.session).await.unwrap().strong());

    let (sessions, signed) =
        (house.store.sessions_of(user).await.unwrap().len(), house.count("session.signed_in").await);
    let half = half_in(&house, "ann").await;
    assert_eq!(half.methods.iter().map(|m| m.name()).collect::<Vec<_>>(), ["totp", "recovery_code"]);
    assert_eq!(
        house.store.sessions_of(user).await.unwrap().len(),
        sessions,
        "no session before the second step"
    );
    assert_eq!(house.count("session.signed_in").await, signed);
    // The ticket is good for nothing else.
    assert!(house.access.session(half.ticket.expose()).await.unwrap().is_none());
    assert!(house.access.bearer(half.ticket.expose()).await.is_err());
    assert!(house.access.refresh(half.ticket.expose(), &origin()).await.is_err());

    let new = session(second(&house.access, &half, &Shown::Code(app.code(&house, 0))).await.unwrap());
    assert!(whose(&house, &new).await.unwrap().strong());
    let Issued::SecondFactor(half) =
        house.access.sign_in_tokens("ann", &secret(GOOD), &origin()).await.unwrap()
    else {
        panic!("tokens without a second factor");
    };
    house.clock.advance(Duration::from_secs(30));
    let Completed::Tokens(tokens) =
        second(&house.access, &half, &Shown::Code(app.code(&house, 0))).await.unwrap()
    else {
        panic!("a session for whoever wanted tokens");
    };
    assert!(house.access.bearer(&tokens.access).await.unwrap().strong());
    assert_eq!(house.count("factor.added").await, 1);
}

// proves: ID-17
#[tokio::test]
async fn a_code_a_ticket_and_a_step_are_each_good_once() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let (one, two) = (half_in(&house, "ann").await, half_in(&house, "ann").await);
    let code = Shown::Code(app.code(&house, 0));
    second(&house.access, &one, &code).await.unwrap();
    let again = second(&house.access, &one, &code).await.unwrap_err();
    assert_eq!(again.denial, Denial::TicketInvalid, "the ticket");
    let replayed = second(&house.access, &two, &code).await.unwrap_err();
    assert_eq!(replayed.denial, Denial::FactorWrong, "the code, seen over a shoulder");
    let earlier = second(&house.access, &two, &Shown::Code(app.code(&house, -1))).await.unwrap_err();
    assert_eq!(earlier.denial, Denial::FactorWrong, "one of an earlier step");
    assert_eq!(house.count("session.second_factor_failed").await, 2);
    second(&house.access, &two, &Shown::Code(app.code(&house, 1))).await.unwrap();
    let skewed = half_in(&house, "ann").await;
    house.clock.advance(Duration::from_secs(90));
    let late = second(&house.access, &skewed, &Shown::Code(app.code(&house, -2))).await.unwrap_err();
    assert_eq!(late.denial, Denial::FactorWrong, "a clock that is two steps behind");
    house.clock.advance(Duration::from_secs(5 * 60));
    let late = second(&house.access, &skewed, &Shown::Code(app.code(&house, 0))).await.unwrap_err();
    assert_eq!(late.denial, Denial::TicketInvalid, "too late");
}

// proves: ID-17, LIMIT-3
#[tokio::test]
async fn guesses_are_few_by_ticket_and_by_account_even_all_at_once() {
    let house = Arc::new(House::new().await);
    house.user("ann", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let half = Arc::new(half_in(&house, "ann").await);
    let guesses: Vec<_> = (0..50)
        .map(|n| {
            let (house, half) = (house.clone(), half.clone());
            tokio::spawn(async move {
                second(&house.access, &half, &Shown::Code(Secret::new(format!("{n:06}"))))
                    .await
                    .unwrap_err()
                    .denial
            })
        })
        .collect();
    let mut wrong = 0;
    for guess in guesses {
        wrong += usize::from(guess.await.unwrap() == Denial::FactorWrong);
    }
    assert!(wrong <= 5, "{wrong} guesses with one ticket");
    let right = second(&house.access, &half, &Shown::Code(app.code(&house, 0))).await.unwrap_err();
    assert!(matches!(right.denial, Denial::TicketInvalid | Denial::LockedOut), "{right}");

    // A thief who knows the password takes ticket after ticket: ten thousand guesses, from ever new addresses.
    let mut judged = house.count("session.second_factor_failed").await;
    let mut heard = 0;
    for n in 0..100_u8 {
        let from = Origin {
            address: Some(palisade_model::ClientAddress::known(format!("198.51.100.{n}").parse().unwrap())),
            ..origin()
        };
        let entered = house.access.sign_in("ann", &secret(GOOD), &from, None).await;
        let Ok(Entered::SecondFactor(half)) = entered else { continue };
        for guess in 0..5 {
            let shown = if n == 99 {
                app.code(&house, 0)
            } else {
                Secret::new(format!("{:06}", u32::from(n) * 5 + guess))
            };
            let result = house.access.second(half.ticket.expose(), &Shown::Code(shown), &from, None).await;
            heard += usize::from(result.is_ok());
        }
    }
    judged = house.count("session.second_factor_failed").await - judged;
    assert_eq!(heard, 0, "even the right one is not heard once the account is locked ({judged} judged)");
}

// proves: ID-17
#[tokio::test]
async fn of_fifty_who_use_one_recovery_code_one_gets_in() {
    let house = Arc::new(House::with(&format!("{LIGHT}\n[identify.lockout]\nenabled = false\n")).await);
    house.user("ann", &["user"]).await;
    let (_, changed) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let code = changed.codes.unwrap().remove(3);
    let mut halves = Vec::new();
    for _ in 0..50 {
        halves.push(half_in(&house, "ann").await);
    }
    let tries: Vec<_> = halves
        .into_iter()
        .map(|half| {
            let (house, code) = (house.clone(), code.clone());
            tokio::spawn(async move { second(&house.access, &half, &Shown::Code(code)).await.is_ok() })
        })
        .collect();
    let mut entered = 0;
    for one in tries {
        entered += usize::from(one.await.unwrap());
    }
    assert_eq!(entered, 1);
    assert_eq!(house.count("factor.code_used").await, 1);
    let left = house.access.held_factors(&changed.session.principal).await.unwrap().recovery_codes;
    assert_eq!(left, 9);
    let trail = format!("{:?}", house.trail().await);
    assert!(!trail.contains(code.expose()), "a code stands in the trail");
}

// proves: ID-17
#[tokio::test]
async fn a_ticket_and_a_challenge_are_their_users_own() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    house.user("eve", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let (mut key, mallory) = with_key(&house, &signed_in(&house, "eve").await.principal).await;
    let ann = half_in(&house, "ann").await;
    let challenge = house.access.confirm_challenge(&mallory.session.principal).await.unwrap();
    let (ceremony, credential) = (secret(challenge.ceremony.expose()), key.show(&challenge.options));
    let foreign = second(&house.access, &ann, &Shown::Passkey { ceremony, credential }).await.unwrap_err();
    assert_eq!(foreign.denial, Denial::FactorWrong, "eve's passkey for ann's ticket");
    let code = mallory.codes.unwrap().remove(0);
    let foreign = second(&house.access, &ann, &Shown::Code(code)).await.unwrap_err();
    assert_eq!(foreign.denial, Denial::FactorWrong, "eve's recovery code");
    let password = second(&house.access, &ann, &Shown::Password(secret(GOOD))).await.unwrap_err();
    assert_eq!(password.denial, Denial::FactorWrong, "the first factor once more");
    let offer = house.access.offer_totp(&mallory.session.principal).await.unwrap();
    let bob = house.user("bob", &["user"]).await;
    let session = signed_in(&house, "bob").await;
    let stolen =
        house.access.add_totp(&session.principal, &offer.ceremony, &app.code(&house, 0), &origin()).await;
    assert_eq!(stolen.unwrap_err().denial, Denial::TicketInvalid, "another's offer");
    assert!(!house.store.factors(bob).await.unwrap().any());
}

// proves: ID-17, ID-4
#[tokio::test]
async fn neither_a_link_nor_a_new_password_spares_the_second_factor() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let (app, changed) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let waiting = half_in(&house, "ann").await;
    let link = house.access.issue_link(user, None, &origin()).await.unwrap();
    let entered = house.access.redeem_link(link.expose(), &secret(BETTER), &origin(), None).await.unwrap();
    let Entered::SecondFactor(half) = entered else { panic!("a reset signed in without the second factor") };
    assert!(whose(&house, &changed.session).await.is_none());
    assert_eq!(house.store.sessions_of(user).await.unwrap(), []);
    let stale = second(&house.access, &waiting, &Shown::Code(app.code(&house, 0))).await.unwrap_err();
    assert_eq!(stale.denial, Denial::TicketInvalid, "a ticket for the former password");
    let new = session(second(&house.access, &half, &Shown::Code(app.code(&house, 0))).await.unwrap());
    assert!(new.principal.strong());
}

// proves: ID-17
#[tokio::test]
async fn a_passkey_signs_in_alone_and_as_the_second_factor() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let (mut key, changed) = with_key(&house, &signed_in(&house, "ann").await.principal).await;
    assert!(changed.session.principal.strong());
    assert_eq!(changed.codes.unwrap().len(), 10);

    let challenge = house.access.passkey_challenge().await.unwrap();
    let (ceremony, credential) = (secret(challenge.ceremony.expose()), key.show(&challenge.options));
    let new = house.access.sign_in_by_passkey(&ceremony, &credential, &origin(), None).await.unwrap();
    assert!(whose(&house, &new).await.unwrap().strong());
    assert_eq!(new.principal.name(), "ann");
    let replayed =
        house.access.sign_in_by_passkey(&ceremony, &credential, &origin(), None).await.unwrap_err();
    assert_eq!(replayed.denial, Denial::SignInFailed, "a challenge is answered once");

    let half = half_in(&house, "ann").await;
    let challenge = house.access.second_challenge(half.ticket.expose()).await.unwrap();
    let shown = Shown::Passkey {
        ceremony: secret(challenge.ceremony.expose()),
        credential: key.show(&challenge.options),
    };
    session(second(&house.access, &half, &shown).await.unwrap());
    let held = house.access.held_factors(&new.principal).await.unwrap();
    assert_eq!((held.passkeys[0].name.as_str(), held.passkeys[0].last_used.is_some()), ("phone", true));
}

// proves: ID-17
#[tokio::test]
async fn no_forged_passkey_gets_in() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let eve = house.user("eve", &["user"]).await;
    let (mut key, changed) = with_key(&house, &signed_in(&house, "ann").await.principal).await;
    let enter = async |challenge: &palisade_access::Challenge, credential: Secret| {
        let ceremony = secret(challenge.ceremony.expose());
        house.access.sign_in_by_passkey(&ceremony, &credential, &origin(), None).await.map(drop)
    };
    let asked = async || house.access.passkey_challenge().await.unwrap();
    let refused = |result: Result<(), Refusal>, what: &str| {
        assert_eq!(result.unwrap_err().denial, Denial::SignInFailed, "{what}");
    };
    let sessions = house.store.sessions_of(changed.session.principal.user()).await.unwrap().len();

    key.origin = "https://tracker.example.evil.example".into();
    let challenge = asked().await;
    refused(enter(&challenge, key.show(&challenge.options)).await, "made for another origin");
    key.origin = "http://tracker.example".into();
    let challenge = asked().await;
    refused(enter(&challenge, key.show(&challenge.options)).await, "without https");
    key.origin = "https://tracker.example".into();
    key.site = "evil.example".into();
    let challenge = asked().await;
    refused(enter(&challenge, key.show(&challenge.options)).await, "for another site");
    key.site = "tracker.example".into();
    key.verifies = false;
    let challenge = asked().await;
    refused(enter(&challenge, key.show(&challenge.options)).await, "of whoever found the telephone");
    key.verifies = true;
    let (challenge, other) = (asked().await, asked().await);
    refused(enter(&challenge, key.show(&other.options)).await, "for another challenge");
    let challenge = asked().await;
    key.counter += 1;
    let bent = key.sign(&challenge.options, |response| {
        let text = response["signature"].as_str().unwrap().to_owned();
        let last = if text.ends_with('A') { "B" } else { "A" };
        response["signature"] = format!("{}{last}", &text[..text.len() - 1]).into();
    });
    refused(enter(&challenge, bent).await, "with another signature");
    let challenge = asked().await;
    let mut stranger = Key::new();
    stranger.claim(changed.session.principal.user().0.as_bytes());
    refused(enter(&challenge, stranger.show(&challenge.options)).await, "of a key that nobody registered");
    let challenge = asked().await;
    key.claim(eve.0.as_bytes());
    refused(enter(&challenge, key.show(&challenge.options)).await, "under another user's name");
    key.claim(changed.session.principal.user().0.as_bytes());
    for nonsense in ["", "{}", "null", "[1]", "{\"id\":1}"] {
        let challenge = asked().await;
        refused(enter(&challenge, secret(nonsense)).await, nonsense);
    }
    let challenge = asked().await;
    house.clock.advance(Duration::from_secs(5 * 60));
    refused(enter(&challenge, key.show(&challenge.options)).await, "too late");

    assert_eq!(house.count("factor.passkey_copied").await, 0);
    let challenge = asked().await;
    key.counter = 1;
    refused(enter(&challenge, key.sign(&challenge.options, |_| {})).await, "whose counter went back");
    assert_eq!(house.count("factor.passkey_copied").await, 1);
    let now = house.store.sessions_of(changed.session.principal.user()).await.unwrap().len();
    assert_eq!(now, sessions, "none of them began a session");
    let challenge = asked().await;
    key.counter = 100;
    assert!(enter(&challenge, key.show(&challenge.options)).await.is_ok(), "and the honest one still does");
}

// proves: ID-17
#[tokio::test]
async fn factors_change_by_recent_proof_alone_which_gives_the_session_another_cookie() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let session = signed_in(&house, "ann").await;
    house.clock.advance(Duration::from_secs(10 * 60 + 1));
    let stale = &session.principal;
    assert_eq!(house.access.fresh(stale).unwrap_err().denial, Denial::ProofNeeded);
    assert_eq!(house.access.offer_totp(stale).await.unwrap_err().denial, Denial::ProofNeeded);
    assert_eq!(house.access.new_passkey_challenge(stale).await.unwrap_err().denial, Denial::ProofNeeded);
    // Nor is what was begun with a recent proof ended without one.
    let other = secret("nothing");
    let late = [
        house.access.add_totp(stale, &other, &other, &origin()).await.unwrap_err(),
        house.access.add_passkey(stale, "phone", &other, &other, &origin()).await.unwrap_err(),
        house.access.remove_passkey(stale, b"any", &origin()).await.unwrap_err(),
    ];
    assert_eq!(late.map(|refusal| refusal.denial), [Denial::ProofNeeded; 3]);
    let wrong = house.access.confirm(stale, &Shown::Password(secret("wrong")), &origin()).await.unwrap_err();
    assert_eq!(wrong.fields[0].field, "password");
    let (before, ends) = (house.store.sessions_of(user).await.unwrap(), session.expires_at);
    let confirmed = house.access.confirm(stale, &Shown::Password(secret(GOOD)), &origin()).await.unwrap();
    let after = house.store.sessions_of(user).await.unwrap();
    assert_eq!((after.len(), after[0].id), (before.len(), before[0].id), "the same session");
    assert_eq!(confirmed.expires_at, ends, "proof does not make it longer");
    assert!(
        whose(&house, &session).await.is_none(),
        "whoever planted or stole the former cookie is left behind"
    );
    house.access.fresh(&confirmed.principal).unwrap();
    assert!(!confirmed.principal.strong());

    let (app, changed) = with_app(&house, &confirmed.principal).await;
    house.clock.advance(Duration::from_secs(10 * 60));
    let strong = whose(&house, &changed.session).await.unwrap();
    assert_eq!(house.access.remove_totp(&strong, &origin()).await.unwrap_err().denial, Denial::ProofNeeded);
    assert_eq!(
        house.access.renew_recovery_codes(&strong, &origin()).await.unwrap_err().denial,
        Denial::ProofNeeded
    );
    let password =
        house.access.confirm(&strong, &Shown::Password(secret(GOOD)), &origin()).await.unwrap_err();
    assert_eq!(password.denial, Denial::SecondFactorNeeded, "a password is not enough any more");
    assert!(house.store.factors(user).await.unwrap().totp);
    let confirmed =
        house.access.confirm(&strong, &Shown::Code(app.code(&house, 0)), &origin()).await.unwrap();
    let removed = house.access.remove_totp(&confirmed.principal, &origin()).await.unwrap();
    assert!(!removed.session.principal.strong());
    assert_eq!(house.store.factors(user).await.unwrap(), palisade_store::Factors::default());
    signed_in(&house, "ann").await;
}

// proves: ID-17
#[tokio::test]
async fn changing_the_password_does_not_count_as_proof_of_the_second_factor() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let (_, changed) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    house.clock.advance(Duration::from_secs(11 * 60));
    let strong = whose(&house, &changed.session).await.unwrap();
    let new = house.access.change_password(&strong, &secret(GOOD), &secret(BETTER), &origin()).await.unwrap();
    assert!(new.principal.strong(), "they are who they were");
    assert_eq!(house.access.fresh(&new.principal).unwrap_err().denial, Denial::ProofNeeded);
}

// proves: ID-17
#[tokio::test]
async fn an_administrator_removes_a_lost_factor_and_ends_what_it_let_in() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let (_, changed) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    house.access.reset_factors(user, None, &Origin::default()).await.unwrap();
    assert!(whose(&house, &changed.session).await.is_none());
    assert_eq!(house.count("factor.reset").await, 1);
    signed_in(&house, "ann").await;
    let nothing = house.access.reset_factors(user, None, &Origin::default()).await.unwrap_err();
    assert_eq!(nothing.fields[0].field, "user");
    assert_eq!(house.count("factor.reset").await, 1);
}

// proves: ID-17
#[tokio::test]
async fn whose_role_needs_a_factor_can_set_one_up_and_nothing_else() {
    let house =
        House::with(&format!("{LIGHT}\n[identify.second_factor]\nrequired_for = [\"manager\"]\n")).await;
    house.user("ann", &["user"]).await;
    house.user("max", &["admin"]).await;
    let path = |path: &str| house.policy.routes.rows.iter().find(|row| row.path == path).unwrap();
    let may = |route: &str, who: &Principal| {
        house.access.authorize(path(route), &http::Method::GET, route, Some(who))
    };
    let ann = signed_in(&house, "ann").await.principal;
    may("/work", &ann).unwrap();
    let max = signed_in(&house, "max").await.principal;
    assert!(max.factor_missing(), "admin includes manager");
    assert_eq!(may("/work", &max).unwrap_err().denial, Denial::FactorRequired);
    assert_eq!(may("/account", &max).unwrap_err().denial, Denial::FactorRequired);
    assert!(may("/open", &max).unwrap().principal().is_none(), "nobody yet, where everybody may be");
    assert!(may("/api/v1/auth/me", &max).unwrap().principal().is_some());
    let tokens =
        house.access.sign_in_tokens("max", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap();
    let bearer = house.access.bearer(&tokens.access).await.unwrap();
    assert_eq!(may("/work", &bearer).unwrap_err().denial, Denial::FactorRequired, "nor by tokens");
    let (_, changed) = with_app(&house, &max).await;
    may("/work", &changed.session.principal).unwrap();
    let removed = house.access.remove_totp(&changed.session.principal, &origin()).await.unwrap();
    assert_eq!(may("/work", &removed.session.principal).unwrap_err().denial, Denial::FactorRequired);
}

// proves: ID-17
#[tokio::test]
async fn nobody_has_more_than_twenty_passkeys() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let ann = signed_in(&house, "ann").await;
    for n in 0..20_u8 {
        let passkey = palisade_store::Passkey {
            id: vec![n],
            user,
            name: "k".into(),
            credential: "{}".into(),
            created_at: house.world.now(),
            last_used: None,
        };
        let add = palisade_store::FactorChange::AddPasskey(passkey);
        house.store.change_factors(user, add, None, None, vec![]).await.unwrap();
    }
    let refusal = house.access.new_passkey_challenge(&ann.principal).await.unwrap_err();
    assert_eq!((refusal.denial, refusal.fields[0].field.as_ref()), (Denial::InvalidInput, "passkey"));
}

// Whoever finds a session open must not keep its proof recent by what they change in it.
// proves: ID-17
#[tokio::test]
async fn no_change_of_factors_makes_the_proof_newer() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let first = signed_in(&house, "ann").await;
    let proven = first.principal.proven_at();
    let mut session = with_app(&house, &first.principal).await.1.session;
    let window = house.policy.identify.second_factor.fresh;
    house.clock.advance(window / 2);
    session = house.access.renew_recovery_codes(&session.principal, &origin()).await.unwrap().session;
    let (key, added) = with_key(&house, &session.principal).await;
    session = added.session;
    session = house.access.remove_passkey(&session.principal, &key.id, &origin()).await.unwrap().session;
    session = house.access.renew_recovery_codes(&session.principal, &origin()).await.unwrap().session;
    assert_eq!(session.principal.proven_at(), proven);
    assert_eq!(whose(&house, &session).await.unwrap().proven_at(), proven, "as the store has it");
    assert!(session.principal.strong(), "the app is still there");
    house.clock.advance(window / 2);
    let rows = house.actions().await.len();
    let refusal = house.access.renew_recovery_codes(&session.principal, &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::ProofNeeded);
    assert_eq!(house.actions().await.len(), rows);
    assert!(whose(&house, &session).await.is_some(), "it goes on, and asks for a new proof");
}

/// The root secret changes: what rests under the former one is sealed anew, and then that one can go.
// proves: ID-11, ID-17
#[tokio::test]
async fn an_application_goes_on_under_another_root_secret_once_it_is_sealed_anew() {
    let house = House::new().await;
    let user = house.user("ann", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let new = ("SECRET_KEY", "another root secret for tests, 0123456789");
    let text = LIGHT
        .replace("[identify.passwords]", "previous_secret_keys = [\"env:FORMER\"]\n[identify.passwords]");
    let former = ("FORMER", "a root secret for tests, 0123456789abcdef");
    let during = house.reopen(Arc::new(policy(&text, &[new, former]))).await.unwrap();
    let after = house.reopen(Arc::new(policy(LIGHT, &[new]))).await.unwrap();
    let enters = async |access: &Access| {
        house.clock.advance(Duration::from_secs(30));
        let half = match access.sign_in("ann", &secret(GOOD), &origin(), None).await.unwrap() {
            Entered::SecondFactor(half) => half,
            Entered::Session(_) => panic!("without a second factor"),
        };
        second(access, &half, &Shown::Code(app.code(&house, 0))).await.is_ok()
    };
    assert!(!enters(&after).await, "the former secret is still needed");
    assert_eq!(after.reseal().await.unwrap(), Resealed { present: 0, anew: 0, lost: 1 });

    let was = house.store.totp(user).await.unwrap().unwrap().sealed;
    assert_eq!(during.reseal().await.unwrap(), Resealed { present: 1, anew: 1, lost: 0 });
    assert_ne!(house.store.totp(user).await.unwrap().unwrap().sealed, was);
    assert_eq!(during.reseal().await.unwrap(), Resealed { present: 1, anew: 0, lost: 0 });
    assert_eq!(after.reseal().await.unwrap(), Resealed { present: 1, anew: 0, lost: 0 });
    assert!(enters(&after).await && enters(&during).await);
}

// The old password is being proven when another one is set: the ticket must not outlive it.
// proves: ID-8, ID-17
#[tokio::test]
async fn a_ticket_for_a_password_that_was_replaced_meanwhile_is_worth_nothing() {
    let house = Arc::new(House::with("[identify.passwords]\nmemory = \"16MiB\"\npasses = 6").await);
    let user = house.user("ann", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let signing_in = tokio::spawn({
        let house = house.clone();
        async move { house.access.sign_in("ann", &secret(GOOD), &origin(), None).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let read = house.store.user(user).await.unwrap().unwrap();
    let new = NewPassword { hash: "another".into(), at: house.world.now(), keep_history: 0 };
    house.store.set_password(&read, &new, None, None, vec![]).await.unwrap();
    if let Ok(Entered::SecondFactor(half)) = signing_in.await.unwrap() {
        let shown = Shown::Code(app.code(&house, 0));
        assert!(second(&house.access, &half, &shown).await.is_err(), "the ticket outlived its password");
    }
    assert_eq!(house.store.sessions_of(user).await.unwrap(), []);
}
