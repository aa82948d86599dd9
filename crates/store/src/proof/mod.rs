//! What somebody proves themselves by, and how it changes. What it let in ends with it.

pub(crate) mod factor;
pub(crate) mod password;
pub(crate) mod recover;
