//! What [`Access`](crate::Access) does, one matter in each file.

pub(crate) mod administer;
pub(crate) mod api_key;
pub(crate) mod attempt;
pub(crate) mod authorize;
pub(crate) mod breakglass;
pub(crate) mod census;
pub(crate) mod enter;
pub(crate) mod factors;
pub(crate) mod guest;
pub(crate) mod identify;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod oversee;
pub(crate) mod password;
pub(crate) mod post;
pub(crate) mod prove;
pub(crate) mod provider;
pub(crate) mod run;
pub(crate) mod second;
pub(crate) mod session;
pub(crate) mod sign_up;
pub(crate) mod tenure;
pub(crate) mod token;
pub(crate) mod unlock;
