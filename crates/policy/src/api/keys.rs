//! API keys.

use palisade_model::Denial;

use super::operation::{Gives, Operation};
use super::shape::{Field, Named, Shape};

const TAG: &str = "keys";

/// A key in a list.
const KEY: Named = Named {
    name: "Key",
    doc: "An API key or another opaque token, without its text.",
    fields: &[
        Field::new("id", Shape::Id, "Names it; it is not the token."),
        Field::new("kind", Shape::Word(&["key", "admin", "breakglass", "user"]), "What it is for."),
        Field::new("name", Shape::Text, "What its owner calls it."),
        Field::new("user", Shape::Id, "Whose."),
        Field::new("scopes", Shape::List(&Shape::Text), "What it may be used for."),
        Field::new("networks", Shape::List(&Shape::Text), "From where; empty for anywhere."),
        Field::new("enabled", Shape::Flag, "Whether it counts."),
        Field::new("created_at", Shape::Time, "When it was made."),
        Field::new("expires_at", Shape::Maybe(&Shape::Time), "When it ends."),
        Field::new("last_used_at", Shape::Maybe(&Shape::Time), "When it was last used, to about a minute."),
        Field::new("replaced_by", Shape::Maybe(&Shape::Id), "Its successor, once it was rotated."),
    ],
};

const KEYS: Shape =
    Shape::Object(&[Field::new("keys", Shape::List(&Shape::Named(&KEY)), "The keys, without their texts.")]);

const MADE: Shape = Shape::Object(&[
    Field::new("token", Shape::Secret, "The key: for `Authorization: Bearer`. It is not shown again."),
    Field::new("key", Shape::Named(&KEY), "What is kept of it."),
]);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/v1/auth/keys", TAG, "Lists your own keys.").gives(&[Gives::json(
        200,
        "Your keys, the newest first.",
        KEYS,
    )]),
    Operation::post("/api/v1/auth/keys", TAG, "Makes a key, in a session with a recent proof.")
        .takes(&[
            Field::new("name", Shape::Text, "What to call it."),
            Field::new("scopes", Shape::Text, "`read`, `write`, or either with a path, separated by spaces."),
            Field::optional("expires", Shape::Text, "Its life, as `90d`; that is what it is without."),
            Field::optional("networks", Shape::Text, "From where it may be used, separated by spaces."),
        ])
        .gives(&[Gives::json(201, "The key was made.", MADE)])
        .refuses(&[Denial::KeysClosed, Denial::ProofNeeded])
        .in_session(),
    Operation::delete("/api/v1/auth/keys/{id}", TAG, "Ends one of your keys for good.")
        .gives(&[Gives::nothing(204, "Ended, on every node.")])
        .refuses(&[Denial::RouteUnknown]),
    Operation::post(
        "/api/v1/auth/keys/{id}/rotate",
        TAG,
        "Makes a successor for one of your keys, in a session with a recent proof.",
    )
    .takes(&[Field::optional("overlap", Shape::Text, "How long the key itself goes on, as `24h`.")])
    .gives(&[Gives::json(201, "The successor was made.", MADE)])
    .refuses(&[Denial::RouteUnknown, Denial::ProofNeeded])
    .in_session(),
    Operation::get("/api/v1/admin/keys", TAG, "Lists the keys of those whom you oversee.")
        .asks(&[Field::optional("after", Shape::Id, "Only those behind this one.")])
        .gives(&[Gives::json(200, "Keys in order of their making, 100 at most are looked at.", KEYS)]),
    Operation::post(
        "/api/v1/admin/keys/{id}/disable",
        TAG,
        "Lets a key of somebody whom you oversee count no more.",
    )
    .gives(&[Gives::nothing(204, "It is refused, on every node.")])
    .refuses(&[Denial::RouteUnknown]),
    Operation::post(
        "/api/v1/admin/keys/{id}/enable",
        TAG,
        "Lets a key of somebody whom you oversee count again.",
    )
    .gives(&[Gives::nothing(204, "It counts, if it is not over.")])
    .refuses(&[Denial::RouteUnknown]),
];
