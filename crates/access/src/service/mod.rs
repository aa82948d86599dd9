//! What [`Access`](crate::Access) does, one matter in each file.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod api_key;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod post;
pub(crate) mod request;
pub(crate) mod reseal;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod sign_in;
