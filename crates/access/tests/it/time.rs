//! Time tells nothing: whoever fails, fails after as long.

use std::time::{Duration, Instant};

use palisade_access::NewUser;
use palisade_model::audit::Origin;

use crate::house::{House, from, secret};

/// Samples of each kind in one round, taken in turn.
const SAMPLES: usize = 40;
/// A busy machine gets as many rounds; what takes another time shows in all of them.
const ROUNDS: usize = 4;

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2].as_secs_f64()
}

/// How likely a sample of the one is longer than one of the other (the Mann-Whitney statistic over its greatest value):
/// a half when nobody can tell them apart, 0 or 1 when every single one tells.
fn longer(one: &[Duration], other: &[Duration]) -> f64 {
    let wins = one.iter().flat_map(|a| {
        other.iter().map(move |b| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        })
    });
    wins.sum::<f64>() / (one.len() * other.len()) as f64
}

// proves: ID-1, LIMIT-3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_wrong_disabled_without_a_password_and_locked_take_the_same_time() {
    let house = House::with(
        "[identify.passwords]\nmemory = \"6MiB\"\npasses = 2\n[identify.lockout]\naccount_attempts = 170",
    )
    .await;
    for name in ["known", "disabled", "locked"] {
        house.user(name, &["user"]).await;
    }
    let disabled = house.store.user_by_login("disabled").await.unwrap().unwrap().id;
    house.access.disable(disabled, None, &Origin::default()).await.unwrap();
    let bare = NewUser { name: "bare".into(), ..NewUser::default() };
    house.access.create_user(bare, None, &Origin::default()).await.unwrap();
    let mut address = 0_u32;
    let mut fresh = || {
        address += 1;
        from(&std::net::Ipv4Addr::from(0x0a00_0000 + address).to_string())
    };
    for _ in 0..170 {
        house.access.sign_in("locked", &secret("wrong password"), &fresh(), None).await.unwrap_err();
    }
    assert_eq!(house.count("lockout.began").await, 1);

    let logins = ["known", "nobody", "disabled", "bare", "locked"];
    let mut told = Vec::new();
    for _ in 0..ROUNDS {
        // Time moves on, so that nobody else is locked meanwhile; not for long enough to unlock anybody.
        house.clock.advance(Duration::from_secs(60));
        let mut times: [Vec<Duration>; 5] = Default::default();
        for _ in 0..SAMPLES {
            for (login, taken) in logins.iter().zip(&mut times) {
                let origin = fresh();
                let began = Instant::now();
                house.access.sign_in(login, &secret("wrong password"), &origin, None).await.unwrap_err();
                taken.push(began.elapsed());
            }
        }
        let compared = times
            .iter()
            .zip(logins)
            .map(|(taken, login)| (login, median(taken) / median(&times[0]), longer(taken, &times[0])));
        told = compared.collect();
        if told.iter().all(|(_, ratio, longer)| (0.8..1.25).contains(ratio) && (0.25..0.75).contains(longer))
        {
            return;
        }
    }
    panic!("beside a wrong password, their medians and how often they take longer: {told:?}");
}
