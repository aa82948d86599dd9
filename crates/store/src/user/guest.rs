//! Visitors who registered without name or password and whose token is long over (ID-14): nobody comes as them again.

use palisade_model::id::UserId;
use palisade_model::{AuditEvent, Timestamp};

use crate::feed::Subject;
use crate::sql::{statements, values};
use crate::{Store, StoreError};

/// What visitors are named, before what tells them apart.
pub const GUEST: &str = "guest";

/// Visitors in one go at most.
const BATCH: usize = 1000;

/// A visitor by name, made before `$2`, whom no way leads to: no password ever, no address, no account elsewhere, no
/// factor, no session, no link and no token that ended after `$2`. One that is disabled counts until its time is over.
macro_rules! gone {
    () => {
        " FROM users u WHERE u.name LIKE $1 AND length(u.name) = 22 AND u.created_at <= $2 \
         AND u.password IS NULL AND u.password_at IS NULL AND u.email IS NULL \
         AND NOT EXISTS (SELECT 1 FROM api_tokens t WHERE t.user_id = u.id AND (t.expires_at IS NULL OR t.expires_at > $2)) \
         AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id) \
         AND NOT EXISTS (SELECT 1 FROM families f WHERE f.user_id = u.id) \
         AND NOT EXISTS (SELECT 1 FROM links l WHERE l.user_id = u.id) \
         AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = u.id) \
         AND NOT EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id) \
         AND NOT EXISTS (SELECT 1 FROM totp o WHERE o.user_id = u.id)"
    };
}

statements! {
    GONE = concat!("SELECT u.id", gone!(), " ORDER BY u.id LIMIT $3");
    STILL = concat!("SELECT 1", gone!(), " AND u.id = $3");
    TOKENS = "DELETE FROM api_tokens WHERE user_id = $1";
    PENDING = "DELETE FROM pending WHERE user_id = $1";
    CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
    HISTORY = "DELETE FROM password_history WHERE user_id = $1";
    LIKENESS = "DELETE FROM likenesses WHERE user_id = $1";
    LOGINS = "DELETE FROM logins WHERE user_id = $1";
    USER = "DELETE FROM users WHERE id = $1";
}

impl Store {
    /// Removes visitors whose tokens had all ended by `before`, a thousand at most; how many. What the trail says of them
    /// stays, and each is one row more in it, made of `row`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_guests(&self, before: Timestamp, row: AuditEvent) -> Result<usize, StoreError> {
        let name = || format!("{GUEST}-%");
        let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
        // Looked for beside the writer, since it takes its time, and asked again within the write.
        let found = self.db().list(GONE.with(values![name(), before, most])).await?;
        let found = found.into_iter().map(|mut row| row.read()).collect::<Result<Vec<UserId>, _>>()?;
        if found.is_empty() {
            return Ok(0);
        }
        self.db()
            .write(move |tx| {
                Box::pin(async move {
                    let still = found.iter().map(|id| STILL.with(values![name(), before, *id])).collect();
                    let still = tx.each(still).await?;
                    let gone = found.into_iter().zip(still).filter(|(_, rows)| !rows.is_empty());
                    let mut removed = 0;
                    for (id, _) in gone {
                        for part in [&TOKENS, &PENDING, &CODES, &HISTORY, &LIKENESS, &LOGINS, &USER] {
                            tx.later(part.with(values![id]));
                        }
                        let mut row = row.clone();
                        row.entity_id = id.to_string();
                        tx.changed(Subject::User(id));
                        tx.record(vec![row]);
                        removed += 1;
                    }
                    Ok(removed)
                })
            })
            .await
    }
}
