//! The registry's own migrations, which come first in the fixed order, and the tables that a damaged registry lacks.

use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::history::HISTORY;
use super::layout::Layout;
use crate::report::Error;
use crate::set::MigrationSet;

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/registry");

static SET: OnceLock<MigrationSet> = OnceLock::new();

/// The index that keeps tenants' names apart.
pub(crate) const NAME_KEY: &str = "tenants_tenant_name_key";

/// The registry's own set.
pub(crate) fn registry_set() -> Result<&'static MigrationSet, Error> {
    if let Some(set) = SET.get() {
        return Ok(set);
    }
    let set = MigrationSet::from_dir("registry", &MIGRATIONS)?;
    Ok(SET.get_or_init(|| set))
}

/// An error for a registry that lacks tables; none if there is no registry at all.
pub(crate) fn check(client: &mut Client, layout: &Layout) -> Result<(), Error> {
    match missing_tables(client, layout)? {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Error::RegistryDamaged { schema: layout.registry.to_string(), missing }),
    }
}

/// The tables that are missing although the registry's own history says that they were created. One snapshot is needed:
/// another run may be creating the registry at this moment.
fn missing_tables(client: &mut Client, layout: &Layout) -> Result<Vec<String>, Error> {
    let names = ["sets", "tenants", "tenant_domains", "runs"];
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&names.as_slice(), Type::TEXT_ARRAY), (&layout.registry.as_str(), Type::TEXT), (&HISTORY, Type::TEXT)];
    let rows = client.query_typed(include_str!("sql/missing_tables.sql"), &parameters).map_err(|error| {
        Error::from_driver(format!("inspecting the registry in schema {}", layout.registry), &error)
    })?;
    Ok(rows.iter().map(|row| layout.table(row.get(0))).collect())
}

/// `None` if the registry's tables do not exist yet, or lack a column that an older binary did not know.
pub(super) fn rows_or_no_registry(
    rows: Result<Vec<Row>, postgres::Error>,
    doing: &str,
) -> Result<Option<Vec<Row>>, Error> {
    match rows {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if error.code().is_some_and(is_not_there_yet) => Ok(None),
        Err(error) => Err(Error::from_driver(doing, &error)),
    }
}

fn is_not_there_yet(code: &SqlState) -> bool {
    [&SqlState::UNDEFINED_TABLE, &SqlState::UNDEFINED_COLUMN].contains(&code)
}
