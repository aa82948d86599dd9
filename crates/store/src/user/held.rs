//! Whether somebody holds a second factor: whoever makes a session or tokens asks, and nobody gets round it (ID-17).

use palisade_model::id::UserId;

use crate::sql::{Query, statements, values};

statements! {
    ANY = "SELECT 1 FROM totp WHERE user_id = $1 \
           UNION ALL SELECT 1 FROM passkeys WHERE user_id = $1";
}

/// A row for each of a user's second factors.
pub(crate) fn any(user: UserId) -> Query {
    ANY.with(values![user])
}
