//! The histories of many schemas, in few queries.

use std::collections::BTreeMap;

use postgres::Client;
use postgres::types::{ToSql, Type};

use super::foreign::{Row, Source};
use crate::names::{Ident, Literal, fill};
use crate::report::{Error, Refusal};
use crate::store::{HISTORY, HistoryRow, Layout, is_about_the_table};

/// The number of schemas in one query. Each needs a lock on its table and on the table's indexes, and the server has
/// room for 64 for each of its connections.
const BATCH: usize = 200;

/// A schema that has a table of the tool's name.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) schema: String,
    pub(super) oid: u32,
    /// The table's columns.
    columns: Vec<String>,
    /// Whether the schema has a history of a set.
    pub(super) has_history: bool,
}

/// The schemas with a table of this name, ordered by name, without the registry's and PostgreSQL's own.
pub(super) fn find(client: &mut Client, layout: &Layout, table: &str, like: Option<&str>) -> Result<Vec<Found>, Error> {
    let registry = layout.registry.as_str();
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&table, Type::TEXT),
        (&HISTORY, Type::TEXT),
        (&registry, Type::TEXT),
        (&like, Type::TEXT),
        (&layout.shared.as_str(), Type::TEXT),
    ];
    let rows = client
        .query_typed(include_str!("find.sql"), &parameters)
        .map_err(|error| Error::from_driver(format!("looking for tables named {table}"), &error))?;
    let found = |row: &postgres::Row| Found {
        schema: row.get(0),
        oid: row.get(1),
        columns: row.get(2),
        has_history: row.get(3),
    };
    Ok(rows.iter().map(found).collect())
}

/// The rows of one table, and the server's hash of them.
pub(super) struct Read {
    pub(super) rows: Vec<Row>,
    pub(super) hash: String,
}

/// The query for the hash of the rows of the tool's table, which changes whenever one of the columns does that are read.
pub(super) fn hash(source: &Source, table: &str, schema: &str) -> String {
    hash_of(&select(source.select, source.order, &format!("{}.{}", Ident(schema), Ident(table))))
}

fn hash_of(query: &str) -> String {
    let values: [(&str, &dyn std::fmt::Display); 1] = [("query", &query)];
    fill(
        "SELECT coalesce(encode(sha256(string_agg(convert_to(jsonb_build_array(h.a, h.b, h.c, h.d)::text, 'UTF8'), \
         '\\x0a'::bytea ORDER BY h.place)), 'hex'), '') FROM (%query%) AS h (place, a, b, c, d)",
        &values,
    )
}

/// Reads the tool's table in each of these schemas, and calls `each` with a schema's rows.
pub(super) fn rows(
    client: &mut Client,
    source: &Source,
    table: &str,
    found: &[Found],
    mut each: impl FnMut(&str, Result<Read, Refusal>),
) -> Result<(), Error> {
    let mut readable = Vec::new();
    for one in found {
        let lacks = source.columns.iter().find(|name| !one.columns.iter().any(|column| column == *name));
        match lacks {
            None => readable.push(one.schema.as_str()),
            Some(lacks) => {
                let problem = format!("table {table} has no column {lacks}, so it is another program's");
                each(&one.schema, Err(Refusal::Unreadable(problem)));
            }
        }
    }
    let query = |schema: &str| select(source.select, source.order, &format!("{}.{}", Ident(schema), Ident(table)));
    in_batches(client, &readable, query, each)
}

/// Reads the set's own history in each of these schemas, and calls `each` with it.
pub(super) fn histories(
    client: &mut Client,
    found: &[Found],
    mut each: impl FnMut(&str, Result<Vec<HistoryRow>, Refusal>),
) -> Result<(), Error> {
    let schemas: Vec<&str> = found.iter().filter(|one| one.has_history).map(|one| one.schema.as_str()).collect();
    let columns = "version::text, name::text, checksum::text, NULL::text";
    let query = |schema: &str| select(columns, "version", &format!("{}.{HISTORY}", Ident(schema)));
    in_batches(client, &schemas, query, |schema, rows| {
        each(schema, rows.and_then(|read| read.rows.into_iter().map(history_row).collect()));
    })
}

fn history_row([version, name, checksum, _]: Row) -> Result<HistoryRow, Refusal> {
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let row = || Some((version?.parse().ok()?, name?, number(checksum)?));
    match row() {
        Some((version, name, checksum)) => Ok(HistoryRow { version, name, checksum }),
        None => Err(Refusal::Unreadable(format!("{HISTORY} holds a row that is not refinery's"))),
    }
}

/// The rows of one table, numbered in their order.
fn select(columns: &str, order: &str, table: &str) -> String {
    format!("SELECT row_number() OVER (ORDER BY {order}), {columns} FROM {table}")
}

/// Asks for many schemas at a time. If a query fails because of a table, its schemas are asked for one by one, so that
/// one bad table does not hide the others.
fn in_batches(
    client: &mut Client,
    schemas: &[&str],
    query: impl Fn(&str) -> String,
    mut each: impl FnMut(&str, Result<Read, Refusal>),
) -> Result<(), Error> {
    for batch in schemas.chunks(BATCH) {
        match ask(client, batch, &query) {
            Ok(rows) => rows.into_iter().for_each(|(schema, rows)| each(&schema, Ok(rows))),
            Err(error) if !is_about_the_table(&error) => return Err(failed(&error)),
            Err(_) => {
                for schema in batch {
                    match ask(client, &[schema], &query) {
                        Ok(rows) => rows.into_iter().for_each(|(schema, rows)| each(&schema, Ok(rows))),
                        Err(error) => match error.as_db_error() {
                            Some(said) if is_about_the_table(&error) => {
                                each(schema, Err(Refusal::Unreadable(said.message().to_owned())));
                            }
                            _ => return Err(failed(&error)),
                        },
                    }
                }
            }
        }
    }
    Ok(())
}

fn failed(error: &postgres::Error) -> Error {
    Error::from_driver("reading histories", error)
}

fn ask(
    client: &mut Client,
    schemas: &[&str],
    query: &impl Fn(&str) -> String,
) -> Result<BTreeMap<String, Read>, postgres::Error> {
    let parts = schemas.iter().map(|schema| {
        let query = query(schema);
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("schema", &Literal(schema)), ("hash", &hash_of(&query)), ("query", &query)];
        fill(
            "SELECT %schema% AS schema, s.hash, t.* FROM (%hash%) AS s (hash) \
             LEFT JOIN (%query%) AS t (place, a, b, c, d) ON true",
            &values,
        )
    });
    let union = parts.collect::<Vec<_>>().join("\nUNION ALL ") + "\nORDER BY schema, place";
    let mut all = BTreeMap::new();
    for row in client.query_typed(&union, &[])? {
        let read = all.entry(row.get(0)).or_insert_with(|| Read { rows: Vec::new(), hash: row.get(1) });
        if row.get::<_, Option<i64>>(2).is_some() {
            read.rows.push([3, 4, 5, 6].map(|index| row.get(index)));
        }
    }
    Ok(all)
}
