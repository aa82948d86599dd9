//! What a reader of a body finds, step by step.

use std::ops::Range;

/// One value of the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Decoded.
    pub(super) value: String,
    /// The bytes that can be left out to have the same form without it; `None` where nothing is
    /// ever taken out.
    pub(super) span: Option<Range<usize>>,
}

/// What came of looking further.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A value of the field.
    Found(Found),
    /// Nothing more without more bytes.
    More,
    /// The form is over.
    End,
    /// Not the form that it says it is.
    Malformed,
}
