//! A claim: what the registry says of a schema: the digest of what is applied, and the schema that it was written
//! for.

use std::ops::Range;

use postgres::types::Type;
use postgres::{Client, Row};

use super::layout::Layout;
use super::owner::Owner;
use super::registry::rows_or_no_registry;
use crate::names::{Literal, OrNull, Shown};
use crate::report::Error;
use crate::set::{Digest, MigrationSet};

/// What the registry and the catalog say of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) version: Option<i64>,
    pub(crate) digest: Option<Digest>,
    /// The oid of the schema that the claim was written for.
    pub(crate) recorded_oid: Option<u32>,
    /// The oid of the schema that has this name now.
    pub(crate) oid: Option<u32>,
}

impl Claim {
    /// Whether the claim is about the existing schema, and says that the whole set is applied.
    pub(crate) fn is_current(&self, set: &MigrationSet) -> bool {
        self.digest == Some(set.digest()) && self.is_about_this_schema()
    }

    /// Whether the existing schema is the one that the claim was written for.
    pub(crate) fn is_about_this_schema(&self) -> bool {
        self.oid.is_some() && self.oid == self.recorded_oid
    }

    /// Version, digest, recorded schema and existing schema, in four columns starting at this one.
    pub(super) fn read(row: &Row, first: usize) -> Self {
        Self {
            version: row.get(first),
            digest: row.get::<_, Option<i64>>(first + 1).map(Digest::from_sql),
            recorded_oid: row.get(first + 2),
            oid: row.get(first + 3),
        }
    }
}

/// What the registry says of itself, if it cannot be asked for more: its own row has the same columns in every version
/// of it.
pub(crate) fn registry_claim(client: &mut Client, layout: &Layout) -> Result<Claim, Error> {
    let query = layout.sql(include_str!("sql/registry_claim.sql"), &[]);
    let registry = layout.registry.as_str();
    let rows = client.query_typed(&query, &[(&registry, Type::TEXT)]);
    match rows_or_no_registry(rows, "looking for the registry")? {
        Some(rows) => Ok(rows.first().map_or_else(Claim::default, |row| Claim::read(row, 0))),
        None => schema_claim(client, registry),
    }
}

/// What the registry says of a tenant's schema; `None` if it is not registered.
pub(crate) fn tenant_claim(client: &mut Client, layout: &Layout, schema: &str) -> Result<Option<Claim>, Error> {
    let query = layout.sql(include_str!("sql/tenant_claim.sql"), &[]);
    let rows = client
        .query_typed(&query, &[(&schema, Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for schema {}", Shown(schema)), &error))?;
    Ok(rows.first().map(|row| Claim::read(row, 0)))
}

/// What the catalog says of a schema, if there is no registry to ask.
pub(crate) fn schema_claim(client: &mut Client, schema: &str) -> Result<Claim, Error> {
    let rows = client
        .query_typed(include_str!("sql/schema_oid.sql"), &[(&schema, Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for schema {}", Shown(schema)), &error))?;
    Ok(Claim { oid: rows.first().map(|row| row.get(0)), ..Claim::default() })
}

/// The condition under which a plan for an existing schema is out of date.
pub(crate) fn stale(layout: &Layout, owner: Owner<'_>, claim: &Claim, applied: usize) -> String {
    let schema = Literal(owner.schema(layout));
    let (oid, digest) = (OrNull(claim.oid), OrNull(claim.digest.map(Digest::to_sql)));
    match owner {
        // There is no registry yet. `to_regclass` would answer from what the session knew before it held the lock.
        Owner::Registry if applied == 0 => layout.sql(include_str!("sql/registry_is_made.sql"), &[("schema", &schema)]),
        Owner::Registry | Owner::Shared => layout.sql(
            include_str!("sql/set_is_stale.sql"),
            &[("schema", &schema), ("oid", &oid), ("digest", &digest), ("name", &owner.set_name())],
        ),
        Owner::Tenant(_) => layout
            .sql(include_str!("sql/tenant_is_stale.sql"), &[("schema", &schema), ("oid", &oid), ("digest", &digest)]),
    }
}

/// Writes the row after these migrations of the set: they and everything before them are applied. `oid` is the schema's
/// oid, if the guard has compared it.
pub(crate) fn record(
    layout: &Layout,
    owner: Owner<'_>,
    set: &MigrationSet,
    migrations: &Range<usize>,
    oid: Option<u32>,
) -> String {
    let schema = Literal(owner.schema(layout));
    let version = OrNull(set.version_at(migrations.end));
    let digest = set.digest_at(migrations.end).to_sql();
    let oid = oid_sql(&schema, oid);
    // The mark of one of these migrations is no longer needed. The mark of another migration stays, because that
    // migration continues later. But if the schema has replaced another one, the mark says nothing about it.
    let is_over = mark_is_over(set, migrations);
    let is_void = match &is_over {
        Some(is_over) => format!("{is_over} OR t.schema_oid IS DISTINCT FROM {oid}"),
        None => "false".to_owned(),
    };
    let is_over = is_over.unwrap_or_else(|| "false".to_owned());
    let template = match owner {
        Owner::Tenant(_) => include_str!("sql/record_tenant.sql"),
        Owner::Registry | Owner::Shared => include_str!("sql/record_set.sql"),
    };
    layout.sql(
        template,
        &[
            ("name", &owner.set_name()),
            ("schema", &schema),
            ("version", &version),
            ("digest", &digest),
            ("oid", &oid),
            ("is_over", &is_over),
            ("is_void", &is_void),
        ],
    )
}

/// Writes what a history says into the row of its schema. Without a digest, the next run reads the history.
pub(crate) fn record_claim(layout: &Layout, owner: Owner<'_>, version: Option<i64>, digest: Option<Digest>) -> String {
    let (table, row) = owner.row(layout);
    layout.sql(
        include_str!("sql/record_claim.sql"),
        &[
            ("table", &table),
            ("version", &OrNull(version)),
            ("digest", &OrNull(digest.map(Digest::to_sql))),
            ("oid", &oid_sql(&Literal(owner.schema(layout)), None)),
            ("row", &row),
        ],
    )
}

/// The schema's oid, as an expression.
pub(super) fn oid_sql(schema: &Literal<'_>, oid: Option<u32>) -> String {
    match oid {
        Some(oid) => oid.to_string(),
        None => format!("(SELECT oid FROM pg_namespace WHERE nspname = {schema})"),
    }
}

/// The condition that the row `t` has a mark of one of these migrations; `None` if there are none.
fn mark_is_over(set: &MigrationSet, migrations: &Range<usize>) -> Option<String> {
    let migrations = set.migrations().get(migrations.clone())?;
    match migrations {
        [] => None,
        // It may have continued under another version.
        [only] if only.is_outside_a_transaction() => Some("true".to_owned()),
        [first, .., last] | [first @ last] => {
            Some(format!("t.in_flight_version BETWEEN {} AND {}", first.version(), last.version()))
        }
    }
}
