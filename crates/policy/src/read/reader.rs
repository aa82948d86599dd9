//! Reads settings out of the parsed file and the environment, and notes all that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use palisade_model::Environment;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::{Context, Kind, Raw, Wrong, article, span_of};
use super::secret;
use super::setting::{AnySetting, Form, Scope, Setting};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::suggest::nearest;

/// Where each setting's value came from, by its path in this policy (`upstream.app.url`, `route[2].csrf`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    of: BTreeMap<String, Place>,
    items: BTreeMap<String, Vec<Range<usize>>>,
    rows: BTreeMap<usize, String>,
}

impl Places {
    /// Where the value at that path came from.
    pub(crate) fn of(&self, path: &str) -> Place {
        self.of.get(path).cloned().unwrap_or_default()
    }

    /// Where the item of a list came from; the whole list if items have no places of their own.
    pub(crate) fn item(&self, path: &str, index: usize) -> Place {
        match self.items.get(path).and_then(|items| items.get(index)) {
            Some(span) => Place::Span(span.clone()),
            None => self.of(path),
        }
    }

    /// The path of the table that a row of the route table was made of.
    pub(crate) fn row(&self, index: usize) -> Option<&str> {
        self.rows.get(&index).map(String::as_str)
    }

    /// Notes the table that a row of the route table was made of.
    pub(crate) fn note_row(&mut self, index: usize, path: &str) {
        self.rows.insert(index, path.to_owned());
    }

    /// Whether somebody gave the value.
    pub(crate) fn is_said(&self, path: &str) -> bool {
        !matches!(self.of(path), Place::Unsaid)
    }

    /// Every path that was read.
    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(String::as_str)
    }

    fn note(&mut self, path: &str, place: Place) {
        self.of.insert(path.to_owned(), place);
    }
}

/// One table of the file, or the lack of it.
#[derive(Clone, Debug)]
pub(crate) struct Table<'t> {
    /// Its path in this policy: `upstream.app`, `route[2]`.
    pub(crate) path: String,
    entries: Option<&'t DeTable<'t>>,
    place: Place,
}

impl<'t> Table<'t> {
    /// The whole file.
    pub(crate) fn root(entries: &'t DeTable<'t>) -> Self {
        Self { path: String::new(), entries: Some(entries), place: Place::Unsaid }
    }

    /// A table that the file does not have, for what the environment alone can bring.
    pub(crate) fn missing(path: &str) -> Self {
        Self { path: path.to_owned(), entries: None, place: Place::Unsaid }
    }

    /// The path of a key in it.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where it begins.
    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Whether it stands in the file at all.
    pub(crate) fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    fn get(&self, key: &str) -> Option<(&'t Spanned<DeValue<'t>>, Range<usize>)> {
        let (name, value) = self.entries?.get_key_value(key)?;
        Some((value, name.span()))
    }
}

/// Reads settings, and gathers diagnostics, places, overrides and what has to be masked.
pub(crate) struct Reader<'a> {
    environment: &'a Environment,
    sections: &'static [&'static [Scope]],
    /// What was found wrong so far.
    pub(crate) found: Vec<Diagnostic>,
    /// Where each value came from.
    pub(crate) places: Places,
    /// The variables that took effect.
    pub(crate) overrides: BTreeSet<String>,
    /// The PALISADE_ variables that name a setting.
    known: BTreeSet<String>,
    /// Whether secrets of the service that are not there count as left out ([`SPARED`]).
    pub(crate) spares: bool,
    /// Bytes of the file that may be secret.
    pub(crate) masks: Vec<Range<usize>>,
}

/// Secrets that only the running service uses: an administrator's command does without them.
const SPARED: [&str; 3] = [".client_secret", "mail.password", "identify.admin_tokens.legacy"];

/// A value found in the environment.
enum FromEnvironment {
    Nothing,
    Value { name: String, text: String },
    Wrong(Vec<Wrong>, String),
}

impl<'a> Reader<'a> {
    /// A reader of policies with these sections.
    pub(crate) fn new(environment: &'a Environment, sections: &'static [&'static [Scope]]) -> Self {
        Self {
            environment,
            sections,
            found: Vec::new(),
            places: Places::default(),
            overrides: BTreeSet::new(),
            known: BTreeSet::new(),
            spares: false,
            masks: Vec::new(),
        }
    }

    fn scopes(&self) -> impl Iterator<Item = &'static Scope> + use<> {
        self.sections.iter().copied().flatten()
    }

    /// Notes something.
    pub(crate) fn note(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether the environment has this variable, or the one that names a file for it.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.environment.get(name).is_some() || self.environment.get(&format!("{name}_FILE")).is_some()
    }

    /// The table of that name within another, its keys checked against the scope.
    pub(crate) fn open<'t>(&mut self, parent: &Table<'t>, name: &str, scope: &str) -> Table<'t> {
        let path = parent.at(name);
        let Some((value, key)) = parent.get(name) else {
            return Table { path, entries: None, place: Place::Unsaid };
        };
        match value.get_ref() {
            DeValue::Table(entries) => {
                let table = Table { path, entries: Some(entries), place: Place::Span(key) };
                self.check_keys(&table, scope);
                table
            }
            other => {
                self.mask_strings(value);
                let found = other.type_str();
                let help = format!("write a table: [{path}] on a line of its own, and its keys below");
                self.note(
                    Diagnostic::error(
                        Code::WrongType,
                        Place::Span(key),
                        format!("`{path}` is {} {found}, not a table", article(found)),
                    )
                    .help(help),
                );
                Table { path, entries: None, place: Place::Unsaid }
            }
        }
    }

    /// Every named table within a table: `[upstream.NAME]`.
    pub(crate) fn named<'t>(
        &mut self,
        parent: &Table<'t>,
        name: &str,
        scope: &str,
    ) -> Vec<(String, Table<'t>)> {
        let Some(table) = self.plain_table(parent, name) else { return Vec::new() };
        let loose = table.entries.into_iter().flatten().find(|(_, value)| !value.get_ref().is_table());
        if let Some((key, value)) = loose {
            self.mask_strings(value);
            let message = format!("`{}` stands in [{name}], which has a table for each name", key.get_ref());
            let help = format!("write [{name}.app] above it, or whatever its name shall be");
            self.note(Diagnostic::error(Code::WrongType, Place::Span(key.span()), message).help(help));
            return Vec::new();
        }
        let names: Vec<String> = self.names_in(&table);
        names.into_iter().map(|name| (name.clone(), self.open(&table, &name, scope))).collect()
    }

    /// The keys of a table in the order of the file, those that are no names left out.
    fn names_in(&mut self, table: &Table<'_>) -> Vec<String> {
        let mut keys: Vec<_> = table.entries.into_iter().flat_map(DeTable::keys).collect();
        keys.sort_by_key(|key| key.span().start);
        let mut names = Vec::new();
        for key in keys {
            let name = key.get_ref();
            let plain =
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
            if plain && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 64 {
                names.push(name.to_string());
            } else {
                if let Some(value) = table.entries.and_then(|entries| entries.get(name.as_ref())) {
                    self.mask_strings(value);
                }
                let help = "a name has lower-case letters, digits, `_` and `-`, begins with a letter and is at most 64 long";
                self.note(
                    Diagnostic::error(Code::Malformed, Place::Span(key.span()), "not a name").help(help),
                );
            }
        }
        names
    }

    fn plain_table<'t>(&mut self, parent: &Table<'t>, name: &str) -> Option<Table<'t>> {
        let (value, key) = parent.get(name)?;
        if let DeValue::Table(entries) = value.get_ref() {
            return Some(Table { path: parent.at(name), entries: Some(entries), place: Place::Span(key) });
        }
        self.mask_strings(value);
        let help = format!("write a table for each: [{name}.some-name]");
        self.note(
            Diagnostic::error(Code::WrongType, Place::Span(key), format!("`{name}` is not a table"))
                .help(help),
        );
        None
    }

    /// Every table of a list of tables: `[[route]]`.
    pub(crate) fn listed<'t>(&mut self, parent: &Table<'t>, name: &str, scope: &str) -> Vec<Table<'t>> {
        let Some((value, key)) = parent.get(name) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.mask_strings(value);
            let message = format!("`{name}` stands in single brackets");
            let help = format!("write [[{name}]], in double brackets, above each of them");
            self.note(Diagnostic::error(Code::WrongType, Place::Span(key), message).help(help));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let place = Place::Span(item.span());
                    let table = Table { path: format!("{name}[{index}]"), entries: Some(entries), place };
                    self.check_keys(&table, scope);
                    tables.push(table);
                }
                _ => {
                    self.mask_strings(item);
                    let help = format!("write [[{name}]] above each of them");
                    let place = Place::Span(item.span());
                    self.note(
                        Diagnostic::error(Code::WrongType, place, format!("`{name}` is a list of tables"))
                            .help(help),
                    );
                }
            }
        }
        tables
    }

    /// Reads a setting: the environment before the file before the default. Wrong values are noted.
    pub(crate) fn read<T: Kind>(&mut self, table: &Table<'_>, setting: &Setting<T>) -> T {
        self.read_if_said(table, setting).unwrap_or_else(|| setting.fallback())
    }

    /// The same; `None` when nobody gave it a value, or a wrong one.
    pub(crate) fn read_if_said<T: Kind>(&mut self, table: &Table<'_>, setting: &Setting<T>) -> Option<T> {
        self.read_as(table, setting, setting.key())
    }

    /// A setting that nothing can do without.
    pub(crate) fn require<T: Kind>(&mut self, table: &Table<'_>, setting: &Setting<T>) -> T {
        let path = table.at(setting.key());
        let before = self.found.len();
        self.read_if_said(table, setting).unwrap_or_else(|| {
            if self.found.len() == before {
                let help = format!("write {} = {}", setting.key(), setting.example());
                self.note(
                    Diagnostic::error(
                        Code::Missing,
                        table.place(),
                        format!("`{}` is missing", without_index(&path)),
                    )
                    .help(help),
                );
            }
            T::nothing()
        })
    }

    /// Every entry of a table whose keys are names, each read as the one setting that it has.
    pub(crate) fn read_names<T: Kind>(
        &mut self,
        table: &Table<'_>,
        setting: &Setting<T>,
    ) -> Vec<(String, T)> {
        self.places.note(setting.path(), Place::Unsaid);
        let mut names = self.names_in(table);
        let prefix = format!("{}__", variable_of(&table.path));
        for (name, _) in self.environment.iter() {
            if let Some(key) = name.strip_prefix(&prefix) {
                let key = key.to_ascii_lowercase();
                if !names.iter().any(|known| variable_of(known) == variable_of(&key)) {
                    names.push(key);
                }
            }
        }
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.read_as(table, setting, &name)?)))
            .collect()
    }

    fn read_as<T: Kind>(&mut self, table: &Table<'_>, setting: &Setting<T>, key: &str) -> Option<T> {
        let path = table.at(key);
        let in_file = table.get(key);
        if T::SECRET {
            self.mask_secret(in_file.as_ref().map(|(value, _)| *value));
        }
        let given = self.environment_of(&path, setting);
        let text;
        let (raw, place) = match given {
            FromEnvironment::Wrong(wrongs, name) => {
                self.places.note(&path, Place::Variable(name.clone()));
                self.note_wrongs(&path, &Place::Variable(name), wrongs);
                return None;
            }
            FromEnvironment::Value { name, text: value } => {
                text = value;
                self.overrides.insert(name.clone());
                (Raw::Text(&text), Place::Variable(name))
            }
            FromEnvironment::Nothing => match in_file {
                Some((value, _)) => (Raw::Toml(value), Place::Span(value.span())),
                None => {
                    self.places.note(&path, Place::Unsaid);
                    return None;
                }
            },
        };
        self.places.note(&path, place.clone());
        if let Raw::Toml(value) = raw
            && let DeValue::Array(items) = value.get_ref()
        {
            self.places.items.insert(path.clone(), items.iter().map(Spanned::span).collect());
        }
        let context = Context { environment: self.environment };
        match T::read(raw, &context) {
            Ok(value) if setting.allows(&value) => Some(value),
            Ok(_) => {
                self.note(out_of_bounds(&path, place, setting));
                None
            }
            Err(mut wrongs) => {
                for wrong in &mut wrongs {
                    wrong.span = wrong.span.take().or_else(|| span_of(raw));
                    if let (Code::OutOfBounds, Some((least, most))) = (wrong.code, setting.bounds()) {
                        wrong.help = format!("write a value from {least} to {most}");
                    }
                }
                self.note_wrongs(&path, &place, wrongs);
                None
            }
        }
    }

    fn note_wrongs(&mut self, path: &str, place: &Place, wrongs: Vec<Wrong>) {
        let spared = self.spares && SPARED.iter().any(|key| path.ends_with(key));
        for wrong in wrongs {
            if spared && wrong.code == Code::SecretUnreadable {
                continue;
            }
            let place = match (place, wrong.span) {
                (Place::Variable(_), _) | (_, None) => place.clone(),
                (_, Some(span)) => Place::Span(span),
            };
            let message = format!("{}: {}", without_index(path), wrong.message);
            self.note(Diagnostic::error(wrong.code, place, message).help(wrong.help));
        }
    }

    /// What the environment says of a setting: PALISADE_SECTION__KEY before the names that people already use.
    fn environment_of<T: Kind>(&mut self, path: &str, setting: &Setting<T>) -> FromEnvironment {
        if path.contains('[') {
            return FromEnvironment::Nothing;
        }
        let own = variable_of(path);
        self.known.insert(own.clone());
        let other = setting.variables().iter().map(|variable| (variable.name.to_owned(), variable.form));
        for (name, form) in std::iter::once((own, Form::Plain)).chain(other) {
            let text = if T::SECRET {
                match secret::from_variable(&name, self.environment) {
                    Ok(value) => value.map(|secret| secret.expose().to_owned()),
                    Err(wrongs) => return FromEnvironment::Wrong(wrongs, name),
                }
            } else {
                self.environment.get(&name).map(str::to_owned)
            };
            let Some(text) = text else { continue };
            let converted = setting
                .variables()
                .iter()
                .find(|v| v.name == name)
                .map_or(Some(text.clone()), |v| v.convert(&text));
            return match converted {
                Some(text) => {
                    // What is announced is the variable that is set.
                    let by_file = T::SECRET && self.environment.get(&name).is_none();
                    let name = if by_file { format!("{name}_FILE") } else { name };
                    FromEnvironment::Value { name, text }
                }
                None => {
                    let unit = match form {
                        Form::Minutes => "minutes",
                        Form::Seconds => "seconds",
                        Form::Plain | Form::PerMinute => "requests in a minute",
                    };
                    let help = format!("write a whole number of {unit}: {name}=30");
                    FromEnvironment::Wrong(
                        vec![Wrong::malformed(format!("`{text}` is not a whole number"), help)],
                        name,
                    )
                }
            };
        }
        FromEnvironment::Nothing
    }

    /// Each PALISADE_SECTION__KEY has to name a setting: a slip must not leave a default in force.
    pub(crate) fn check_variables(&mut self) {
        let given: Vec<String> = self.environment.iter().map(|(name, _)| name.to_owned()).collect();
        for name in given.iter().filter(|name| name.starts_with("PALISADE_") && name.contains("__")) {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            if self.known.contains(name) || self.known.contains(base) {
                continue;
            }
            let help = match nearest(name, self.known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    "a variable is PALISADE_, the section, two underscores and the key: PALISADE_EDGE__LISTEN"
                        .into()
                }
            };
            let place = Place::Variable(name.clone());
            self.note(
                Diagnostic::error(Code::UnknownVariable, place, format!("{name} overrides nothing"))
                    .help(help),
            );
        }
    }

    /// Notes each table and key at the top that no section has.
    pub(crate) fn check_root(&mut self, root: &Table<'_>) {
        let known: BTreeSet<&str> = self.scopes().filter_map(|scope| scope.path.split('.').next()).collect();
        for (key, value) in root.entries.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if known.contains(name) {
                continue;
            }
            self.mask_strings(value);
            let inner = self.scopes().find(|scope| scope.path.rsplit('.').next() == Some(name));
            let owner =
                self.scopes().find(|scope| scope.settings.iter().any(|setting| setting.key() == name));
            let help = match (nearest(name, known.iter().copied()), inner, owner) {
                (Some(near), ..) => format!("did you mean `{near}`?"),
                (None, Some(scope), _) => format!("write {}", scope.header()),
                (None, None, Some(scope)) => format!("`{name}` belongs in {}", scope.header()),
                _ => format!("known here: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            let what = if value.get_ref().is_table() { "section" } else { "key" };
            let diagnostic = Diagnostic::error(
                Code::UnknownKey,
                Place::Span(key.span()),
                format!("there is no {what} `{name}`"),
            );
            self.note(diagnostic.label("unknown").help(help));
        }
    }

    /// Notes each key that the scope does not have.
    pub(crate) fn check_keys(&mut self, table: &Table<'_>, scope_path: &str) {
        let Some(scope) = self.scopes().find(|scope| scope.path == scope_path) else { return };
        for (key, value) in table.entries.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if scope.setting(name).is_some() || scope.tables.contains(&name) {
                continue;
            }
            self.mask_strings(value);
            let place = Place::Span(key.span());
            let what = if value.get_ref().is_table() { "table" } else { "key" };
            let message = format!("there is no {what} `{}`", without_index(&table.at(name)));
            self.note(Diagnostic::error(Code::UnknownKey, place, message).label("unknown").help(remedy(
                name,
                scope,
                self.sections,
            )));
        }
    }

    /// A secret that is written out must not be shown, whatever else is said of its line.
    fn mask_secret(&mut self, value: Option<&Spanned<DeValue<'_>>>) {
        let Some(value) = value else { return };
        match value.get_ref() {
            DeValue::String(text) if secret::is_reference(text) => {}
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => self.masks.push(value.span()),
            _ => self.mask_strings(value),
        }
    }

    /// Nobody knows what stands under an unknown key: its texts are not shown.
    pub(crate) fn mask_strings(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().for_each(|item| self.mask_strings(item)),
            DeValue::Table(entries) => entries.values().for_each(|item| self.mask_strings(item)),
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => self.masks.push(value.span()),
        }
    }
}

/// `route[2].to` is `route.to` to people: the caret says which.
fn without_index(path: &str) -> String {
    match (path.find('['), path.find(']')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{}", path.get(..from).unwrap_or_default(), path.get(to + 1..).unwrap_or_default())
        }
        _ => path.to_owned(),
    }
}

/// `identify.sessions.idle` is PALISADE_IDENTIFY__SESSIONS__IDLE.
pub(crate) fn variable_of(path: &str) -> String {
    format!("PALISADE_{}", path.to_ascii_uppercase().replace('.', "__").replace('-', "_"))
}

fn out_of_bounds<T: Kind>(path: &str, place: Place, setting: &Setting<T>) -> Diagnostic {
    let (least, most) = setting.bounds().unwrap_or(("0", "any"));
    Diagnostic::error(Code::OutOfBounds, place, format!("{} is out of bounds", without_index(path))).help(
        format!(
            "write a value from {least} to {most}; {} is the default",
            setting.default().unwrap_or_else(|| "none".into())
        ),
    )
}

/// What was probably meant: a near name here, or the same name elsewhere.
fn remedy(name: &str, scope: &Scope, sections: &'static [&'static [Scope]]) -> String {
    let scopes = || sections.iter().copied().flatten();
    let here = || scope.settings.iter().map(|s| s.key()).chain(scope.tables.iter().copied());
    if let Some(near) = nearest(name, here()) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = |name: &str| scopes().find(|other| other.settings.iter().any(|s| s.key() == name));
    if let Some(other) = elsewhere(name) {
        return format!("`{name}` belongs in {}", other.header());
    }
    let all = scopes().flat_map(|other| other.settings.iter().map(|s| s.key()));
    if let Some((near, other)) = nearest(name, all).and_then(|near| Some((near, elsewhere(near)?))) {
        return format!("did you mean `{near}` in {}?", other.header());
    }
    let known: Vec<String> = here().map(|key| format!("`{key}`")).collect();
    format!("known here: {}", known.join(", "))
}
