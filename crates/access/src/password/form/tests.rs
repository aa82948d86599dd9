use std::num::NonZeroU32;

use super::super::scheme::Workspace;
use super::{Argon2Cost, Argon2Kind, Digest, Prehash, Scheme, Stored, write};

const PASSWORD: &str = "Grüße, 山田 🔑 39";

/// Werkzeug 3.1, passlib 1.7 with bcrypt 4.0, argon2-cffi 25.1 and Django 5.2 wrote these of [`PASSWORD`].
const FOREIGN: &[&str] = &[
    "pbkdf2:sha1:1000$nXIKUovbQvks4jQO$d8a6073bc3964ae5b707b2bfe914963f02d01e7b",
    "pbkdf2:sha256:1000$KNfk6obNDQtkyJmN$64b3aca919be3b37c056228e61d01e1fde8c1408e157d9481f1ecee2a4af2be4",
    "pbkdf2:sha512:1000$6bCH8p5H9eLt1jr0$b254106a5efe6bbf21c59fa289a92524fdc82532b55071ad8e701aadba76c894891e3e370e4471a036b2f78345e1af914c14aa62db05b59ec52d8c4ae9bd7bd2",
    "scrypt:1024:8:1$3kfYSGP922phVomx$c54ce87b4f63c24575082c6b3892a93c75bf28f0a3de699adf25aed4120df35002e8866614d210152449d2b6f522a939f8eb18b4956a321984c0413fd4a27401",
    "$pbkdf2$1000$jVFqTQnhnPO.t5Zybu0dgw$UZY347cxgnr7V/IzLZOtuJGvDJI",
    "$pbkdf2-sha256$1000$GsN4zzmn1HoPIaR0DqG0tg$8FDwqpz/mO1dT4RAXexIludhu5tugx1hXPSOCiwzNTo",
    "$pbkdf2-sha512$1000$q1UKAWAsBYAwxhgDwHjP.Q$5C2SLoW9IbeYlBSgYJomLFTd5WWz01xLHsPnXS6p3JjK7NcoHvmf95PbSs4t22eccYFVvJ2D2/wctZuZT5JPWA",
    "$2b$04$V2Dp1e6SS.EjL4rhSz8NlePK/4bsvpwhgeQt7ik4O47ynSnlfDcLa",
    "$2a$04$pwBRQ64rDvm2iTDVKFovGeywO17T6ZawunwPQLVcSfI4/AKR12no6",
    "$2y$04$bWHkNxoGHlaKYgTV9KJuS.MB/O3EP8PkDuu.7ZGHRJc3RSeCFUW5u",
    "$bcrypt-sha256$v=2,t=2b,r=4$KSBSVGog0gk7o/X1FiFXZu$2iimi/7ACy5Q.gsC.eur5edhuDh8gF.",
    "$bcrypt-sha256$2b,4$D3hKx98F8v4d4uIajIYrv.$qRKU5VzE4/SspSEh65YS3StUPjuwc76",
    "$scrypt$ln=8,r=8,p=1$k3JuLYWw9t57L2Vsba1Vyg$yQyVnL3P/TacY0WryCIjreSoXRtfNKRVMtKlC8jG8Ss",
    "$scrypt$ln=8,r=8,p=2$F2IsRaiVEmKM0XrvfW/NeQ$VfJLJ6xV1O0RpamEJisfZSzogDd8SyRmDbfLtQP1vSM",
    "$argon2i$v=19$m=64,t=1,p=4$lZLSWkup9X7P2RtDiBFCyA$822InwL6dCFtcQW8r/59ovIeBHKnQ+0m8jKBra36aXU",
    "$argon2d$v=19$m=64,t=1,p=4$/f+f874XIqTUWut9r9V6Tw$A58L2FvStKa/I7OLtt421CplVt1cHXhI0gznguO3cHo",
    "$argon2id$v=19$m=64,t=1,p=4$da4V4tybk/IeQ4ixVsrZ2w$5rKeIDZMMe/y4u78etbL2FMs3u7/BzmK4gluXQTbjEQ",
    "pbkdf2_sha256$1000$saltsaltsalt$GLS85Y/og/SIkyYcEae1wwSSvzECHSTgPPmgTXZ29fY=",
    "pbkdf2_sha1$1000$saltsaltsalt$TumXjV3T1QrnWnjpio9y7qlQzqI=",
    "bcrypt_sha256$$2b$04$I/wrgo3BxxECgF3.y5y1n.6fsIubh3oJW9vQmpjDYJ9KHY.KGuu.O",
    "bcrypt$$2b$04$1nP3x2qWZdd02M0H5VlvJOAR4nKtIlBAm2wiYTKv6dmCWqCpDBsmy",
    "argon2$argon2id$v=19$m=64,t=1,p=2$YWRyMUJybE9rcFJtZ1BiZ29zM1FNQQ$axdz9GMwvtEZ4Pk4TOweTStBZVdzLikyIn05OtpNc+4",
    "scrypt$256$FnILroEp3GIMuthCqUxo8B$8$5$3iC6tjFmS0R6zBodEdz74eHGsKrpfaAj/SMjAaAY5O12hNPEZWwSBwq9amMLKjpDBaGKmqMs4O6BiTaHXfOzKg==",
];

const LIGHT: Scheme =
    Scheme::Argon2(Argon2Cost { kind: Argon2Kind::Id, old: false, memory_kib: 64, passes: 1, lanes: 1 });

fn parse(text: &str) -> Option<Stored> {
    super::parse(text, LIGHT)
}

fn verify(text: &str, password: &str) -> bool {
    parse(text).unwrap_or_else(|| panic!("{text}")).matches(password, &mut Workspace::default())
}

// proves: ID-3
#[test]
fn hashes_of_others_verify_their_password_and_no_other() {
    for text in FOREIGN {
        assert!(verify(text, PASSWORD), "{text}");
        for wrong in ["", "Grüße", "grüße, 山田 🔑 39", "Grüße, 山田 🔑 39 "] {
            assert!(!verify(text, wrong), "{text}");
        }
        assert!(parse(text).unwrap().is_stale(LIGHT), "{text}");
    }
}

/// The reference implementation's `argon2` command wrote this.
// proves: ID-3, ID-5
#[test]
fn a_hash_of_the_reference_implementation_verifies() {
    let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(verify(text, "password"));
}

// proves: ID-3
#[test]
fn no_byte_of_a_hash_is_without_meaning() {
    for text in FOREIGN {
        for at in 0..text.len() {
            let cut = &text[..at];
            assert!(
                parse(cut).is_none_or(|stored| !stored.matches(PASSWORD, &mut Workspace::default())),
                "{cut}"
            );
        }
        for bent in [format!("{text} "), format!(" {text}"), format!("{text}$"), format!("{text}\n")] {
            assert_eq!(parse(&bent), None, "{bent}");
        }
    }
}

// proves: ID-3
#[test]
fn what_is_no_salted_hash_is_not_read() {
    let hex = "5b9fbae66aef7f04421c6c57db83038a6d8f0b7e";
    for other in [
        "",
        "plain",
        "plain$$secret",
        "!Zk3vJq0unusable",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2$04$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy",
        "$2x$04$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy",
        "$2b$4$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy",
        "$2b$12$abcdefghijklmnopqrstuu",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=64,t=1,p=1,data=AAAA$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=64,t=1,p=1,x=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "pbkdf2:sha1:1000$sa\0lt$5b9fbae66aef7f04421c6c57db83038a6d8f0b7e",
        "pbkdf2:sha1:1000$sa\nlt$5b9fbae66aef7f04421c6c57db83038a6d8f0b7e",
        "$argon2id$v=20$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        &format!("pbkdf2:sha1$salt${hex}"),
        &format!("pbkdf2:sha1:0$salt${hex}"),
        &format!("pbkdf2:sha1:+1000$salt${hex}"),
        &format!("pbkdf2:sha1:01000$salt${hex}"),
        &format!("pbkdf2:md5:1000$salt${hex}"),
        &format!("pbkdf2:sha256:1000$salt${hex}"),
        &format!("pbkdf2:sha1:1000$${hex}"),
        &format!("pbkdf2:sha1:1000${}${hex}", "s".repeat(200)),
        &format!("pbkdf2:sha1:1000$salt${hex}{hex}"),
        &format!("scrypt:1000:8:1$salt${}", "0123456789abcdef".repeat(8)),
        &format!("scrypt:1024:0:1$salt${}", "0123456789abcdef".repeat(8)),
        &format!("scrypt:1024:8:0$salt${}", "0123456789abcdef".repeat(8)),
        &format!("scrypt:1:8:1$salt${}", "0123456789abcdef".repeat(8)),
        &format!("scrypt:1024:8:1$${}", "0123456789abcdef".repeat(8)),
        &format!("scrypt$salt${hex}"),
        "$2b$03$Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy",
        "$bcrypt-sha256$v=2,t=2b,r=3$KSBSVGog0gk7o/X1FiFXZu$2iimi/7ACy5Q.gsC.eur5edhuDh8gF.",
        "$bcrypt-sha256$v=2,t=2x,r=4$KSBSVGog0gk7o/X1FiFXZu$2iimi/7ACy5Q.gsC.eur5edhuDh8gF.",
        // Twelve bytes of output: guessed sooner than a password.
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMa",
        &"$".repeat(100_000),
    ] {
        assert_eq!(parse(other), None, "{other:.80}");
    }
}

// proves: ID-3
#[test]
fn an_argon2_hash_without_a_version_is_of_the_former_one() {
    let output = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (version, former) in [("", true), ("v=16$", true), ("v=19$", false)] {
        let read = parse(&format!("$argon2id${version}m=64,t=1,p=1${output}")).unwrap();
        let Scheme::Argon2(cost) = read.scheme else { panic!("{version}") };
        assert_eq!(cost.old, former, "{version}");
    }
}

// proves: ID-3
#[test]
fn a_planted_hash_cannot_take_the_machine() {
    let argon2 = "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hex = "0123456789abcdef0123456789abcdef01234567";
    let hex64 = "0123456789abcdef".repeat(8);
    let bcrypt = "Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy";
    let sha256 = "N72CoTj4f8H4GjU3BvhHoVCsDpC2milUHQSbXR3nnDI";
    for (usual, bomb) in [
        (
            format!("$argon2id$v=19$m=19456,t=2,p=1{argon2}"),
            format!("$argon2id$v=19$m=4294967295,t=2,p=1{argon2}"),
        ),
        (
            format!("$argon2id$v=19$m=262144,t=2,p=4{argon2}"),
            format!("$argon2id$v=19$m=262145,t=2,p=4{argon2}"),
        ),
        (
            format!("$argon2i$v=19$m=65536,t=16,p=1{argon2}"),
            format!("$argon2i$v=19$m=65536,t=64,p=1{argon2}"),
        ),
        (format!("$argon2d$m=8192,t=2,p=1{argon2}"), format!("$argon2d$m=8192,t=4000000000,p=1{argon2}")),
        (
            format!("argon2$argon2id$v=19$m=102400,t=2,p=8{argon2}"),
            format!("argon2$argon2id$v=19$m=1024000,t=2,p=8{argon2}"),
        ),
        (format!("scrypt:32768:8:1$salt${hex64}"), format!("scrypt:1048576:8:1$salt${hex64}")),
        (format!("scrypt:131072:8:1$salt${hex64}"), format!("scrypt:2:4000000:1000$salt${hex64}")),
        (format!("scrypt:16384:8:5$salt${hex64}"), format!("scrypt:16384:8:4000000$salt${hex64}")),
        (format!("pbkdf2:sha1:1000000$salt${hex}"), format!("pbkdf2:sha1:4294967295$salt${hex}")),
        (
            format!("$pbkdf2-sha256$1500000$c2FsdA${sha256}"),
            format!("$pbkdf2-sha256$20000000$c2FsdA${sha256}"),
        ),
        (format!("$2b$15${bcrypt}"), format!("$2b$16${bcrypt}")),
        (format!("bcrypt_sha256$$2b$15${bcrypt}"), format!("bcrypt_sha256$$2b$31${bcrypt}")),
    ] {
        assert!(parse(&usual).is_some(), "{usual}");
        assert_eq!(parse(&bomb), None, "{bomb}");
    }
}

// proves: ID-3
#[test]
fn what_the_policy_chose_is_never_too_much() {
    let own = Scheme::Bcrypt { cost: 16, prehash: Prehash::Salted };
    let text = write(&Stored::of_nobody(own, [1; 16], &[2; 32])).unwrap();
    assert!(super::parse(&text, own).is_some());
    assert_eq!(parse(&text), None);
}

fn own_schemes() -> [Scheme; 3] {
    let rounds = NonZeroU32::new(1000).unwrap();
    [
        LIGHT,
        Scheme::Bcrypt { cost: 4, prehash: Prehash::Salted },
        Scheme::Pbkdf2 { digest: Digest::Sha256, rounds },
    ]
}

// proves: ID-3
#[test]
fn what_is_written_is_read_again() {
    let mut work = Workspace::default();
    for scheme in own_schemes() {
        let made = Stored::make(scheme, "correct horse", &[7; 16], &mut work).unwrap();
        let read = super::parse(&write(&made).unwrap(), scheme).unwrap();
        assert_eq!(read, made);
        assert!(!read.is_stale(scheme));
        assert!(read.matches("correct horse", &mut work));
        assert!(!read.matches("correct horse ", &mut work));
        for other in own_schemes().into_iter().filter(|other| *other != scheme) {
            assert!(read.is_stale(other));
        }
    }
}

/// bcrypt reads 72 bytes and stops at a NUL. In the policy's own form it reads a digest, of which neither is true.
// proves: ID-3
#[test]
fn every_byte_of_a_long_password_counts_under_bcrypt() {
    let mut work = Workspace::default();
    let scheme = own_schemes()[1];
    let long = "a".repeat(72);
    let made = Stored::make(scheme, &format!("{long}b"), &[7; 16], &mut work).unwrap();
    assert!(made.matches(&format!("{long}b"), &mut work));
    assert!(!made.matches(&format!("{long}c"), &mut work));
    assert!(!made.matches(&long, &mut work));
    // Digests with a NUL in their raw form, of which one in eight has one: written in Base64 none has.
    for n in 0..64 {
        let made = Stored::make(scheme, &n.to_string(), &[7; 16], &mut work).unwrap();
        assert!(!made.matches(&(n + 1000).to_string(), &mut work));
    }
}

/// Others' plain bcrypt cuts at 72 bytes, so its hashes verify so; hence they are renewed.
// proves: ID-3
#[test]
fn plain_bcrypt_is_read_as_it_was_written() {
    let plain = Scheme::Bcrypt { cost: 4, prehash: Prehash::None };
    let mut work = Workspace::default();
    let made = Stored::make(plain, &"é".repeat(50), &[9; 16], &mut work).unwrap();
    assert!(made.matches(&"é".repeat(36), &mut work));
    assert!(!made.matches(&"é".repeat(35), &mut work));
    assert!(made.is_stale(own_schemes()[1]), "another prehash is another scheme");
    assert_eq!(write(&made), None, "never written for a new password");
}

// proves: ID-1
#[test]
fn nobodys_hash_matches_nothing() {
    for scheme in own_schemes() {
        let stored = Stored::of_nobody(scheme, [1; 16], &[2; 32]);
        assert!(!stored.matches("", &mut Workspace::default()));
        assert!(!stored.matches("password", &mut Workspace::default()));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    /// Nothing stumbles over strange text, and whatever is read has a bound.
    // proves: ID-3
    #[test]
    fn strange_hashes_are_none_or_bounded(
        text in "\\PC{0,60}",
        name in "(\\$argon2id|pbkdf2:sha1:|scrypt:|\\$2b|\\$pbkdf2-sha256|\\$bcrypt-sha256|\\$scrypt|pbkdf2_sha256|bcrypt_sha256|scrypt|argon2)",
        tail in "[$:,=A-Za-z0-9+./]{0,90}",
        numbers in proptest::collection::vec(0_u64..u64::MAX, 3),
    ) {
        proptest::prop_assert_eq!(parse(&text), None);
        let [a, b, c] = numbers[..] else { unreachable!() };
        for text in [
            format!("{name}${tail}"),
            format!("scrypt:{a}:{b}:{c}$salt${}", "0123456789abcdef".repeat(8)),
            format!("$argon2id$v=19$m={a},t={b},p={c}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        ] {
            if let Some(stored) = parse(&text) {
                proptest::prop_assert!(stored.scheme.is_bearable(LIGHT));
            }
        }
    }
}
