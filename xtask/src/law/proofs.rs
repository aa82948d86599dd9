//! Every requirement that a control claims is proved by a named test.

use std::collections::BTreeSet;

use palisade_policy::control::controls;

use super::Finding;
use super::sources::Source;

/// The mark that a test carries: `// proves: CSRF-3, HEAD-1`.
const MARK: &str = concat!("// ", "proves:");

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let proved: BTreeSet<&str> = sources.iter().flat_map(|source| proved_by(&source.text)).collect();
    let mut findings = Vec::new();
    for control in controls() {
        for id in control.requirements.iter().filter(|id| !proved.contains(**id)) {
            let what = format!("claims {id}, which no test proves ('{MARK} {id}')");
            findings.push(Finding::new(control.id, what));
        }
    }
    findings
}

/// The requirement ids behind each mark.
fn proved_by(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split_once(MARK)).flat_map(|(_, ids)| ids.split([',', ' '])).filter(
        |id| {
            id.split_once('-').is_some_and(|(area, number)| {
                area.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u8>().is_ok()
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_and_a_claim_without_one_is_found() {
        let text = format!("{MARK} CSRF-3, HEAD-1 and the rest\nfn f() {{}}\n");
        assert_eq!(proved_by(&text).collect::<Vec<_>>(), ["CSRF-3", "HEAD-1"]);
        let findings = check(&[Source::made_up("crates/x/src/a.rs", &text)]);
        assert!(findings.iter().any(|finding| finding.what.contains("CORS-1")), "nothing proves CORS-1 here");
        assert!(!findings.iter().any(|finding| finding.what.contains("claims HEAD-1,")));
    }
}
