//! Roles that follow a provider's groups: what it says counts letter by letter, and nothing else does (ID-6).

use palisade_model::audit::Origin;
use serde_json::{Value, json};

use super::evil::{Forged, Signed};
use super::{COMPANY, Place, session};

const MAP: &str = "default_roles = [\"user\"]\n[identify.oidc.company.roles]\nclaim = \"groups\"\n\
                   map = { \"parts-admins\" = \"admin\", \"audit\" = \"auditor\" }";

/// The roles of whoever signs in with that claim, as they are kept.
async fn roles(place: &Place, groups: Value) -> Vec<String> {
    place.come_back(|forged| forged.claims["groups"] = groups).await.map(session).unwrap();
    kept(place).await
}

async fn kept(place: &Place) -> Vec<String> {
    place.house.store.user_by_identity(COMPANY, "ada").await.unwrap().unwrap().roles
}

async fn changes(place: &Place) -> usize {
    place.house.count("user.changed").await
}

// proves: ID-6, ACC-1
#[tokio::test]
async fn roles_follow_the_groups_at_each_sign_in_and_what_was_given_here_stays() {
    let place = Place::new(MAP).await;
    assert_eq!(roles(&place, json!(["parts-admins", "others"])).await, ["user", "admin"]);
    let first = session(place.come_back(|f| f.claims["groups"] = json!(["parts-admins"])).await.unwrap());
    assert_eq!(first.principal.role_names(), ["admin", "manager", "user"]);
    assert_eq!(changes(&place).await, 1, "only what changes is written");

    // The group is gone, and so is the role, in the sessions that are there as well.
    let before = place.house.store.sessions_of(first.principal.user()).await.unwrap().len();
    assert_eq!(roles(&place, json!("audit")).await, ["user", "auditor"]);
    let there = place.access.session(first.cookie.expose()).await.unwrap().unwrap();
    assert_eq!(there.role_names(), ["user", "auditor"]);
    assert!(there.renewed().is_some(), "another id, as at any change of rights");
    assert_eq!(place.house.store.sessions_of(first.principal.user()).await.unwrap().len(), before + 1);
    let row = place.house.trail().await.into_iter().rev().find(|row| row.action == "user.changed").unwrap();
    let changes = row.personal.unwrap().changes;
    assert_eq!(changes["roles"], json!({"old": ["user", "admin"], "new": ["user", "auditor"]}));
    assert_eq!(changes["provider"]["new"], "company");

    // Given by hand, it is not the provider's to take away.
    let user = first.principal.user();
    let by_hand = ["user".to_owned(), "admin".to_owned()];
    place.access.set_roles(user, &by_hand, None, &Origin::default()).await.unwrap();
    assert_eq!(roles(&place, json!(["parts-admins", "audit"])).await, ["user", "admin", "auditor"]);
    assert_eq!(roles(&place, json!([])).await, ["user", "admin"]);
}

// proves: ID-6, ACC-1
#[tokio::test]
async fn a_claim_that_is_none_gives_nothing_and_takes_away_what_it_gave() {
    let many: Vec<String> = (0..100_000).map(|n| format!("group-{n}")).collect();
    let mut hidden = many.clone();
    hidden.push("parts-admins".into());
    for (claim, given) in [
        (json!(null), &["user"][..]),
        (json!({"parts-admins": true, "admin": ["parts-admins"]}), &["user"]),
        (json!([{"name": "parts-admins"}, ["parts-admins"], 7, null, true]), &["user"]),
        (json!(7), &["user"]),
        (json!(many), &["user"]),
        (json!(hidden), &["user", "admin"]),
        (json!("parts-admins audit"), &["user"]),
        (json!("parts-admins,audit"), &["user"]),
        (json!("Parts-Admins"), &["user"]),
        (json!("parts-admins "), &["user"]),
        (json!("pаrts-admins"), &["user"]),
        (json!("parts-admins\u{200b}"), &["user"]),
        (json!(["admin", "administrator", "*", ""]), &["user"]),
        (json!(["audit", "audit", 7, "x"]), &["user", "auditor"]),
    ] {
        let place = Place::new(MAP).await;
        assert_eq!(roles(&place, json!(["parts-admins"])).await, ["user", "admin"]);
        let told = claim.to_string().chars().take(60).collect::<String>();
        assert_eq!(roles(&place, claim).await, given, "{told}");
    }
    let place = Place::new(MAP).await;
    roles(&place, json!(["parts-admins"])).await;
    let bare = |forged: &mut Forged| {
        forged.without("groups");
        forged.info = json!({"sub": "ada"});
    };
    place.come_back(bare).await.map(session).unwrap();
    assert_eq!(kept(&place).await, ["user"], "no claim is no group");
}

// proves: ID-6
#[tokio::test]
async fn a_token_that_is_not_believed_gives_and_takes_nothing() {
    let place = Place::new(MAP).await;
    roles(&place, json!(["audit"])).await;
    let lies: [fn(&mut Forged); 4] = [
        |f| f.signed = Signed::ByForeignKey,
        |f| f.signed = Signed::None,
        |f| f.claims["aud"] = "somebody-else".into(),
        |f| f.claims["nonce"] = "another".into(),
    ];
    for lie in lies {
        let refused = place
            .come_back(|forged| {
                forged.claims["groups"] = json!(["parts-admins"]);
                lie(forged);
            })
            .await;
        assert!(refused.is_err());
    }
    assert_eq!((kept(&place).await, changes(&place).await), (vec!["user".to_owned(), "auditor".into()], 1));
    // The user info is another subject's.
    let refused = place.come_back(|f| f.info = json!({"sub": "eve", "groups": ["parts-admins"]})).await;
    assert!(refused.is_err());
    assert_eq!(kept(&place).await, ["user", "auditor"]);
    // Its own counts, where the token names no groups; and not where it does.
    place.come_back(|f| f.info = json!({"sub": "ada", "groups": ["parts-admins"]})).await.unwrap();
    assert_eq!(kept(&place).await, ["user", "admin"]);
    place
        .come_back(|f| {
            f.claims["groups"] = json!([]);
            f.info = json!({"sub": "ada", "groups": ["parts-admins"]});
        })
        .await
        .unwrap();
    assert_eq!(kept(&place).await, ["user"]);
}

// proves: ID-6
#[tokio::test]
async fn roles_that_came_by_an_account_elsewhere_go_when_it_is_unlinked() {
    let place = Place::new(MAP).await;
    roles(&place, json!(["parts-admins"])).await;
    let new = session(place.come_back(|f| f.claims["groups"] = json!(["parts-admins"])).await.unwrap());
    let store = &place.house.store;
    let user = new.principal.user();
    let hash =
        crate::house::new_password("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", place.house.world.now());
    let read = store.user(user).await.unwrap().unwrap();
    store.set_password(&read, &hash, None, None, vec![]).await.unwrap();
    let new = session(place.come_back(|f| f.claims["groups"] = json!(["parts-admins"])).await.unwrap());
    assert!(place.access.unlink(&new.principal, COMPANY, "ada", &Origin::default()).await.unwrap());
    assert_eq!(store.user(user).await.unwrap().unwrap().roles, ["user"]);
    let there = place.access.session(new.cookie.expose()).await.unwrap().unwrap();
    assert_eq!(there.role_names(), ["user"], "at once");
}
