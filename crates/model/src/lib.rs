//! The words that every Palisade crate shares.
//!
//! Nothing here reads a file, a clock or a database: time, randomness and the environment are
//! handed in through [`World`], so that tests can move the clock and repeat the dice.

pub mod address;
pub mod audit;
pub mod denial;
pub mod digest;
pub mod event;
pub mod id;
pub mod secret;
pub mod world;

pub use address::ClientAddress;
pub use audit::{Action, AuditEvent};
pub use denial::{Alarm, Denial, Fault, FieldFault, Refusal, Stage};
pub use event::SecurityEvent;
pub use id::{RequestId, TenantId};
pub use secret::{Secret, Token};
pub use world::{Clock, Entropy, Environment, ManualClock, SystemClock, Timestamp, World};
