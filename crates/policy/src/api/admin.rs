//! What administrators see and do. One of a tenant meets that tenant alone.

use palisade_model::Denial;

use super::account::SESSIONS;
use super::operation::{Gives, Operation};
use super::shape::{Field, Named, Shape};

const TAG: &str = "admin";

const ACCOUNT: Named = Named {
    name: "Account",
    doc: "A user, as administrators see them.",
    fields: &[
        Field::new("id", Shape::Id, "Names the account for good."),
        Field::new("name", Shape::Text, "The sign-in name."),
        Field::new("email", Shape::Maybe(&Shape::Text), "The e-mail address."),
        Field::new("tenant", Shape::Maybe(&Shape::Text), "The tenant."),
        Field::new(
            "roles",
            Shape::List(&Shape::Text),
            "The roles that were given, without what they include.",
        ),
        Field::new("enabled", Shape::Flag, "Whether they may sign in."),
        Field::new("created_at", Shape::Time, "When the account was made."),
    ],
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/api/v1/admin/users", TAG, "Lists users in the order of their making.")
        .asks(&[
            Field::optional("login", Shape::Text, "Only the user with this name or e-mail."),
            Field::optional(
                "after",
                Shape::Id,
                "Only users behind this one: the last one of the page before.",
            ),
            Field::optional("limit", Shape::Count, "So many at most, from 1 to 100."),
        ])
        .gives(&[Gives::json(
            200,
            "The users.",
            Shape::Object(&[Field::new("users", Shape::List(&Shape::Named(&ACCOUNT)), "A page of them.")]),
        )])
        .refuses(&[Denial::InvalidInput]),
    Operation::get("/api/v1/admin/users/{id}/sessions", TAG, "Lists a user's live sessions.")
        .gives(&[Gives::json(200, "The sessions.", SESSIONS)])
        .refuses(&[Denial::RouteUnknown]),
    Operation::delete(
        "/api/v1/admin/users/{id}/sessions",
        TAG,
        "Signs a user out everywhere: sessions, tokens and unused one-time links end.",
    )
    .gives(&[Gives::json(
        200,
        "They have ended, on every node.",
        Shape::Object(&[
            Field::new("sessions", Shape::Count, "How many sessions have ended."),
            Field::new("families", Shape::Count, "How many families of refresh tokens have ended."),
            Field::new("tokens", Shape::Count, "How many tokens of programs have ended."),
            Field::new("links", Shape::Count, "How many one-time links have ended."),
        ]),
    )])
    .refuses(&[Denial::RouteUnknown]),
    Operation::delete("/api/v1/admin/users/{id}/sessions/{sid}", TAG, "Ends one session of a user.")
        .gives(&[Gives::nothing(204, "It has ended.")])
        .refuses(&[Denial::RouteUnknown]),
    Operation::delete(
        "/api/v1/admin/users/{id}/factors",
        TAG,
        "Removes the lost second factors of a user and signs them out everywhere, in a session with a recent proof.",
    )
    .gives(&[Gives::nothing(204, "They are removed; a letter tells of it.")])
    .refuses(&[Denial::RouteUnknown, Denial::InvalidInput, Denial::ProofNeeded])
    .in_session(),
    Operation::post(
        "/api/v1/admin/unlock",
        TAG,
        "Lifts lockouts of a user, of an address or network, or all of them: send one of the three.",
    )
    .takes(&[
        Field::optional(
            "user",
            Shape::Text,
            "Name or e-mail: unlocks the account and the devices that are known to it.",
        ),
        Field::optional(
            "address",
            Shape::Text,
            "An address, or a network of at most 65,536 such as 192.0.2.0/24.",
        ),
        Field::optional("all", Shape::Flag, "Everything that is locked."),
    ])
    .gives(&[Gives::json(
        200,
        "They are lifted, on every node.",
        Shape::Object(&[Field::new(
            "forgotten",
            Shape::Count,
            "How many counts of failures were forgotten, lockouts among them.",
        )]),
    )])
    .refuses(&[Denial::InvalidInput]),
];
