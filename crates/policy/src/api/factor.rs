//! Second factors: the second step of a sign-in, passkeys, and proof anew (ID-17).

use palisade_model::Denial;

use super::common::{SESSION, TOKENS};
use super::operation::{Gives, Operation};
use super::shape::{Field, Named, Shape};

const TAG: &str = "auth";

const CHALLENGE: Named = Named {
    name: "PasskeyChallenge",
    doc: "A challenge for a passkey.",
    fields: &[
        Field::new("ceremony", Shape::Secret, "Names the challenge when it is answered, once."),
        Field::new(
            "publicKey",
            Shape::Open,
            "For `navigator.credentials` (WebAuthn level 3, section 5.1.8).",
        ),
    ],
};

const TICKET: Field =
    Field::optional("ticket", Shape::Secret, "From the first step; a browser has it in a cookie.");
const CODE: Field =
    Field::optional("code", Shape::Secret, "A code of an authenticator app, or a recovery code.");
const CEREMONY: Field =
    Field::optional("ceremony", Shape::Secret, "For a passkey: the name of the challenge.");
const CREDENTIAL: Field =
    Field::optional("credential", Shape::Text, "For a passkey: what the browser gave, as JSON in a string.");

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post("/api/v1/auth/second", TAG, "Signs in whoever has a ticket, by their second factor.")
        .takes(&[TICKET, CODE, CEREMONY, CREDENTIAL])
        .gives(&[Gives::json(
            200,
            "What the first step asked for: tokens; or a cookie and the token against forged requests.",
            Shape::Either(&[Shape::Named(&TOKENS), SESSION]),
        )])
        .refuses(&[Denial::FactorWrong, Denial::TicketInvalid, Denial::LockedOut]),
    Operation::post("/api/v1/auth/second/challenge", TAG, "Asks for a passkey of whoever has a ticket.")
        .takes(&[TICKET])
        .gives(&[Gives::json(200, "A challenge.", Shape::Named(&CHALLENGE))])
        .refuses(&[Denial::TicketInvalid]),
    Operation::post("/api/v1/auth/passkey", TAG, "Signs in by a passkey alone.")
        .takes(&[
            Field::new("ceremony", Shape::Secret, "The name of the challenge."),
            Field::new("credential", Shape::Text, "What the browser gave, as JSON in a string."),
        ])
        .gives(&[Gives::json(200, "A cookie and the token against forged requests.", SESSION)])
        .refuses(&[Denial::SignInFailed]),
    Operation::post("/api/v1/auth/passkey/challenge", TAG, "Asks for any passkey of this site.")
        .takes(&[])
        .gives(&[Gives::json(200, "A challenge.", Shape::Named(&CHALLENGE))]),
    Operation::post("/api/v1/auth/confirm", TAG, "Proves anew who holds a session, for what is sensitive.")
        .takes(&[
            Field::optional("password", Shape::Secret, "The password, of whoever has no second factor."),
            CODE,
            CEREMONY,
            CREDENTIAL,
        ])
        .gives(&[Gives::json(200, "Another cookie for the session, and its token.", SESSION)])
        .refuses(&[Denial::FactorWrong, Denial::SecondFactorNeeded, Denial::LockedOut])
        .in_session(),
    Operation::post(
        "/api/v1/auth/confirm/challenge",
        TAG,
        "Asks for a passkey of whoever holds the session.",
    )
    .takes(&[])
    .gives(&[Gives::json(200, "A challenge.", Shape::Named(&CHALLENGE))])
    .in_session(),
];
