//! Sign-in, sign-up, sign-out and the account, as pages and as JSON.

mod cookies;
mod device;
mod intake;
mod next;
