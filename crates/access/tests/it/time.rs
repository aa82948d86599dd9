//! Time tells nothing: whoever fails, fails after as long.

use std::time::{Duration, Instant};

use palisade_access::{NewUser, SignUp};
use palisade_model::audit::Origin;
use palisade_model::id::UserId;
use palisade_store::Identity;

use crate::house::{BETTER, GOOD, House, from, origin, secret};

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

/// Times `act` for each of the kinds, in turn, and compares each with the first: medians, and how often one takes longer
/// than the other. What is measured again is measured again as a whole.
async fn assert_alike<const N: usize>(
    house: &House,
    kinds: [&str; N],
    mut act: impl AsyncFnMut(&str) -> Duration,
) {
    let mut told = Vec::new();
    for _ in 0..ROUNDS {
        // Time moves on, so that nobody else is locked meanwhile; not for long enough to unlock anybody.
        house.clock.advance(Duration::from_secs(60));
        let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
        for _ in 0..SAMPLES {
            for (kind, taken) in kinds.iter().zip(&mut times) {
                taken.push(act(kind).await);
            }
        }
        let compared = times
            .iter()
            .zip(kinds)
            .map(|(taken, kind)| (kind, median(taken) / median(&times[0]), longer(taken, &times[0])));
        told = compared.collect();
        if told.iter().all(|(_, ratio, longer)| (0.8..1.25).contains(ratio) && (0.25..0.75).contains(longer))
        {
            return;
        }
    }
    panic!("beside the first, their medians and how often they take longer: {told:?}");
}

/// Addresses, each new.
fn strangers() -> impl FnMut() -> Origin {
    let mut address = 0_u32;
    move || {
        address += 1;
        from(&std::net::Ipv4Addr::from(0x0a00_0000 + address).to_string())
    }
}

/// Who can be asked about: somebody ordinary, disabled, without a password, and only known elsewhere.
async fn people(house: &House) {
    for name in ["known", "disabled", "locked"] {
        house.user(name, &["user"]).await;
    }
    let disabled = house.store.user_by_login("disabled").await.unwrap().unwrap().id;
    house.access.disable(disabled, None, &Origin::default()).await.unwrap();
    for name in ["bare", "elsewhere"] {
        let new = NewUser { name: name.into(), ..NewUser::default() };
        let user = house.access.create_user(new, None, &Origin::default()).await.unwrap();
        if name == "elsewhere" {
            link(house, user).await;
        }
    }
}

async fn link(house: &House, user: UserId) {
    let identity = Identity {
        issuer: "https://login.example.com".into(),
        subject: "elsewhere".into(),
        user,
        provider: "company".into(),
        email: None,
        linked_at: house.world.now(),
        last_used: None,
    };
    house.store.link_identity(&identity, Vec::new()).await.unwrap();
}

// proves: ID-1, LIMIT-3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_wrong_disabled_without_a_password_and_locked_take_the_same_time() {
    let house = House::with(
        "[identify.passwords]\nmemory = \"6MiB\"\npasses = 2\n[identify.lockout]\naccount_attempts = 170",
    )
    .await;
    people(&house).await;
    let mut fresh = strangers();
    for _ in 0..170 {
        house.access.sign_in("locked", &secret("wrong password"), &fresh(), None).await.unwrap_err();
    }
    assert_eq!(house.count("lockout.began").await, 1);
    assert_alike(&house, ["known", "nobody", "disabled", "bare", "elsewhere", "locked"], async |login| {
        let origin = fresh();
        let began = Instant::now();
        house.access.sign_in(login, &secret("wrong password"), &origin, None).await.unwrap_err();
        began.elapsed()
    })
    .await;
}

// proves: ID-1, ID-4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_a_reset_takes_the_same_time_whoever_is_named() {
    let house = House::new().await;
    people(&house).await;
    let mut fresh = strangers();
    let kinds = ["known", "known@tracker.example", "nobody", "nobody@tracker.example", "disabled", "bare"];
    assert_alike(&house, kinds, async |login| {
        let origin = fresh();
        let began = Instant::now();
        house.access.request_reset(login, &origin).await.unwrap();
        began.elapsed()
    })
    .await;
}

// proves: ID-1, ID-4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_takes_the_same_time_whatever_is_taken() {
    let house = House::with(
        "[identify.sign_up]\nopen = true\nverify = true\n[identify.passwords]\nmemory = \"1MiB\"\npasses = 2\n",
    )
    .await;
    people(&house).await;
    let (mut fresh, mut n) = (strangers(), 0);
    let kinds = ["free", "known", "disabled", "again", "name"];
    assert_alike(&house, kinds, async |kind| {
        n += 1;
        let (name, email) = match kind {
            "free" => (format!("new{n}"), format!("new{n}@tracker.example")),
            "name" => ("known".to_owned(), format!("new{n}@tracker.example")),
            taken => (format!("new{n}"), format!("{taken}@tracker.example")),
        };
        let form = SignUp { name, email: Some(email), password: secret(BETTER) };
        let origin = fresh();
        let began = Instant::now();
        house.access.sign_up(form, &origin).await.unwrap();
        began.elapsed()
    })
    .await;
}

// proves: ID-1, ID-4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishing_for_an_address_takes_the_same_time_whoever_has_it() {
    let house = House::with("[identify.second_factor]\nfresh = \"24h\"").await;
    people(&house).await;
    let own = house.access.sign_in("known", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let mut n = 0;
    assert_alike(&house, ["free", "locked", "disabled"], async |kind| {
        n += 1;
        let email = if kind == "free" { format!("new{n}") } else { kind.to_owned() } + "@tracker.example";
        let origin = origin();
        let began = Instant::now();
        house.access.request_email(&own.principal, &email, &origin).await.unwrap();
        began.elapsed()
    })
    .await;
}
