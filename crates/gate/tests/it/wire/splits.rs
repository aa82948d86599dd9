//! The judge of the bytes, alone.

use palisade_gate::wire::Violation;
use palisade_gate::wire::stream::Stream;
use proptest::prelude::*;

use super::{case, hostile, limits, reader};

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub released: Vec<u8>,
    violation: Option<Violation>,
    heads: u64,
    in_body: bool,
}

/// Judges pieces as they come. An upgrade is refused.
pub fn judge(pieces: &[Vec<u8>]) -> Verdict {
    let mut stream = Stream::new(limits());
    let (mut inbox, mut released, mut violation) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        inbox.extend_from_slice(piece);
        let progress = stream.judge(&inbox);
        released.extend(inbox.drain(..progress.released));
        violation = progress.violation;
        if violation.is_some() {
            break;
        }
        stream.keep_shut();
    }
    Verdict { released, violation, heads: stream.heads(), in_body: stream.in_body() }
}

fn bytewise(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.iter().map(|byte| vec![*byte]).collect()
}

/// Another reader finds just the requests that were judged, and nothing of a head that was refused.
fn agrees(verdict: &Verdict) {
    let found = reader::read(&verdict.released).unwrap();
    assert_eq!((found.heads(), found.half), (verdict.heads, verdict.in_body), "{verdict:?}");
}

// proves: EDGE-6
#[test]
fn each_case_is_judged_the_same_whole_and_byte_by_byte() {
    for case in case::all() {
        let whole = judge(std::slice::from_ref(&case.bytes));
        assert_eq!(judge(&bytewise(&case.bytes)), whole, "{}", case.name);
        agrees(&whole);
        let status = whole.violation.map(|violation| violation.denial.facts().status);
        // 408 and "not within a head" are for the clock and the end of the connection to say.
        if case.refused().is_some_and(|refused| refused != 408) {
            assert_eq!(status, case.refused(), "{}", case.name);
        } else {
            assert_eq!(status, None, "{}", case.name);
        }
        let found = reader::read(&whole.released).unwrap().whole;
        assert_eq!(found, case.seen(), "{}", case.name);
    }
}

// proves: EDGE-6
#[test]
fn at_the_very_limits_the_verdict_is_the_same_too() {
    for length in 2030..2050 {
        for end in ["\r\n", "\n", "\rx\r\n", ""] {
            let line = format!("GET /{} HTTP/1.1{end}Host: a\r\n\r\n", "a".repeat(length - 14));
            assert_eq!(judge(&bytewise(line.as_bytes())), judge(&[line.clone().into()]), "{length} {end:?}");
        }
    }
    for length in 8140..8200 {
        for end in ["\r\n\r\n", "\n", "\r\nX : y\r\n\r\n", "\r\n\n", ""] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}{end}", "a".repeat(length - 28));
            assert_eq!(judge(&bytewise(head.as_bytes())), judge(&[head.clone().into()]), "{length} {end:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: EDGE-6
    #[test]
    fn spoiled_requests_are_judged_the_same_in_any_pieces(bytes in hostile::requests(), cuts in hostile::cuts()) {
        let whole = judge(std::slice::from_ref(&bytes));
        prop_assert_eq!(&judge(&hostile::pieces(&bytes, &cuts)), &whole);
        prop_assert_eq!(&judge(&bytewise(&bytes)), &whole);
        prop_assert!(bytes.starts_with(&whole.released), "nothing is repaired");
        agrees(&whole);
    }

    // proves: EDGE-6
    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agrees(&judge(&[bytes]));
    }
}
