//! Reading another program's table.

use palisade_store::{Foreign, Identifier, Location, TableName};

use crate::fixture::Fixture;

fn names(all: &[&str]) -> Vec<Identifier> {
    all.iter().map(|name| Identifier::parse(name).unwrap()).collect()
}

// proves: ID-3, VAL-4
#[tokio::test]
async fn every_column_comes_as_text_and_nothing_is_written() {
    for (f, table) in [(Fixture::sqlite().await, "user"), (Fixture::postgres().await, "public.user")] {
        let quoted = if f.on_postgres() { "public.\"user\"" } else { "\"user\"" };
        f.attack(&format!(
            "CREATE TABLE {quoted} (id INTEGER, username TEXT, active BOOLEAN); \
             INSERT INTO {quoted} VALUES (7, 'ann', true), (8, NULL, false)"
        ))
        .await
        .unwrap();
        let foreign = match &f.location {
            Location::Postgres(url) => Foreign::Postgres(url.clone()),
            Location::Sqlite(path) => Foreign::Sqlite(path.clone()),
            Location::Memory => unreachable!("not asked for"),
        };
        let table = TableName::parse(table).unwrap();
        let rows = foreign.rows(&table, &names(&["id", "username"])).await.unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(rows, [[text("7"), text("ann")], [text("8"), None]]);
        let flags = foreign.rows(&table, &names(&["active"])).await.unwrap();
        assert_eq!(flags[0][0], text(if f.on_postgres() { "true" } else { "1" }));
        assert!(foreign.rows(&table, &names(&["no_such_column"])).await.is_err());
        assert!(foreign.rows(&TableName::parse("no_such_table").unwrap(), &names(&["id"])).await.is_err());
    }
}
