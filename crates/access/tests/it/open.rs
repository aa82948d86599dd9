//! What opening refuses, keeps and imports.

use std::sync::Arc;

use palisade_access::AccessError;

use crate::house::{GOOD, House, LIGHT, origin, policy, secret};

/// argon2id of [`GOOD`] with the cost of [`LIGHT`], made by a house of its own.
async fn hash_of_good() -> String {
    let house = House::new().await;
    let user = house.user("donor", &[]).await;
    house.store.user(user).await.unwrap().unwrap().password.unwrap()
}

// proves: ID-5
#[tokio::test]
async fn users_of_the_environment_are_there_once_and_keep_a_later_password() {
    let users = format!("curator:{}", hash_of_good().await);
    let policy = policy(LIGHT, &[("AUTH_USERS", &users)]);
    let house = House::of(policy).await;
    let session =
        house.access.sign_in("curator", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    assert_eq!(session.principal.role_names(), ["user"]);
    let new = secret("oboe lantern granite 77");
    house.access.change_password(&session.principal, &secret(GOOD), &new, &origin()).await.unwrap();

    let restarted = house.neighbour().await;
    assert!(restarted.sign_in("curator", &secret(GOOD), &origin(), None).await.is_err());
    assert!(restarted.sign_in("curator", &new, &origin(), None).await.is_ok());
    assert_eq!(house.count("user.created").await, 1);
    assert!(house.access.first_administrator().await.unwrap().is_none());
}

// proves: ID-5
#[tokio::test]
async fn a_hash_that_cannot_be_read_stops_the_start_and_names_the_user_alone() {
    let house = House::new().await;
    let good = hash_of_good().await;
    for bad in [
        "$2b$31$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        let users = format!("fine:{good},curator:{bad}");
        let error = house.reopen(Arc::new(policy(LIGHT, &[("AUTH_USERS", &users)]))).await.err().unwrap();
        assert!(matches!(&error, AccessError::UserHash { name } if name == "curator"), "{error}");
        assert!(!error.to_string().contains(&bad[8..]) && !format!("{error:?}").contains(&bad[8..]));
    }
    assert_eq!(house.store.user_count().await.unwrap(), 0, "all or nobody");
}

// proves: ID-9
#[tokio::test]
async fn kept_keys_open_only_with_the_secret_that_sealed_them() {
    let house = House::new().await;
    let stranger = policy(LIGHT, &[("SECRET_KEY", "another root secret for tests, 0123456789")]);
    let error = house.reopen(Arc::new(stranger)).await.err().unwrap();
    assert!(matches!(error, AccessError::Seal { .. }), "{error}");
    assert!(house.reopen(house.policy.clone()).await.is_ok());
}

// proves: POL-1, ID-9
#[tokio::test]
async fn short_or_missing_secrets_stop_the_start() {
    use palisade_model::Secret;
    use palisade_policy::section::app::Deployment;
    let house = House::new().await;
    let bent = |bend: fn(&mut palisade_policy::Policy)| {
        let mut policy = (*house.policy).clone();
        bend(&mut policy);
        Arc::new(policy)
    };
    let short =
        bent(|policy| policy.identify.secret_key = Some(Secret::new("0123456789012345678901234567890")));
    assert!(matches!(house.reopen(short).await.err().unwrap(), AccessError::SecretShort));
    let missing = bent(|policy| {
        policy.identify.secret_key = None;
        policy.app.environment = Deployment::Production;
    });
    assert!(matches!(house.reopen(missing).await.err().unwrap(), AccessError::SecretMissing));
    let weak = bent(|policy| {
        policy.identify.tokens.algorithm = palisade_policy::section::identify::Algorithm::Hs256;
        policy.identify.tokens.secret = Some(Secret::new("short"));
    });
    assert!(matches!(house.reopen(weak).await.err().unwrap(), AccessError::TokenSecretShort));
}
