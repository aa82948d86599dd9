//! What somebody does with their own account: from registration to a new password.

pub(crate) mod address;
pub(crate) mod factors;
pub(crate) mod identities;
pub(crate) mod link;
pub(crate) mod password;
pub(crate) mod reset;
pub(crate) mod sign_up;
