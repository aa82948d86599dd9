//! Guessing second factors: how many guesses are ever looked at, and who still gets in meanwhile.

use std::sync::Arc;
use std::time::Duration;

use palisade_access::{Completed, Entered, Shown};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal, Secret};

use crate::authenticator::Key;
use crate::factor::{App, half_in, second, signed_in, with_app, with_key};
use crate::house::{GOOD, House, LIGHT, from, secret};

/// Addresses, each of another network.
fn stranger(n: u32) -> Origin {
    from(&std::net::Ipv4Addr::from(0x0b00_0000 + n).to_string())
}

async fn ticket(house: &House, name: &str, from: &Origin) -> Secret {
    match house.access.sign_in(name, &secret(GOOD), from, None).await.unwrap() {
        Entered::SecondFactor(half) => secret(half.ticket.expose()),
        Entered::Session(_) => panic!("{name} got in without a second factor"),
    }
}

async fn show(house: &House, ticket: &Secret, code: Secret, from: &Origin) -> Result<Completed, Refusal> {
    house.access.second(ticket.expose(), &Shown::Code(code), from, None).await
}

/// A code that is not right in any step that counts now.
fn wrong(house: &House, app: &App, n: u32) -> Secret {
    let right = [-1, 0, 1].map(|step| app.code(house, step));
    let mut guesses = (0..4).map(|more| Secret::new(format!("{:06}", (n * 7 + more) % 1_000_000)));
    guesses.find(|guess| right.iter().all(|code| code.expose() != guess.expose())).unwrap()
}

/// A thief knows the password and takes ticket after ticket: ten thousand guesses in a little more than a day, each from
/// an address of its own, and with a right code at every hundredth.
// proves: ID-17, LIMIT-3, LIMIT-8
#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_guesses_a_handful_is_heard_and_the_owner_gets_in_all_the_while() {
    let house = Arc::new(House::new().await);
    house.user("ann", &["user"]).await;
    let first = signed_in(&house, "ann").await;
    let (app, changed) = with_app(&house, &first.principal).await;
    let mut kept = Arc::new(secret(""));
    let mut device = secret(changed.session.device.expose());
    // Nine guesses are heard: the tenth would lock.
    for n in 0..9 {
        let from = stranger(n);
        let refusal = show(&house, &ticket(&house, "ann", &from).await, wrong(&house, &app, n), &from).await;
        assert_eq!(refusal.unwrap_err().denial, Denial::FactorWrong);
    }
    let from = stranger(10);
    show(&house, &ticket(&house, "ann", &from).await, app.code(&house, 0), &from).await.unwrap();
    house.clock.advance(Duration::from_secs(24 * 3600));

    // Fifty at once, with ten tickets, two hundred times.
    let (mut got_in, mut lucky) = (0, 0);
    for batch in 0..200_u32 {
        house.clock.advance(Duration::from_secs(500));
        let mut guesses = Vec::new();
        for n in batch * 50..batch * 50 + 50 {
            let from = stranger(1_000 + n);
            let ticket = if n % 5 == 0 { Arc::new(ticket(&house, "ann", &from).await) } else { kept.clone() };
            kept = ticket.clone();
            // A code that is right by luck is right only where somebody listens.
            let by_luck = n % 100 == 99;
            let code = if by_luck { app.code(&house, 0) } else { wrong(&house, &app, n) };
            lucky += u32::from(by_luck);
            let house = house.clone();
            guesses.push(tokio::spawn(async move { show(&house, &ticket, code, &from).await.is_ok() }));
        }
        for guess in guesses {
            got_in += u32::from(guess.await.unwrap());
        }
        if batch % 50 == 25 {
            house.clock.advance(Duration::from_secs(60));
            let own = Origin { device: Some(secret(device.expose())), ..stranger(999_999) };
            let ticket = ticket(&house, "ann", &own).await;
            let done = show(&house, &ticket, app.code(&house, 0), &own).await.unwrap();
            let Completed::Session(session) = done else { panic!("tokens") };
            device = secret(session.device.expose());
        }
    }
    let lockouts = house.count_all("lockout.began").await;
    // Each lockout takes ten that were heard, and lasts twice as long as the one before.
    assert!((5..=9).contains(&lockouts), "{lockouts}");
    assert!(got_in <= 1, "{got_in} of {lucky} right codes were heard, in {lockouts} lockouts");
}

// proves: ID-17
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_who_show_one_code_at_once_one_gets_in_and_earlier_steps_are_over() {
    let house = Arc::new(House::with(&format!("{LIGHT}\n[identify.lockout]\nenabled = false\n")).await);
    house.user("ann", &["user"]).await;
    let (app, _) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    house.clock.advance(Duration::from_secs(60));
    let all = async |steps: &[i64]| {
        let mut tries = Vec::new();
        for n in 0..50 {
            let step = steps[n % steps.len()];
            let (half, code, house) = (half_in(&house, "ann").await, app.code(&house, step), house.clone());
            tries.push(tokio::spawn(async move {
                second(&house.access, &half, &Shown::Code(code)).await.is_ok().then_some(step)
            }));
        }
        let mut winners: Vec<i64> = Vec::new();
        for one in tries {
            winners.extend(one.await.unwrap());
        }
        winners
    };
    assert_eq!(all(&[0]).await, [0], "one and the same code, with fifty tickets");
    assert_eq!(all(&[0, -1]).await, [0_i64; 0], "the same again, and the one before it");
    house.clock.advance(Duration::from_secs(90));
    let mut winners = all(&[-1, 0, 1]).await;
    winners.sort_unstable();
    let each_once = winners.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(each_once && winners.contains(&1), "clocks that differ by a step: {winners:?}");
    assert_eq!(all(&[-1, 0, 1]).await, [0_i64; 0], "all of them are over now");
}

// proves: ID-17
#[tokio::test]
async fn nobody_chooses_a_weaker_step_or_another_users() {
    let house = House::new().await;
    for name in ["ann", "bob", "eve"] {
        house.user(name, &["user"]).await;
    }
    let (app, changed) = with_app(&house, &signed_in(&house, "ann").await.principal).await;
    let (mut key, of_bob) = with_key(&house, &signed_in(&house, "bob").await.principal).await;
    let (of_eve, with_eve) = with_app(&house, &signed_in(&house, "eve").await.principal).await;
    let (anns, bobs) = (changed.codes.unwrap(), of_bob.codes.unwrap());

    // A passkey is asked for: a code of an application that was never set up counts for nothing, nor does the password.
    let bob = half_in(&house, "bob").await;
    house.access.second_challenge(bob.ticket.expose()).await.unwrap();
    for shown in [
        Shown::Code(app.code(&house, 0)),
        Shown::Code(secret("000000")),
        Shown::Code(anns[0].clone()),
        Shown::Password(secret(GOOD)),
    ] {
        assert_eq!(second(&house.access, &bob, &shown).await.unwrap_err().denial, Denial::FactorWrong);
    }
    second(&house.access, &bob, &Shown::Code(bobs[0].clone())).await.unwrap();

    house.clock.advance(Duration::from_secs(20 * 60));
    // A code is asked for: nobody else's code, recovery code or passkey will do.
    let ann = half_in(&house, "ann").await;
    let refusal = house.access.second_challenge(ann.ticket.expose()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::RouteUnknown);
    let bob = half_in(&house, "bob").await;
    let challenge = house.access.second_challenge(bob.ticket.expose()).await.unwrap();
    let passkey = Shown::Passkey {
        ceremony: secret(challenge.ceremony.expose()),
        credential: key.show(&challenge.options),
    };
    let mut made_up = Key::new();
    let made_up = Shown::Passkey { ceremony: secret("x"), credential: made_up.show(&challenge.options) };
    for shown in [
        Shown::Code(of_eve.code(&house, 0)),
        Shown::Code(with_eve.codes.unwrap()[0].clone()),
        passkey,
        made_up,
    ] {
        assert_eq!(second(&house.access, &ann, &shown).await.unwrap_err().denial, Denial::FactorWrong);
    }
    second(&house.access, &ann, &Shown::Code(app.code(&house, 0))).await.unwrap();
    // A recovery code goes by the same count as any other guess.
    let before = house.count("lockout.began").await;
    for n in 0..10 {
        let from = stranger(n);
        let guess = Secret::new(format!("abcd-efgh-ijkl-mn{}p", if n % 2 == 0 { "o" } else { "q" }));
        let refusal = show(&house, &ticket(&house, "eve", &from).await, guess, &from).await.unwrap_err();
        assert_eq!(refusal.denial, Denial::FactorWrong);
    }
    assert_eq!(house.count("lockout.began").await, before + 1);
    assert_eq!(house.access.held_factors(&with_eve.session.principal).await.unwrap().recovery_codes, 10);
}
