//! How hard a password is to guess, at a bounded price.
//!
//! The estimator (zxcvbn) tries every way to read symbols as letters: `4@8({[<369!|10$5+7%2` over and over keeps
//! it busy for seconds. So it is shown at most [`WINDOW`] characters at a time, and symbols that would
//! multiply the readings beyond [`MOST_READINGS`] are exchanged for others that stand for no letter.

use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, zxcvbn};

/// Characters in one estimate. A password is at least as strong as its strongest part.
const WINDOW: usize = 40;

/// So many ways to read symbols as letters are tried.
const MOST_READINGS: usize = 32;

/// Which symbols may stand for which letter, as the estimator has it.
const LETTERS: [&str; 12] = ["4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2"];

/// The symbols of [`LETTERS`] that are no digits, and what takes their place.
const QUIET: [(char, char); 10] = [
    ('@', '"'),
    ('(', '\''),
    ('{', ','),
    ('[', '.'),
    ('<', ':'),
    ('!', ';'),
    ('|', '?'),
    ('$', '\\'),
    ('+', '^'),
    ('%', '`'),
];

/// What the estimate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strength {
    /// From 0, guessed at once, to 4.
    pub(super) score: u8,
    /// The whole of it stands on a list of passwords, names or words, also reversed or in l33t letters. The
    /// lists hold 94,000, of them 30,000 leaked passwords.
    pub(super) is_common: bool,
}

/// The estimate; `known` are words that whoever guesses would try first.
pub(super) fn estimate(password: &str, known: &[&str]) -> Strength {
    let chars: Vec<char> = password.chars().collect();
    let first = judge(chars.get(..WINDOW).unwrap_or(&chars), known);
    match chars.len().checked_sub(WINDOW) {
        None | Some(0) => first,
        Some(from) => {
            let last = judge(chars.get(from..).unwrap_or_default(), known);
            Strength { score: first.score.max(last.score), is_common: false }
        }
    }
}

fn judge(part: &[char], known: &[&str]) -> Strength {
    let text: String =
        if readings(part) > MOST_READINGS { part.iter().map(quiet).collect() } else { part.iter().collect() };
    let estimate = zxcvbn(&text, known);
    Strength { score: estimate.score() as u8, is_common: is_one_word(&estimate, part.len()) }
}

fn is_one_word(estimate: &Entropy, length: usize) -> bool {
    match estimate.sequence() {
        [only] => only.token.chars().count() == length && matches!(only.pattern, MatchPattern::Dictionary(_)),
        _ => false,
    }
}

/// How many readings the estimator would try at most: for each letter each of its symbols that is there, and twice
/// as many for each symbol that can be two letters.
fn readings(part: &[char]) -> usize {
    let present = |symbols: &&str| symbols.chars().filter(|symbol| part.contains(symbol)).count().max(1);
    let double = ['1', '|', '7'].iter().filter(|symbol| part.contains(symbol)).count();
    LETTERS.iter().map(present).product::<usize>() << double
}

fn quiet(symbol: &char) -> char {
    QUIET.iter().find(|(loud, _)| loud == symbol).map_or(*symbol, |(_, quiet)| *quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    // proves: ID-2
    #[test]
    fn no_password_keeps_it_busy() {
        let every_symbol = "4@8({[<369!|10$5+7%2";
        for text in [every_symbol.repeat(50), "4@".repeat(500), "aA1!".repeat(250), "(){}[]<>".repeat(100)] {
            let began = Instant::now();
            estimate(&text, &["alice", "alice@tracker.example"]);
            // Unoptimised and on a busy machine; it was half a minute without the bounds.
            assert!(began.elapsed() < Duration::from_secs(5), "{text:.20}: {:?}", began.elapsed());
        }
        let chars: Vec<char> = every_symbol.chars().collect();
        assert!(readings(&chars) > 1000);
        let quiet: Vec<char> = chars.iter().map(quiet).collect();
        assert!(readings(&quiet) <= MOST_READINGS, "digits alone are few enough");
    }

    // proves: ID-2
    #[test]
    fn the_bounds_change_no_ordinary_judgement() {
        for (text, common) in
            [("P@$$w0rd", true), ("1234567890", true), ("Tr0ub4dor&3", false), ("!@#$%^&*()", false)]
        {
            let plain = zxcvbn(text, &[]);
            let bounded = estimate(text, &[]);
            assert_eq!((bounded.score, bounded.is_common), (plain.score() as u8, common), "{text}");
        }
    }

    // proves: ID-2
    #[test]
    fn a_long_password_is_as_strong_as_its_strongest_end() {
        assert!(estimate(&"password".repeat(12), &[]).score <= 1);
        assert_eq!(estimate(&format!("{}violet kayak umbrella 39", "a".repeat(80)), &[]).score, 4);
        assert_eq!(estimate(&format!("violet kayak umbrella 39{}", "a".repeat(80)), &[]).score, 4);
    }
}
