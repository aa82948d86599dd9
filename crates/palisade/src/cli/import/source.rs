//! Where users are read from: a file, another program's table, AUTH_USERS.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use palisade_access::Newcomer;
use palisade_model::{Environment, Secret};
use palisade_store::{Foreign, Identifier, TableName};
use serde_json::Value;

use super::columns::{Columns, Field, twice, word};
use super::entry::{Entry, Place, Rules};
use super::report::{Heads, shown};
use super::text::Lines;
use super::{json, text};
use crate::cli::args::{ImportUsers, Kind, Preset};
use crate::cli::context::store_failure;
use crate::cli::failure::Failure;
use crate::cli::terminal::visible;

/// Behind the last line of a CSV file, while it is read.
const END: &str = "\u{1}the end";

/// A source, known but not read yet.
pub(super) enum Source {
    Csv(String),
    Json(String),
    AuthUsers(Secret),
    Table(Foreign, TableName, Vec<(Field, Identifier)>),
}

impl Source {
    /// What the command line names.
    pub(super) fn find(asked: &ImportUsers, columns: &Columns, world: &Environment) -> Result<Self, Failure> {
        if let Some(path) = asked.source.strip_prefix("sqlite:") {
            if !Path::new(path).is_file() {
                return Err(Failure::usage(format_args!("there is no file {path}")));
            }
            return table(Foreign::Sqlite(path.into()), asked, columns);
        }
        if let Some(name) = asked.source.strip_prefix("env:") {
            let text = world
                .get(name)
                .ok_or_else(|| Failure::usage(format_args!("the environment has no {name}")))?;
            if text.starts_with("postgres://") || text.starts_with("postgresql://") {
                return table(Foreign::Postgres(Secret::new(text)), asked, columns);
            }
            return Ok(Self::AuthUsers(Secret::new(text)));
        }
        if asked.source.starts_with("postgres://") || asked.source.starts_with("postgresql://") {
            return Err(Failure::usage(
                "a database's URL holds its password, which others could read in the process list",
            )
            .remedy("put it into the environment and write env:NAME"));
        }
        let path = Path::new(&asked.source);
        if path.extension().is_some_and(|kind| kind == "db" || kind == "sqlite" || kind == "sqlite3") {
            let shown = visible(&asked.source);
            return Err(Failure::usage(format_args!("{shown} is a database by its name"))
                .remedy(format_args!("write sqlite:{shown}")));
        }
        let text = text::read(path)?;
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Ok(match asked.kind {
            Some(Kind::Csv) => Self::Csv(text),
            Some(Kind::Json) => Self::Json(text),
            Some(Kind::AuthUsers) => Self::AuthUsers(Secret::new(text)),
            None => match extension {
                "csv" => Self::Csv(text),
                "json" | "jsonl" | "ndjson" => Self::Json(text),
                _ => {
                    return Err(Failure::usage("what kind of file this is cannot be seen by its name")
                        .remedy("add --as csv, --as json or --as auth-users"));
                }
            },
        })
    }

    /// The word for it in the trail.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::AuthUsers(_) => "auth-users",
            Self::Table(Foreign::Sqlite(_), ..) => "sqlite",
            Self::Table(Foreign::Postgres(_), ..) => "postgresql",
        }
    }

    /// Everybody in it.
    pub(super) async fn read(
        &self,
        columns: &Columns,
        rules: &Rules,
    ) -> Result<(Vec<Entry>, Heads), Failure> {
        match self {
            Self::Csv(text) => from_csv(text, columns, rules),
            Self::Json(text) => from_json(text, columns, rules),
            Self::AuthUsers(text) => {
                let heads = Heads::of(["name", "password"].into_iter(), &Columns::default());
                Ok((from_auth_users(text, rules)?, heads))
            }
            Self::Table(place, name, pairs) => {
                let names: Vec<Identifier> = pairs.iter().map(|(_, name)| name.clone()).collect();
                let rows = place.rows(name, &names).await.map_err(|error| {
                    store_failure(error)
                        .remedy("see whether --table and --columns name what the database has")
                })?;
                let entry = |(n, row): (usize, Vec<Option<String>>)| Entry {
                    place: Place { unit: "row", number: n as u64 + 1 },
                    newcomer: if row.iter().flatten().any(|cell| Foreign::is_cut(cell)) {
                        Err("a cell is longer than 4,096 characters")
                    } else {
                        let cells = pairs.iter().zip(&row);
                        rules
                            .newcomer(cells.filter_map(|((field, _), cell)| Some((*field, cell.as_deref()?))))
                    },
                };
                let heads = Heads::of(columns.pairs().iter().map(|(_, column)| column.as_str()), columns);
                Ok((rows.into_iter().enumerate().map(entry).collect(), heads))
            }
        }
    }
}

fn table(place: Foreign, asked: &ImportUsers, columns: &Columns) -> Result<Source, Failure> {
    let name = match (&asked.table, asked.preset) {
        (Some(name), _) => name.as_str(),
        (None, Some(Preset::Django)) => "auth_user",
        (None, Some(Preset::FlaskLogin)) => "user",
        (None, None) => return Err(Failure::usage("which table holds the users?").remedy("add --table NAME")),
    };
    let odd = || Failure::usage("names of tables and columns hold letters, digits and '_' here");
    let name = TableName::parse(name).ok_or_else(odd)?;
    if columns.is_empty() {
        return Err(Failure::usage("which columns hold what?").remedy(
            "add --preset django, --preset flask-login, or --columns name=username,email=email,...",
        ));
    }
    let pair = |(field, column): &(Field, String)| Some((*field, Identifier::parse(column)?));
    let pairs = columns.pairs().iter().map(pair).collect::<Option<_>>().ok_or_else(odd)?;
    Ok(Source::Table(place, name, pairs))
}

/// At least somebody's name or address has to be in it, and nothing twice.
fn usable(fields: &[Option<Field>]) -> Result<(), Failure> {
    if let Some(word) = twice(fields.iter().flatten().copied()) {
        return Err(Failure::usage(format_args!("two columns hold the field '{word}'"))
            .remedy(format_args!("say which does: --columns {word}=COLUMN,...")));
    }
    if fields.iter().flatten().any(|field| matches!(field, Field::Name | Field::Email)) {
        return Ok(());
    }
    Err(Failure::usage("no column holds a name or an e-mail address")
        .remedy("say which does: --columns name=COLUMN,email=COLUMN,password=COLUMN"))
}

/// Every column that the command line names has to be there: without its password's column, everybody would come
/// without a password.
fn all_there<'a>(columns: &Columns, heads: impl Iterator<Item = &'a str> + Clone) -> Result<(), Failure> {
    let Some((field, column)) = columns.missing(&heads) else { return Ok(()) };
    let heads: Vec<&str> = heads.map(shown).collect();
    Err(Failure::usage(format_args!(
        "there is no column '{}' to read '{}' from",
        visible(column),
        word(*field)
    ))
    .remedy(format_args!("there are: {}", heads.join(", "))))
}

fn from_csv(text: &str, columns: &Columns, rules: &Rules) -> Result<(Vec<Entry>, Heads), Failure> {
    // Whatever stands behind a quote that is never closed is one cell. This line shows it: it is not whole then.
    let whole = text.as_bytes().chain(&b"\n"[..]).chain(END.as_bytes());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(whole);
    let heads = reader.headers().map_err(|_| Failure::usage("the first line is no row of headings"))?;
    let fields: Vec<Option<Field>> = heads.iter().map(|head| columns.field(head)).collect();
    if heads.len() == 1 && heads.iter().any(|head| head.contains([';', '\t'])) {
        return Err(Failure::usage("the cells are set apart by semicolons or tabs, and commas are expected")
            .remedy("save it as CSV with commas"));
    }
    all_there(columns, heads.iter())?;
    usable(&fields)?;
    let known = Heads::of(heads.iter(), columns);
    let (mut entries, mut lines, mut ended) = (Vec::new(), Lines::new(text.as_bytes()), false);
    for record in reader.records() {
        let Ok(record) = record else {
            return Err(Failure::usage("the file is no CSV from some line on"));
        };
        if record.len() == 1 && record.get(0) == Some(END) {
            ended = true;
            break;
        }
        let number = lines.line_of(record.position().map_or(0, csv::Position::byte));
        // Shifted cells could make somebody's role of somebody's name.
        let newcomer = if record.len() == fields.len() {
            let cells = fields.iter().zip(&record).filter_map(|(field, cell)| Some(((*field)?, cell)));
            rules.newcomer(cells)
        } else {
            Err("it has not as many cells as the first line")
        };
        entries.push(Entry { place: Place { unit: "line", number }, newcomer });
    }
    if !ended {
        let line = entries.last().map_or(1, |entry| entry.place.number);
        return Err(Failure::usage(format_args!("a quote in line {line} or behind is never closed")));
    }
    Ok((entries, known))
}

fn from_json(text: &str, columns: &Columns, rules: &Rules) -> Result<(Vec<Entry>, Heads), Failure> {
    let (unit, items): (_, Vec<(u64, Option<Value>)>) = if text.trim_start().starts_with('[') {
        let items = match json::parse(text)? {
            Value::Array(items) => items,
            other => vec![other],
        };
        ("item", (1..).zip(items.into_iter().map(Some)).collect())
    } else {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        ("line", lines.map(|(number, line)| (number, json::parse(line).ok())).collect())
    };
    let objects = items.iter().filter_map(|(_, item)| item.as_ref()?.as_object());
    let keys: BTreeSet<&str> = objects.flat_map(|object| object.keys().map(String::as_str)).collect();
    if !keys.is_empty() {
        all_there(columns, keys.iter().copied())?;
    }
    let known = Heads::of(keys.iter().copied(), columns);
    let entry = |(number, item): &(u64, Option<Value>)| Entry {
        place: Place { unit, number: *number },
        newcomer: of_object(item.as_ref(), columns, rules),
    };
    Ok((items.iter().map(entry).collect(), known))
}

/// The user whom an object describes.
fn of_object(item: Option<&Value>, columns: &Columns, rules: &Rules) -> Result<Newcomer, &'static str> {
    let object =
        item.and_then(Value::as_object).ok_or("it is no JSON object, or a name stands twice in it")?;
    let known: Vec<(Field, &Value)> =
        object.iter().filter_map(|(key, value)| Some((columns.field(key)?, value))).collect();
    if twice(known.iter().map(|(field, _)| *field)).is_some() {
        return Err("two of its names stand for the same field");
    }
    let cells: Option<Vec<(Field, String)>> =
        known.into_iter().map(|(field, value)| Some((field, cell(value)?))).collect();
    let cells = cells.ok_or("a value is neither text, number, truth nor a list of texts")?;
    rules.newcomer(cells.iter().map(|(field, cell)| (*field, cell.as_str())))
}

/// A value as a cell has it.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => {
            items.iter().map(Value::as_str).collect::<Option<Vec<&str>>>().map(|texts| texts.join(","))
        }
        Value::Object(_) => None,
    }
}

fn from_auth_users(text: &Secret, rules: &Rules) -> Result<Vec<Entry>, Failure> {
    let users = palisade_policy::auth_users(text).map_err(|why| {
        Failure::usage(format_args!("the list does not read: {why}"))
            .remedy("write name:hash pairs, set apart by commas or lines")
    })?;
    let entry = |(number, (name, hash)): (u64, (String, Secret))| Entry {
        place: Place { unit: "item", number },
        newcomer: rules.newcomer([(Field::Name, name.as_str()), (Field::Password, hash.expose())]),
    };
    Ok((1..).zip(users).map(entry).collect())
}
