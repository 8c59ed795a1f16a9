//! golang-migrate: <https://github.com/golang-migrate/migrate>, `schema_migrations` or the table of
//! `x-migrations-table`.
//!
//! One row has the last version; every lower one is applied too. `dirty` means that the migration to this version
//! failed in the middle.

use super::foreign::{Foreign, History, Row, Source, column, parts};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "schema_migrations",
    columns: &["version", "dirty"],
    select: "version::text, NULL::text, dirty::text, NULL::text",
    order: "version",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| {
        let version = column(row, 0, "version")?;
        if column(row, 2, "dirty")? != "false" {
            return Err(Refusal::Unfinished { foreign: version.to_owned() });
        }
        Ok(Foreign { id: version.to_owned(), version: parts(version), covers: true, ..Foreign::default() })
    });
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}
