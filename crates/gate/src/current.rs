//! The request that is being served, for those who write log lines about it without knowing it (EDGE-4, AUD-6).

use std::future::Future;

use palisade_model::RequestId;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Serves a request of this id.
pub fn scope<F: Future>(id: RequestId, serve: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, serve)
}

/// The same for what does not wait.
pub fn sync_scope<T>(id: RequestId, serve: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(id, serve)
}

/// Shows the id of the request that is being served, if one is.
pub fn with(show: impl FnOnce(&RequestId)) {
    let _ = CURRENT.try_with(show);
}
