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

/// What stands in the place of the users' table may be a trap of whoever sent the file.
// proves: ID-3, VAL-4
#[tokio::test]
async fn a_view_or_virtual_table_is_not_run_and_no_cell_takes_the_memory() {
    let f = Fixture::sqlite().await;
    f.attack(
        "CREATE VIEW endless AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) \
           SELECT x AS username FROM c; \
         CREATE VIRTUAL TABLE virtual USING fts5(username); \
         CREATE TABLE huge (username TEXT); \
         INSERT INTO huge VALUES (hex(zeroblob(20000000))); \
         CREATE TABLE long (username TEXT); \
         INSERT INTO long VALUES ('ann'), (replace(hex(zeroblob(5000)), '00', 'é')); \
         CREATE TABLE wild (username TEXT); \
         INSERT INTO wild VALUES ('ann'), (CAST(x'ff41' AS TEXT)); \
         CREATE TABLE nul (username TEXT); \
         INSERT INTO nul VALUES ('admin' || char(0) || 'x'); \
         CREATE TABLE numbers (username); \
         INSERT INTO numbers VALUES (x'616e6e'), (1e999), (-7), (NULL); \
         CREATE TABLE \"od\"\"d\" (username TEXT)",
    )
    .await
    .unwrap();
    let Location::Sqlite(path) = &f.location else { unreachable!("a file") };
    let foreign = Foreign::Sqlite(path.clone());
    let rows = async |table: &str| {
        let read = foreign.rows(&TableName::parse(table).unwrap(), &names(&["username"])).await;
        read.map_err(|error| error.to_string())
    };
    for (table, why) in [
        ("endless", "view"),
        ("ENDLESS", "view"),
        ("main.endless", "view"),
        ("virtual", "virtual table"),
        ("sqlite_master", "no such table"),
        ("no_such", "no such table"),
        ("temp.endless", "no such table"),
        ("wild", "row 2 is not UTF-8"),
    ] {
        let said = rows(table).await.unwrap_err();
        assert!(said.contains(why), "{table}: {said}");
    }
    let long = rows("long").await.unwrap();
    let cut: Vec<bool> = long.iter().map(|row| Foreign::is_cut(row[0].as_deref().unwrap())).collect();
    assert_eq!(cut, [false, true]);
    assert!(Foreign::is_cut(rows("huge").await.unwrap()[0][0].as_deref().unwrap()));
    assert_eq!(rows("nul").await.unwrap()[0][0].as_deref(), Some("admin\0x"), "not another's name");
    assert_eq!(rows("numbers").await.unwrap().len(), 4);
}

// proves: ID-3
#[tokio::test]
async fn a_huge_value_of_postgresql_is_cut_where_it_is() {
    let f = Fixture::postgres().await;
    f.attack("CREATE TABLE public.old (username TEXT); INSERT INTO public.old VALUES (repeat('é', 50000000)), ('ann')")
        .await
        .unwrap();
    let Location::Postgres(url) = &f.location else { unreachable!("PostgreSQL") };
    let table = TableName::parse("public.old").unwrap();
    let rows = Foreign::Postgres(url.clone()).rows(&table, &names(&["username"])).await.unwrap();
    assert!(
        Foreign::is_cut(rows[0][0].as_deref().unwrap()) && !Foreign::is_cut(rows[1][0].as_deref().unwrap())
    );
    assert!(rows[0][0].as_ref().unwrap().len() < 10_000);
}
