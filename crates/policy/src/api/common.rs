//! What several matters answer with.

use super::shape::{Field, Named, Shape};

/// Somebody, as they see themselves.
pub(super) const USER: Named = Named {
    name: "User",
    doc: "A user.",
    fields: &[
        Field::new("id", Shape::Id, "Names the account for good."),
        Field::new("name", Shape::Text, "The sign-in name."),
        Field::new("email", Shape::Maybe(&Shape::Text), "The e-mail address."),
        Field::new("tenant", Shape::Maybe(&Shape::Text), "The tenant."),
        Field::new("roles", Shape::List(&Shape::Text), "The roles, with all that they include."),
    ],
};

pub(super) const TOKENS: Named = Named {
    name: "Tokens",
    doc: "Access and refresh token (RFC 6749 section 5.1).",
    fields: &[
        Field::new("access_token", Shape::Secret, "A JWT for `Authorization: Bearer`."),
        Field::new("refresh_token", Shape::Secret, "For one exchange."),
        Field::new("token_type", Shape::Word(&["Bearer"]), "The kind of the access token."),
        Field::new("expires_in", Shape::Count, "Life of the access token, in seconds."),
        Field::new("refresh_expires_in", Shape::Count, "Life of the refresh token, in seconds."),
    ],
};

pub(super) const SESSION: Shape = Shape::Object(&[
    Field::new("csrf_token", Shape::Secret, "For the header of state-changing requests."),
    Field::new("user", Shape::Named(&USER), "Who is signed in."),
]);

/// What a sign-in answers that waits for its second factor.
pub(super) const HALF_IN: Named = Named {
    name: "SecondFactorRequired",
    doc: "The first step is done; the second goes to /api/v1/auth/second.",
    fields: &[
        Field::new("second_factor_required", Shape::Flag, "Always true."),
        Field::new("ticket", Shape::Secret, "For the second step, and nothing else."),
        Field::new(
            "methods",
            Shape::List(&Shape::Word(&["passkey", "totp", "recovery_code"])),
            "What can be shown.",
        ),
        Field::new("expires_in", Shape::Count, "Life of the ticket, in seconds."),
    ],
};
