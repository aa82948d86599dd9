//! `access` as the gate and the services use it: against a real store, with a clock that the test moves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod api_key;
mod authenticator;
mod authorize;
mod breakglass;
mod csrf;
mod factor;
mod guessing;
mod house;
mod legacy;
mod link;
mod lockout;
mod oidc;
mod open;
mod passkey_bombs;
mod password;
mod post;
mod recover;
mod rotation;
mod session;
mod sign_in;
mod sign_up;
mod signing_keys;
mod time;
mod token;
