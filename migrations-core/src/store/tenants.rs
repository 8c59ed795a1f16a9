//! The rows of tenants: found, listed, registered, adopted, forgotten; and the errors that are recorded for them.

use std::time::SystemTime;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::history::HISTORY;
use super::layout::Layout;
use super::registry::{check, rows_or_no_registry};
use crate::names::{Literal, OrNull, TenantName};
use crate::report::{Domain, Error, Failure, Tenant};
use crate::set::{Digest, MigrationSet};

/// A tenant, and the state that its registry row claims, if the claim can be trusted.
pub(crate) struct Found {
    pub(crate) tenant: Tenant,
    /// `None` if the schema is not the one that the row was written for.
    pub(crate) digest: Option<Digest>,
}

/// All columns of a tenant, with its domains as two parallel arrays.
pub(super) fn select(layout: &Layout, which: &str) -> String {
    layout.sql(include_str!("sql/tenant.sql"), &[("which", &which)])
}

/// Reads a row of [`select`].
pub(super) fn found(row: &Row) -> Result<Found, Error> {
    let name: String = row.get(1);
    let hosts: Vec<String> = row.get(9);
    let primary: Vec<bool> = row.get(10);
    let domains = hosts.into_iter().zip(primary).map(|(host, is_primary)| Domain { host, is_primary }).collect();
    let digest: Option<i64> = row.get(11);
    let created_at: SystemTime = row.get(6);
    Ok(Found {
        tenant: Tenant {
            id: row.get(0),
            name: name.parse()?,
            display_name: row.get(2),
            metadata: row.get(3),
            status: row.get(4),
            version: row.get(5),
            created_at,
            migrated_at: row.get(7),
            last_error: row.get(8),
            domains,
        },
        digest: digest.map(Digest::from_sql),
    })
}

/// The tenant of this name. `None` also if there is no registry yet.
pub(crate) fn find_tenant(client: &mut Client, layout: &Layout, name: &TenantName) -> Result<Option<Found>, Error> {
    if name.is_spare() {
        return Ok(None);
    }
    let rows =
        client.query_typed(&select(layout, "WHERE t.schema_name = $1::text::name"), &[(&name.as_str(), Type::TEXT)]);
    match rows_or_no_registry(rows, &format!("looking for tenant {name}"))? {
        Some(rows) => rows.first().map(found).transpose(),
        None => check(client, layout).map(|()| None),
    }
}

/// Every tenant, in registration order.
pub(crate) fn all_tenants(client: &mut Client, layout: &Layout) -> Result<Vec<Tenant>, Error> {
    let rows = client.query_typed(&select(layout, "ORDER BY t.id"), &[]);
    let Some(rows) = rows_or_no_registry(rows, "listing the tenants")? else {
        return check(client, layout).map(|()| Vec::new());
    };
    let mut tenants = Vec::with_capacity(rows.len());
    for row in &rows {
        match found(row) {
            Ok(found) if found.tenant.name.is_spare() => {}
            Ok(found) => tenants.push(found.tenant),
            // One bad row is no reason to show none.
            Err(error @ Error::Name(_)) => {
                log::warn!("row {} of {}: {error}", row.get::<_, i64>(0), layout.table("tenants"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tenants)
}

/// Draws ids for tenants that will be created at the same time, so that they are ordered as they were named.
pub(crate) fn draw_ids(
    client: &mut Client,
    layout: &Layout,
    names: Vec<TenantName>,
) -> Result<Vec<(i64, TenantName)>, Error> {
    let count = i64::try_from(names.len()).unwrap_or(i64::MAX);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client
        .query_typed(include_str!("sql/draw_ids.sql"), &[(&layout.table("tenants"), Type::TEXT), (&count, Type::INT8)])
        .map_err(|error| Error::from_driver("drawing numbers for new tenants", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).zip(names).collect())
}

/// Registers a new tenant, a spare or an unfinished tenant, depending on the name.
pub(crate) fn register(layout: &Layout, name: &TenantName, id: Option<i64>) -> String {
    let status = match name {
        name if name.is_unfinished() => "unfinished",
        name if name.is_spare() => "spare",
        _ => "active",
    };
    let (schema, status) = (Literal(name.as_str()), Literal(status));
    match id {
        None => layout.sql(include_str!("sql/register.sql"), &[("schema", &schema), ("status", &status)]),
        Some(id) => layout
            .sql(include_str!("sql/register_with_id.sql"), &[("id", &id), ("schema", &schema), ("status", &status)]),
    }
}

/// The condition that a tenant is registered.
pub(crate) fn tenant_exists(layout: &Layout, name: &TenantName) -> String {
    layout.sql(include_str!("sql/tenant_exists.sql"), &[("schema", &Literal(name.as_str()))])
}

/// The condition that a schema exists.
fn schema_exists(layout: &Layout, name: &TenantName) -> String {
    layout.sql(include_str!("sql/schema_exists.sql"), &[("schema", &Literal(name.as_str()))])
}

/// Removes a registration, and drops nothing.
pub(super) fn delete_registration(layout: &Layout, name: &TenantName) -> String {
    layout.sql(include_str!("sql/delete_registration.sql"), &[("schema", &Literal(name.as_str()))])
}

/// The condition under which a tenant cannot be forgotten, and the statement that forgets it.
pub(crate) fn forget_tenant(layout: &Layout, name: &TenantName) -> (String, String) {
    (schema_exists(layout, name), delete_registration(layout, name))
}

/// Names of registry rows that are not tenants': spares, and schemas that are not finished.
pub(super) fn reserved_names(layout: &Layout, which: &str) -> String {
    layout.sql(include_str!("sql/reserved_names.sql"), &[("which", &which)])
}

/// Registers an existing schema without a digest: the next run reads its history.
pub(crate) fn adopt(layout: &Layout, name: &TenantName, version: Option<i64>) -> String {
    layout.sql(include_str!("sql/adopt.sql"), &[("schema", &Literal(name.as_str())), ("version", &OrNull(version))])
}

/// Schemas with a history table that are neither registered nor the framework's own, ordered by name.
pub(crate) fn unregistered(client: &mut Client, layout: &Layout) -> Result<Vec<String>, Error> {
    let query = layout.sql(include_str!("sql/unregistered.sql"), &[]);
    let ours = vec![layout.registry.as_str().to_owned(), layout.shared.as_str().to_owned()];
    let rows = client
        .query_typed(&query, &[(&HISTORY, Type::TEXT), (&ours, Type::TEXT_ARRAY)])
        .map_err(|error| Error::from_driver("looking for schemas that are not registered", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Records why a tenant was not migrated.
pub(crate) fn record_failure(client: &mut Client, layout: &Layout, failure: &Failure) -> Result<(), Error> {
    let Some(tenant) = failure.tenant() else { return Ok(()) };
    let text = match (failure.migration(), failure.excerpt()) {
        (Some(migration), Some(at)) => format!("{migration}, line {}: {}", at.line(), failure.reason()),
        (Some(migration), None) => format!("{migration}: {}", failure.reason()),
        _ => failure.reason().to_string(),
    };
    let query = layout.sql(include_str!("sql/record_failure.sql"), &[]);
    client
        .query_typed(&query, &[(&text, Type::TEXT), (&tenant.as_str(), Type::TEXT)])
        .map(|_| ())
        .map_err(|error| Error::from_driver("recording a failure", &error))
}

/// Whether the failed migration is applied to other tenants, so that its file cannot change any more.
pub(crate) fn is_applied_elsewhere(
    client: &mut Client,
    layout: &Layout,
    set: &MigrationSet,
    failure: &Failure,
) -> bool {
    let migration = set.migrations().iter().find(|migration| Some(migration.title()) == failure.migration());
    let (Some(migration), Some(tenant)) = (migration, failure.tenant()) else { return false };
    let query = layout.sql(include_str!("sql/is_applied_elsewhere.sql"), &[]);
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&migration.version(), Type::INT8), (&tenant.as_str(), Type::TEXT)];
    match client.query_typed(&query, &parameters) {
        Ok(rows) => rows.first().is_some_and(|row| row.get(0)),
        Err(error) => {
            log::debug!("cannot tell whether {} is applied to other tenants: {error}", migration.title());
            false
        }
    }
}

/// Clears the errors of tenants that something other than a run has brought up to date.
pub(crate) fn forget_errors(client: &mut Client, layout: &Layout, latest: Digest) -> Result<(), Error> {
    let query = layout.sql(include_str!("sql/forget_errors.sql"), &[]);
    client
        .query_typed(&query, &[(&latest.to_sql(), Type::INT8)])
        .map(|_| ())
        .map_err(|error| Error::from_driver("clearing errors of tenants that are up to date", &error))
}

/// Makes the next plan read the histories of the shared schema and of these tenants, or of all tenants if none is
/// named.
pub(crate) fn invalidate_digests(client: &mut Client, layout: &Layout, only: &[TenantName]) -> Result<(), Error> {
    let only: Vec<_> = only.iter().map(|name| name.as_str().to_owned()).collect();
    let query = layout.sql(include_str!("sql/invalidate_digests.sql"), &[]);
    let done = client.query_typed(&query, &[(&only, Type::TEXT_ARRAY)]);
    rows_or_no_registry(done, "invalidating the registry's digests").map(|_| ())
}
