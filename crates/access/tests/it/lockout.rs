//! Lockouts: guessing is stopped, whoever guesses and wherever from; and its owner is never locked out by it.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::Locked;
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_model::{ClientAddress, Denial, Refusal};

use crate::house::{BETTER, GOOD, House, LIGHT, from, origin, policy, secret};

const MINUTE: Duration = Duration::from_secs(60);

async fn enter(house: &House, login: &str, password: &str, origin: &Origin) -> Result<(), Refusal> {
    house.access.sign_in(login, &secret(password), origin, None).await.map(drop)
}

async fn denied(house: &House, login: &str, password: &str, origin: &Origin) -> Refusal {
    enter(house, login, password, origin).await.unwrap_err()
}

/// Fails so often from so many addresses.
async fn fail(house: &House, login: &str, times: u8) {
    for n in 0..times {
        let refusal = denied(house, login, "wrong password", &from(&format!("203.0.113.{n}"))).await;
        assert_eq!(refusal.denial, Denial::SignInFailed, "{n}");
    }
}

// proves: LIMIT-3
#[tokio::test]
async fn after_five_failures_an_address_is_locked_out_even_with_the_right_password_each_time_for_longer() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    for (n, minutes) in [15, 30, 60].into_iter().enumerate() {
        for _ in 0..5 {
            assert_eq!(denied(&house, "nobody", "x", &origin()).await.denial, Denial::SignInFailed);
        }
        let refusal = denied(&house, "alice", GOOD, &origin()).await;
        assert_eq!(refusal.denial, Denial::LockedOut);
        assert_eq!(refusal.retry_after, Some(MINUTE * minutes));
        assert_eq!(house.count("session.signed_in").await, 0);
        assert_eq!(house.count("lockout.began").await, n + 1, "one row for one lockout");
        house.clock.advance(MINUTE * minutes);
    }
    assert!(enter(&house, "alice", GOOD, &origin()).await.is_ok());
    assert!(enter(&house, "alice", GOOD, &from("198.51.100.9")).await.is_ok(), "others never noticed");
}

/// An attacker signs in to an account of their own in between.
// proves: LIMIT-3
#[tokio::test]
async fn signing_in_elsewhere_gives_an_address_no_new_attempts() {
    let house = House::new().await;
    house.user("victim", &["user"]).await;
    house.user("mallory", &["user"]).await;
    for n in 1..=5 {
        assert_eq!(denied(&house, "victim", "guess", &origin()).await.denial, Denial::SignInFailed);
        let own = enter(&house, "mallory", GOOD, &origin()).await;
        assert_eq!(own.is_ok(), n < 5, "after {n} failures");
    }
}

// proves: LIMIT-3
#[tokio::test]
async fn success_costs_nothing() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    for _ in 0..30 {
        enter(&house, "alice", GOOD, &origin()).await.unwrap();
    }
    assert_eq!(
        house.access.unlock(&Locked::All, None, &Origin::default()).await.unwrap(),
        0,
        "nothing is kept"
    );
}

/// Many addresses, one account, by its name and by its e-mail.
// proves: LIMIT-3, ID-1
#[tokio::test]
async fn many_addresses_that_try_one_user_are_stopped_and_cannot_tell() {
    let house = House::new().await;
    let alice = house.user("alice", &["user"]).await;
    for n in 0..10 {
        let login = if n % 2 == 0 { "alice" } else { "Alice@Tracker.example" };
        denied(&house, login, "wrong password", &from(&format!("203.0.113.{n}"))).await;
    }
    assert_eq!(house.count("lockout.began").await, 1);
    let row = house.trail().await.into_iter().find(|row| row.action == "lockout.began").unwrap();
    assert_eq!((row.user, row.entity_type.as_str(), row.entity_id), (Some(alice), "user", alice.to_string()));
    for (n, login) in ["alice", "ALICE", "alice@tracker.example"].into_iter().enumerate() {
        let right = denied(&house, login, GOOD, &from(&format!("198.51.100.{n}"))).await;
        let wrong = denied(&house, login, "x", &from(&format!("198.51.101.{n}"))).await;
        let unknown = denied(&house, "nobody", "x", &from(&format!("198.51.102.{n}"))).await;
        assert_eq!(format!("{right:?}"), format!("{wrong:?}"));
        assert_eq!(format!("{right:?}"), format!("{unknown:?}"));
    }
    assert_eq!(house.count("session.signed_in").await, 0);
    house.clock.advance(MINUTE * 15);
    assert!(enter(&house, "alice", GOOD, &origin()).await.is_ok());
}

// proves: LIMIT-3, ID-1
#[tokio::test]
async fn a_name_that_nobody_has_is_locked_like_any_other() {
    let house = House::new().await;
    fail(&house, "ghost", 10).await;
    assert_eq!(house.count("lockout.began").await, 1);
    let row = house.trail().await.into_iter().find(|row| row.action == "lockout.began").unwrap();
    assert_eq!((row.user, row.entity_id.as_str()), (None, "unknown"));
}

/// However many come at once, only so many passwords are looked at.
// proves: LIMIT-3
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_guesses_at_once_get_no_more_than_five_answers() {
    let house = Arc::new(House::new().await);
    house.user("alice", &["user"]).await;
    let tries: Vec<_> = (0..200)
        .map(|n| {
            let house = house.clone();
            tokio::spawn(async move { denied(&house, &format!("user{n}"), "guess", &origin()).await.denial })
        })
        .collect();
    let mut answered = 0;
    for one in tries {
        match one.await.unwrap() {
            Denial::SignInFailed => answered += 1,
            Denial::LockedOut => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered, 5);
    assert_eq!(house.count("session.sign_in_failed").await, 5);
    assert_eq!(house.count("lockout.began").await, 1);
}

/// An office behind one address, in the morning.
// proves: LIMIT-3
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_who_sign_in_at_once_from_one_address_all_get_in() {
    let house = Arc::new(House::new().await);
    for n in 0..30 {
        house.user(&format!("user{n}"), &["user"]).await;
    }
    let tries: Vec<_> = (0..30)
        .map(|n| {
            let house = house.clone();
            tokio::spawn(async move { enter(&house, &format!("user{n}"), GOOD, &origin()).await })
        })
        .collect();
    for one in tries {
        one.await.unwrap().unwrap();
    }
    assert_eq!(house.count("lockout.began").await, 0);
}

/// Known devices: what strangers do does not touch them.
// proves: LIMIT-8
#[tokio::test]
async fn strangers_lock_no_owner_out_of_a_device_that_signed_in_before_even_behind_the_same_address() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let new = house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let at_home = Origin { device: Some(new.device), ..origin() };
    for _ in 0..5 {
        denied(&house, "nobody", "x", &origin()).await;
    }
    fail(&house, "alice", 10).await;
    assert_eq!(denied(&house, "alice", GOOD, &origin()).await.denial, Denial::LockedOut, "the address");
    assert_eq!(denied(&house, "alice", GOOD, &from("198.51.100.9")).await.denial, Denial::SignInFailed);
    assert!(enter(&house, "alice", GOOD, &at_home).await.is_ok());

    // It opens no other account, and has a bound of its own.
    assert_eq!(denied(&house, "nobody", "x", &at_home).await.denial, Denial::LockedOut);
    for _ in 0..5 {
        assert_eq!(denied(&house, "alice", "wrong password", &at_home).await.denial, Denial::SignInFailed);
    }
    let refusal = denied(&house, "alice", GOOD, &at_home).await;
    assert_eq!((refusal.denial, refusal.retry_after), (Denial::LockedOut, Some(MINUTE * 15)));
}

// proves: LIMIT-8
#[tokio::test]
async fn a_new_password_makes_devices_strangers_again() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let new = house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let thief = Origin { device: Some(new.device), ..from("203.0.113.77") };
    house.clock.advance(MINUTE);
    house.access.change_password(&new.principal, &secret(GOOD), &secret(BETTER), &origin()).await.unwrap();
    fail(&house, "alice", 10).await;
    assert_eq!(
        denied(&house, "alice", BETTER, &thief).await.denial,
        Denial::SignInFailed,
        "locked for strangers"
    );
}

/// Somebody at an open session guesses the password to keep the account.
// proves: LIMIT-3
#[tokio::test]
async fn the_old_password_cannot_be_guessed_in_a_session_and_strangers_do_not_stop_its_owner() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let new = house.access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    fail(&house, "alice", 10).await;
    let change = async |old: &str| {
        house.access.change_password(&new.principal, &secret(old), &secret(BETTER), &origin()).await.map(drop)
    };
    for _ in 0..5 {
        assert_eq!(change("guess").await.unwrap_err().denial, Denial::InvalidInput);
    }
    assert_eq!(change(GOOD).await.unwrap_err().denial, Denial::LockedOut);
    assert_eq!(house.count("user.password_changed").await, 0);
    house.clock.advance(MINUTE * 15);
    assert!(change(GOOD).await.is_ok());
}

/// A proxy that names no client would have everybody locked out for one.
// proves: LIMIT-8
#[tokio::test]
async fn an_address_that_is_not_the_clients_own_locks_nobody_out() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let behind = Origin { address: Some(ClientAddress::behind("10.0.0.1".parse().unwrap())), ..origin() };
    for n in 0..20 {
        let refusal = denied(&house, &format!("user{n}"), "x", &behind).await;
        assert_eq!(refusal.denial, Denial::SignInFailed);
    }
    assert!(enter(&house, "alice", GOOD, &behind).await.is_ok());
}

// proves: LIMIT-8
#[tokio::test]
async fn an_ipv6_network_counts_as_one() {
    let house = House::new().await;
    for n in 0..5 {
        denied(&house, "nobody", "x", &from(&format!("2001:db8:1:2::{n}"))).await;
    }
    assert_eq!(denied(&house, "nobody", "x", &from("2001:db8:1:2:ffff::9")).await.denial, Denial::LockedOut);
    assert_eq!(denied(&house, "nobody", "x", &from("2001:db8:1:3::1")).await.denial, Denial::SignInFailed);
}

// proves: LIMIT-3, LIMIT-8
#[tokio::test]
async fn an_administrator_lifts_lockouts_at_once_and_on_the_record() {
    let house = House::new().await;
    let admin: UserId = house.user("root", &["admin"]).await;
    let root = house.access.sign_in("root", &secret(GOOD), &from("192.0.2.200"), None).await.unwrap();
    let root = root.session().unwrap().principal;
    house.user("alice", &["user"]).await;
    let new = house
        .access
        .sign_in("alice", &secret(GOOD), &from("192.0.2.1"), None)
        .await
        .unwrap()
        .session()
        .unwrap();
    let device = Origin { device: Some(new.device), ..from("192.0.2.1") };
    for _ in 0..5 {
        denied(&house, "alice", "x", &device).await;
        denied(&house, "nobody", "x", &origin()).await;
    }
    fail(&house, "alice", 10).await;
    // The other process is another node, or the command line.
    let other = house.neighbour().await;
    let unlock = async |what: Locked| other.unlock(&what, Some(&root), &Origin::default()).await.unwrap();

    assert_eq!(unlock(Locked::User("ALICE@tracker.example".into())).await, 2, "the account and its device");
    assert!(enter(&house, "alice", GOOD, &device).await.is_ok());
    assert!(enter(&house, "alice", GOOD, &from("198.51.100.9")).await.is_ok());
    assert_eq!(denied(&house, "alice", GOOD, &origin()).await.denial, Denial::LockedOut);
    assert_eq!(unlock(Locked::Network("192.0.2.0/24".parse().unwrap())).await, 1);
    assert!(enter(&house, "alice", GOOD, &origin()).await.is_ok());
    assert_eq!(house.count("lockout.lifted").await, 2);
    let row = house.trail().await.into_iter().rfind(|row| row.action == "lockout.lifted").unwrap();
    assert_eq!((row.user, row.entity_type.as_str()), (Some(admin), "address"));

    assert_eq!(unlock(Locked::Network("192.0.2.0/24".parse().unwrap())).await, 0);
    assert!(unlock(Locked::All).await >= 10);
    assert_eq!(unlock(Locked::All).await, 0);
    assert_eq!(house.count("lockout.lifted").await, 3, "nothing done is nothing told");
    for wrong in [Locked::User("ghost".into()), Locked::Network("10.0.0.0/8".parse().unwrap())] {
        let refusal = other.unlock(&wrong, Some(&root), &Origin::default()).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::InvalidInput);
    }
}

// proves: LIMIT-3, ACC-3
#[tokio::test]
async fn an_administrator_of_a_tenant_unlocks_its_users_and_nobody_else() {
    let house = House::new().await;
    let new = |name: &str, tenant: &str, role: &str| palisade_access::NewUser {
        name: name.into(),
        tenant: palisade_model::TenantId::parse(tenant),
        roles: Some(vec![role.into()]),
        password: Some(secret(GOOD)),
        ..Default::default()
    };
    for (name, tenant, role) in
        [("chief", "north", "admin"), ("nora", "north", "user"), ("sam", "south", "user")]
    {
        house.access.create_user(new(name, tenant, role), None, &Origin::default()).await.unwrap();
    }
    let chief = house.access.sign_in("chief", &secret(GOOD), &from("192.0.2.200"), None).await.unwrap();
    let chief = chief.session().unwrap().principal;
    for name in ["nora", "sam"] {
        for n in 0..10 {
            denied(&house, name, "x", &from(&format!("203.0.113.{}", n + name.len() * 10))).await;
        }
    }
    let unlock = async |what: Locked| house.access.unlock(&what, Some(&chief), &Origin::default()).await;
    assert_eq!(unlock(Locked::User("nora".into())).await.unwrap(), 1);
    let hidden = unlock(Locked::User("sam".into())).await.unwrap_err();
    let absent = unlock(Locked::User("ghost".into())).await.unwrap_err();
    assert_eq!(format!("{hidden:?}"), format!("{absent:?}"));
    for wide in [Locked::All, Locked::Network("203.0.113.0/24".parse().unwrap())] {
        assert_eq!(unlock(wide).await.unwrap_err().denial, Denial::Forbidden);
    }
    assert_eq!(denied(&house, "sam", GOOD, &from("198.51.100.1")).await.denial, Denial::SignInFailed);
    assert_eq!(house.count("lockout.lifted").await, 1);
}

// proves: LIMIT-3
#[tokio::test]
async fn a_lockout_is_the_same_for_all_nodes_and_after_a_restart() {
    let house = House::new().await;
    house.user("alice", &["user"]).await;
    let other = house.neighbour().await;
    for n in 0..5 {
        let access = if n % 2 == 0 { &house.access } else { &other };
        access.sign_in("nobody", &secret("x"), &origin(), None).await.unwrap_err();
    }
    let later = house.reopen(house.policy.clone()).await.unwrap();
    for access in [&house.access, &other, &later] {
        let refusal = access.sign_in("alice", &secret(GOOD), &origin(), None).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::LockedOut);
    }
}

// proves: LIMIT-7
#[tokio::test]
async fn lockouts_can_be_switched_off_for_testing() {
    let house = House::of(policy(&format!("{LIGHT}\n[identify.lockout]\nenabled = false"), &[])).await;
    house.user("alice", &["user"]).await;
    for _ in 0..30 {
        assert_eq!(denied(&house, "alice", "x", &origin()).await.denial, Denial::SignInFailed);
    }
    assert!(enter(&house, "alice", GOOD, &origin()).await.is_ok());
}
