//! Hashes that other programs made: taken over by AUTH_USERS, verified, renewed.

use std::time::{Duration, Instant};

use crate::house::{House, LIGHT, origin, policy, secret};

const PASSWORD: &str = "Grüße, 山田 🔑 39";

/// One of each kind, all of [`PASSWORD`].
const HASHES: &[(&str, &str)] = &[
    (
        "werkzeug",
        "pbkdf2:sha256:1000$Qp2tQAfe5DTKh8lm$eae4a103f593dad3316e2314e82c3b2aa908447d53f0654de5cad179a0663d1a",
    ),
    ("passlib", "$bcrypt-sha256$v=2,t=2b,r=4$OtReJrwsJFiIAS9VgAbede$wnOEwBaNFtMrsDS4EHmgFVaICrjEXs2"),
    ("bcrypt", "$2b$04$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy"),
    ("scrypt", "$scrypt$ln=8,r=8,p=1$vVeq9X6v1XovBQDgHOOcsw$JKBEWCboeVJ4Lgoa4wIRSPZ0OZ2OclrGe9bQ5FuX8Tg"),
    ("django", "pbkdf2_sha256$1000$saltsaltsalt$GLS85Y/og/SIkyYcEae1wwSSvzECHSTgPPmgTXZ29fY="),
    (
        "argon",
        "argon2$argon2id$v=19$m=64,t=1,p=2$eFFSM29NNzVlWnJrWjEwZnJoTTF5dA$16TZe7khAENhVptz6FIxEHHQ6zCiphCaAbWkZ6jEniY",
    ),
];

fn auth_users() -> String {
    HASHES.iter().map(|(name, hash)| format!("{name}:{hash}")).collect::<Vec<_>>().join(",")
}

// proves: ID-3, ID-5
#[tokio::test]
async fn each_kind_signs_in_is_renewed_once_and_recorded() {
    for (algorithm, start, users) in [
        ("memory = \"64KiB\"\npasses = 1", "$argon2id$v=19$m=64,t=1,p=1$", HASHES),
        ("algorithm = \"bcrypt\"", "$bcrypt-sha256$v=2,t=2b,r=12$", &HASHES[..1]),
        ("algorithm = \"pbkdf2-sha256\"", "$pbkdf2-sha256$600000$", &HASHES[..1]),
    ] {
        let more = format!("[identify.lockout]\nenabled = false\n[identify.passwords]\n{algorithm}");
        let house = House::of(policy(&more, &[("AUTH_USERS", &auth_users())])).await;
        let stored =
            async |name: &str| house.store.user_by_login(name).await.unwrap().unwrap().password.unwrap();
        for (n, (name, hash)) in users.iter().enumerate() {
            assert_eq!(stored(name).await, *hash);
            house.access.sign_in(name, &secret("Grüße, 山田 🔑"), &origin(), None).await.unwrap_err();
            assert_eq!(stored(name).await, *hash, "a wrong password renews nothing");
            house.access.sign_in(name, &secret(PASSWORD), &origin(), None).await.unwrap();
            let renewed = stored(name).await;
            assert!(renewed.starts_with(start), "{name}: {renewed}");
            assert_eq!(house.count("user.hash_renewed").await, n + 1);
            house.access.sign_in(name, &secret(PASSWORD), &origin(), None).await.unwrap();
            assert_eq!(stored(name).await, renewed, "once is enough");
            assert_eq!(house.count("user.hash_renewed").await, n + 1);
            house.access.sign_in(name, &secret("Grüße, 山田 🔑"), &origin(), None).await.unwrap_err();
        }
        let trail = format!("{:?}", house.trail().await);
        assert!(!trail.contains('$'), "no hash in the trail");
    }
}

/// The old program saw the bytes as they were typed; here they are normalised first.
// proves: ID-3
#[tokio::test]
async fn a_hash_of_what_was_typed_in_another_form_verifies() {
    // Werkzeug's generate_password_hash("Cafe\u{301} oboe", "pbkdf2:sha256:1000")
    let hash =
        "pbkdf2:sha256:1000$nfdsaltnfdsalt$7056ea7eee87e8cdfeb1fcefe363febcf77f8c558f602a5b4844e73291323485";
    let house = House::of(policy(LIGHT, &[("AUTH_USERS", &format!("zoe:{hash}"))])).await;
    house.access.sign_in("zoe", &secret("Cafe\u{301} oboe"), &origin(), None).await.unwrap();
    house.access.sign_in("zoe", &secret("Caf\u{e9} oboe"), &origin(), None).await.unwrap();
}

/// PBKDF2 and scrypt cannot tell a password from the same one with NULs behind it.
// proves: ID-3
#[tokio::test]
async fn nul_opens_nothing() {
    let house = House::of(policy(LIGHT, &[("AUTH_USERS", &auth_users())])).await;
    for (name, _) in HASHES {
        for trick in [format!("{PASSWORD}\0"), format!("{PASSWORD}\0\0x"), "\0".into()] {
            house.access.sign_in(name, &secret(&trick), &origin(), None).await.unwrap_err();
        }
    }
    assert_eq!(house.count("user.hash_renewed").await, 0);
}

/// All users have hashes that take much longer than the policy's. An unknown name takes as long.
// proves: ID-1, ID-3
#[tokio::test]
async fn where_users_have_old_hashes_an_unknown_name_costs_an_old_hash() {
    let costly =
        "pbkdf2:sha256:200000$abcdefgh$0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let house = House::of(policy(LIGHT, &[("AUTH_USERS", &format!("ann:{costly},bob:{costly}"))])).await;
    let running = House::run(&house.access).await;
    let mut ratio = 0.0;
    for _ in 0..6 {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..10 {
            for (login, taken) in ["ann", "nobody"].iter().zip(&mut times) {
                let began = Instant::now();
                house.access.sign_in(login, &secret("wrong password"), &origin(), None).await.unwrap_err();
                taken.push(began.elapsed());
            }
        }
        let [known, unknown] = times.map(|mut taken| {
            taken.sort();
            taken[taken.len() / 4].as_secs_f64()
        });
        ratio = unknown / known;
        if (0.67..1.5).contains(&ratio) {
            break;
        }
    }
    running.end().await;
    assert!((0.67..1.5).contains(&ratio), "an unknown name takes {ratio} of a known one's time");
}
