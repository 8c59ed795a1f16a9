//! The framework's own schema: the tables in `registry/`, the set that makes them, and what is read from and written to
//! them outside a plan: tenants, domains, runs.
//!
//! It is an index. What is applied to a schema is what its history table says.

use std::sync::OnceLock;
use std::time::SystemTime;

use include_dir::{Dir, include_dir};
use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, Row};

use crate::error::Error;
use crate::failure::Failure;
use crate::history;
use crate::name::{SchemaName, TenantName};
use crate::report::Report;
use crate::set::{Digest, MigrationSet};
use crate::sql::Ident;
use crate::tenant::{Domain, Tenant};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/registry");

static SET: OnceLock<MigrationSet> = OnceLock::new();

/// The registry's own set, number zero in the fixed order.
pub(crate) fn set() -> Result<&'static MigrationSet, Error> {
    if let Some(set) = SET.get() {
        return Ok(set);
    }
    let set = MigrationSet::from_dir("registry", &MIGRATIONS)?;
    Ok(SET.get_or_init(|| set))
}

/// Which schemas the framework lives in.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) registry: SchemaName,
    pub(crate) shared: SchemaName,
}

impl Layout {
    /// A table of the registry, qualified and quoted.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}", Ident(self.registry.as_str()), Ident(name))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.registry == self.shared {
            return Err(Error::OneSchema(self.registry.to_string()));
        }
        Ok(())
    }

    /// A tenant's schema cannot be one that the framework uses.
    pub(crate) fn check_tenant(&self, name: &TenantName) -> Result<(), Error> {
        if name.is_spare() {
            return Err(Error::NameInUse(name.clone(), "pool of spare schemas"));
        }
        for (schema, what) in [(&self.registry, "registry"), (&self.shared, "shared set")] {
            if schema.as_str() == name.as_str() {
                return Err(Error::NameInUse(name.clone(), what));
            }
        }
        Ok(())
    }
}

/// A tenant and the state that its registry row claims, where that can be believed.
pub(crate) struct Found {
    pub(crate) tenant: Tenant,
    /// `None` when the schema is not the one that the row was written for.
    pub(crate) digest: Option<Digest>,
}

/// All that is asked about a tenant, with its domains as two parallel arrays.
pub(crate) const TENANT_COLUMNS: &str = "\
       t.id, t.schema_name::text, t.display_name, t.metadata::text, t.status, t.version, t.created_at, t.migrated_at,
       t.last_error,
       coalesce((SELECT array_agg(d.domain ORDER BY d.is_primary DESC, d.domain) FROM %domains% d
                 WHERE d.tenant_id = t.id), '{}'::text[]),
       coalesce((SELECT array_agg(d.is_primary ORDER BY d.is_primary DESC, d.domain) FROM %domains% d
                 WHERE d.tenant_id = t.id), '{}'::bool[]),
       CASE WHEN EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = t.schema_name AND n.oid = t.schema_oid)
            THEN t.digest END";

fn select(layout: &Layout, rest: &str) -> String {
    let query = format!("SELECT {TENANT_COLUMNS} FROM {} t {rest}", layout.table("tenants"));
    query.replace("%domains%", &layout.table("tenant_domains"))
}

/// Reads a row that starts with [`TENANT_COLUMNS`].
pub(crate) fn found(row: &Row) -> Result<Found, Error> {
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

/// The tenant of this name. `None` also when there is no registry yet.
pub(crate) fn find(client: &mut Client, layout: &Layout, name: &TenantName) -> Result<Option<Found>, Error> {
    if name.is_spare() {
        return Ok(None);
    }
    let query = select(layout, "WHERE t.schema_name = $1::text::name");
    let rows = client.query_typed(&query, &[(&name.as_str(), Type::TEXT)]);
    match rows_or_no_registry(rows, &format!("looking for tenant {name}"))? {
        Some(rows) => rows.first().map(found).transpose(),
        None => check(client, layout).map(|()| None),
    }
}

/// The tenant that a host name leads to.
pub(crate) fn find_by_domain(client: &mut Client, layout: &Layout, host: &str) -> Result<Option<Tenant>, Error> {
    let rest = "WHERE t.id = (SELECT d.tenant_id FROM %domains% d WHERE d.domain = $1)";
    let rows = client.query_typed(&select(layout, rest), &[(&host, Type::TEXT)]);
    match rows_or_no_registry(rows, "looking for a domain's tenant")? {
        Some(rows) => rows.first().map(|row| found(row).map(|found| found.tenant)).transpose(),
        None => check(client, layout).map(|()| None),
    }
}

/// Every tenant, in registration order.
pub(crate) fn all(client: &mut Client, layout: &Layout) -> Result<Vec<Tenant>, Error> {
    let rows = client.query_typed(&select(layout, "ORDER BY t.id"), &[]);
    let Some(rows) = rows_or_no_registry(rows, "listing the tenants")? else {
        return check(client, layout).map(|()| Vec::new());
    };
    let mut tenants = Vec::with_capacity(rows.len());
    for row in &rows {
        match found(row) {
            Ok(found) if found.tenant.name.is_spare() => {}
            Ok(found) => tenants.push(found.tenant),
            // One row is no reason to show none.
            Err(error @ Error::Name(_)) => {
                log::warn!("row {} of {}: {error}", row.get::<_, i64>(0), layout.table("tenants"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tenants)
}

/// Gives a tenant a domain, or makes one it has the primary one. Doing it again changes nothing.
pub(crate) fn add_domain(
    client: &mut Client,
    layout: &Layout,
    name: &TenantName,
    host: &str,
    primary: bool,
) -> Result<(), Error> {
    let doing = format!("adding domain {host} to tenant {name}");
    let (domains, tenants) = (layout.table("tenant_domains"), layout.table("tenants"));
    let mut transaction = client.transaction().map_err(|error| Error::from_driver(&doing, &error))?;
    let tenant = format!("SELECT id FROM {tenants} WHERE schema_name = $1::text::name FOR UPDATE");
    let id: Option<i64> = transaction
        .query_typed(&tenant, &[(&name.as_str(), Type::TEXT)])
        .map_err(|error| Error::from_driver(&doing, &error))?
        .first()
        .map(|row| row.get(0));
    let id = id.ok_or_else(|| Error::UnknownTenant(name.clone()))?;
    let demote =
        format!("UPDATE {domains} SET is_primary = false WHERE tenant_id = $1 AND is_primary AND domain <> $2 AND $3");
    let insert = format!(
        "INSERT INTO {domains} AS d (domain, tenant_id, is_primary) VALUES ($2, $1, $3) \
         ON CONFLICT (domain) DO UPDATE SET is_primary = d.is_primary OR excluded.is_primary \
         WHERE d.tenant_id = excluded.tenant_id RETURNING 1"
    );
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 3] =
        [(&id, Type::INT8), (&host, Type::TEXT), (&primary, Type::BOOL)];
    transaction.query_typed(&demote, &parameters).map_err(|error| Error::from_driver(&doing, &error))?;
    let taken = transaction.query_typed(&insert, &parameters).map_err(|error| Error::from_driver(&doing, &error))?;
    if taken.is_empty() {
        let owner = format!(
            "SELECT t.schema_name::text FROM {tenants} t JOIN {domains} d ON d.tenant_id = t.id WHERE d.domain = $1"
        );
        let rows = transaction.query_typed(&owner, &[(&host, Type::TEXT)]);
        let rows = rows.map_err(|error| Error::from_driver(&doing, &error))?;
        let tenant = rows.first().map(|row| row.get(0)).unwrap_or_default();
        return Err(Error::DomainTaken { domain: host.to_owned(), tenant });
    }
    transaction.commit().map_err(|error| Error::from_driver(&doing, &error))
}

/// Ids for tenants that are going to be created at the same time, so that their order is the one they were named in.
pub(crate) fn draw_ids(
    client: &mut Client,
    layout: &Layout,
    names: Vec<TenantName>,
) -> Result<Vec<(i64, TenantName)>, Error> {
    let count = i64::try_from(names.len()).unwrap_or(i64::MAX);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let tenants = layout.table("tenants");
    let query = "SELECT nextval(pg_get_serial_sequence($1, 'id')::regclass) FROM generate_series(1, $2) ORDER BY 1";
    let rows = client
        .query_typed(query, &[(&tenants, Type::TEXT), (&count, Type::INT8)])
        .map_err(|error| Error::from_driver("drawing numbers for new tenants", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).zip(names).collect())
}

/// Remembers why a tenant was not migrated.
pub(crate) fn record_failure(client: &mut Client, layout: &Layout, failure: &Failure) -> Result<(), Error> {
    let Some(tenant) = failure.tenant() else { return Ok(()) };
    let text = match (failure.migration(), failure.excerpt()) {
        (Some(migration), Some(at)) => format!("{migration}, line {}: {}", at.line(), failure.reason()),
        (Some(migration), None) => format!("{migration}: {}", failure.reason()),
        _ => failure.reason().to_string(),
    };
    let query = format!("UPDATE {} SET last_error = $1 WHERE schema_name = $2::text::name", layout.table("tenants"));
    client
        .query_typed(&query, &[(&text, Type::TEXT), (&tenant.as_str(), Type::TEXT)])
        .map(|_| ())
        .map_err(|error| Error::from_driver("recording a failure", &error))
}

/// Whether the migration that failed is applied to other tenants, so that its file cannot change any more.
pub(crate) fn is_applied_elsewhere(
    client: &mut Client,
    layout: &Layout,
    set: &MigrationSet,
    failure: &Failure,
) -> bool {
    let migration = set.migrations().iter().find(|migration| Some(migration.title()) == failure.migration());
    let (Some(migration), Some(tenant)) = (migration, failure.tenant()) else { return false };
    let query = format!(
        "SELECT EXISTS (SELECT FROM {} WHERE version >= $1 AND schema_name <> $2::text::name)",
        layout.table("tenants")
    );
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 2] =
        [(&migration.version(), Type::INT8), (&tenant.as_str(), Type::TEXT)];
    match client.query_typed(&query, &parameters) {
        Ok(rows) => rows.first().is_some_and(|row| row.get(0)),
        Err(error) => {
            log::debug!("whether other tenants have {} is not known: {error}", migration.title());
            false
        }
    }
}

/// Forgets the errors of tenants that are up to date, by other hands than a run's.
pub(crate) fn forget_errors(client: &mut Client, layout: &Layout, latest: Digest) -> Result<(), Error> {
    let query = format!(
        "UPDATE {} t SET last_error = NULL FROM pg_namespace n \
         WHERE last_error IS NOT NULL AND digest = $1 AND n.nspname = schema_name AND n.oid = schema_oid",
        layout.table("tenants")
    );
    client
        .query_typed(&query, &[(&latest.to_sql(), Type::INT8)])
        .map(|_| ())
        .map_err(|error| Error::from_driver("forgetting errors that are over", &error))
}

/// Forgets what the registry says of the shared schema and of these tenants, or all: their histories are read then.
pub(crate) fn doubt(client: &mut Client, layout: &Layout, only: &[TenantName]) -> Result<(), Error> {
    let only: Vec<_> = only.iter().map(|name| name.as_str().to_owned()).collect();
    let query = format!(
        "WITH shared AS (UPDATE {} SET digest = NULL WHERE name = 'shared') \
         UPDATE {} SET digest = NULL WHERE digest IS NOT NULL AND ($1 = '{{}}' OR schema_name = ANY ($1::name[]))",
        layout.table("sets"),
        layout.table("tenants")
    );
    let done = client.query_typed(&query, &[(&only, Type::TEXT_ARRAY)]);
    rows_or_no_registry(done, "forgetting what the registry says").map(|_| ())
}

/// Records a run. Its commit is synchronous, whatever the server's default is: once it is back, every tenant that was
/// committed before it is on disk too.
pub(crate) fn record_run(
    client: &mut Client,
    layout: &Layout,
    report: &Report,
    stopped_by: Option<&Error>,
) -> Result<(), Error> {
    let outcome = match (stopped_by, report.is_success()) {
        (Some(_), _) => "failure",
        (None, true) => "success",
        (None, false) => "partial",
    };
    let mut failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    failures.extend(stopped_by.map(ToString::to_string));
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let query = format!(
        "WITH durable AS MATERIALIZED (SELECT set_config('synchronous_commit', 'on', true)) \
         INSERT INTO {} (started_at, binary_version, outcome, shared_applied, created, migrated, failed, busy, failures) \
         SELECT clock_timestamp() - $1::float8 * interval '1 microsecond', $2, $3, $4, $5, $6, $7, $8, $9 FROM durable",
        layout.table("runs")
    );
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 9] = [
        (&i64::try_from(report.elapsed.as_micros()).unwrap_or(i64::MAX), Type::INT8),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&outcome, Type::TEXT),
        (&count(report.shared.applied.len()), Type::INT4),
        (&count(report.tenants.created), Type::INT4),
        (&count(report.tenants.migrated), Type::INT4),
        (&count(report.tenants.failed), Type::INT4),
        (&count(report.tenants.busy), Type::INT4),
        (&failures, Type::TEXT_ARRAY),
    ];
    client.query_typed(&query, &parameters).map(|_| ()).map_err(|error| Error::from_driver("recording the run", &error))
}

/// An error for a registry that lacks tables; none where there is no registry at all.
pub(crate) fn check(client: &mut Client, layout: &Layout) -> Result<(), Error> {
    match missing_tables(client, layout)? {
        missing if missing.is_empty() => Ok(()),
        missing => Err(Error::RegistryDamaged { schema: layout.registry.to_string(), missing }),
    }
}

/// The tables of the registry that its own history says it has, and that are not there, by one snapshot: another run may be
/// making the registry at this moment.
pub(crate) fn missing_tables(client: &mut Client, layout: &Layout) -> Result<Vec<String>, Error> {
    let doing = || format!("looking at the registry in schema {}", layout.registry);
    let names = ["sets", "tenants", "tenant_domains", "runs"];
    let query = "WITH there AS (SELECT c.relname::text AS name FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2) \
                 SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT name FROM there) \
                 AND $3 IN (SELECT name FROM there)";
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 3] =
        [(&names.as_slice(), Type::TEXT_ARRAY), (&layout.registry.as_str(), Type::TEXT), (&history::TABLE, Type::TEXT)];
    let rows = client.query_typed(query, &parameters).map_err(|error| Error::from_driver(doing(), &error))?;
    Ok(rows.iter().map(|row| layout.table(row.get(0))).collect())
}

/// `None` when the registry's tables do not exist yet, or lack a column that an older binary did not know.
pub(crate) fn rows_or_no_registry(
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
