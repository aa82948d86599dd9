//! A setting is defined once: key, kind, default, bounds, meaning and the variables that override it.

use std::marker::PhantomData;

use serde_json::{Value, json};

use super::kind::{Context, Kind, Raw};

/// One key of `palisade.toml`. Reading, checking, the reference, the example and the schema come from it.
#[derive(Debug)]
pub struct Setting<T> {
    path: &'static str,
    doc: &'static str,
    default: Option<&'static str>,
    default_in_words: Option<&'static str>,
    example: Option<&'static str>,
    bounds: Option<(&'static str, &'static str)>,
    variables: &'static [Variable],
    kind: PhantomData<fn() -> T>,
}

/// An environment variable with a name that people already use, and how its text becomes the setting's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// How its text reads.
    pub form: Form,
}

/// How the text of a [`Variable`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the setting itself.
    Plain,
    /// A whole number of minutes.
    Minutes,
    /// A whole number of seconds.
    Seconds,
    /// A whole number of requests in a minute.
    PerMinute,
}

impl Variable {
    /// A variable that reads as the setting itself.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { name, form: Form::Plain }
    }

    /// The text as the setting reads it; `None` when it is not what the form takes.
    #[must_use]
    pub fn convert(self, text: &str) -> Option<String> {
        let whole = || Some(text.trim()).filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
        match self.form {
            Form::Plain => Some(text.to_owned()),
            Form::Minutes => Some(format!("{}m", whole()?)),
            Form::Seconds => Some(format!("{}s", whole()?)),
            Form::PerMinute => Some(format!("{}/minute", whole()?)),
        }
    }
}

impl<T> Setting<T> {
    /// A setting at that path (`identify.sessions.idle`; upper-case parts stand for names of the policy's own)
    /// with its default as it would be written there, without quotes.
    #[must_use]
    pub const fn new(path: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { default: Some(default), ..Self::optional(path, doc) }
    }

    /// A setting that has no value unless somebody gives it one.
    #[must_use]
    pub const fn optional(path: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            doc,
            default: None,
            default_in_words: None,
            example: None,
            bounds: None,
            variables: &[],
            kind: PhantomData,
        }
    }

    /// The same, bounded: the least and the most, as they would be written.
    #[must_use]
    pub const fn between(mut self, least: &'static str, most: &'static str) -> Self {
        self.bounds = Some((least, most));
        self
    }

    /// The same, overridden by these variables as well.
    #[must_use]
    pub const fn or_from(mut self, variables: &'static [Variable]) -> Self {
        self.variables = variables;
        self
    }

    /// The same, with what stands in for a default that depends on other settings.
    #[must_use]
    pub const fn else_by(mut self, words: &'static str) -> Self {
        self.default_in_words = Some(words);
        self
    }

    /// The same, with what the commented example shows, as it would be written without quotes.
    #[must_use]
    pub const fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }
}

/// A setting whatever its kind: what the reference, the schema and the unknown-key check need.
pub trait AnySetting: Sync {
    /// The full path, as `identify.sessions.idle`.
    fn path(&self) -> &'static str;
    /// What it does, in a sentence or two.
    fn doc(&self) -> &'static str;
    /// The default as written in TOML; `None` when it has none.
    fn default(&self) -> Option<String>;
    /// The default in words, where it depends on other settings.
    fn default_in_words(&self) -> Option<&'static str>;
    /// A value to show, as written in TOML.
    fn example(&self) -> String;
    /// What it takes, in words.
    fn takes(&self) -> String;
    /// The least and the most.
    fn bounds(&self) -> Option<(&'static str, &'static str)>;
    /// The variables with names of their own that override it.
    fn variables(&self) -> &'static [Variable];
    /// Whether its value is a secret.
    fn is_secret(&self) -> bool;
    /// Its JSON Schema.
    fn schema(&self) -> Value;
    /// What is wrong with the default, the example or the bounds themselves: for the tests of this crate.
    fn faults(&self) -> Vec<String>;

    /// The last part of the path: the key in its table.
    fn key(&self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or_default()
    }
}

impl<T: Kind> AnySetting for Setting<T> {
    fn path(&self) -> &'static str {
        self.path
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn default(&self) -> Option<String> {
        self.default.map(T::written)
    }

    fn default_in_words(&self) -> Option<&'static str> {
        self.default_in_words
    }

    fn example(&self) -> String {
        T::written(self.example.or(self.default).unwrap_or(T::EXAMPLE))
    }

    fn takes(&self) -> String {
        T::takes()
    }

    fn bounds(&self) -> Option<(&'static str, &'static str)> {
        self.bounds
    }

    fn variables(&self) -> &'static [Variable] {
        self.variables
    }

    fn is_secret(&self) -> bool {
        T::SECRET
    }

    fn schema(&self) -> Value {
        let mut schema = T::schema();
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), self.doc.into());
            if let (Some((least, most)), Some("integer")) =
                (self.bounds, object.get("type").and_then(Value::as_str).map(str::to_owned).as_deref())
            {
                for (name, text) in [("minimum", least), ("maximum", most)] {
                    if let Ok(number) = text.parse::<u64>() {
                        object.insert(name.into(), number.into());
                    }
                }
            }
            if let Some(default) = self.default {
                object.insert("default".into(), T::default_value(default));
            }
        } else {
            schema = json!({"description": self.doc});
        }
        schema
    }

    fn faults(&self) -> Vec<String> {
        let environment = palisade_model::Environment::default();
        let context = Context { environment: &environment };
        let mut faults = Vec::new();
        for text in self.bounds.into_iter().flat_map(|(least, most)| [least, most]) {
            if T::bound(text, &context).is_none() {
                faults.push(format!("{}: the bound `{text}` has no size", self.path));
            }
        }
        for text in [self.default, self.example].into_iter().flatten() {
            match T::read(Raw::Text(text), &context) {
                Ok(value) if !self.allows(&value) => {
                    faults.push(format!("{}: `{text}` is out of bounds", self.path));
                }
                Ok(_) => {}
                Err(_) if T::SECRET => {}
                Err(wrongs) => faults.extend(wrongs.iter().map(|w| format!("{}: {}", self.path, w.message))),
            }
        }
        if self.doc.is_empty() || !self.doc.ends_with(['.', ')']) {
            faults.push(format!("{}: the meaning is not a sentence", self.path));
        }
        faults
    }
}

impl<T: Kind> Setting<T> {
    /// The default, read.
    pub(crate) fn fallback(&self) -> T {
        let environment = palisade_model::Environment::default();
        let context = Context { environment: &environment };
        self.default.and_then(|text| T::read(Raw::Text(text), &context).ok()).unwrap_or_else(T::nothing)
    }

    /// Whether the value lies within the bounds.
    pub(crate) fn allows(&self, value: &T) -> bool {
        let environment = palisade_model::Environment::default();
        let context = Context { environment: &environment };
        let (Some((least, most)), Some(size)) = (self.bounds, value.measure()) else { return true };
        let bound = |text| T::bound(text, &context);
        bound(least).is_none_or(|least| size >= least) && bound(most).is_none_or(|most| size <= most)
    }
}

/// A table of the policy: its keys in the order in which people should read them.
#[derive(Clone, Copy)]
pub struct Scope {
    /// `identify.sessions`; upper-case parts stand for names of the policy's own.
    pub path: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys.
    pub settings: &'static [&'static dyn AnySetting],
    /// The tables within it, by their last part.
    pub tables: &'static [&'static str],
    /// How often it can stand in a policy.
    pub shape: Shape,
}

/// How often a [`Scope`] can stand in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once: `[edge]`.
    Once,
    /// Once for each name: `[upstream.app]`.
    Named,
    /// Any number of times: `[[route]]`.
    Listed,
    /// Once, and its keys are names: `[shield.limits]`.
    Names,
}

impl Scope {
    /// The setting of that key. Where keys are names, any key has the same setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&'static dyn AnySetting> {
        match self.shape {
            Shape::Names => self.settings.first().copied(),
            _ => self.settings.iter().find(|setting| setting.key() == key).copied(),
        }
    }

    /// `[edge]`, `[[route]]`, `[upstream.NAME]`.
    #[must_use]
    pub fn header(&self) -> String {
        match self.shape {
            Shape::Listed => format!("[[{}]]", self.path),
            _ => format!("[{}]", self.path),
        }
    }
}
