//! Who is asking, and what they may do.
//!
//! The only crate that makes a [`Principal`] (somebody whose credential was verified) or a [`Permit`] (that
//! a request was allowed). Everything else takes them as values and cannot forge them.
//!
//! [`Access`] is the whole of it: sign-in, sessions, tokens, passwords, CSRF tokens and the assertion to the
//! upstream. Sessions and verified tokens are cached; `live.rs` says why a cached one is never believed after
//! it was revoked.

mod access;
mod cache;
mod csrf;
mod error;
mod factor;
mod keys;
mod letter;
mod live;
mod lockout;
mod name;
mod oidc;
mod open;
mod password;
mod principal;
mod scope;
mod service;
mod session;
mod token;

pub use access::Access;
pub use error::AccessError;
pub use letter::{Letter, Matter, Notice};
pub use oidc::{Answering, Offline, Outgoing, OutgoingError};
pub use password::{HashingLoad, Subject};
pub use principal::{Principal, Via};
pub use scope::Scopes;
pub use service::account::factors::{Changed, Held, TotpOffer};
pub use service::account::link::OpenLink;
pub use service::account::sign_up::{SignUp, SignedUp};
pub use service::admin::unlock::Locked;
pub use service::admin::users::NewUser;
pub use service::api_key::breakglass::{BREAKGLASS_SPENT, BreakglassReport};
pub use service::api_key::make::{KeyWish, MadeKey, NewKey};
pub use service::import::inherit::Inherited;
pub use service::import::newcomer::{Judged, Newcomer, Tally};
pub use service::keys::Turn;
pub use service::post::ClaimedMail;
pub use service::request::authorize::Permit;
pub use service::request::tenure::Tenure;
pub use service::reseal::Resealed;
pub use service::session::NewSession;
pub use service::sign_in::enter::{Entered, HalfIn, Method};
pub use service::sign_in::provider::{Arrival, Arrived, Departure};
pub use service::sign_in::second::Completed;
pub use service::sign_in::show::{Challenge, Shown};
pub use service::sign_in::tokens::{Issued, TOKEN_REUSED, Tokens};
pub use token::keyring::Purpose;
