//! One thing that a program can ask for.

use palisade_model::Denial;

use super::shape::{Field, Shape};

/// One thing that a program can ask for: a method and a path.
///
/// ```text
/// const ME: Operation = Operation::get("/api/v1/auth/me", "account", "Who am I?")
///     .gives(&[Gives::json(200, "You.", Shape::Named(&USER))]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// The path as its row has it; `{id}` is a UUID, any other parameter a text.
    pub path: &'static str,
    /// Its matter, as `auth`.
    pub tag: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What its JSON body holds, and nothing else; empty where it reads none.
    pub takes: &'static [Field],
    /// What its query may hold.
    pub asks: &'static [Field],
    /// What it answers when it works.
    pub gives: &'static [Gives],
    /// How it refuses, beyond what follows from its row and its body.
    pub refuses: &'static [Denial],
    /// Whether it takes a session, and no token does.
    pub in_session: bool,
    /// Whether it is an old spelling that goes away.
    pub deprecated: bool,
}

/// An answer to what works.
#[derive(Clone, Copy, Debug)]
pub struct Gives {
    /// The status.
    pub status: u16,
    /// What it means.
    pub doc: &'static str,
    /// Its JSON body; none where it has none.
    pub body: Option<Shape>,
    /// Its media type.
    pub media: &'static str,
}

impl Gives {
    /// A JSON answer.
    #[must_use]
    pub const fn json(status: u16, doc: &'static str, shape: Shape) -> Self {
        Self { status, doc, body: Some(shape), media: "application/json" }
    }

    /// An answer without a body.
    #[must_use]
    pub const fn nothing(status: u16, doc: &'static str) -> Self {
        Self { status, doc, body: None, media: "application/json" }
    }

    /// The same with another media type.
    #[must_use]
    pub const fn of(self, media: &'static str) -> Self {
        Self { media, ..self }
    }
}

impl Operation {
    const fn new(method: &'static str, path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            tag,
            summary,
            takes: &[],
            asks: &[],
            gives: &[],
            refuses: &[],
            in_session: false,
            deprecated: false,
        }
    }

    /// A reading one.
    #[must_use]
    pub const fn get(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self::new("GET", path, tag, summary)
    }

    /// A changing one.
    #[must_use]
    pub const fn post(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self::new("POST", path, tag, summary)
    }

    /// One that replaces.
    #[must_use]
    pub const fn put(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self::new("PUT", path, tag, summary)
    }

    /// One that changes a part.
    #[must_use]
    pub const fn patch(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self::new("PATCH", path, tag, summary)
    }

    /// An ending one.
    #[must_use]
    pub const fn delete(path: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self::new("DELETE", path, tag, summary)
    }

    /// The same with a JSON body of these fields.
    #[must_use]
    pub const fn takes(self, takes: &'static [Field]) -> Self {
        Self { takes, ..self }
    }

    /// The same with these parameters in the query.
    #[must_use]
    pub const fn asks(self, asks: &'static [Field]) -> Self {
        Self { asks, ..self }
    }

    /// The same with these answers.
    #[must_use]
    pub const fn gives(self, gives: &'static [Gives]) -> Self {
        Self { gives, ..self }
    }

    /// The same with these refusals, beyond those that follow from its row and its body.
    #[must_use]
    pub const fn refuses(self, refuses: &'static [Denial]) -> Self {
        Self { refuses, ..self }
    }

    /// The same, in a session alone.
    #[must_use]
    pub const fn in_session(self) -> Self {
        Self { in_session: true, ..self }
    }

    /// The same at another path.
    #[must_use]
    pub const fn alias(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// The same at an old path that goes away.
    #[must_use]
    pub const fn formerly(self, path: &'static str) -> Self {
        Self { path, deprecated: true, ..self }
    }
}
