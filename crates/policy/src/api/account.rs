//! One's own account.

use palisade_model::Denial;

use super::common::USER;
use super::operation::{Gives, Operation};
use super::shape::{Field, Named, Shape};

const TAG: &str = "account";

/// A session in a list.
pub(super) const SESSION: Named = Named {
    name: "Session",
    doc: "A session of a browser.",
    fields: &[
        Field::new("id", Shape::Id, "Names it; it is not the cookie."),
        Field::new("current", Shape::Flag, "Whether this request comes with it."),
        Field::new("created_at", Shape::Time, "When it began."),
        Field::new("last_seen_at", Shape::Time, "When it was last used, to about a minute."),
        Field::new("expires_at", Shape::Time, "When it ends at the latest."),
        Field::new("address", Shape::Maybe(&Shape::Text), "The address that it began from."),
        Field::new("agent", Shape::Maybe(&Shape::Text), "The User-Agent that it began with."),
        Field::new("device", Shape::Text, "The same in words for people."),
    ],
};

/// A list of sessions.
pub(super) const SESSIONS: Shape = Shape::Object(&[Field::new(
    "sessions",
    Shape::List(&Shape::Named(&SESSION)),
    "The live sessions, the one used last first.",
)]);

/// How many have ended.
pub(super) const ENDED: Shape = Shape::Object(&[Field::new("ended", Shape::Count, "How many have ended.")]);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/v1/auth/me", TAG, "Who am I?").gives(&[Gives::json(
        200,
        "You.",
        Shape::Named(&USER),
    )]),
    Operation::get("/api/v1/auth/csrf", TAG, "A fresh token against forged requests.").gives(&[Gives::json(
        200,
        "The token.",
        Shape::Object(&[Field::new(
            "csrf_token",
            Shape::Secret,
            "For the header of state-changing requests with the cookie of this session.",
        )]),
    )]),
    Operation::get("/api/v1/auth/sessions", TAG, "Lists one's own sessions.").gives(&[Gives::json(
        200,
        "The sessions.",
        SESSIONS,
    )]),
    Operation::delete("/api/v1/auth/sessions", TAG, "Ends all sessions of one's own but the one that asks.")
        .gives(&[Gives::json(200, "They have ended.", ENDED)]),
    Operation::delete("/api/v1/auth/sessions/{id}", TAG, "Ends one session of one's own.")
        .gives(&[Gives::nothing(204, "It has ended.")])
        .refuses(&[Denial::RouteUnknown]),
];
