//! The server itself: its health, its keys, its description.

use super::operation::{Gives, Operation};
use super::shape::{Field, Shape};

const TAG: &str = "server";

const CONDITION: Shape = Shape::Word(&["ready", "degraded", "failing"]);

const REPORT: Shape = Shape::Object(&[
    Field::new("status", CONDITION, "As good as the worst component."),
    Field::new("components", Shape::Open, "Each component's condition, by its name."),
]);

const READINESS: Operation = Operation::get("/readyz", TAG, "Says what works, component by component.")
    .gives(&[Gives::json(200, "Requests can be answered.", REPORT)]);

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::get("/healthz", TAG, "Says that the process answers.").gives(&[Gives::json(
        200,
        "It answers.",
        Shape::Object(&[Field::new("status", Shape::Word(&["ok"]), "Always `ok`.")]),
    )]),
    READINESS,
    READINESS.alias("/health"),
    READINESS.alias("/api/health"),
    READINESS.alias("/api/v1/health"),
    Operation::get(
        "/.well-known/jwks.json",
        TAG,
        "The public keys of access tokens and of assertions to the application (RFC 7517).",
    )
    .gives(&[Gives::json(
        200,
        "The key set.",
        Shape::Object(&[Field::new("keys", Shape::List(&Shape::Open), "JSON Web Keys.")]),
    )
    .of("application/jwk-set+json")]),
    Operation::get("/api/v1/openapi.json", TAG, "This description. Not there in production.")
        .gives(&[Gives::json(200, "An OpenAPI 3.1 document.", Shape::Open)]),
];
