use std::sync::Arc;
use std::time::Duration;

use palisade_model::Environment;

use super::*;
use crate::keys::Root;

/// 65 MiB, of nobody.
const HEAVY: &str =
    "$argon2id$v=19$m=66560,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const LIGHT: &str = "memory = \"64KiB\"\npasses = 1";

fn passwords(more: &str) -> Arc<Passwords> {
    let text = format!(
        "[app]\nname = \"A\"\nenvironment = \"testing\"\nbase_url = \"https://a.example\"\n\
         [identify]\nsecret_key = \"env:SECRET_KEY\"\n[identify.passwords]\n{LIGHT}\n{more}\n"
    );
    let environment: Environment =
        [("SECRET_KEY", "a root secret for tests, 0123456789abcdef")].into_iter().collect();
    let checked = Policy::from_toml("test.toml", &text, &environment).unwrap_or_else(|bad| panic!("{bad}"));
    let key = Root::new(b"root").derive("nobody");
    Arc::new(Passwords::new(&checked.policy, key, World::real()).unwrap())
}

/// Half a minute is more than anything here takes.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.unwrap_or_else(|_| panic!("{what} never comes"))
}

/// Many sign in at once whose hashes are heavy; the others' turn comes as if there were one of them.
// proves: ID-3
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_heavy_hash_holds_no_worker() {
    let passwords = passwords("workers = 2\nqueue = 4");
    let password = Secret::new("violet kayak umbrella 39");
    let mine = passwords.hash(&password).await.unwrap();
    // The one whose turn it is takes its time.
    let turn = passwords.line.turn().await.unwrap();
    let heavy: Vec<_> = (0..4)
        .map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.verify("ann", &Secret::new("wrong"), Some(HEAVY)).await })
        })
        .collect();
    soon("the line", async {
        while passwords.line.free_places() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let refusal = passwords.verify("ann", &Secret::new("wrong"), Some(HEAVY)).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::HashingBusy, "the line has an end");
    for _ in 0..20 {
        let verdict = passwords.verify("bob", &password, Some(&mine));
        assert_eq!(soon("an ordinary sign-in", verdict).await.unwrap(), Verdict::Right);
    }
    drop(turn);
    for one in heavy {
        assert_eq!(soon("a heavy one", one).await.unwrap().unwrap(), Verdict::Wrong);
    }
}

// proves: ID-3
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_gives_up_its_turn() {
    let passwords = passwords("workers = 1\nqueue = 4");
    let turn = passwords.line.turn().await.unwrap();
    let waiting = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.verify("ann", &Secret::new("wrong"), Some(HEAVY)).await }
    });
    soon("the line", async {
        while passwords.line.free_places() > 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!(passwords.line.free_places(), 4);
    drop(turn);
    let next = async { passwords.verify("ann", &Secret::new("wrong"), Some(HEAVY)).await };
    assert_eq!(soon("the next one", next).await.unwrap(), Verdict::Wrong);
    assert_eq!(passwords.line.free_places(), 5);
}

/// Plain bcrypt reads 72 bytes. What was typed behind them was never proven, so it must not become the password; nor may
/// 72 bytes that are only the beginning.
// proves: ID-3
#[tokio::test]
async fn what_plain_bcrypt_did_not_read_does_not_become_the_password() {
    let passwords = passwords("");
    let plain = Scheme::Bcrypt { cost: 4, prehash: scheme::Prehash::None };
    let hash_of = |text: &str| {
        let made = Stored::make(plain, text, &[9; 16], &mut Workspace::default()).unwrap();
        let tail = bcrypt64::encode(&made.salt) + &bcrypt64::encode(&made.output);
        format!("$2b$04${tail}")
    };
    let verdict = async |typed: &str, hash: &str| {
        passwords.verify("ann", &Secret::new(typed), Some(hash)).await.unwrap()
    };
    let long = hash_of(&format!("{}the right tail", "a".repeat(72)));
    for typed in
        [format!("{}the right tail", "a".repeat(72)), "a".repeat(72), format!("{}wrong", "a".repeat(72))]
    {
        assert_eq!(
            verdict(&typed, &long).await,
            Verdict::Right,
            "it opens as it did, and is not renewed: {typed}"
        );
    }
    assert_eq!(verdict(&"a".repeat(71), &long).await, Verdict::Wrong);
    let short = hash_of(&"a".repeat(71));
    assert_eq!(verdict(&"a".repeat(71), &short).await, Verdict::RightButStale, "all of it was read");
    assert_eq!(verdict(&"a".repeat(72), &short).await, Verdict::Wrong);
    // A letter of two bytes on the border, and one that normalising makes longer.
    let border = hash_of(&format!("{}é", "a".repeat(71)));
    assert_eq!(verdict(&format!("{}é", "a".repeat(71)), &border).await, Verdict::Right);
    let ligature = hash_of(&format!("{}ﬃ", "a".repeat(68)));
    assert_eq!(verdict(&format!("{}ﬃ", "a".repeat(68)), &ligature).await, Verdict::RightButStale);
}
