//! One user of the source, put together from cells.

use palisade_access::Newcomer;
use palisade_model::Secret;

use super::columns::Field;

/// How the source's words become ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Roles there and here; nothing here drops the role.
    pub(super) roles: Vec<(String, String)>,
    /// All addresses count as verified.
    pub(super) email_verified: bool,
}

/// A user of the source, with where they stand in it.
#[derive(Debug)]
pub(super) struct Entry {
    /// As `line 17`.
    pub(super) place: Place,
    /// The user, or what is wrong with how they are written.
    pub(super) newcomer: Result<Newcomer, &'static str>,
}

/// Where somebody stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `line`, `item` or `row`.
    pub(super) unit: &'static str,
    /// From 1.
    pub(super) number: u64,
}

impl Rules {
    /// The user whom these cells describe.
    ///
    /// # Errors
    /// What is wrong with a cell.
    pub(super) fn newcomer<'a>(
        &self,
        cells: impl IntoIterator<Item = (Field, &'a str)>,
    ) -> Result<Newcomer, &'static str> {
        let mut newcomer = Newcomer {
            name: None,
            email: None,
            email_verified: self.email_verified,
            tenant: None,
            roles: None,
            hash: None,
            enabled: true,
        };
        for (field, cell) in cells {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            match field {
                Field::Name => newcomer.name = Some(cell.to_owned()),
                Field::Email => newcomer.email = Some(cell.to_owned()),
                // Django writes '!' before what no password fits, others '*'.
                Field::Password if cell.starts_with(['!', '*']) => {}
                Field::Password => newcomer.hash = Some(Secret::new(cell)),
                Field::Tenant => newcomer.tenant = Some(cell.to_owned()),
                Field::Enabled => newcomer.enabled = yes(cell).ok_or("enabled: write true or false")?,
                Field::EmailVerified => {
                    newcomer.email_verified |= yes(cell).ok_or("email_verified: write true or false")?;
                }
                Field::Roles => {
                    for role in cell.split([',', ';', ' ']).filter(|role| !role.is_empty()) {
                        self.add(role, true, &mut newcomer);
                    }
                }
                Field::Superuser if yes(cell) == Some(true) => self.add("superuser", false, &mut newcomer),
                Field::Staff if yes(cell) == Some(true) => self.add("staff", false, &mut newcomer),
                Field::Superuser | Field::Staff => {}
            }
        }
        Ok(newcomer)
    }

    /// Adds a role under its name here. A flag becomes a role only if the command line says which.
    fn add(&self, role: &str, always: bool, newcomer: &mut Newcomer) {
        let mut known = self.roles.iter().filter(|(there, _)| there == role).peekable();
        if known.peek().is_none() && !always {
            return;
        }
        let roles = newcomer.roles.get_or_insert_default();
        if known.peek().is_none() {
            roles.push(role.to_owned());
        }
        roles.extend(known.map(|(_, here)| here.clone()).filter(|here| !here.is_empty()));
        roles.sort();
        roles.dedup();
    }
}

fn yes(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Some(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let pair = |there: &str, here: &str| (there.to_owned(), here.to_owned());
        Rules { roles: vec![pair("boss", "admin"), pair("guest", "")], email_verified: false }
    }

    // proves: ID-3
    #[test]
    fn a_flag_gives_rights_only_where_the_command_line_says_which() {
        let cells = [(Field::Name, "ann"), (Field::Superuser, "1"), (Field::Staff, "t")];
        assert_eq!(rules().newcomer(cells).unwrap().roles, None);
        let mut rules = rules();
        rules.roles.push(("superuser".into(), "admin".into()));
        assert_eq!(rules.newcomer(cells).unwrap().roles, Some(vec!["admin".to_owned()]));
        assert_eq!(rules.newcomer([(Field::Superuser, "0")]).unwrap().roles, None);
    }

    // proves: ID-3
    #[test]
    fn roles_are_renamed_dropped_or_kept_to_be_judged() {
        let roles = |cell: &'static str| rules().newcomer([(Field::Roles, cell)]).unwrap().roles;
        assert_eq!(roles("boss;user"), Some(vec!["admin".to_owned(), "user".to_owned()]));
        assert_eq!(roles("guest"), Some(vec![]), "no role is not the default roles");
        assert_eq!(roles("root"), Some(vec!["root".to_owned()]));
        assert_eq!(roles(" "), None);
    }

    // proves: ID-3
    #[test]
    fn what_is_not_clear_lets_nobody_in() {
        assert!(rules().newcomer([(Field::Enabled, "perhaps")]).is_err());
        assert!(!rules().newcomer([(Field::Enabled, "False")]).unwrap().enabled);
        assert!(rules().newcomer([(Field::Password, "!unusable")]).unwrap().hash.is_none());
    }
}
