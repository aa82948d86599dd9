//! SQL texts: each written once, in PostgreSQL's spelling, and run on both databases.
//!
//! The common subset: `$1` for parameters, BIGINT, TEXT and BYTEA, `ON CONFLICT`, `RETURNING`, window
//! functions. For SQLite the text is rewritten once: `$1` becomes `?1` (SQLite takes `$1` for a name and
//! numbers names as they come), and the lock on the head row goes, since `BEGIN IMMEDIATE` is that lock there.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::StoreError;
use crate::value::Value;

/// One statement.
pub(crate) struct Sql {
    /// As PostgreSQL takes it.
    pub(crate) text: &'static str,
    for_sqlite: OnceLock<Cow<'static, str>>,
}

impl Sql {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, for_sqlite: OnceLock::new() }
    }

    /// As SQLite takes it.
    pub(crate) fn for_sqlite(&self) -> &str {
        self.for_sqlite.get_or_init(|| rewrite(self.text))
    }

    /// The statement with its parameters, in order.
    pub(crate) fn with<const N: usize>(&'static self, values: [Value; N]) -> Query {
        Query { sql: self, values: values.into() }
    }
}

/// The lock that orders all writers.
const ROW_LOCK: &str = " FOR NO KEY UPDATE";

fn rewrite(text: &'static str) -> Cow<'static, str> {
    if text.contains('$') || text.contains(ROW_LOCK) {
        Cow::Owned(text.replace(ROW_LOCK, "").replace('$', "?"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A statement with its parameters.
pub(crate) struct Query {
    pub(crate) sql: &'static Sql,
    pub(crate) values: Vec<Value>,
}

impl Query {
    /// Refuses what only one of the databases could hold: NUL in a text.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let with_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
        if self.values.iter().any(with_nul) {
            return Err(StoreError::Refused("a text holds NUL"));
        }
        Ok(())
    }
}

/// Declares a module's statements and lists them in `STATEMENTS`, so that one test can prepare them all on
/// both databases.
macro_rules! statements {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: $crate::sql::Sql = $crate::sql::Sql::new($text);)*
        /// Every statement of this module.
        pub(crate) static STATEMENTS: &[&$crate::sql::Sql] = &[$(&$name,)*];
    };
}

/// Values of any kinds as parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::value::Value::from($value)),*] };
}

pub(crate) use {statements, values};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_gets_numbered_parameters_and_no_row_locks() {
        static SQL: Sql = Sql::new("SELECT a FROM t WHERE b = $2 AND c = $1 FOR NO KEY UPDATE");
        assert_eq!(SQL.for_sqlite(), "SELECT a FROM t WHERE b = ?2 AND c = ?1");
    }
}
