//! Second factors, and the ceremonies in which they are shown.

use std::time::Duration;

use palisade_model::Action;
use palisade_store::{
    FactorChange, FactorPurpose, FactorTaken, FactorUse, Passkey, Pending, Renewal, StoreError,
};

use crate::fixture::{HOUR, event, on, password};

on! { [memory sqlite postgres]
    // proves: ID-17
    async fn whoever_has_a_factor_gets_no_weak_session_and_no_weak_tokens(f: Fixture) {
        let ann = f.user("ann").await;
        let (before, token) = (f.session(ann.id), f.token(ann.id));
        f.store.create_session(&before, None, vec![]).await.unwrap();
        f.store.create_family(&token, vec![]).await.unwrap();
        let mut asking = f.session(ann.id);
        asking.digest = [9; 32];
        f.store.create_session(&asking, None, vec![]).await.unwrap();
        let renewal = Renewal { session: asking.id, was: asking.digest, becomes: [10; 32] };
        let add = FactorChange::AddTotp { sealed: b"sealed".to_vec(), step: 7 };
        let codes = Some(vec![[1; 32], [2; 32]]);
        let row = vec![event(Action::FactorAdded, "ann")];
        f.clock.advance(HOUR / 60);
        let on = f.store.change_factors(ann.id, add.clone(), codes, Some(renewal), row).await.unwrap().unwrap();
        assert!(on.strong && on.id == asking.id && on.digest == [10; 32]);
        assert_eq!(on.proven_at, asking.proven_at, "a change proves nothing");
        assert!(f.store.session(&[9; 32]).await.unwrap().is_none(), "the former cookie");
        assert_eq!(f.store.session(&[10; 32]).await.unwrap().unwrap().0, on);
        let factors = f.store.factors(ann.id).await.unwrap();
        assert_eq!((factors.totp, factors.passkeys, factors.recovery_codes), (true, 0, 2));
        assert!(f.store.session(&before.digest).await.unwrap().is_none(), "what was weak has ended");
        assert!(f.store.family_live(token.family).await.unwrap().is_none());

        let rows = f.actions().await.len();
        let weak = f.session(ann.id);
        let refused = f.store.create_session(&weak, None, vec![event(Action::SignedIn, "ann")]).await;
        assert_eq!(refused, Err(StoreError::FactorNeeded));
        assert_eq!(f.store.create_family(&f.token(ann.id), vec![]).await, Err(StoreError::FactorNeeded));
        assert_eq!(f.actions().await.len(), rows);
        let mut strong = f.session(ann.id);
        strong.strong = true;
        f.store.create_session(&strong, None, vec![]).await.unwrap();

        let twice = f.store.change_factors(ann.id, add, None, None, vec![]).await;
        assert_eq!(twice, Err(StoreError::Gone), "an application is there already");
        let stale = Renewal { session: asking.id, was: [9; 32], becomes: [11; 32] };
        let stale = f.store.change_factors(ann.id, FactorChange::RemoveTotp, None, Some(stale), vec![]).await;
        assert_eq!(stale, Err(StoreError::Gone), "by a cookie that was given up");
        assert!(f.store.factors(ann.id).await.unwrap().totp);
        let weak = Renewal { session: asking.id, was: [10; 32], becomes: [11; 32] };
        let weak = f.store.renew_session(ann.id, weak, vec![]).await;
        assert_eq!(weak, Err(StoreError::FactorNeeded), "a password is not enough");
        assert!(f.store.session(&strong.digest).await.unwrap().is_some(), "nothing was changed, so nothing ends");
        f.store.change_factors(ann.id, FactorChange::RemoveTotp, None, None, vec![]).await.unwrap();
        assert_eq!(f.store.factors(ann.id).await.unwrap(), Default::default(), "the codes went with it");
        f.store.create_session(&f.session(ann.id), None, vec![]).await.unwrap();
    }

    // proves: ID-17
    async fn a_step_a_code_and_a_ticket_are_each_taken_once(f: Fixture) {
        let (ann, bob) = (f.user("ann").await, f.user("bob").await);
        let add = FactorChange::AddTotp { sealed: b"sealed".to_vec(), step: 7 };
        f.store.change_factors(ann.id, add, Some(vec![[1; 32]]), None, vec![]).await.unwrap();
        let step = |step| FactorUse::Totp { was: b"sealed".to_vec(), becomes: b"sealed".to_vec(), step };
        let used = async |factor, ticket: Option<(&'static str, [u8; 32])>| {
            let purpose = ticket
                .map_or(FactorPurpose::First, |(kind, digest)| FactorPurpose::Second { kind, digest });
            f.store.use_factor(ann.id, factor, purpose, vec![]).await.map(|taken| taken == FactorTaken::Taken)
        };
        assert_eq!(used(step(7), None).await, Ok(false), "the step that confirmed it");
        assert_eq!(used(step(9), None).await, Ok(true));
        assert_eq!(used(step(9), None).await, Ok(false), "again");
        assert_eq!(used(step(8), None).await, Ok(false), "an earlier one");
        let foreign = FactorUse::Totp { was: b"other".to_vec(), becomes: b"other".to_vec(), step: 20 };
        assert_eq!(used(foreign, None).await, Ok(false), "of another secret");

        let pending = |n: u8, user| Pending {
            digest: [n; 32],
            kind: "second".into(),
            user: Some(user),
            state: vec![n],
            tries: 0,
            expires_at: f.world.now().plus(HOUR),
        };
        f.store.begin_pending(&pending(5, ann.id), vec![]).await.unwrap();
        f.store.begin_pending(&pending(6, bob.id), vec![]).await.unwrap();
        let code = FactorUse::RecoveryCode([1; 32]);
        assert_eq!(used(code.clone(), Some(("second", [6; 32]))).await, Err(StoreError::Gone), "the ticket of another");
        assert!(f.store.pending(&[6; 32], "second").await.unwrap().is_some(), "which is left alone");
        assert_eq!(used(code.clone(), Some(("other", [5; 32]))).await, Err(StoreError::Gone), "of another kind");
        assert_eq!(used(code.clone(), Some(("second", [5; 32]))).await, Ok(true), "was not used up by what failed");
        assert_eq!(used(code, Some(("second", [5; 32]))).await, Ok(false));
        assert_eq!(used(step(10), Some(("second", [5; 32]))).await, Err(StoreError::Gone), "the ticket is used up");
        assert_eq!(used(step(10), None).await, Ok(true), "and the step was not");
    }

    // proves: ID-17
    async fn a_ceremony_counts_tries_and_ends_with_time_password_and_factors(f: Fixture) {
        let ann = f.user("ann").await;
        let begin = async |n: u8| {
            let pending = Pending {
                digest: [n; 32],
                kind: "second".into(),
                user: Some(ann.id),
                state: vec![],
                tries: 0,
                expires_at: f.world.now().plus(HOUR),
            };
            f.store.begin_pending(&pending, vec![]).await.unwrap();
        };
        let there = async |n: u8| f.store.pending(&[n; 32], "second").await.unwrap().is_some();
        begin(1).await;
        for tries in 1..=5 {
            assert_eq!(f.store.try_pending(&[1; 32], "second", 5).await.unwrap().unwrap().tries, tries);
        }
        assert!(f.store.try_pending(&[1; 32], "second", 5).await.unwrap().is_none());
        assert!(f.store.take_pending(&[1; 32], "second").await.unwrap().is_some());
        assert!(f.store.take_pending(&[1; 32], "second").await.unwrap().is_none());

        begin(2).await;
        f.store.set_password(&ann, &password("new", f.world.now(), 5), None, None, vec![]).await.unwrap();
        assert!(!there(2).await, "another password");
        begin(3).await;
        let passkey = Passkey {
            id: b"credential".to_vec(),
            user: ann.id,
            name: "phone".into(),
            credential: "{}".into(),
            created_at: f.world.now(),
            last_used: None,
        };
        f.store.change_factors(ann.id, FactorChange::AddPasskey(passkey.clone()), None, None, vec![]).await.unwrap();
        assert!(!there(3).await, "another factor");
        assert_eq!(f.store.passkeys(ann.id).await.unwrap(), std::slice::from_ref(&passkey));
        let twice = FactorChange::AddPasskey(passkey);
        assert_eq!(f.store.change_factors(ann.id, twice, None, None, vec![]).await, Err(StoreError::Gone));
        begin(4).await;
        f.clock.advance(HOUR + Duration::from_secs(1));
        assert!(!there(4).await, "too late");
        begin(5).await;
        f.store.set_enabled(ann.id, false, vec![]).await.unwrap();
        assert!(!there(5).await, "disabled");
    }
}
