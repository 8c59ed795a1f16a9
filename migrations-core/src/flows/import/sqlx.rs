//! sqlx: <https://docs.rs/sqlx/latest/sqlx/migrate/>, `_sqlx_migrations`.
//!
//! sqlx refuses to continue while a row has `success = false`. The checksum is the SHA-384 of the file. A reverted
//! migration has no row.

use super::foreign::{Checksum, Foreign, History, Row, Source, as_name, column, parts};
use crate::report::Refusal;

pub(super) const SOURCE: Source = Source {
    table: "_sqlx_migrations",
    columns: &["version", "description", "success", "checksum"],
    select: "version::text, description::text, success::text, encode(checksum, 'hex')",
    order: "version",
    read,
};

fn read(rows: &[Row]) -> Result<History, Refusal> {
    let applied = rows.iter().map(|row| {
        let version = column(row, 0, "version")?;
        if column(row, 2, "success")? != "true" {
            return Err(Refusal::Unfinished { foreign: version.to_owned() });
        }
        Ok(Foreign {
            id: version.to_owned(),
            description: row[1].clone(),
            version: parts(version),
            names: row[1].iter().map(|text| as_name(text)).collect(),
            checksum: row[3].clone().map(Checksum::Sha384),
            covers: false,
        })
    });
    Ok(History { applied: applied.collect::<Result<_, _>>()?, left_out: Vec::new() })
}
