//! Sessions: their life, and that what was ended is refused on the very next call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use palisade_access::{Access, NewSession, Via};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Token};

use crate::house::{GOOD, House, LIGHT, origin, secret};

async fn sign_in(access: &Access, login: &str) -> NewSession {
    access.sign_in(login, &secret(GOOD), &origin(), None).await.unwrap().session().unwrap()
}

async fn lives(access: &Access, session: &NewSession) -> bool {
    access.session(session.cookie.expose()).await.unwrap().is_some()
}

fn id(session: &NewSession) -> palisade_model::id::SessionId {
    match session.principal.via() {
        Via::Session(id) => id,
        Via::Token(_) | Via::Key(_) => panic!("not a session"),
    }
}

// proves: ID-8
#[tokio::test]
async fn signing_in_gives_a_new_id_and_ends_the_one_the_browser_had() {
    let house = House::new().await;
    house.user("mallory", &["user"]).await;
    house.user("alice", &["user"]).await;
    let planted = sign_in(&house.access, "mallory").await;
    let former = house.access.session(planted.cookie.expose()).await.unwrap();
    let new = house
        .access
        .sign_in("alice", &secret(GOOD), &origin(), former.as_ref())
        .await
        .unwrap()
        .session()
        .unwrap();
    assert_ne!(new.cookie.expose(), planted.cookie.expose());
    assert!(!lives(&house.access, &planted).await, "the planted session is nobody's");
    assert!(lives(&house.access, &new).await);

    // A failed sign-in ends nothing.
    let former = house.access.session(new.cookie.expose()).await.unwrap();
    house.access.sign_in("alice", &secret("wrong"), &origin(), former.as_ref()).await.unwrap_err();
    assert!(lives(&house.access, &new).await);
}

// proves: ID-8
#[tokio::test]
async fn the_store_holds_no_cookie() {
    let house = House::new().await;
    let user = house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    let kept = house.store.sessions_of(user).await.unwrap();
    assert_eq!(kept[0].digest, session.cookie.digest());
    assert!(!format!("{kept:?}").contains(session.cookie.expose()));
    assert!(!format!("{:?}", house.trail().await).contains(session.cookie.expose()));
    assert!(!format!("{session:?}").contains(session.cookie.expose()));
}

// proves: ID-8
#[tokio::test]
async fn strange_cookies_are_nobodys() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    let unknown = Token::generate(&*house.world.entropy).unwrap();
    let cookie = session.cookie.expose();
    let (upper, padded) = (cookie.to_uppercase(), format!("{cookie}="));
    for strange in ["", "a", "\0", unknown.expose(), &cookie[..42], &padded, &upper, &"\u{e9}".repeat(22)] {
        assert!(house.access.session(strange).await.unwrap().is_none(), "{strange:?}");
    }
}

/// Each way to end a session, on a node that had it in its cache.
// proves: ID-8, ACC-1
#[tokio::test]
async fn what_was_ended_is_refused_on_the_very_next_call() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["manager"]).await;
    let server = Origin::default();

    for way in ["sign out", "end", "end others", "disable", "password", "end all"] {
        let session = sign_in(&house.access, "alice").await;
        let other = sign_in(&house.access, "alice").await;
        assert!(lives(&house.access, &session).await && lives(&house.access, &session).await);
        let access = &house.access;
        match way {
            "sign out" => access.sign_out(&session.principal, &origin()).await.unwrap(),
            "end" => assert!(access.end_session(&other.principal, id(&session), &origin()).await.unwrap()),
            "end others" => {
                assert!(access.end_other_sessions(&other.principal, &origin()).await.unwrap() > 0);
            }
            "disable" => access.disable(user, None, &server).await.unwrap(),
            "password" => {
                let change = async |by: &NewSession, old: &str, new: &str| {
                    access.change_password(&by.principal, &secret(old), &secret(new), &server).await.unwrap()
                };
                let new = change(&other, GOOD, "oboe lantern granite 77").await;
                assert!(lives(access, &new).await, "the one who asked goes on");
                change(&new, "oboe lantern granite 77", "kelp harpoon minaret 12").await;
            }
            _ => assert!(access.end_sessions_of(user, None, &server).await.unwrap() > 0),
        }
        assert!(!lives(access, &session).await, "{way}");
        match way {
            "disable" => access.enable(user, None, &server).await.unwrap(),
            "password" => break,
            _ => {}
        }
        assert!(!lives(access, &session).await, "{way}: nothing brings it back");
    }
    running.end().await;
}

// proves: ID-8, ID-10
#[tokio::test]
async fn another_node_refuses_it_within_a_second() {
    let house = House::new().await;
    let neighbour = house.neighbour().await;
    let (here, there) = (House::run(&house.access).await, House::run(&neighbour).await);
    house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    let tokens =
        house.access.sign_in_tokens("alice", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap();
    assert!(lives(&neighbour, &session).await);
    let by_token = neighbour.bearer(&tokens.access).await.unwrap();
    house.access.sign_out(&session.principal, &origin()).await.unwrap();
    house.access.sign_out(&by_token, &origin()).await.unwrap();
    // A third of a second as a rule; the test's machine may be busy.
    let patience = Instant::now() + Duration::from_secs(10);
    while lives(&neighbour, &session).await && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!lives(&neighbour, &session).await);
    assert_eq!(neighbour.bearer(&tokens.access).await.unwrap_err().denial, Denial::CredentialInvalid);
    here.end().await;
    there.end().await;
}

/// The other node does not poll: its cache is not trusted, so it is exact all the same.
// proves: ID-8
#[tokio::test]
async fn a_node_that_does_not_hear_of_revocations_asks_the_store_each_time() {
    let house = House::new().await;
    let deaf = house.neighbour().await;
    house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    assert!(lives(&deaf, &session).await && lives(&deaf, &session).await);
    house.access.sign_out(&session.principal, &origin()).await.unwrap();
    assert!(!lives(&deaf, &session).await);
}

// proves: ID-8
#[tokio::test]
async fn when_the_store_is_gone_the_cache_serves_for_a_second_and_then_everything_is_refused() {
    let house = House::new().await;
    let running = House::run(&house.access).await;
    house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    let tokens =
        house.access.sign_in_tokens("alice", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap();
    // The poll brings the news of the new user first, which empties the cache of them.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(lives(&house.access, &session).await);
    house.access.bearer(&tokens.access).await.unwrap();
    house.store.clone().close().await;
    assert!(lives(&house.access, &session).await, "the cache is still good");
    house.access.bearer(&tokens.access).await.unwrap();
    house.clock.advance(Duration::from_millis(1001));
    let refusal = house.access.session(session.cookie.expose()).await.unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::IdentityUnavailable, 503));
    let refusal = house.access.bearer(&tokens.access).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::IdentityUnavailable);
    running.end().await;
}

// proves: ID-8
#[tokio::test]
async fn it_ends_when_idle_and_at_its_absolute_end() {
    for polling in [false, true] {
        let more = format!("{LIGHT}\n[identify.sessions]\nidle = \"30m\"\nabsolute = \"2h\"");
        let house = House::with(&more).await;
        let running = if polling { Some(House::run(&house.access).await) } else { None };
        house.user("alice", &["user"]).await;
        let minutes = |n: u64| house.clock.advance(Duration::from_secs(n * 60));

        let session = sign_in(&house.access, "alice").await;
        for _ in 0..4 {
            minutes(29);
            assert!(lives(&house.access, &session).await, "used in time, polling: {polling}");
        }
        minutes(5);
        assert!(!lives(&house.access, &session).await, "121 minutes after sign-in, polling: {polling}");

        let session = sign_in(&house.access, "alice").await;
        minutes(30);
        assert!(!lives(&house.access, &session).await, "idle, polling: {polling}");
        assert_eq!(house.access.sessions(&session.principal).await.unwrap(), []);
        if let Some(running) = running {
            running.end().await;
        }
    }
}

/// The clock moves less than the cache is trusted, so that it is the cache that has to know the end.
// proves: ID-8, ID-9
#[tokio::test]
async fn a_cached_one_ends_as_exactly_as_one_from_the_store() {
    let more = format!("{LIGHT}\n[identify.sessions]\nidle = \"30m\"\nabsolute = \"45m\"");
    let house = House::with(&more).await;
    let running = House::run(&house.access).await;
    house.user("alice", &["user"]).await;
    let half = Duration::from_millis(500);
    let until_just_before = async |span: Duration| {
        house.clock.advance(span - half);
        // Time for a poll.
        tokio::time::sleep(Duration::from_millis(350)).await;
    };
    let minutes = |n: u64| Duration::from_secs(n * 60);

    let idle = sign_in(&house.access, "alice").await;
    let busy = sign_in(&house.access, "alice").await;
    let tokens =
        house.access.sign_in_tokens("alice", &secret(GOOD), &origin()).await.unwrap().tokens().unwrap();
    // The poll brings the news of the new user first, which empties the cache of them.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(lives(&house.access, &idle).await && lives(&house.access, &busy).await);
    until_just_before(minutes(30)).await;
    assert!(lives(&house.access, &busy).await);
    house.access.bearer(&tokens.access).await.unwrap();
    house.clock.advance(half);
    assert!(lives(&house.access, &busy).await);
    assert!(!lives(&house.access, &idle).await, "idle for 30 minutes");
    assert!(house.access.bearer(&tokens.access).await.is_err(), "30 minutes old");

    until_just_before(minutes(15)).await;
    assert!(lives(&house.access, &busy).await);
    house.clock.advance(half);
    assert!(!lives(&house.access, &busy).await, "45 minutes old");
    running.end().await;
}

// proves: ID-8
#[tokio::test]
async fn its_last_use_is_written_in_batches_and_survives_a_restart() {
    let more = format!("{LIGHT}\n[identify.sessions]\nidle = \"30m\"\nabsolute = \"2h\"");
    let house = House::with(&more).await;
    let running = House::run(&house.access).await;
    let user = house.user("alice", &["user"]).await;
    let session = sign_in(&house.access, "alice").await;
    house.clock.advance(Duration::from_secs(20 * 60));
    for _ in 0..1000 {
        assert!(lives(&house.access, &session).await);
    }
    running.end().await;
    assert_eq!(house.store.sessions_of(user).await.unwrap()[0].last_seen, house.world.now());
    house.clock.advance(Duration::from_secs(20 * 60));
    assert!(
        lives(&house.neighbour().await, &session).await,
        "40 minutes after sign-in, 20 after its last use"
    );
}

// proves: ID-8
#[tokio::test]
async fn a_user_has_so_many_and_the_oldest_ends() {
    let house = House::with(&format!("{LIGHT}\n[identify.sessions]\nmax_per_user = 2")).await;
    let running = House::run(&house.access).await;
    house.user("alice", &["user"]).await;
    house.user("bob", &["user"]).await;
    let bob = sign_in(&house.access, "bob").await;
    let mut all = Vec::new();
    for _ in 0..3 {
        // Less than the cache is trusted without a poll: what ends here has to be evicted here.
        house.clock.advance(Duration::from_millis(100));
        all.push(sign_in(&house.access, "alice").await);
        assert!(lives(&house.access, all.last().unwrap()).await);
    }
    assert!(!lives(&house.access, &all[0]).await);
    assert!(lives(&house.access, &all[1]).await && lives(&house.access, &all[2]).await);
    assert!(lives(&house.access, &bob).await);
    assert_eq!(house.access.sessions(&all[2].principal).await.unwrap().len(), 2);
    running.end().await;
}

// proves: ID-8
#[tokio::test]
async fn nobody_ends_anothers_session() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    house.user("mallory", &["user"]).await;
    let (alice, mallory) = (sign_in(&house.access, "alice").await, sign_in(&house.access, "mallory").await);
    let before = house.count("session.revoked").await;
    assert!(!house.access.end_session(&mallory.principal, id(&alice), &origin()).await.unwrap());
    assert!(lives(&house.access, &alice).await);
    assert_eq!(house.count("session.revoked").await, before);
    assert_eq!(house.access.sessions(&mallory.principal).await.unwrap().len(), 1);
}

/// Readers hammer a session on both cores while it is ended: no call that begins after the end was answered
/// gets in, cached or not.
// proves: ID-8
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_no_call_that_begins_after_the_end_gets_in() {
    let house = Arc::new(House::new().await);
    let running = House::run(&house.access).await;
    house.user("alice", &["user"]).await;
    let (mut hits, rounds) = (0, 150);
    for round in 0..rounds {
        let session = sign_in(&house.access, "alice").await;
        let ended = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (house, ended, cookie) = (house.clone(), ended.clone(), session.cookie.clone());
                tokio::spawn(async move {
                    let mut hits = 0;
                    loop {
                        let over = ended.load(Ordering::SeqCst);
                        let found = house.access.session(cookie.expose()).await.unwrap();
                        if over {
                            return (hits, found.is_some());
                        }
                        hits += usize::from(found.is_some());
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(round * 20)).await;
        house.access.sign_out(&session.principal, &origin()).await.unwrap();
        ended.store(true, Ordering::SeqCst);
        for reader in readers {
            let (seen, late) = reader.await.unwrap();
            assert!(!late, "round {round}");
            hits += seen;
        }
    }
    assert!(hits > 100, "the readers did get in before: {hits}");
    running.end().await;
}
