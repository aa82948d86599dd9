//! What an import did, for people and for programs. Nothing in it is a text of the source's cells, so that no hash
//! can stand in it, whichever column it was in.

use std::collections::BTreeMap;

use palisade_access::Tally;
use palisade_model::FieldFault;
use serde_json::{Value, json};

use super::columns::{Columns, word};
use super::entry::Place;
use crate::cli::args::Format;
use crate::cli::terminal::{Terminal, line};

/// So many of those who were refused are shown one by one on a terminal; programs get all.
const SHOWN: usize = 50;

/// Whether it can be shown: a word in one case, perhaps with a capital first and a number behind. No hash looks like
/// that: even the shortest (crypt's, of 13 signs) mix their letters.
pub(super) fn is_word(role: &str) -> bool {
    let stem = role.trim_end_matches(|c: char| c.is_ascii_digit());
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b"_-.".contains(&b));
    let upper = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b"_-.".contains(&b));
    let behind = stem.strip_prefix(|c: char| c.is_ascii_alphabetic());
    role.len() <= 24 && role.len() - stem.len() <= 2 && behind.is_some_and(|rest| lower(rest) || upper(stem))
}

/// The columns of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads {
    /// As `name=username`.
    pub(super) read: Vec<String>,
    pub(super) unread: Vec<String>,
}

impl Heads {
    /// What the columns say of these headings.
    pub(super) fn of<'a>(heads: impl Iterator<Item = &'a str>, columns: &Columns) -> Self {
        let mut found = Self::default();
        for head in heads {
            match columns.field(head) {
                Some(field) => found.read.push(format!("{}={}", word(field), shown(head))),
                None => found.unread.push(shown(head).to_owned()),
            }
        }
        found
    }
}

/// A heading, where it can be shown: in a file without headings, a hash may stand in its place.
pub(super) fn shown(head: &str) -> &str {
    let head = head.trim();
    if is_word(head) { head } else { "(something else)" }
}

/// What an import did, or would do.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) tally: Tally,
    /// Of those let in, how many have no password yet.
    pub(super) without_password: u64,
    /// Of those let in, how many had no name of their own.
    pub(super) named: u64,
    /// Who could not be let in, and why.
    pub(super) refused: Vec<(Place, Vec<FieldFault>)>,
    /// Roles of the source that the policy has not, and how many had each.
    pub(super) unknown_roles: BTreeMap<String, u64>,
    /// Which columns were read as what, and which were not.
    pub(super) heads: Heads,
    /// Nothing was written.
    pub(super) unwritten: bool,
}

impl Report {
    /// Notes a role that the policy has not. What does not look like a name is not shown: a hash may stand in the
    /// wrong column.
    pub(super) fn unknown_role(&mut self, role: &str) {
        let plain = is_word(role);
        let shown = if plain { role } else { "(something else)" };
        let count = self.unknown_roles.entry(shown.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Notes somebody who cannot be let in.
    pub(super) fn refuse(&mut self, place: Place, faults: Vec<FieldFault>) {
        self.tally.refused = self.tally.refused.saturating_add(1);
        self.refused.push((place, faults));
    }

    pub(super) fn print(&mut self, format: Format, terminal: Terminal) {
        self.refused.sort_by_key(|(place, _)| place.number);
        match format {
            Format::Json => line(format_args!("{:#}", self.as_json())),
            Format::Text => self.print_text(terminal),
        }
    }

    fn as_json(&self) -> Value {
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|(place, faults)| json!({ "unit": place.unit, "number": place.number, "faults": faults }))
            .collect();
        json!({
            "written": !self.unwritten,
            "taken": self.tally.taken,
            "here": self.tally.here,
            "refused": refused,
            "without_password": self.without_password,
            "named": self.named,
            "unknown_roles": self.unknown_roles,
            "read": self.heads.read,
            "unread": self.heads.unread,
        })
    }

    fn print_text(&self, terminal: Terminal) {
        let Tally { taken, here, refused } = self.tally;
        let did = if self.unwritten { "can be taken over" } else { "taken over" };
        let summary = format!("{taken} {did}, {here} here already, {refused} refused.");
        line(if refused == 0 { terminal.good(&summary) } else { terminal.bad(&summary) });
        let list = |heads: &[String]| if heads.is_empty() { "nothing".to_owned() } else { heads.join(", ") };
        line(format_args!("read: {}; not read: {}", list(&self.heads.read), list(&self.heads.unread)));
        for (place, faults) in self.refused.iter().take(SHOWN) {
            let faults: Vec<String> =
                faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
            line(format_args!("  {} {}  {}", place.unit, place.number, faults.join(" ")));
        }
        if self.refused.len() > SHOWN {
            line(format_args!("  and {} more; --format json shows all", self.refused.len() - SHOWN));
        }
        if !self.unknown_roles.is_empty() {
            let roles: Vec<String> =
                self.unknown_roles.iter().map(|(role, count)| format!("{role} ({count})")).collect();
            line(format_args!("The policy has no such roles: {}.", roles.join(", ")));
            line("  --role THERE=HERE says what one is called here, --role THERE= leaves it out.");
        }
        if self.named > 0 {
            line(format_args!(
                "{} had no name and got one from their address; both let them in.",
                self.named
            ));
        }
        if self.without_password > 0 {
            line(format_args!(
                "{} have no password: 'palisade user link' lets them set one.",
                self.without_password
            ));
        }
        if here > 0 {
            line(
                "Whoever is here already stays as they are, without a password too: 'palisade user link' lets them set one.",
            );
        }
        if self.unwritten {
            line("Nothing was written.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-3, AUD-5
    #[test]
    fn only_what_can_be_no_hash_is_shown_of_a_role() {
        for word in ["editor", "Editor", "ROLE_ADMIN", "level-2", "site.owner", "x"] {
            assert!(is_word(word), "{word}");
        }
        for other in [
            "",
            "abJnggxhB.yWI",
            "rqXexS6ZhobKA",
            "5f4dcc3b5aa765d61d83",
            "5d2e19393cc5ef67",
            "e52cac67419a9a22",
            "$1$salt$qJH7",
            "{SSHA}0c0blFTXXNuA",
            "=cmd|' /C calc'!A0",
            "hunter2hunter2hunter22222",
            "a b",
            "\u{1b}[2J",
        ] {
            assert!(!is_word(other), "{other}");
        }
    }
}
