//! JSON in which no name stands twice in one object: of two values for one name, one reader would believe the first
//! and another one the last (RFC 8259 section 4).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// The value of a whole text.
///
/// # Errors
/// Where it is no JSON, or a name stands twice.
pub(super) fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str::<Strict>(text).map(|Strict(value)| value).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::usage(match error.classify() {
            serde_json::error::Category::Data => {
                format!("line {line}, column {column}: a name stands twice in one object")
            }
            _ => format!("line {line}, column {column} is no JSON"),
        })
    })
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom("twice"));
            }
            let Strict(value) = entries.next_value()?;
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: ID-3, ID-15
    #[test]
    fn it_is_json_as_others_read_it_without_a_name_twice() {
        let text = r#" {"a": [1, -2, 2.5, "x\u0041", true, null, {}], "b": {"a": "a"}} "#;
        assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for bad in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": 1, "\u0061": 1}"#,
            r#"[{"b": {"a": false, "a": true}}]"#,
            r#"{"a": 1"#,
            r#"{"a": 1} {"a": 2}"#,
            "",
            &"[".repeat(100_000),
        ] {
            assert!(parse(bad).is_err(), "{bad:.40}");
        }
    }
}
