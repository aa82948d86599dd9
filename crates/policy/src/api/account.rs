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

/// An account at another site.
const IDENTITY: Named = Named {
    name: "Identity",
    doc: "An account at another site by which somebody signs in.",
    fields: &[
        Field::new("provider", Shape::Text, "The provider's name in the policy."),
        Field::new("issuer", Shape::Text, "Which site."),
        Field::new("subject", Shape::Text, "Who there."),
        Field::new("email", Shape::Maybe(&Shape::Text), "The address that it told; proves nothing."),
        Field::new("linked_at", Shape::Time, "Since when."),
        Field::new("last_used_at", Shape::Maybe(&Shape::Time), "When somebody last came by it."),
    ],
};

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
    Operation::get("/api/v1/auth/identities", TAG, "Lists one's accounts at other sites.").gives(&[Gives::json(
        200,
        "The accounts, the oldest link first.",
        Shape::Object(&[Field::new("identities", Shape::List(&Shape::Named(&IDENTITY)), "One's accounts elsewhere.")]),
    )]),
    Operation::post(
        "/api/v1/auth/identities/link",
        TAG,
        "Begins to link an account at another site, in a browser's session with a recent proof.",
    )
    .takes(&[Field::new("provider", Shape::Text, "The provider's name in the policy.")])
    .gives(&[Gives::json(
        200,
        "The browser goes there, with the cookie of this answer; it comes back to `/auth/callback/{provider}`.",
        Shape::Object(&[Field::new("location", Shape::Text, "An address at the provider.")]),
    )])
    .refuses(&[Denial::ProofNeeded, Denial::RouteUnknown, Denial::ProviderUnavailable]),
    Operation::post("/api/v1/auth/identities/unlink", TAG, "Unlinks an account at another site.")
        .takes(&[
            Field::new("issuer", Shape::Text, "Which site."),
            Field::new("subject", Shape::Text, "Who there."),
        ])
        .gives(&[Gives::nothing(204, "It is unlinked, and the sessions that it began have ended.")])
        .refuses(&[Denial::ProofNeeded, Denial::LastWayIn, Denial::RouteUnknown]),
];
