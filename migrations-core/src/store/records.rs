//! What the registry and the histories of many schemas say, in a few queries however many schemas there are.

use std::collections::HashMap;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::claim::Claim;
use super::history::{HISTORY, HistoryRow, is_about_the_table, read_history, row, table};
use super::layout::Layout;
use crate::names::{Literal, is_spare_sql, is_unfinished_sql};
use crate::report::Error;

/// The number of histories that are read in one query, which locks a table and an index for each.
const HISTORIES: usize = 100;

/// What is recorded of one tenant's schema, whether it is registered or not.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) schema: String,
    pub(crate) claim: Claim,
    pub(crate) is_registered: bool,
    /// Whether it has a history table.
    pub(crate) has_history: bool,
    /// The version of a migration that runs outside a transaction and is not finished.
    pub(crate) mark: Option<i64>,
    /// Its history, which is empty if there is no table; or why it cannot be read.
    pub(crate) history: Result<Vec<HistoryRow>, String>,
}

/// A tenant as the registry lists it, with names that need not be valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) schema: String,
}

/// All registered tenants, in the order of registration.
pub(crate) fn listed_tenants(client: &mut Client, layout: &Layout) -> Result<Vec<Listed>, Error> {
    let query = layout.sql(
        include_str!("sql/listed_tenants.sql"),
        &[("is_spare", &is_spare_sql("schema_name")), ("is_unfinished", &is_unfinished_sql("schema_name"))],
    );
    let rows = client
        .query_typed(&query, &[] as &[(&(dyn ToSql + Sync), Type)])
        .map_err(|error| Error::from_driver("listing the tenants", &error))?;
    Ok(rows.iter().map(|row| Listed { name: row.get(0), schema: row.get(1) }).collect())
}

/// The schemas that are neither registered, nor the framework's own, nor PostgreSQL's.
pub(crate) fn unregistered_schemas(client: &mut Client, layout: &Layout) -> Result<Vec<String>, Error> {
    let query = layout.sql(include_str!("sql/unregistered_schemas.sql"), &[]);
    let ours = vec!["public".to_owned(), layout.registry.as_str().to_owned(), layout.shared.as_str().to_owned()];
    let rows = client
        .query_typed(&query, &[(&ours, Type::TEXT_ARRAY)])
        .map_err(|error| Error::from_driver("looking for schemas that are not registered", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is recorded of these schemas, in their order.
pub(crate) fn read_records(client: &mut Client, layout: &Layout, schemas: &[String]) -> Result<Vec<Record>, Error> {
    let query = layout.sql(include_str!("sql/read_records.sql"), &[]);
    let rows = client
        .query_typed(&query, &[(&schemas, Type::TEXT_ARRAY), (&HISTORY, Type::TEXT)])
        .map_err(|error| Error::from_driver("reading what the registry says of the tenants", &error))?;
    let with_history: Vec<String> = rows.iter().filter(|row| row.get(6)).map(|row| row.get(0)).collect();
    let mut histories = HashMap::new();
    for some in with_history.chunks(HISTORIES) {
        read_histories(client, some, &mut histories)?;
    }
    let record = |row: &Row| {
        let schema: String = row.get(0);
        let history = histories.remove(&schema).unwrap_or_else(|| Ok(Vec::new()));
        Record {
            claim: Claim::read(row, 1),
            is_registered: row.get(5),
            has_history: row.get(6),
            mark: row.get(7),
            history,
            schema,
        }
    };
    Ok(rows.iter().map(record).collect())
}

type Histories = HashMap<String, Result<Vec<HistoryRow>, String>>;

/// Reads these histories in one query. If one of them cannot be read, each is read by itself.
fn read_histories(client: &mut Client, schemas: &[String], found: &mut Histories) -> Result<(), Error> {
    let select = |schema: &String| {
        format!("SELECT {}, version::int8, name::text, checksum::text FROM {}", Literal(schema), table(schema))
    };
    let query = schemas.iter().map(select).collect::<Vec<_>>().join(" UNION ALL ") + " ORDER BY 1, 2";
    let rows = match client.query_typed(&query, &[] as &[(&(dyn ToSql + Sync), Type)]) {
        Ok(rows) => rows,
        Err(error) if is_about_the_table(&error) => {
            for schema in schemas {
                found.insert(schema.clone(), read_history(client, schema)?);
            }
            return Ok(());
        }
        Err(error) => return Err(Error::from_driver("reading the histories of the tenants", &error)),
    };
    found.extend(schemas.iter().map(|schema| (schema.clone(), Ok(Vec::new()))));
    for read in &rows {
        let Some(history) = found.get_mut(read.get::<_, &str>(0)) else { continue };
        match (row(read, 1), &mut *history) {
            (Ok(row), Ok(rows)) => rows.push(row),
            (Err(problem), _) => *history = Err(problem),
            (_, Err(_)) => {}
        }
    }
    Ok(())
}
