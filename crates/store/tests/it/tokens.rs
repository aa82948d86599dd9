//! Opaque tokens on each database: who counts, what ends with what, and what happens once.

use std::time::Duration;

use palisade_model::id::{KeyId, UserId};
use palisade_model::{Action, TenantId, digest};
use palisade_store::{ApiToken, Location, Reach, Renewal, Session, SessionKind, StoreError, TokenKind, User};

use crate::fixture::{Fixture, HOUR, event, on, password};

impl Fixture {
    fn api(&self, user: UserId, kind: TokenKind) -> ApiToken {
        let id = KeyId::generate(self.world.now(), self.world.entropy.as_ref()).unwrap();
        ApiToken {
            id,
            digest: digest::sha256(&[b"token", id.0.as_bytes()]),
            kind,
            name: "nightly".into(),
            user,
            scopes: "read".into(),
            networks: "192.0.2.0/24".into(),
            reason: Some("a drill".into()),
            enabled: true,
            created_at: self.world.now(),
            expires_at: Some(self.world.now().plus(HOUR)),
            last_used: None,
            used_at: None,
            replaced_by: None,
        }
    }

    async fn kept(&self, user: UserId, kind: TokenKind) -> ApiToken {
        let token = self.api(user, kind);
        self.store.create_api_token(&token, None, vec![event(Action::ApiKeyMade, "x")]).await.unwrap();
        token
    }

    async fn counts(&self, token: &ApiToken) -> bool {
        self.store.live_api_token(&token.digest).await.unwrap().is_some()
    }

    fn guest(&self, user: UserId) -> Session {
        Session { kind: SessionKind::Guest, ..self.session(user) }
    }

    async fn lives(&self, session: &Session) -> bool {
        self.store.session(&session.digest).await.unwrap().is_some()
    }

    async fn rows(&self, action: &str) -> usize {
        self.actions().await.iter().filter(|name| *name == action).count()
    }
}

fn done(action: Action) -> Vec<palisade_model::AuditEvent> {
    vec![event(action, "x")]
}

on! { [memory sqlite postgres]
    // proves: ID-16, AUD-1
    async fn what_is_kept_is_found_by_its_digest_until_it_is_over(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let token = f.kept(ann.id, TokenKind::Key).await;
        let (found, user) = f.store.live_api_token(&token.digest).await.unwrap().unwrap();
        assert_eq!((&found, user.id), (&token, ann.id));
        let again = f.store.create_api_token(&token, None, done(Action::ApiKeyMade)).await;
        assert!(matches!(again, Err(StoreError::Taken { what: "digest" })), "{again:?}");
        let nobody = f.api(f.some_user("cid").id, TokenKind::Key);
        assert!(matches!(f.store.create_api_token(&nobody, None, vec![]).await, Err(StoreError::Gone)));
        let second = f.api(ann.id, TokenKind::Key);
        let full = f.store.create_api_token(&second, Some(1), done(Action::ApiKeyMade)).await;
        assert!(matches!(full, Err(StoreError::Taken { what: "count" })), "{full:?}");
        assert_eq!(f.rows("api_key.made").await, 1, "a refused token left a row");

        // Another's is not theirs to end, and leaves no row.
        assert!(!f.store.revoke_api_token(token.id, Some(bob.id), done(Action::ApiKeyRevoked)).await.unwrap());
        let off = done(Action::ApiKeyDisabled);
        assert!(!f.store.set_api_token_enabled(token.id, Some(bob.id), false, off).await.unwrap());
        assert!(f.counts(&token).await && f.rows("api_key.revoked").await == 0);
        assert!(f.store.set_api_token_enabled(token.id, None, false, vec![]).await.unwrap());
        assert!(!f.counts(&token).await);
        assert!(f.store.set_api_token_enabled(token.id, None, true, vec![]).await.unwrap());
        assert!(f.counts(&token).await);
        // What does not count any more does not fill the number either.
        f.clock.advance(HOUR);
        assert!(!f.counts(&token).await, "over");
        f.store.create_api_token(&f.api(ann.id, TokenKind::Key), Some(1), vec![]).await.unwrap();
        assert!(f.store.revoke_api_token(token.id, Some(ann.id), done(Action::ApiKeyRevoked)).await.unwrap());
        assert!(f.store.api_token(token.id).await.unwrap().is_none());
    }

    // proves: ID-16
    async fn of_twenty_who_make_a_key_at_once_no_more_get_one_than_may(f: Fixture) {
        let ann = f.user("ann").await;
        let tries: Vec<_> = (0..20).map(|_| {
            let (store, token) = (f.store.clone(), f.api(ann.id, TokenKind::Key));
            tokio::spawn(async move { store.create_api_token(&token, Some(3), vec![]).await.is_ok() })
        }).collect();
        let mut made = 0;
        for one in tries {
            made += usize::from(one.await.unwrap());
        }
        assert_eq!((made, f.store.api_tokens_of(ann.id).await.unwrap().len()), (3, 3));
    }

    // proves: ID-13, AUD-1
    async fn of_two_hundred_at_once_one_uses_a_breakglass_token(f: Fixture) {
        let user = f.user("breakglass").await;
        let token = f.kept(user.id, TokenKind::Breakglass).await;
        let tries: Vec<_> = (0..200).map(|_| {
            let session = Session { kind: SessionKind::Breakglass, ..f.session(user.id) };
            let (store, digest) = (f.store.clone(), token.digest);
            tokio::spawn(async move { store.use_breakglass(&digest, &session, None, done(Action::BreakglassUsed)).await.unwrap() })
        }).collect();
        let mut used = 0;
        for one in tries {
            used += usize::from(one.await.unwrap());
        }
        assert_eq!((used, f.store.sessions_of(user.id).await.unwrap().len()), (1, 1));
        assert_eq!(f.rows("breakglass.used").await, 1);
        assert!(!f.counts(&token).await, "it names somebody after its use");
    }

    // proves: ID-8, ID-13, AUD-1
    async fn a_breakglass_token_is_used_up_with_the_end_of_the_former_session_or_not_at_all(f: Fixture) {
        if matches!(f.location, Location::Memory) {
            return;
        }
        let (ann, user) = (f.user("ann").await, f.user("breakglass").await);
        let token = f.kept(user.id, TokenKind::Breakglass).await;
        let former = f.session(ann.id);
        f.store.create_session(&former, None, vec![]).await.unwrap();
        let begin = async || {
            let session = Session { kind: SessionKind::Breakglass, ..f.session(user.id) };
            let left = (former.id, ann.id, event(Action::SessionRevoked, "former"));
            f.store.use_breakglass(&token.digest, &session, Some(left), done(Action::BreakglassUsed)).await
        };
        // Whatever it may be that keeps a session from being ended.
        f.attack("CREATE TABLE held (id BYTEA REFERENCES sessions (id)); INSERT INTO held SELECT id FROM sessions").await.unwrap();
        begin().await.unwrap_err();
        assert!(f.counts(&token).await, "used up for nothing");
        assert!(f.store.sessions_of(user.id).await.unwrap().is_empty());
        assert_eq!((f.rows("breakglass.used").await, f.rows("session.revoked").await), (0, 0));
        f.attack("DELETE FROM held").await.unwrap();
        assert!(begin().await.unwrap());
        assert!(f.store.session(&former.digest).await.unwrap().is_none());
        assert_eq!((f.rows("breakglass.used").await, f.rows("session.revoked").await), (1, 1));
        assert!(!begin().await.unwrap(), "a second time");
        assert_eq!(f.rows("session.revoked").await, 1);
    }

    // Whoever holds the session must not be able to keep the report from being made.
    // proves: ID-13, INC-2
    async fn a_used_breakglass_token_is_reported_whatever_ended_its_session(f: Fixture) {
        for ending in ["token", "tokens", "user", "everything", "time"] {
            let user = f.user(&format!("breakglass-{ending}")).await;
            let token = f.kept(user.id, TokenKind::Breakglass).await;
            let session = Session { kind: SessionKind::Breakglass, ..f.session(user.id) };
            assert!(f.store.use_breakglass(&token.digest, &session, None, vec![]).await.unwrap());
            let now = f.world.now();
            assert!(f.store.breakglass_over(now).await.unwrap().is_empty(), "{ending}: it goes on");
            match ending {
                "token" => {
                    assert!(!f.store.revoke_api_token(token.id, None, vec![]).await.unwrap());
                    assert!(!f.store.set_api_token_enabled(token.id, None, false, vec![]).await.unwrap());
                    f.store.end_session(session.id, user.id, vec![]).await.unwrap();
                }
                "tokens" => {
                    assert_eq!(f.store.revoke_api_tokens_of(user.id, vec![]).await.unwrap(), 0);
                    f.store.end_sessions_of(user.id, None, vec![]).await.unwrap();
                }
                "user" => f.store.set_enabled(user.id, false, vec![]).await.unwrap(),
                "everything" => {
                    let ended = f.store.revoke_access(&Reach::User(user.id), vec![]).await.unwrap();
                    assert_eq!((ended.sessions, ended.tokens), (1, 0));
                }
                _ => f.clock.advance(HOUR),
            }
            let over = f.store.breakglass_over(f.world.now()).await.unwrap();
            assert_eq!(over.iter().map(|one| one.id).collect::<Vec<_>>(), [token.id], "{ending}");
            assert!(f.store.close_breakglass(&over[0], done(Action::BreakglassClosed)).await.unwrap());
            assert!(!f.store.close_breakglass(&over[0], done(Action::BreakglassClosed)).await.unwrap());
            assert!(!f.store.user(user.id).await.unwrap().unwrap().enabled);
        }
        assert_eq!(f.rows("breakglass.closed").await, 5);
    }

    // proves: ID-14, ID-12
    async fn a_session_that_a_token_began_ends_with_it_and_there_are_no_more_than_may_be(f: Fixture) {
        let ann = f.user("ann").await;
        for ending in ["disable", "revoke", "all", "rotate"] {
            let token = f.kept(ann.id, TokenKind::User).await;
            let other = f.kept(ann.id, TokenKind::User).await;
            let mut sessions = Vec::new();
            for _ in 0..3 {
                f.clock.advance(Duration::from_millis(1));
                sessions.push(f.guest(ann.id));
            }
            let (one, two, third) = (&sessions[0], &sessions[1], &sessions[2]);
            assert!(f.store.begin_by_token(&token.digest, one, Some(2), vec![]).await.unwrap());
            assert!(f.store.begin_by_token(&token.digest, two, Some(2), vec![]).await.unwrap());
            assert!(f.store.begin_by_token(&token.digest, third, Some(2), vec![]).await.unwrap());
            assert!(!f.lives(one).await && f.lives(two).await && f.lives(third).await, "{ending}");
            let beside = f.guest(ann.id);
            assert!(f.store.begin_by_token(&other.digest, &beside, None, vec![]).await.unwrap());
            match ending {
                "disable" => drop(f.store.set_api_token_enabled(token.id, None, false, vec![]).await.unwrap()),
                "revoke" => drop(f.store.revoke_api_token(token.id, None, vec![]).await.unwrap()),
                "rotate" => {
                    let next = f.api(ann.id, TokenKind::User);
                    assert!(f.store.rotate_api_token(token.id, &next, f.world.now(), vec![]).await.unwrap());
                }
                _ => drop(f.store.revoke_api_tokens_of(ann.id, vec![]).await.unwrap()),
            }
            assert!(!f.lives(two).await && !f.lives(third).await, "{ending}");
            assert_eq!(f.lives(&beside).await, ending != "all", "{ending}");
            assert!(!f.store.begin_by_token(&token.digest, &f.guest(ann.id), None, done(Action::SignedIn)).await.unwrap());
            f.store.revoke_api_tokens_of(ann.id, vec![]).await.unwrap();
        }
        assert_eq!(f.rows("session.signed_in").await, 0);
    }

    // proves: ID-16
    async fn a_key_is_rotated_once_and_the_former_ends_when_it_was_told(f: Fixture) {
        let ann = f.user("ann").await;
        let token = f.kept(ann.id, TokenKind::Key).await;
        let until = f.world.now().plus(HOUR / 2);
        let tries: Vec<_> = (0..20).map(|_| {
            let (store, next, id) = (f.store.clone(), f.api(ann.id, TokenKind::Key), token.id);
            tokio::spawn(async move { store.rotate_api_token(id, &next, until, done(Action::ApiKeyRotated)).await.unwrap() })
        }).collect();
        let mut rotated = 0;
        for one in tries {
            rotated += usize::from(one.await.unwrap());
        }
        assert_eq!((rotated, f.store.api_tokens_of(ann.id).await.unwrap().len()), (1, 2));
        assert_eq!(f.rows("api_key.rotated").await, 1);
        assert!(f.counts(&token).await);
        f.clock.advance(HOUR / 2);
        assert!(!f.counts(&token).await);
    }

    // Whoever had the account may have made keys to come back by; a password that is only changed says nothing of them.
    // proves: ID-4, ID-16, INC-2
    async fn keys_end_with_a_reset_and_with_their_user_and_not_with_a_changed_password(f: Fixture) {
        let of = f.user("ann").await;
        let key = f.kept(of.id, TokenKind::Key).await;
        f.store.set_password(&of, &password("a new hash", f.world.now(), 0), None, None, vec![]).await.unwrap();
        assert!(f.counts(&key).await, "a changed password");
        let of = f.store.user(of.id).await.unwrap().unwrap();
        f.store.create_link(&f.link(of.id, 1), vec![]).await.unwrap();
        let new = password("another", f.world.now(), 0);
        f.store.redeem_link(&[1; 32], &of, true, &new, None, vec![]).await.unwrap();
        assert!(!f.counts(&key).await, "a reset");
        assert!(f.store.api_token(key.id).await.unwrap().is_some(), "its owner can see that there was one");

        let key = f.kept(of.id, TokenKind::Key).await;
        f.store.set_enabled(of.id, false, vec![]).await.unwrap();
        f.store.set_enabled(of.id, true, vec![]).await.unwrap();
        assert!(!f.counts(&key).await, "it came back with its user");

        let key = f.kept(of.id, TokenKind::Key).await;
        let north = TenantId::parse("north").unwrap();
        f.store.revoke_access(&Reach::Tenant(north), vec![]).await.unwrap();
        assert!(f.counts(&key).await, "another tenant's incident");
        assert_eq!(f.store.revoke_access(&Reach::Everybody, vec![]).await.unwrap().tokens, 1);
        assert!(!f.counts(&key).await);
    }

    // proves: ID-12, ACC-3
    async fn pages_of_tokens_are_of_one_tenant_or_of_all_and_come_to_an_end(f: Fixture) {
        let north = TenantId::parse("north").unwrap();
        let ann = User { tenant: Some(north.clone()), ..f.some_user("ann") };
        f.store.create_user(&ann, vec![]).await.unwrap();
        let bob = f.user("bob").await;
        let mut of_ann = Vec::new();
        for _ in 0..3 {
            for user in [&bob, &ann] {
                f.clock.advance(Duration::from_millis(1));
                let token = f.kept(user.id, TokenKind::Key).await;
                if user.id == ann.id {
                    of_ann.push(token.id);
                }
            }
        }
        let page = async |tenant: Option<&TenantId>, after, limit| -> Vec<KeyId> {
            f.store.api_tokens(tenant, after, limit).await.unwrap().iter().map(|token| token.id).collect()
        };
        assert_eq!(page(Some(&north), None, 2).await, of_ann[..2]);
        assert_eq!(page(Some(&north), Some(of_ann[1]), 2).await, of_ann[2..]);
        assert_eq!(page(Some(&north), Some(of_ann[2]), 2).await, []);
        assert_eq!(page(None, None, 1000).await.len(), 6);
        let seen = f.world.now().plus(HOUR);
        f.store.touch_api_tokens(&[([9; 32], seen)]).await.unwrap();
        assert!(f.store.api_tokens(None, None, 1000).await.unwrap().iter().all(|token| token.last_used.is_none()));
    }

    // A cookie that was planted before must not be worth what its owner proves after it.
    // proves: ID-8, ID-17
    async fn a_proof_anew_leaves_no_former_cookie(f: Fixture) {
        let ann = f.user("ann").await;
        let session = f.session(ann.id);
        f.store.create_session(&session, None, vec![]).await.unwrap();
        f.store.set_roles(ann.id, &["admin".into()], vec![]).await.unwrap();
        let until = f.world.now().plus(HOUR);
        let rotated = Renewal { session: session.id, was: session.digest, becomes: [1; 32] };
        assert!(f.store.rotate_session(rotated, until, vec![]).await.unwrap());
        assert!(f.store.session_by_either(&session.digest).await.unwrap().is_some(), "for a moment");
        let renewed = Renewal { session: session.id, was: [1; 32], becomes: [2; 32] };
        f.store.renew_session(ann.id, renewed, vec![]).await.unwrap();
        for former in [session.digest, [1; 32]] {
            assert!(f.store.session_by_either(&former).await.unwrap().is_none());
        }
        assert!(f.store.session_by_either(&[2; 32]).await.unwrap().is_some());
    }
}
