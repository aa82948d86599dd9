//! Passkeys that no authenticator would make: nested without end, longer than they are, cut off. Each is refused, and
//! the thread that reads it goes on.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use palisade_model::{Denial, Refusal, Secret};
use serde_json::{Value, json};

use crate::authenticator::Key;
use crate::house::{GOOD, House, origin, secret};

/// CBOR (RFC 8949) that costs more than it is long.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |start: &[u8]| start.iter().copied().cycle().take(9000).collect::<Vec<u8>>();
    let long = |start: u8| [&[start][..], &[0xff; 8]].concat();
    vec![
        ("arrays in arrays", deep(&[0x81])),
        ("maps in maps", deep(&[0xa1, 0x00])),
        ("maps for names of maps", deep(&[0xa1])),
        ("tags of tags", deep(&[0xc1])),
        ("arrays without an end", deep(&[0x9f])),
        ("maps without an end", deep(&[0xbf, 0x00])),
        ("texts without an end", deep(&[0x7f])),
        ("bytes without an end", deep(&[0x5f])),
        ("an array of 2^64", long(0x9b)),
        ("a map of 2^64", long(0xbb)),
        ("bytes of 2^64", long(0x5b)),
        ("a text of 2^64", long(0x7b)),
        ("bytes of 4 GiB", vec![0x5a, 0xff, 0xff, 0xff, 0xff]),
        ("an array of 2^31", vec![0x9a, 0x7f, 0xff, 0xff, 0xff]),
        ("a break of nothing", vec![0xff]),
        ("nothing", Vec::new()),
    ]
}

/// A credential with another value in its answer.
fn bent(credential: &Secret, name: &str, bytes: &[u8]) -> Secret {
    let mut credential: Value = serde_json::from_str(credential.expose()).unwrap();
    credential["response"][name] = BASE64URL_NOPAD.encode(bytes).into();
    Secret::new(credential.to_string())
}

fn part(credential: &Secret, name: &str) -> Vec<u8> {
    let credential: Value = serde_json::from_str(credential.expose()).unwrap();
    BASE64URL_NOPAD.decode(credential["response"][name].as_str().unwrap().as_bytes()).unwrap()
}

/// The statement `none` around this data, which may be longer than it says.
fn object(statement: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&b"\xa3\x63fmt\x64none\x67attStmt"[..], statement, b"\x68authData\x59", &length, data].concat()
}

// proves: ID-17
#[tokio::test]
async fn a_passkey_that_was_prepared_is_refused_and_costs_nothing() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let ann = house.access.sign_in("ann", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let add = async |bend: &dyn Fn(&Secret) -> Secret| -> Result<(), Refusal> {
        let challenge = house.access.new_passkey_challenge(&ann.principal).await.unwrap();
        let credential = bend(&Key::new().make(&challenge.options));
        let (ceremony, from) = (secret(challenge.ceremony.expose()), origin());
        let added = house.access.add_passkey(&ann.principal, "phone", &ceremony, &credential, &from);
        tokio::time::timeout(Duration::from_secs(10), added).await.expect("it takes too long").map(drop)
    };
    let refused = |result: Result<(), Refusal>, what: &str| {
        let refusal = result.unwrap_err();
        assert_eq!(refusal.denial, Denial::InvalidInput, "{what}: {refusal:?}");
    };
    for (what, bomb) in bombs() {
        refused(add(&|made| bent(made, "attestationObject", &bomb)).await, what);
        let in_statement = |made: &Secret| {
            let data = part(made, "attestationObject");
            let at = data.windows(8).position(|window| window == b"authData").unwrap() + 10;
            bent(made, "attestationObject", &object(&bomb, &data[at..]))
        };
        refused(add(&in_statement).await, &format!("{what} in the statement"));
        let in_key = |made: &Secret| {
            let all = part(made, "attestationObject");
            let at = all.windows(8).position(|window| window == b"authData").unwrap() + 10;
            // Hash, flags, counter, maker, and the credential's id of 20 bytes; then comes the key.
            let data = [&all[at..at + 37 + 16 + 2 + 20], &bomb].concat();
            bent(made, "attestationObject", &object(&[0xa0], &data))
        };
        refused(add(&in_key).await, &format!("{what} for a key"));
        let with_extensions = |made: &Secret| {
            let all = part(made, "attestationObject");
            let at = all.windows(8).position(|window| window == b"authData").unwrap() + 10;
            let mut data = [&all[at..], &bomb].concat();
            data[32] |= 0x80;
            bent(made, "attestationObject", &object(&[0xa0], &data))
        };
        refused(add(&with_extensions).await, &format!("{what} for extensions"));
    }
    let long_id = |made: &Secret| {
        let all = part(made, "attestationObject");
        let at = all.windows(8).position(|window| window == b"authData").unwrap() + 10;
        let mut data = all[at..].to_vec();
        data[53..55].copy_from_slice(&[0xff, 0xff]);
        bent(made, "attestationObject", &object(&[0xa0], &data))
    };
    refused(add(&long_id).await, "an id that is longer than all");
    for cut in (0..160).step_by(7) {
        let short = |made: &Secret| {
            let whole = part(made, "attestationObject");
            bent(made, "attestationObject", &whole[..cut])
        };
        refused(add(&short).await, &format!("cut off after {cut}"));
    }
    for data in
        ["[".repeat(9000), r#"{"a":"#.repeat(1800), "nul".to_owned(), json!({ "type": 7 }).to_string()]
    {
        refused(add(&|made| bent(made, "clientDataJSON", data.as_bytes())).await, &data[..3]);
    }
    for text in
        ["[".repeat(15_000), r#"{"id":"#.repeat(2500), format!("{{\"id\":\"{}\"}}", "A".repeat(15_000))]
    {
        refused(add(&|_| Secret::new(text.as_str())).await, &text[..5]);
    }
    assert!(house.access.held_factors(&ann.principal).await.unwrap().passkeys.is_empty());
    assert!(add(&|made| Secret::new(made.expose())).await.is_ok(), "and an honest one is taken");
}

// proves: ID-17
#[tokio::test]
async fn what_is_shown_instead_of_a_passkey_opens_nothing_whatever_it_holds() {
    let house = House::new().await;
    house.user("ann", &["user"]).await;
    let ann = house.access.sign_in("ann", &secret(GOOD), &origin(), None).await.unwrap().session().unwrap();
    let mut key = Key::new();
    let challenge = house.access.new_passkey_challenge(&ann.principal).await.unwrap();
    let credential = key.make(&challenge.options);
    let ceremony = secret(challenge.ceremony.expose());
    house.access.add_passkey(&ann.principal, "phone", &ceremony, &credential, &origin()).await.unwrap();
    let sessions = house.count("session.signed_in").await;
    for (what, bomb) in bombs() {
        for name in ["authenticatorData", "clientDataJSON", "signature", "userHandle"] {
            let challenge = house.access.passkey_challenge().await.unwrap();
            key.counter += 1;
            let shown = key.sign(&challenge.options, |response| {
                let whole = BASE64URL_NOPAD.decode(response[name].as_str().unwrap().as_bytes()).unwrap();
                let mut bytes = [&whole[..], &bomb].concat();
                if name == "authenticatorData" {
                    bytes[32] |= 0x80;
                }
                response[name] = BASE64URL_NOPAD.encode(&bytes).into();
            });
            let ceremony = secret(challenge.ceremony.expose());
            let entered = house.access.sign_in_by_passkey(&ceremony, &shown, &origin(), None).await;
            if !bomb.is_empty() || name == "authenticatorData" {
                assert_eq!(entered.map(drop).unwrap_err().denial, Denial::SignInFailed, "{what} in {name}");
            }
        }
    }
    assert!(house.count("session.signed_in").await <= sessions + 3, "nothing but what was whole");
}
