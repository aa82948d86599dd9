//! Signing in and out.

use palisade_model::Denial;

use super::common::{HALF_IN, SESSION, TOKENS};
use super::operation::{Gives, Operation};
use super::shape::{Field, Shape};

const TAG: &str = "auth";

const ACCEPTED: Shape = Shape::Object(&[Field::new(
    "status",
    Shape::Word(&["accepted"]),
    "Whatever follows comes by mail: the answer tells nothing of who has an account.",
)]);

const FORGOT: Operation =
    Operation::post("/api/v1/auth/forgot-password", TAG, "Mails a link to set a new password.")
        .takes(&[Field::new("login", Shape::Text, "Name or e-mail.")])
        .gives(&[Gives::json(202, "If there is such an account, a letter is on its way.", ACCEPTED)])
        .refuses(&[Denial::MailOff]);

const LOGIN: Operation = Operation::post("/api/v1/auth/login", TAG, "Signs in with a password.")
    .takes(&[
        Field::new("login", Shape::Text, "Name or e-mail."),
        Field::new("password", Shape::Secret, "The password."),
        Field::optional("session", Shape::Flag, "Whether a session cookie is wanted instead of tokens."),
    ])
    .gives(&[Gives::json(
        200,
        "Tokens; with `session`, a cookie and the token against forged requests; or a ticket for the second step.",
        Shape::Either(&[Shape::Named(&TOKENS), SESSION, Shape::Named(&HALF_IN)]),
    )])
    .refuses(&[Denial::SignInFailed, Denial::HashingBusy]);

const REGISTER: Operation =
    Operation::post("/api/v1/auth/register", TAG, "Registers a user, where the policy lets anybody.")
        .takes(&[
            Field::new("name", Shape::Text, "The sign-in name: letters, digits, '.', '_', '+' and '-'."),
            Field::optional("email", Shape::Text, "The e-mail address."),
            Field::new("password", Shape::Secret, "The password."),
        ])
        .gives(&[
            Gives::json(202, "Where addresses are confirmed first: a letter is on its way.", ACCEPTED),
            Gives::json(
                201,
                "The user was made.",
                Shape::Object(&[
                    Field::new("id", Shape::Id, "The account."),
                    Field::new("name", Shape::Text, "The sign-in name."),
                    Field::new("email", Shape::Maybe(&Shape::Text), "The e-mail address."),
                ]),
            ),
        ])
        .refuses(&[Denial::SignUpClosed, Denial::HashingBusy]);

pub(super) const OPERATIONS: &[Operation] = &[
    LOGIN,
    LOGIN.formerly("/api/login").takes(&[
        Field::optional("login", Shape::Text, "Name or e-mail. It is this, `username` or `email`."),
        Field::optional("username", Shape::Text, "The former name of `login`."),
        Field::optional("email", Shape::Text, "Another former name of `login`."),
        Field::new("password", Shape::Secret, "The password."),
        Field::optional("session", Shape::Flag, "Whether a session cookie is wanted instead of tokens."),
    ]),
    REGISTER,
    REGISTER.formerly("/api/signup").takes(&[
        Field::optional("name", Shape::Text, "The sign-in name. It is this or `username`."),
        Field::optional("username", Shape::Text, "The former name of `name`."),
        Field::optional("email", Shape::Text, "The e-mail address."),
        Field::new("password", Shape::Secret, "The password."),
    ]),
    FORGOT,
    FORGOT.formerly("/api/forgot_password").takes(&[
        Field::optional("login", Shape::Text, "Name or e-mail. It is this, `email` or `username`."),
        Field::optional("email", Shape::Text, "The former name of `login`."),
        Field::optional("username", Shape::Text, "Another former name of `login`."),
    ]),
    Operation::post("/api/v1/auth/reset-password", TAG, "Sets a new password by a link, which works once.")
        .takes(&[
            Field::new("token", Shape::Secret, "The last part of the link."),
            Field::new("password", Shape::Secret, "The new password."),
        ])
        .gives(&[Gives::nothing(204, "It is set; every session and token of the account has ended.")])
        .refuses(&[Denial::LinkInvalid, Denial::HashingBusy]),
    Operation::post("/api/v1/auth/refresh", TAG, "Exchanges a refresh token for new tokens.")
        .takes(&[Field::new("refresh_token", Shape::Secret, "The refresh token. It is used up by this.")])
        .gives(&[Gives::json(200, "New tokens.", Shape::Named(&TOKENS))])
        .refuses(&[Denial::CredentialInvalid]),
    Operation::post(
        "/api/v1/auth/logout",
        TAG,
        "Ends the session, or the family of the token, that the request comes with.",
    )
    .gives(&[Gives::nothing(204, "Ended, on every node.")]),
];
