//! What a new password has to be (ID-2). Every fault says what to write instead.

use std::borrow::Cow;

use palisade_model::FieldFault;
use palisade_policy::section::identify::Passwords;

use super::strength::estimate;

/// The special characters of the seed's policy (mtc, section 1), space included.
const SPECIAL: &str = "!@#$%^&*()_-+=[]{}; '\",.<>?/\\|`~";

/// Parts of a name that are shorter than this may stand in a password: `ann` is in `planning`.
const TELLING: usize = 4;

/// Whose password it is to be: it must not hold their name.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The sign-in name.
    pub name: &'a str,
    /// The e-mail address.
    pub email: Option<&'a str>,
}

/// The rules of a policy, with words that everybody here would think of.
#[derive(Clone)]
pub(crate) struct Rules {
    policy: Passwords,
    words: Vec<String>,
}

impl Rules {
    /// `words`: the application's name and host (ASVS 5.0, 6.2.11).
    pub(crate) fn new(policy: Passwords, words: Vec<String>) -> Self {
        Self { policy, words }
    }

    /// Every fault of `password` (already normalised) in the field `field`. Takes milliseconds of
    /// processor time: not for a request's thread.
    pub(crate) fn faults(
        &self,
        field: &'static str,
        password: &str,
        subject: &Subject<'_>,
    ) -> Vec<FieldFault> {
        let mut messages: Vec<Cow<'static, str>> = Vec::new();
        self.length(password, &mut messages);
        self.classes(password, &mut messages);
        if holds_name(password, subject) {
            messages.push("Leave your name and e-mail address out of it.".into());
        }
        // Told together with the others only if it adds something: a short password is weak anyway.
        if messages.is_empty() {
            self.strength(password, subject, &mut messages);
        }
        messages.into_iter().map(|message| FieldFault { field: field.into(), message }).collect()
    }

    fn length(&self, password: &str, messages: &mut Vec<Cow<'static, str>>) {
        let (least, most) = (self.policy.min_length, self.policy.max_length);
        let length = password.chars().count();
        if length < least {
            messages.push(format!("Write at least {least} characters.").into());
        } else if length > most {
            messages.push(too_long(most));
        }
    }

    fn classes(&self, password: &str, messages: &mut Vec<Cow<'static, str>>) {
        type Class = (bool, fn(char) -> bool, &'static str);
        let wanted: [Class; 4] = [
            (self.policy.upper, char::is_uppercase, "Add an upper-case letter."),
            (self.policy.lower, char::is_lowercase, "Add a lower-case letter."),
            (self.policy.digit, |c| c.is_ascii_digit(), "Add a digit."),
            (self.policy.special, |c| SPECIAL.contains(c), "Add a special character, such as ! ? # or -."),
        ];
        for (asked, is, message) in wanted {
            if asked && !password.chars().any(is) {
                messages.push(message.into());
            }
        }
    }

    fn strength(&self, password: &str, subject: &Subject<'_>, messages: &mut Vec<Cow<'static, str>>) {
        if !self.policy.refuse_common && self.policy.min_strength == 0 {
            return;
        }
        let mut known: Vec<&str> = self.words.iter().map(String::as_str).collect();
        known.push(subject.name);
        known.extend(subject.email);
        let strength = estimate(password, &known);
        if self.policy.refuse_common && strength.is_common {
            messages.push("This is one of the passwords that are tried first. Write another one.".into());
        } else if strength.score < self.policy.min_strength {
            messages.push(
                "This is easy to guess. Take four or more words that do not belong together, or a longer one."
                    .into(),
            );
        }
    }
}

/// The message for a password over the limit.
pub(crate) fn too_long(most: usize) -> Cow<'static, str> {
    format!("Write at most {most} characters.").into()
}

/// Whether a telling part of the name or address stands in it, forwards or backwards, in any case.
fn holds_name(password: &str, subject: &Subject<'_>) -> bool {
    let folded = fold(password);
    let letters: String = folded.chars().filter(|c| c.is_alphabetic()).collect();
    let (local, domain) = subject.email.and_then(|email| email.split_once('@')).unwrap_or_default();
    let organisation = domain.rsplit('.').nth(1).unwrap_or_default();
    let whole = [subject.name, subject.email.unwrap_or_default(), local, organisation];
    let parts = whole.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    parts.chain(whole.iter().copied()).map(fold).any(|word| {
        let backwards: String = word.chars().rev().collect();
        if word.chars().count() >= TELLING {
            folded.contains(&word) || folded.contains(&backwards)
        } else {
            // `Ann-1987!` is the name and nothing but.
            !word.is_empty() && (letters == word || letters == backwards)
        }
    })
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Passwords {
        Passwords {
            min_length: 8,
            max_length: 128,
            upper: true,
            lower: true,
            digit: true,
            special: true,
            refuse_common: true,
            min_strength: 2,
            max_age: None,
            history: 3,
            hashing: palisade_policy::section::identify::Hashing::Argon2id { memory_kib: 64, passes: 1 },
            workers: 1,
            queue: 1,
        }
    }

    fn faults(policy: Passwords, password: &str) -> Vec<String> {
        let subject = Subject { name: "Martina.Kovacs", email: Some("ann@harbour-works.example") };
        let rules = Rules::new(policy, vec!["Tracker".into()]);
        rules.faults("password", password, &subject).into_iter().map(|f| f.message.into_owned()).collect()
    }

    // proves: ID-2
    #[test]
    fn each_class_is_asked_for_by_what_to_add() {
        assert_eq!(faults(policy(), "Violet-kayak-39"), Vec::<String>::new());
        assert_eq!(faults(policy(), "violet-kayak-39"), ["Add an upper-case letter."]);
        assert_eq!(faults(policy(), "VIOLET-KAYAK-39"), ["Add a lower-case letter."]);
        assert_eq!(faults(policy(), "Violet-kayak-xy"), ["Add a digit."]);
        assert_eq!(faults(policy(), "Violetkayak39zq"), ["Add a special character, such as ! ? # or -."]);
        assert_eq!(faults(policy(), "").len(), 5);
        assert_eq!(faults(policy(), &"Aa1!".repeat(33)), ["Write at most 128 characters."]);
    }

    // proves: ID-2
    #[test]
    fn the_seeds_special_characters_are_the_seeds() {
        assert_eq!(SPECIAL.chars().count(), 32);
        for special in SPECIAL.chars() {
            assert!(faults(policy(), &format!("Violetkayak39{special}q")).is_empty(), "{special:?}");
        }
        assert!(!faults(policy(), "Violetkayak39:q").is_empty(), "':' is not in the set");
    }

    // proves: ID-2
    #[test]
    fn common_passwords_are_refused_in_disguise_too() {
        let plain = Passwords { upper: false, digit: false, special: false, min_strength: 0, ..policy() };
        let common = "This is one of the passwords that are tried first. Write another one.";
        for password in
            ["password", "iloveyou", "P@ssw0rd", "drowssap", "trustno1", "qwertyuiop", "elizabeth"]
        {
            assert_eq!(faults(plain.clone(), password), [common], "{password}");
        }
        assert!(faults(plain.clone(), "violet kayak umbrella").is_empty());
        assert!(faults(Passwords { refuse_common: false, ..plain }, "password").is_empty());
    }

    // proves: ID-2
    #[test]
    fn the_name_and_address_are_refused_in_any_case_and_backwards() {
        let name = ["Leave your name and e-mail address out of it."];
        for password in [
            "Xy7!martina-zz",
            "MARTINA2026!x",
            "zz9!Anitram-qq",
            "qK4!skovacs-7b",
            "Harbour-77!xq",
            "Ann-1987!!?",
        ] {
            assert_eq!(
                faults(Passwords { upper: false, lower: false, ..policy() }, password),
                name,
                "{password}"
            );
        }
        assert!(faults(policy(), "Planning-Mauve-41").is_empty(), "'ann' inside a word is no name");
    }

    // proves: ID-2
    #[test]
    fn weak_ones_are_refused_by_strength() {
        let strict = Passwords { min_strength: 3, ..policy() };
        assert_eq!(faults(strict.clone(), "Password1!").len(), 1);
        assert_eq!(faults(strict.clone(), "Tracker1!Tracker1!").len(), 1, "the application's own name");
        assert!(faults(strict, "Violet-kayak-39-umbrella").is_empty());
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, failure_persistence: None, ..Default::default() })]

        /// Whatever is typed gets an answer, and every fault a sentence.
        // proves: ID-2
        #[test]
        fn no_text_makes_the_rules_stumble(password in "\\PC{0,24}", name in "\\PC{0,8}", email in "\\PC{0,6}@\\PC{0,6}") {
            let plain = Passwords { min_length: 0, upper: false, lower: false, digit: false, special: false, ..policy() };
            let rules = Rules::new(plain, vec!["Tracker".into()]);
            let subject = Subject { name: &name, email: Some(&email) };
            for fault in rules.faults("password", &password, &subject) {
                proptest::prop_assert!(fault.message.ends_with('.'));
            }
        }
    }
}
