//! The rows of tenants: found, listed, registered, adopted, forgotten; and the errors that are recorded for them.

use std::time::SystemTime;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use super::history::HISTORY;
use super::layout::Layout;
use super::lock::codes;
use super::registry::{check, rows_or_no_registry};
use crate::names::{Literal, Member, OrNull, SchemaName, TenantName};
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
pub(super) fn found(layout: &Layout, row: &Row) -> Result<Found, Error> {
    let Member { name, schema } = layout.registered(row.get(12), row.get(1))?;
    let hosts: Vec<String> = row.get(9);
    let primary: Vec<bool> = row.get(10);
    let domains = hosts.into_iter().zip(primary).map(|(host, is_primary)| Domain { host, is_primary }).collect();
    let digest: Option<i64> = row.get(11);
    let created_at: SystemTime = row.get(6);
    Ok(Found {
        tenant: Tenant {
            id: row.get(0),
            name,
            schema,
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

impl Found {
    /// The tenant's name and schema.
    pub(crate) fn member(&self) -> Member {
        Member::new(self.tenant.name.clone(), self.tenant.schema.clone())
    }
}

/// The tenant of this name. `None` also if there is no registry yet.
pub(crate) fn find_tenant(client: &mut Client, layout: &Layout, name: &TenantName) -> Result<Option<Found>, Error> {
    if name.is_spare() {
        return Ok(None);
    }
    let rows = client.query_typed(&select(layout, "WHERE t.known_as = $1"), &[(&name.as_str(), Type::TEXT)]);
    match rows_or_no_registry(rows, &format!("looking for tenant {name}"))? {
        Some(rows) => rows.first().map(|row| found(layout, row)).transpose(),
        None => check(client, layout).map(|()| None),
    }
}

/// The tenant that has this schema.
pub(crate) fn owner_of(client: &mut Client, layout: &Layout, schema: &SchemaName) -> Result<Option<Member>, Error> {
    let query = select(layout, "WHERE t.schema_name = $1::text::name");
    let rows = client
        .query_typed(&query, &[(&schema.as_str(), Type::TEXT)])
        .map_err(|error| Error::from_driver(format!("looking for the tenant of schema {schema}"), &error))?;
    rows.first().map(|row| found(layout, row).map(|found| found.member())).transpose()
}

/// Every tenant, in registration order.
pub(crate) fn all_tenants(client: &mut Client, layout: &Layout) -> Result<Vec<Tenant>, Error> {
    let rows = client.query_typed(&select(layout, "ORDER BY t.id"), &[]);
    let Some(rows) = rows_or_no_registry(rows, "listing the tenants")? else {
        return check(client, layout).map(|()| Vec::new());
    };
    let mut tenants = Vec::with_capacity(rows.len());
    for row in &rows {
        match found(layout, row) {
            Ok(found) if found.tenant.schema.is_spare() => {}
            Ok(found) => tenants.push(found.tenant),
            // One bad row is no reason to show none.
            Err(error) => log::warn!("row {} of {}: {error}", row.get::<_, i64>(0), layout.table("tenants")),
        }
    }
    Ok(tenants)
}

/// Draws ids for tenants that will be created at the same time, so that they are ordered as they were named.
pub(crate) fn draw_ids(
    client: &mut Client,
    layout: &Layout,
    members: Vec<Member>,
) -> Result<Vec<(i64, Member)>, Error> {
    let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client
        .query_typed(include_str!("sql/draw_ids.sql"), &[(&layout.table("tenants"), Type::TEXT), (&count, Type::INT8)])
        .map_err(|error| Error::from_driver("drawing numbers for new tenants", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).zip(members).collect())
}

/// Registers a new tenant, a spare or an unfinished tenant, depending on the schema.
pub(crate) fn register(layout: &Layout, member: &Member, id: Option<i64>) -> String {
    let status = match &member.schema {
        schema if schema.is_unfinished() => "unfinished",
        schema if schema.is_spare() => "spare",
        _ => "active",
    };
    let (name, schema, status) = (own_name(member), Literal(member.schema.as_str()), Literal(status));
    match id {
        None => layout
            .sql(include_str!("sql/register.sql"), &[("schema", &schema), ("known_as", &name), ("status", &status)]),
        Some(id) => layout.sql(
            include_str!("sql/register_with_id.sql"),
            &[("id", &id), ("schema", &schema), ("known_as", &name), ("status", &status)],
        ),
    }
}

/// The value of the column for the tenant's name. It is NULL where the schema has the same name, as older binaries leave
/// it.
pub(super) fn own_name(member: &Member) -> OrNull<Literal<'_>> {
    OrNull((!member.is_one_name()).then(|| Literal(member.name.as_str())))
}

/// The condition that a tenant of this name is registered, or another one with its schema.
pub(crate) fn tenant_exists(layout: &Layout, member: &Member) -> String {
    layout.sql(
        include_str!("sql/tenant_exists.sql"),
        &[("schema", &Literal(member.schema.as_str())), ("known_as", &Literal(member.name.as_str()))],
    )
}

/// The condition that a schema is registered.
pub(super) fn is_registered(layout: &Layout, schema: &SchemaName) -> String {
    layout.sql(include_str!("sql/is_registered.sql"), &[("schema", &Literal(schema.as_str()))])
}

/// The condition that a schema exists.
fn schema_exists(layout: &Layout, schema: &SchemaName) -> String {
    layout.sql(include_str!("sql/schema_exists.sql"), &[("schema", &Literal(schema.as_str()))])
}

/// Removes a registration, and drops nothing.
pub(super) fn delete_registration(layout: &Layout, schema: &SchemaName) -> String {
    layout.sql(include_str!("sql/delete_registration.sql"), &[("schema", &Literal(schema.as_str()))])
}

/// The condition under which a tenant cannot be forgotten, and the statement that forgets it.
pub(crate) fn forget_tenant(layout: &Layout, schema: &SchemaName) -> (String, String) {
    (schema_exists(layout, schema), delete_registration(layout, schema))
}

/// Names of registry rows that are not tenants': spares, and schemas that are not finished.
pub(super) fn reserved_names(layout: &Layout, which: &str) -> String {
    layout.sql(include_str!("sql/reserved_names.sql"), &[("which", &which)])
}

/// Registers an existing schema without a digest: the next run reads its history.
pub(crate) fn adopt(layout: &Layout, member: &Member, version: Option<i64>) -> String {
    layout.sql(
        include_str!("sql/adopt.sql"),
        &[("schema", &Literal(member.schema.as_str())), ("known_as", &own_name(member)), ("version", &OrNull(version))],
    )
}

/// A block that raises if the schema is not registered under the tenant's name: what [`adopt`] left alone, because
/// another session registered the schema or the name in the meantime.
pub(crate) fn unless_adopted(layout: &Layout, member: &Member) -> String {
    layout.sql(
        include_str!("sql/unless_adopted.sql"),
        &[
            ("schema", &Literal(member.schema.as_str())),
            ("known_as", &Literal(member.name.as_str())),
            ("out_of_date", &codes::STALE),
        ],
    )
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
    let Some(schema) = failure.schema() else { return Ok(()) };
    let text = match (failure.migration(), failure.excerpt()) {
        (Some(migration), Some(at)) => format!("{migration}, line {}: {}", at.line(), failure.reason()),
        (Some(migration), None) => format!("{migration}: {}", failure.reason()),
        _ => failure.reason().to_string(),
    };
    let query = layout.sql(include_str!("sql/record_failure.sql"), &[]);
    client
        .query_typed(&query, &[(&text, Type::TEXT), (&schema.as_str(), Type::TEXT)])
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
    let (Some(migration), Some(schema)) = (migration, failure.schema()) else { return false };
    let query = layout.sql(include_str!("sql/is_applied_elsewhere.sql"), &[]);
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&migration.version(), Type::INT8), (&schema.as_str(), Type::TEXT)];
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

#[cfg(test)]
mod tests {
    // Tests fail by panicking.
    #![allow(clippy::unwrap_used)]

    use migrations_embedded::Server;
    use postgres::NoTls;

    use super::*;
    use crate::names::{is_spare_sql, is_unfinished_sql};
    use crate::store::divergence::latest_tenants;
    use crate::store::registry::registry_set;

    /// The plan of a query whose parameters are replaced by these texts.
    fn plan(client: &mut Client, query: &str, parameters: &[&str]) -> String {
        let numbered = parameters.iter().enumerate().rev();
        let query =
            numbered.fold(query.to_owned(), |query, (index, text)| query.replace(&format!("${}", index + 1), text));
        let rows = client.query(&format!("EXPLAIN {query}"), &[]).unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    }

    #[test]
    fn a_tenant_is_looked_up_by_its_indexes() {
        let server = Server::throwaway().unwrap();
        let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
        client.batch_execute("CREATE SCHEMA migrations; SET search_path = migrations").unwrap();
        for migration in registry_set().unwrap().migrations() {
            client.batch_execute(migration.sql()).unwrap();
        }
        let set = registry_set().unwrap();
        client
            .batch_execute(&format!(
                "INSERT INTO tenants (schema_name, tenant_name, version, digest) \
                 SELECT 't_' || n, CASE WHEN n % 2 = 0 THEN 'tenant ' || n END, {}, {} FROM generate_series(1, 10000) n; \
                 ANALYZE; RESET search_path",
                set.latest().unwrap(),
                set.digest().to_sql()
            ))
            .unwrap();
        let layout = Layout { registry: SchemaName::literal("migrations"), shared: SchemaName::literal("public") };
        let member = Member::new("tenant 7".parse().unwrap(), SchemaName::literal("t_7"));
        let (by_name, by_schema) = ("tenants_tenant_name_key", "tenants_schema_name_key");
        let unfinished = is_unfinished_sql("t.schema_name");
        let file = |name: &str| {
            std::fs::read_to_string(format!("{}/src/store/sql/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let latest_tenants = latest_tenants(&layout, set);
        let values: [(&str, &dyn std::fmt::Display); 3] = [
            ("is_spare", &is_spare_sql("t.schema_name")),
            ("is_unfinished", &unfinished),
            ("latest_tenants", &latest_tenants.trim_end()),
        ];
        let overview = layout.sql(&file("overview.sql"), &values);
        let only = ["0", "'{tenant 8}'", "'migrations'", "'public'", "'{tenant 8,x}'", "0", "true", "9", "'{}'"];
        let exists = format!("SELECT {}", tenant_exists(&layout, &member));
        let id = layout.sql(&file("tenant_id.sql"), &[]);
        for (query, parameters, indexes) in [
            (select(&layout, "WHERE t.known_as = $1"), &["'tenant 8'"][..], &[by_name][..]),
            (select(&layout, "WHERE t.schema_name = $1::text::name"), &["'t_8'"], &[by_schema]),
            (id, &["'tenant 8'"], &[by_name]),
            (exists, &[], &[by_name, by_schema]),
            (overview, &only, &[by_name]),
        ] {
            let plan = plan(&mut client, &query, parameters);
            assert!(indexes.iter().all(|index| plan.contains(index)), "{plan}");
            assert!(!plan.contains("Seq Scan on tenants"), "{plan}");
        }
    }
}
