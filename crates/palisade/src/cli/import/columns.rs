//! Which column of the source holds what.

use crate::cli::args::Preset;

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Email,
    Password,
    Roles,
    Tenant,
    Enabled,
    EmailVerified,
    /// A flag that stands for the role `superuser`.
    Superuser,
    /// A flag that stands for the role `staff`.
    Staff,
}

/// Each field with its word on the command line and the names that it usually has.
const FIELDS: &[(Field, &str, &[&str])] = &[
    (Field::Name, "name", &["username", "user_name", "login"]),
    (Field::Email, "email", &["email_address", "mail"]),
    (Field::Password, "password", &["password_hash", "hashed_password", "pw_hash", "hash"]),
    (Field::Roles, "roles", &["role"]),
    (Field::Tenant, "tenant", &["tenant_id"]),
    (Field::Enabled, "enabled", &["is_active", "active"]),
    (Field::EmailVerified, "email_verified", &["email_confirmed"]),
    (Field::Superuser, "superuser", &["is_superuser"]),
    (Field::Staff, "staff", &["is_staff"]),
];

/// The word for the first of these fields that comes twice: whose value counts could not be known.
pub(super) fn twice(fields: impl IntoIterator<Item = Field>) -> Option<&'static str> {
    let mut seen = Vec::new();
    let again = fields.into_iter().find(|field| {
        let known = seen.contains(field);
        seen.push(*field);
        known
    })?;
    FIELDS.iter().find(|(field, ..)| *field == again).map(|(_, word, _)| *word)
}

/// The word for a field on the command line.
pub(super) fn word(field: Field) -> &'static str {
    FIELDS.iter().find(|(other, ..)| *other == field).map_or("", |(_, word, _)| *word)
}

/// Columns by field.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pairs: Vec<(Field, String)>,
    /// Those that the command line names: they have to be there.
    named: Vec<(Field, String)>,
}

impl Columns {
    /// A framework's own.
    pub(super) fn of(preset: Preset) -> Self {
        let pairs: &[(Field, &str)] = match preset {
            Preset::Django => &[
                (Field::Name, "username"),
                (Field::Email, "email"),
                (Field::Password, "password"),
                (Field::Enabled, "is_active"),
                (Field::Superuser, "is_superuser"),
                (Field::Staff, "is_staff"),
            ],
            Preset::FlaskLogin => {
                &[(Field::Name, "username"), (Field::Email, "email"), (Field::Password, "password_hash")]
            }
        };
        let pairs = pairs.iter().map(|(field, column)| (*field, (*column).to_owned())).collect();
        Self { pairs, named: Vec::new() }
    }

    /// As the command line says: `name=username`; nothing behind the sign takes a preset's column away.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn set(&mut self, pair: &str) -> Result<(), String> {
        let (word, column) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not FIELD=COLUMN"))?;
        let found = FIELDS.iter().find(|(_, known, _)| *known == word.trim());
        let Some((field, ..)) = found else {
            let known: Vec<&str> = FIELDS.iter().map(|(_, word, _)| *word).collect();
            return Err(format!("there is no field '{}'; the fields are {}", word.trim(), known.join(", ")));
        };
        self.pairs.retain(|(other, _)| other != field);
        self.named.retain(|(other, _)| other != field);
        if !column.trim().is_empty() {
            self.pairs.push((*field, column.trim().to_owned()));
            self.named.push((*field, column.trim().to_owned()));
        }
        Ok(())
    }

    /// Nothing was said about columns.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The first that the command line names and the source has not.
    pub(super) fn missing<'a>(
        &self,
        heads: &(impl Iterator<Item = &'a str> + Clone),
    ) -> Option<&(Field, String)> {
        self.named.iter().find(|(_, column)| !heads.clone().any(|head| head.trim() == column))
    }

    /// The fields, each with the name of its column.
    pub(super) fn pairs(&self) -> &[(Field, String)] {
        &self.pairs
    }

    /// What a column of this name holds: as was said, or else what the name says.
    pub(super) fn field(&self, column: &str) -> Option<Field> {
        if self.is_empty() {
            let column = column.trim().to_ascii_lowercase();
            return FIELDS
                .iter()
                .find(|(_, word, usual)| *word == column || usual.contains(&column.as_str()))
                .map(|(field, ..)| *field);
        }
        self.pairs.iter().find(|(_, known)| known == column.trim()).map(|(field, _)| *field)
    }
}
