//! The OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use palisade_model::Denial;
use serde_json::{Map, Value, json};

use super::list::operations;
use super::operation::Operation;
use super::shape::{Field, Named, Shape};
use crate::section::csrf::CsrfRule;
use crate::section::route::own::{Caller, Terms, terms};

/// Every refusal (RFC 9457).
const PROBLEM: Named = Named {
    name: "Problem",
    doc: "Why a request was refused (RFC 9457), and what to do instead.",
    fields: &[
        Field::new("type", Shape::Text, "A URN with the code."),
        Field::new("title", Shape::Text, "One short line for people."),
        Field::new("status", Shape::Count, "The status."),
        Field::new("detail", Shape::Text, "What to do instead."),
        Field::new("code", Shape::Text, "Stable, for programs: `stage.reason`."),
        Field::new("request_id", Shape::Text, "Names the request in the logs."),
        Field::optional("errors", Shape::List(&Shape::Named(&FAULT)), "What is wrong in which field."),
    ],
};

const FAULT: Named = Named {
    name: "Fault",
    doc: "What is wrong in one field.",
    fields: &[
        Field::new("field", Shape::Text, "The field's name."),
        Field::new("message", Shape::Text, "What to write instead."),
    ],
};

/// The OpenAPI 3.1 document of the public API. `cookie` is the session cookie's name and `header` the one that
/// carries the token against forged requests: both are the policy's.
#[must_use]
pub fn document(cookie: &str, header: &str) -> Value {
    let mut schemas = Map::new();
    Shape::Named(&PROBLEM).schema(&mut schemas);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations() {
        let Some(terms) = terms_of(operation) else { continue };
        let described = describe(operation, &terms, &mut schemas);
        paths.entry(operation.path).or_default().insert(operation.method.to_ascii_lowercase(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Palisade",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sign-in, sessions and tokens. Bodies are flat JSON objects; fields that nobody asks for \
                            are refused. Every refusal is a problem document. A request that shows a cookie and changes \
                            something, a sign-in too, needs the header Origin with the address of this site.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                "Origin": {
                    "name": "Origin",
                    "in": "header",
                    "required": false,
                    "schema": {"type": "string"},
                    "description": "The address of this site; needed with any cookie (`csrf.origin`). Browsers send it.",
                },
                "ForgeryToken": {
                    "name": header,
                    "in": "header",
                    "required": false,
                    "schema": {"type": "string"},
                    "description": "The token against forged requests; needed with a session cookie, not with a bearer token.",
                },
            },
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "token": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token of a sign-in.",
                },
                "key": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "API key",
                    "description": "An API key, as far as its scopes reach.",
                },
                "adminToken": {
                    "type": "apiKey", "in": "header", "name": "X-Admin-Token",
                    "description": "An administrator's token, or once a breakglass token.",
                },
                "userToken": {
                    "type": "apiKey", "in": "header", "name": "X-User-Token",
                    "description": "A visitor's token: for the application behind Palisade, where the policy lets visitors in.",
                },
            },
        },
    })
}

fn terms_of(operation: &Operation) -> Option<Terms> {
    terms().find(|terms| terms.path == operation.path && terms.methods.contains(&operation.method))
}

fn describe(operation: &Operation, terms: &Terms, schemas: &mut Map<String, Value>) -> Value {
    let mut described = Map::from_iter([
        ("operationId".to_owned(), name(operation).into()),
        ("tags".to_owned(), json!([operation.tag])),
        ("summary".to_owned(), operation.summary.into()),
        ("responses".to_owned(), answers(operation, terms, schemas)),
    ]);
    let security = match terms.who {
        Caller::Public => json!([]),
        _ if operation.in_session => json!([{"session": []}]),
        Caller::Administrator => json!([{"session": []}, {"token": []}, {"key": []}, {"adminToken": []}]),
        _ => json!([{"session": []}, {"token": []}, {"key": []}]),
    };
    described.insert("security".to_owned(), security);
    if operation.in_session {
        let how = "Takes a session: sign in with `session: true`. No token does it.";
        described.insert("description".to_owned(), how.into());
    }
    let parameters = parameters(operation, terms, schemas);
    if !parameters.is_empty() {
        described.insert("parameters".to_owned(), parameters.into());
    }
    if !operation.takes.is_empty() {
        let schema = Shape::Object(operation.takes).schema(schemas);
        let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        described.insert("requestBody".to_owned(), body);
    }
    if operation.deprecated {
        described.insert("deprecated".to_owned(), true.into());
    }
    described.into()
}

/// `get_api_v1_auth_sessions_id`: stable as long as the path is.
fn name(operation: &Operation) -> String {
    let words: String =
        operation.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    let words: Vec<&str> = words.split_whitespace().collect();
    format!("{}_{}", operation.method.to_ascii_lowercase(), words.join("_"))
}

fn parameters(operation: &Operation, terms: &Terms, schemas: &mut Map<String, Value>) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| {
            let shape = if name.ends_with("id") { Shape::Id } else { Shape::Text };
            json!({"name": name, "in": "path", "required": true, "schema": shape.schema(schemas)})
        })
        .collect();
    parameters.extend(operation.asks.iter().map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.needed,
            "description": field.doc,
            "schema": field.shape.schema(schemas),
        })
    }));
    if operation.method != "GET" {
        parameters.push(json!({"$ref": "#/components/parameters/Origin"}));
    }
    if guarded(operation, terms) {
        parameters.push(json!({"$ref": "#/components/parameters/ForgeryToken"}));
    }
    parameters
}

/// Whether a session cookie needs the token with it.
fn guarded(operation: &Operation, terms: &Terms) -> bool {
    operation.method != "GET" && terms.who != Caller::Public && terms.csrf == CsrfRule::Token
}

fn answers(operation: &Operation, terms: &Terms, schemas: &mut Map<String, Value>) -> Value {
    let mut answers: Map<String, Value> = Map::new();
    for gives in operation.gives {
        let mut answer = json!({"description": gives.doc});
        if let (Some(shape), Some(answer)) = (gives.body, answer.as_object_mut()) {
            answer.insert("content".to_owned(), json!({gives.media: {"schema": shape.schema(schemas)}}));
        }
        answers.insert(gives.status.to_string(), answer);
    }
    let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    for (status, codes) in refusals(operation, terms) {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let codes: Vec<&str> = codes.into_iter().collect();
        let description = format!("{}: {}.", reason.unwrap_or("Refused"), codes.join(", "));
        answers.insert(status.to_string(), json!({"description": description, "content": problem}));
    }
    answers.insert("default".to_owned(), json!({"description": "Refused.", "content": problem}));
    answers.into()
}

/// What can be refused, by status: what follows from the row and the body, and what the operation adds.
fn refusals(operation: &Operation, terms: &Terms) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let own = operation.gives.iter().map(|gives| gives.status).collect::<BTreeSet<_>>();
    let mut denials = operation.refuses.to_vec();
    if terms.limited {
        denials.push(Denial::RateLimited);
    }
    if terms.who != Caller::Public {
        let known = [Denial::SignInRequired, Denial::CredentialInvalid, Denial::IdentityUnavailable];
        denials.extend(known);
    }
    if terms.who == Caller::Administrator {
        denials.push(Denial::Forbidden);
    }
    if operation.method != "GET" {
        denials.extend([Denial::CsrfOrigin, Denial::StoreUnavailable, Denial::AuditUnavailable]);
    }
    if guarded(operation, terms) {
        denials.push(Denial::CsrfToken);
    }
    if !operation.takes.is_empty() {
        let unread = [Denial::BodyMalformed, Denial::MediaType, Denial::InvalidInput, Denial::BodyTooLarge];
        denials.extend(unread);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for denial in denials {
        let facts = denial.facts();
        if !own.contains(&facts.status) {
            by_status.entry(facts.status).or_default().insert(facts.code);
        }
    }
    by_status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_and_what_is_checked_come_from_the_row() {
        let document = document("app_session", "X-Token");
        let paths = &document["paths"];
        let sign_in = &paths["/api/v1/auth/login"]["post"];
        assert_eq!(sign_in["security"], json!([]));
        assert_eq!(sign_in["requestBody"]["content"]["application/json"]["schema"]["required"][0], "login");
        assert!(sign_in["responses"]["429"].is_object() && sign_in["responses"]["422"].is_object());
        assert_eq!(
            sign_in["parameters"],
            json!([{"$ref": "#/components/parameters/Origin"}]),
            "nobody has a token yet"
        );
        let own_key = &paths["/api/v1/auth/keys"];
        assert_eq!(own_key["post"]["security"], json!([{"session": []}]), "no token makes keys");
        assert_eq!(own_key["get"]["security"].as_array().unwrap().len(), 3);
        let end = &paths["/api/v1/auth/sessions/{id}"]["delete"];
        assert_eq!(end["security"].as_array().unwrap().len(), 3);
        assert_eq!(end["parameters"][0]["schema"]["format"], "uuid");
        assert_eq!(end["parameters"][2]["$ref"], "#/components/parameters/ForgeryToken");
        assert_eq!(document["components"]["securitySchemes"]["session"]["name"], "app_session");
        assert_eq!(document["components"]["parameters"]["ForgeryToken"]["name"], "X-Token");
        assert!(paths["/healthz"]["get"]["responses"].get("429").is_none(), "health is not counted");
    }

    #[test]
    fn every_name_that_is_referred_to_is_there() {
        let document = document("a", "b");
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
