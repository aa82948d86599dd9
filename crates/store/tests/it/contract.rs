//! The contract, one test for each promise.

use palisade_model::Action;
use palisade_store::StoreError;

use crate::fixture::{created, on};

on! { [memory sqlite postgres]

    // proves: VAL-4
    async fn every_statement_fits_the_schema(f: Fixture) {
        assert!(f.store.check_statements().await.unwrap() > 40);
    }

    // proves: ID-2, AUD-1
    async fn a_name_or_email_is_taken_once_as_either(f: Fixture) {
        let ann = f.user("Ann").await;
        assert_eq!(f.store.user(ann.id).await.unwrap(), Some(ann.clone()));
        assert_eq!(f.store.user_by_login("ANN").await.unwrap(), Some(ann.clone()));
        assert_eq!(f.store.user_by_login("ann@example.COM").await.unwrap(), Some(ann.clone()));
        assert_eq!(f.store.user_by_login("ann\0").await.unwrap(), None);

        for (name, email, what) in [
            ("aNN", None, "name"),
            ("Bob", Some("ANN@example.com"), "email"),
            ("ann@example.com", None, "name"),
            ("bob", Some("ann"), "email"),
        ] {
            let mut user = f.some_user(name);
            user.email = email.map(Into::into);
            assert_eq!(
                f.store.create_user(&user, vec![created(&user)]).await,
                Err(StoreError::Taken { what }),
                "{name} {email:?}"
            );
            assert_eq!(f.store.user(user.id).await.unwrap(), None);
        }
        assert_eq!(f.store.user_by_login("bob").await.unwrap(), None, "a refused user left a login behind");
        assert_eq!(f.store.user_count().await.unwrap(), 1);
        assert_eq!(f.actions().await, [Action::UserCreated.name()], "a refused user left a row in the trail");
    }

    // proves: AUD-2
    async fn the_chain_holds_over_all_kinds_of_writes(f: Fixture) {
        let ann = f.user("ann").await;
        f.store.create_session(&f.session(ann.id), None, vec![created(&ann)]).await.unwrap();
        f.store.append(vec![created(&ann), created(&ann)]).await.unwrap();
        let report = f.store.verify_chain().await.unwrap();
        assert!(report.is_whole(), "{:?}", report.faults);
        assert_eq!((report.rows, report.head_seq), (5, 5));
        let first = &f.trail().await[0];
        assert_eq!((first.seq, first.action.as_str()), (1, Action::TrailOpened.name()));
    }
}
