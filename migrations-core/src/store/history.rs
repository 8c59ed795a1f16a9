//! refinery's history table in a schema: the migrations that were really applied to it.
//!
//! The table and its rows are refinery's, so an application that used refinery before can switch over, and back,
//! without touching its database.

use postgres::Client;
use postgres::types::Type;

use crate::names::{Ident, Literal, Shown, fill};
use crate::report::Error;
use crate::set::Migration;

/// refinery's name for the table.
pub(crate) const HISTORY: &str = "refinery_schema_history";

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HistoryRow {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) checksum: u64,
}

impl HistoryRow {
    /// The row that applying this migration writes.
    pub(crate) fn of(migration: &Migration) -> Self {
        Self { version: migration.version(), name: migration.name().to_owned(), checksum: migration.checksum() }
    }

    /// The migration that the row is about, as in `V7__add_notes (checksum 42)`.
    pub(crate) fn title_and_checksum(&self) -> String {
        format!("V{}__{} (checksum {})", self.version, self.name, self.checksum)
    }
}

pub(super) fn table(schema: &str) -> String {
    format!("{}.{HISTORY}", Ident(schema))
}

/// Creates the table with narrower columns than refinery does. refinery reads it just as well, and a row that always
/// fits on a page needs no TOAST table with an index: two relations fewer for every tenant.
pub(crate) fn create_history(schema: &str) -> String {
    fill(include_str!("sql/create_history.sql"), &[("history", &table(schema))])
}

/// Records a migration. The time is the server's, in the format that refinery reads (RFC 3339).
pub(crate) fn insert_history(schema: &str, migration: &Migration) -> String {
    fill(
        include_str!("sql/insert_history.sql"),
        &[
            ("history", &table(schema)),
            ("version", &migration.version()),
            ("name", &Literal(migration.name())),
            ("checksum", &migration.checksum()),
        ],
    )
}

/// Whether the schema has a history table.
pub(crate) fn history_exists(client: &mut Client, schema: &str) -> Result<bool, Error> {
    let rows = client
        .query_typed(include_str!("sql/history_exists.sql"), &[(&table(schema), Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("reading the history of schema {schema}"), &error))?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Reads a schema's history. The inner `Err` is a problem with the table itself.
pub(crate) fn read_history(client: &mut Client, schema: &str) -> Result<Result<Vec<HistoryRow>, String>, Error> {
    let doing = || format!("reading the history of schema {}", Shown(schema));
    let table = table(schema);
    if !history_exists(client, schema)? {
        return Ok(Ok(Vec::new()));
    }
    let query = fill(include_str!("sql/read_history.sql"), &[("history", &table)]);
    match client.query_typed(&query, &[]) {
        Ok(rows) => Ok(rows.iter().map(|found| row(found, 0)).collect()),
        Err(error) => match Error::from_driver(doing(), &error) {
            Error::Server { source, .. } if is_about_the_table(&error) => Ok(Err(source.message().to_owned())),
            other => Err(other),
        },
    }
}

/// Whether a query failed because of the table that it reads. One that lacks a column, has another type, is damaged or
/// belongs to another program is its schema's problem, not the run's. The classes are those of Appendix A of
/// PostgreSQL's documentation.
pub(crate) fn is_about_the_table(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code().get(..2), Some("42" | "22" | "XX")))
}

/// Whether the schema has no history table and holds tables, views or sequences. Objects of extensions do not count.
pub(crate) fn is_unrecorded(client: &mut Client, schema: &str) -> Result<bool, Error> {
    let rows = client
        .query_typed(include_str!("sql/is_unrecorded.sql"), &[(&schema, Type::TEXT), (&HISTORY, Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for tables in schema {schema}"), &error))?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Reads version, name and checksum, in three columns starting at this one.
pub(super) fn row(row: &postgres::Row, first: usize) -> Result<HistoryRow, String> {
    let version: Option<i64> = row.get(first);
    let name: Option<String> = row.get(first + 1);
    let checksum: Option<String> = row.get(first + 2);
    let (Some(version), Some(name), Some(checksum)) = (version, name, checksum) else {
        return Err("a row holds a null".to_owned());
    };
    let checksum =
        checksum.parse().map_err(|_| format!("version {version} has {checksum:?} for a checksum, not a number"))?;
    Ok(HistoryRow { version, name, checksum })
}
