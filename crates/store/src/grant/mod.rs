//! What lets somebody in without a new proof: sessions, tokens, links, and ceremonies under way.

pub(crate) mod api_token;
pub(crate) mod link;
pub(crate) mod pending;
pub(crate) mod refresh;
pub(crate) mod revoke;
pub(crate) mod session;

use palisade_model::Timestamp;

use crate::sql::{Sql, values};
use crate::{Store, StoreError};

/// Notes by `statement` when what has these digests was last used, a thousand at a time. Not a change that caches must
/// hear of.
pub(crate) async fn touch(
    store: &Store,
    statement: &'static Sql,
    seen: &[([u8; 32], Timestamp)],
) -> Result<(), StoreError> {
    for chunk in seen.chunks(1000) {
        let chunk = chunk.to_vec();
        store
            .db()
            .write(move |tx| {
                for (digest, at) in chunk {
                    tx.later(statement.with(values![digest, at]));
                }
                Box::pin(std::future::ready(Ok(())))
            })
            .await?;
    }
    Ok(())
}
