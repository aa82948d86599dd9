//! Ways in: whoever gives one of theirs up keeps another.

use palisade_model::id::UserId;

use crate::StoreError;
use crate::db::Tx;
use crate::sql::{statements, values};

statements! {
    LEFT = "SELECT 1 FROM users WHERE id = $1 AND password IS NOT NULL \
            UNION ALL SELECT 1 FROM identities WHERE user_id = $1 \
            UNION ALL SELECT 1 FROM passkeys WHERE user_id = $1";
}

/// Keeps what was taken away in this write only if something still lets its user in. No other write comes between:
/// this one holds the head row since its first statement.
///
/// # Errors
/// [`StoreError::LastWay`] when nothing does.
pub(crate) async fn keep_one(tx: &mut Tx<'_>, of: UserId) -> Result<(), StoreError> {
    let [left] = tx.all([LEFT.with(values![of])]).await?;
    if left.is_empty() { Err(StoreError::LastWay) } else { Ok(()) }
}
