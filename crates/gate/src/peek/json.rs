//! A member of a JSON object (RFC 8259): of the outermost object alone.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::step::{Found, Step};

pub(super) struct Json {
    field: String,
    /// The values that are still to be told, once the body was read.
    values: Option<std::vec::IntoIter<String>>,
}

impl Json {
    pub(super) fn new(field: &str) -> Self {
        Self { field: field.to_owned(), values: None }
    }

    /// JSON can be judged only as a whole: a second member of the name may come last.
    pub(super) fn next(&mut self, seen: &[u8], whole: bool) -> Step {
        let values = match &mut self.values {
            Some(values) => values,
            None if !whole => return Step::More,
            None => match members(seen, &self.field) {
                Some(values) => self.values.insert(values.into_iter()),
                None => return Step::Malformed,
            },
        };
        values.next().map_or(Step::End, |value| Step::Found(Found { value, span: None }))
    }
}

/// Every value of the member, however often it is there; `None` if it is no JSON, or a value is
/// neither text nor number.
fn members(text: &[u8], field: &str) -> Option<Vec<String>> {
    struct Members<'a>(&'a str);
    impl<'de> Visitor<'de> for Members<'_> {
        type Value = Option<Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut values = Some(Vec::new());
            while let Some(key) = map.next_key::<String>()? {
                if key != self.0 {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                let value = match map.next_value::<serde_json::Value>()? {
                    serde_json::Value::String(text) => Some(text),
                    serde_json::Value::Number(number) => Some(number.to_string()),
                    _ => None,
                };
                values = values.zip(value).map(|(mut values, value)| {
                    values.push(value);
                    values
                });
            }
            Ok(values)
        }
    }
    if !text.trim_ascii_start().starts_with(b"{") {
        // A list, a number, a text: JSON without members, or nothing at all.
        return serde_json::from_slice::<IgnoredAny>(text).is_ok().then(Vec::new);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let values = reader.deserialize_map(Members(field)).ok()?;
    reader.end().ok()?;
    values
}
