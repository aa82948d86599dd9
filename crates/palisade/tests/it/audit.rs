//! What is written down of requests through the whole server, and what is not.

mod chain;
mod events;
mod marked;
mod rows;

use palisade_store::{AuditQuery, AuditRow};

use crate::support::{Site, Upstream, public};

/// The whole trail.
async fn trail(site: &Site) -> Vec<AuditRow> {
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    site.running.store.audit_rows(&query).await.unwrap()
}

/// The rows of one action.
async fn of_action(site: &Site, action: &str) -> Vec<AuditRow> {
    trail(site).await.into_iter().filter(|row| row.action == action).collect()
}

/// Users read, administrators write.
fn guarded(app: &Upstream) -> String {
    public(app.address).replace("read = \"public\", write = \"public\"", "read = \"user\", write = \"admin\"")
}
