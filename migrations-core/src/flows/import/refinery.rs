//! refinery: <https://docs.rs/refinery>, `refinery_schema_history` or the table of `set_migration_table_name`.
//!
//! It writes the row in the migration's transaction, or after it, so a row means that the migration is applied.

use super::foreign::{Checksum, Foreign, History, Row, Source, as_name, column, parts};
use crate::report::Refusal;
use crate::store::HISTORY;

pub(super) const SOURCE: Source = Source {
    table: HISTORY,
    columns: &["version", "name", "applied_on", "checksum"],
    select: "version::text, name::text, NULL::text, checksum::text",
    order: "version",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| {
        let (version, name) = (column(row, 0, "version")?, column(row, 1, "name")?);
        Ok(Foreign {
            id: version.to_owned(),
            description: Some(name.to_owned()),
            version: parts(version),
            names: vec![as_name(name)],
            checksum: row[3].as_deref().and_then(|text| text.parse().ok()).map(Checksum::Refinery),
            covers: false,
        })
    });
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}
