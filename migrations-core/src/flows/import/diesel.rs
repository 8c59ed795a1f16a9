//! diesel: <https://docs.rs/diesel_migrations>, `__diesel_schema_migrations`.
//!
//! The version is what stands before the first `_` of the folder's name, without its hyphens; the table keeps neither
//! the name nor a checksum. A reverted migration has no row.

use super::foreign::{Foreign, History, Row, Source, column, parts};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "__diesel_schema_migrations",
    columns: &["version", "run_on"],
    select: "version::text, NULL::text, NULL::text, NULL::text",
    order: "version",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| {
        let version = column(row, 0, "version")?;
        Ok(Foreign { id: version.to_owned(), version: parts(version), ..Foreign::default() })
    });
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}
