//! Registration, and users that an administrator makes.

use palisade_access::{NewUser, SignUp, SignedUp};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal};

use crate::house::{GOOD, House, LIGHT, origin, secret};

fn form(name: &str, email: Option<&str>, password: &str) -> SignUp {
    SignUp { name: name.into(), email: email.map(str::to_owned), password: secret(password) }
}

fn fields(refusal: &Refusal) -> Vec<&str> {
    assert_eq!(refusal.denial, Denial::InvalidInput);
    refusal.fields.iter().map(|fault| fault.field.as_ref()).collect()
}

async fn open() -> House {
    House::with(&format!("{LIGHT}\n[identify.sign_up]\nopen = true\nroles = [\"user\"]")).await
}

// proves: ID-1
#[tokio::test]
async fn a_visitor_registers_and_gets_the_default_role_and_no_other() {
    let house = open().await;
    let made = house.access.sign_up(form("alice", Some("a@tracker.example"), GOOD), &origin()).await.unwrap();
    let SignedUp::Made(user) = made else { panic!("{made:?}") };
    let session = house
        .access
        .sign_in("a@tracker.example", &secret(GOOD), &origin(), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    assert_eq!(session.principal.user(), user);
    assert_eq!(session.principal.role_names(), ["user"]);
    assert_eq!(session.principal.tenant(), None);
    assert_eq!(house.count("user.created").await, 1);
    let kept = house.store.user(user).await.unwrap().unwrap();
    assert!(kept.password.unwrap().starts_with("$argon2id$"));
}

// proves: ID-1
#[tokio::test]
async fn it_is_closed_unless_the_policy_opens_it() {
    let house = House::new().await;
    let refusal = house.access.sign_up(form("alice", None, GOOD), &origin()).await.unwrap_err();
    assert_eq!((refusal.denial, refusal.status()), (Denial::SignUpClosed, 403));
    assert_eq!(house.store.user_count().await.unwrap(), 0);
}

// proves: ID-1, ID-2
#[tokio::test]
async fn faults_name_their_field_and_make_nobody() {
    let house = open().await;
    let tries = [
        (form("a b", None, GOOD), "name"),
        (form("mallory@tracker.example", None, GOOD), "name"),
        (form("alice", Some("nowhere"), GOOD), "email"),
        (form("alice", None, "alice in chains 9"), "password"),
        (form("alice", None, "password"), "password"),
        (form("alice", None, ""), "password"),
    ];
    for (form, field) in tries {
        let refusal = house.access.sign_up(form, &origin()).await.unwrap_err();
        assert_eq!(fields(&refusal)[0], field);
    }
    assert_eq!(house.store.user_count().await.unwrap(), 0);
    assert_eq!(house.count("user.created").await, 0);
}

/// Neither which of the two is taken, nor whose: and an address in the place of a name takes nobody's mail.
// proves: ID-1
#[tokio::test]
async fn a_taken_name_and_a_taken_address_read_alike() {
    let house = open().await;
    house.access.sign_up(form("alice", Some("a@tracker.example"), GOOD), &origin()).await.unwrap();
    let mut answers = Vec::new();
    for (name, email) in
        [("ALICE", "b@tracker.example"), ("bob", "A@tracker.example"), ("alice", "a@tracker.example")]
    {
        let refusal = house.access.sign_up(form(name, Some(email), GOOD), &origin()).await.unwrap_err();
        answers.push(format!("{refusal:?}"));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    assert_eq!(house.store.user_count().await.unwrap(), 1);
}

// proves: ACC-1, AUD-1
#[tokio::test]
async fn an_administrators_doings_are_in_the_trail_with_before_and_after() {
    let house = House::new().await;
    let admin = house.user("root", &["admin"]).await;
    let user = house.user("alice", &["user"]).await;
    let roles = ["manager".to_owned()];
    house.access.set_roles(user, &roles, Some(admin), &origin()).await.unwrap();
    let rows = house.trail().await;
    let changed = rows.iter().find(|row| row.action == "user.changed").unwrap();
    assert_eq!((changed.user, changed.entity_id.clone()), (Some(admin), user.to_string()));
    let changes = &changed.personal.as_ref().unwrap().changes;
    assert_eq!(changes["roles"], serde_json::json!({"old": ["user"], "new": ["manager"]}));

    let unknown =
        house.access.set_roles(user, &["emperor".to_owned()], Some(admin), &origin()).await.unwrap_err();
    assert_eq!(fields(&unknown), ["roles"]);
    let twice = NewUser { name: "ALICE".into(), ..NewUser::default() };
    let refusal = house.access.create_user(twice, Some(admin), &origin()).await.unwrap_err();
    assert_eq!(fields(&refusal), ["name"]);
    let nobody = palisade_model::id::UserId::generate(house.world.now(), &*house.world.entropy).unwrap();
    let refusal = house.access.disable(nobody, None, &Origin::default()).await.unwrap_err();
    assert_eq!(fields(&refusal), ["user"]);
}
