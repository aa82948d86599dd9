//! The kinds of value that a setting takes.

use std::ops::Range;
use std::path::PathBuf;

use http::{HeaderName, HeaderValue, Method};
use palisade_model::Environment;
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::DeValue;

use crate::diagnostic::Code;

/// A value before it is read.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'v> {
    /// From the policy file.
    Toml(&'v Spanned<DeValue<'v>>),
    /// From an environment variable, or a default.
    Text(&'v str),
}

/// What reading may look at besides the value.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// For secrets.
    pub environment: &'a Environment,
}

/// Why a value could not be read. Never holds a secret.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Which kind of mistake.
    pub code: Code,
    /// Where in the file, if it is narrower than the whole value.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Wrong {
    /// A value that does not read as what the setting takes.
    pub fn malformed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code: Code::Malformed, span: None, message: message.into(), help: help.into() }
    }

    /// The same with another code.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same at a place, unless it has one.
    #[must_use]
    pub fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = self.span.or(span);
        self
    }
}

/// What reading gives.
pub(crate) type Read<T> = Result<T, Vec<Wrong>>;

/// A kind of value.
pub trait Kind: Sized {
    /// Whether its text is a secret.
    const SECRET: bool = false;
    /// Something of this kind, as it would be written without quotes.
    const EXAMPLE: &'static str;

    /// What it takes, in words: `a duration such as "15m"`.
    fn takes() -> String;
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self>;
    /// What stands for it once an error was noted, or where nobody gives one.
    fn nothing() -> Self;
    /// Its JSON Schema.
    fn schema() -> Value;

    /// Its size, for bounds: a number, milliseconds, bytes, or characters.
    fn measure(&self) -> Option<u64> {
        None
    }

    /// The size that a bound's text stands for.
    fn bound(text: &str, context: &Context<'_>) -> Option<u64> {
        Self::read(Raw::Text(text), context).ok()?.measure()
    }

    /// A text of this kind as TOML has it.
    fn written(text: &str) -> String {
        quoted(text)
    }

    /// A text of this kind as JSON has it.
    fn default_value(text: &str) -> Value {
        text.into()
    }
}

/// A TOML string.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The text of a value that is written as a string.
///
/// # Errors
/// When it is something else than a string.
pub(crate) fn text_of<'v>(raw: Raw<'v>, takes: &str) -> Read<&'v str> {
    match raw {
        Raw::Text(text) => Ok(text.trim()),
        Raw::Toml(value) => match value.get_ref() {
            DeValue::String(text) => Ok(text),
            other => Err(vec![wrong_type(other.type_str(), takes)]),
        },
    }
}

/// Another type than the setting takes.
pub(crate) fn wrong_type(found: &str, takes: &str) -> Wrong {
    Wrong::malformed(format!("expected {takes}, found {} {found}", article(found)), format!("write {takes}"))
        .code(Code::WrongType)
}

/// `a` or `an`.
pub(crate) fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The span of a value of the file.
pub(crate) fn span_of(raw: Raw<'_>) -> Option<Range<usize>> {
    match raw {
        Raw::Toml(value) => Some(value.span()),
        Raw::Text(_) => None,
    }
}

impl Kind for bool {
    const EXAMPLE: &'static str = "true";

    fn takes() -> String {
        "true or false".into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        match raw {
            Raw::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" => Ok(false),
                _ => Err(vec![Wrong::malformed(
                    format!("`{text}` is neither true nor false"),
                    "write true or false",
                )]),
            },
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Boolean(is) => Ok(*is),
                other => Err(vec![wrong_type(other.type_str(), "true or false")]),
            },
        }
    }

    fn nothing() -> Self {
        false
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }

    fn written(text: &str) -> String {
        text.into()
    }

    fn default_value(text: &str) -> Value {
        (text == "true").into()
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Kind for $type {
            const EXAMPLE: &'static str = "1";

            fn takes() -> String {
                "a whole number".into()
            }

            fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
                let (text, radix) = match raw {
                    Raw::Text(text) => (text.trim(), 10),
                    Raw::Toml(value) => match value.get_ref() {
                        DeValue::Integer(number) => (number.as_str(), number.radix()),
                        other => return Err(vec![wrong_type(other.type_str(), "a whole number")]),
                    },
                };
                <$type>::from_str_radix(text, radix).map_err(|_| {
                    let help = format!("write a whole number from 0 to {}", <$type>::MAX);
                    vec![Wrong::malformed(format!("`{text}` is not a whole number that fits here"), help)
                        .code(Code::OutOfBounds)]
                })
            }

            fn nothing() -> Self {
                0
            }

            fn schema() -> Value {
                json!({"type": "integer", "minimum": 0})
            }

            fn measure(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }

            fn written(text: &str) -> String {
                text.into()
            }

            fn default_value(text: &str) -> Value {
                text.parse::<u64>().map_or(Value::Null, Value::from)
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64, usize);

impl Kind for String {
    const EXAMPLE: &'static str = "text";

    fn takes() -> String {
        "a text in quotes".into()
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, "a text in quotes")?;
        if text.is_empty() || text.chars().any(char::is_control) {
            let help = "write a text that is not empty, on one line";
            return Err(vec![Wrong::malformed("an empty text, or one with control characters", help)]);
        }
        Ok(text.to_owned())
    }

    fn nothing() -> Self {
        Self::new()
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn measure(&self) -> Option<u64> {
        u64::try_from(self.chars().count()).ok()
    }

    fn bound(text: &str, _: &Context<'_>) -> Option<u64> {
        text.parse().ok()
    }
}

impl Kind for PathBuf {
    const EXAMPLE: &'static str = "palisade-data";

    fn takes() -> String {
        "a path in quotes".into()
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        String::read(raw, context).map(Self::from)
    }

    fn nothing() -> Self {
        Self::new()
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }
}

/// A setting that can be switched off by the word `off`.
impl<T: Kind> Kind for Option<T> {
    const SECRET: bool = T::SECRET;
    const EXAMPLE: &'static str = T::EXAMPLE;

    fn takes() -> String {
        format!("{}, or \"off\"", T::takes())
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let word = match raw {
            Raw::Text(text) => Some(text.trim()),
            Raw::Toml(value) => value.get_ref().as_str(),
        };
        if word == Some("off") { Ok(None) } else { T::read(raw, context).map(Some) }
    }

    fn nothing() -> Self {
        None
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"const": "off"}]})
    }

    fn measure(&self) -> Option<u64> {
        self.as_ref().and_then(T::measure)
    }

    fn written(text: &str) -> String {
        if text == "off" { quoted(text) } else { T::written(text) }
    }

    fn default_value(text: &str) -> Value {
        if text == "off" { text.into() } else { T::default_value(text) }
    }
}

/// A list; in an environment variable its items are set apart by commas.
impl<T: Kind> Kind for Vec<T> {
    const SECRET: bool = T::SECRET;
    const EXAMPLE: &'static str = T::EXAMPLE;

    fn takes() -> String {
        format!("a list, each item {}", T::takes())
    }

    fn read(raw: Raw<'_>, context: &Context<'_>) -> Read<Self> {
        let items: Vec<Raw<'_>> = match raw {
            Raw::Text(text) => items_of(text).map(Raw::Text).collect(),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Array(items) => items.iter().map(Raw::Toml).collect(),
                other => {
                    let example = T::written(T::EXAMPLE);
                    let mut wrong = wrong_type(other.type_str(), "a list");
                    wrong.help = format!("write a list: [{example}]");
                    return Err(vec![wrong]);
                }
            },
        };
        let (mut read, mut wrongs) = (Self::new(), Vec::new());
        for item in items {
            match T::read(item, context) {
                Ok(value) => read.push(value),
                Err(found) => wrongs.extend(found.into_iter().map(|wrong| wrong.at(span_of(item)))),
            }
        }
        if wrongs.is_empty() { Ok(read) } else { Err(wrongs) }
    }

    fn nothing() -> Self {
        Self::new()
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }

    fn written(text: &str) -> String {
        let items: Vec<String> = items_of(text).map(T::written).collect();
        format!("[{}]", items.join(", "))
    }

    fn default_value(text: &str) -> Value {
        items_of(text).map(T::default_value).collect()
    }
}

fn items_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// One of a few words.
pub trait Word: Copy + PartialEq + 'static {
    /// Each word, with what it stands for. The first is what stands in after an error.
    const WORDS: &'static [(&'static str, Self)];

    /// Another spelling that people use in environment variables.
    fn alias(text: &str) -> Option<Self> {
        let _ = text;
        None
    }

    /// The word for a value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

fn words_of<W: Word>() -> Vec<&'static str> {
    W::WORDS.iter().map(|(word, _)| *word).collect()
}

impl<W: Word> Kind for W {
    const EXAMPLE: &'static str = match W::WORDS.first() {
        Some((word, _)) => word,
        None => "",
    };

    fn takes() -> String {
        let quoted: Vec<String> = words_of::<W>().iter().map(|word| format!("\"{word}\"")).collect();
        format!("one of {}", quoted.join(", "))
    }

    fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
        let text = text_of(raw, &Self::takes())?;
        let exact = |text: &str| W::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let loose = || match raw {
            Raw::Text(_) => {
                let known = W::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
                known.map(|(_, value)| *value).or_else(|| W::alias(&text.to_ascii_lowercase()))
            }
            Raw::Toml(_) => None,
        };
        exact(text).or_else(loose).ok_or_else(|| {
            let help = match crate::suggest::nearest(text, words_of::<W>()) {
                Some(near) => format!("did you mean \"{near}\"? It takes {}", Self::takes()),
                None => format!("write {}", Self::takes()),
            };
            vec![Wrong::malformed(format!("`{text}` is not {}", Self::takes()), help)]
        })
    }

    fn nothing() -> Self {
        // An empty list of words would not compile: EXAMPLE above is evaluated for each.
        #[expect(clippy::indexing_slicing, reason = "every list of words has a first")]
        W::WORDS[0].1
    }

    fn schema() -> Value {
        json!({"enum": words_of::<W>()})
    }
}

macro_rules! parsed {
    ($type:ty, $takes:literal, $example:literal, $nothing:expr, |$text:ident| $parse:expr) => {
        impl Kind for $type {
            const EXAMPLE: &'static str = $example;

            fn takes() -> String {
                $takes.into()
            }

            fn read(raw: Raw<'_>, _: &Context<'_>) -> Read<Self> {
                let $text = text_of(raw, $takes)?;
                $parse.ok_or_else(|| {
                    vec![Wrong::malformed(format!("`{}` is not {}", $text, $takes), concat!("write ", $takes))]
                })
            }

            fn nothing() -> Self {
                $nothing
            }

            fn schema() -> Value {
                json!({"type": "string", "minLength": 1})
            }
        }
    };
}
pub(crate) use parsed;

parsed!(HeaderName, "a header name such as \"X-CSRF-Token\"", "X-CSRF-Token", http::header::HOST, |text| {
    HeaderName::from_bytes(text.as_bytes()).ok()
});

parsed!(HeaderValue, "a header value", "no-referrer", HeaderValue::from_static("x"), |text| {
    HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty() && text.trim() == text && text.is_ascii())
});

parsed!(
    Method,
    "one of \"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"OPTIONS\"",
    "GET",
    Method::GET,
    |text| {
        const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        KNOWN.contains(&text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten()
    }
);
