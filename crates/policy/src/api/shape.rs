//! What a JSON value looks like.

use serde_json::{Map, Value, json};

/// What a JSON value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A string.
    Text,
    /// A string that nobody should write down: passwords, tokens.
    Secret,
    /// true or false.
    Flag,
    /// A whole number, 0 or greater.
    Count,
    /// A time (RFC 3339), in UTC.
    Time,
    /// A UUID.
    Id,
    /// One of these words.
    Word(&'static [&'static str]),
    /// This, or null.
    Maybe(&'static Shape),
    /// An array of these.
    List(&'static Shape),
    /// One of these.
    Either(&'static [Shape]),
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// An object that has a name of its own in the document.
    Named(&'static Named),
    /// An object whose fields are described elsewhere: say where in the doc beside it.
    Open,
}

/// A field of an object, or a parameter of a query.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether it has to be there.
    pub needed: bool,
    /// What it means, in one sentence.
    pub doc: &'static str,
}

impl Field {
    /// A field that is always there.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, needed: true, doc }
    }

    /// A field that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self { name, shape, needed: false, doc }
    }
}

/// An object that several operations speak of.
#[derive(Debug)]
pub struct Named {
    /// Its name in the document.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// What it holds, and nothing else.
    pub fields: &'static [Field],
}

impl Shape {
    /// The JSON Schema (draft 2020-12). Named objects are noted in `names`, and referred to.
    pub(super) fn schema(&self, names: &mut Map<String, Value>) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Secret => json!({"type": "string", "format": "password"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Time => json!({"type": "string", "format": "date-time"}),
            Self::Id => json!({"type": "string", "format": "uuid"}),
            Self::Word(words) => json!({"type": "string", "enum": words}),
            Self::Maybe(shape) => json!({"anyOf": [shape.schema(names), {"type": "null"}]}),
            Self::List(shape) => json!({"type": "array", "items": shape.schema(names)}),
            Self::Either(shapes) => {
                json!({"oneOf": shapes.iter().map(|shape| shape.schema(names)).collect::<Vec<_>>()})
            }
            Self::Object(fields) => object(fields, names),
            Self::Named(named) => {
                if !names.contains_key(named.name) {
                    // Noted before its fields are read, so that one that holds itself ends.
                    names.insert(named.name.to_owned(), Value::Null);
                    let mut schema = object(named.fields, names);
                    if let Some(schema) = schema.as_object_mut() {
                        schema.insert("description".to_owned(), named.doc.into());
                    }
                    names.insert(named.name.to_owned(), schema);
                }
                json!({"$ref": format!("#/components/schemas/{}", named.name)})
            }
            Self::Open => json!({"type": "object"}),
        }
    }
}

fn object(fields: &[Field], names: &mut Map<String, Value>) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut schema = field.shape.schema(names);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), field.doc.into());
            }
            (field.name.to_owned(), schema)
        })
        .collect();
    let needed: Vec<&str> = fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
}
