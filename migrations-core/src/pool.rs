//! The warm pool: spare schemas, provisioned ahead and migrated with the fleet. A sign-up takes one by renaming it, which
//! is a row in the catalog where provisioning is hundreds.
//!
//! A spare is a row of the registry with a name of its own that no tenant can have: that name, and not the status, which is
//! the application's, decides what is given away or dropped. Older binaries go by the status, so a spare's is `spare`.

use std::time::{Duration, SystemTime};

use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::apply::Session;
use crate::error::Error;
use crate::gate::Point;
use crate::lease::Lease;
use crate::lock::{self, Lock, Polling};
use crate::name::{TenantName, is_spare_sql};
use crate::plan::{Overview, Question};
use crate::provision::{Provisioning, drop_spare};
use crate::report::Report;
use crate::retry::Mishaps;
use crate::settings::Settings;
use crate::sql::{BEGINNING, Literal};
use crate::stage::{self, Sets};
use crate::tenant::Tenant;
use crate::{fleet, registry};

/// How many spare schemas there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Up to date: a sign-up can take one.
    pub ready: usize,
    /// Not up to date; the next run migrates them.
    pub behind: usize,
}

impl PoolStatus {
    /// How many spares there are fewer than `size`.
    fn missing(self, size: usize) -> usize {
        size.saturating_sub(self.ready + self.behind)
    }
}

/// Spares that are made between two looks at how many there are: enough for every worker, and few enough for the lease to be
/// renewed in time.
const BATCH: usize = 16;

/// What a process does that finds another one filling the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenTaken {
    /// Leaves it to the other one.
    Leave,
    /// Waits for it.
    Wait,
}

/// Makes spares until there are `size`; returns how many were made. One process at a time does, so that replicas that
/// start together make the spares once.
pub(crate) fn fill(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    size: usize,
    when_taken: WhenTaken,
    lost_connections: &mut usize,
) -> Result<usize, Error> {
    let lease = Lease::new("pool");
    let mut polling = Polling::new(settings.lock_wait);
    let mut made = 0;
    let filled = loop {
        // Whoever finds the pool full needs no lease.
        let missing = status(&mut session.client, settings, sets)?.missing(size);
        if missing == 0 && made == 0 {
            return Ok(0);
        }
        if missing == 0 {
            break Ok(());
        }
        if !lease.take(&mut session.client, &settings.layout)? {
            if when_taken == WhenTaken::Leave {
                log::info!("another process fills the pool");
                return Ok(made);
            }
            settings.wait(&mut polling, "the warm pool")?;
            continue;
        }
        // Counted again: another process may have filled the pool up to this moment.
        let missing = status(&mut session.client, settings, sets)?.missing(size).min(BATCH);
        match make(session, settings, sets, missing, made == 0, lost_connections) {
            Ok(()) => made += missing,
            Err(error) => break Err(error),
        }
    };
    lease.give_back(&mut session.client, &settings.layout);
    filled.map(|()| made)
}

/// Makes so many spares.
fn make(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    count: usize,
    look_at_first: bool,
    lost_connections: &mut usize,
) -> Result<(), Error> {
    let mut names: Vec<_> = (0..count).map(|_| TenantName::for_spare(fastrand::u64(..))).collect();
    // The first one shows whether the set can be renamed at all.
    if look_at_first && let Some(first) = names.pop() {
        let mishaps = Mishaps::default();
        Provisioning::single(settings, sets.tenant, &mishaps).create(session, &first, None)?;
        *lost_connections += mishaps.lost.into_inner();
        let pinned = pinned_functions(&mut session.client, &first)?;
        if !pinned.is_empty() {
            drop_spare(session, settings, &first)?;
            return Err(Error::PoolRefused { functions: pinned });
        }
    }
    let create = registry::draw_ids(&mut session.client, &settings.layout, names)?;
    let (nobody, mut report) = (Overview::default(), Report::default());
    // Whoever fills the pool may have no barrier behind it.
    fleet::Fleet::new(session.database(), settings, sets.tenant).durable().run(session, nobody, create, &mut report)?;
    *lost_connections += report.lost_connections;
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// How many spares there are.
pub(crate) fn status(client: &mut Client, settings: &Settings, sets: &Sets<'_>) -> Result<PoolStatus, Error> {
    let query = format!(
        "SELECT count(*) FILTER (WHERE digest = $1), count(*) FROM {} WHERE {}",
        settings.layout.table("tenants"),
        is_spare_sql("schema_name")
    );
    let rows = client.query_typed(&query, &[(&sets.tenant.digest().to_sql(), Type::INT8)]);
    let rows = registry::rows_or_no_registry(rows, "counting spare schemas")?.unwrap_or_default();
    let count = |index| rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(index)).ok()).unwrap_or_default();
    Ok(PoolStatus { ready: count(0), behind: count(1) - count(0) })
}

/// Makes a spare the tenant's, when there is one to have and nothing stands in the way: the rename and the registration
/// in one transaction, for one round trip.
pub(crate) fn take(
    client: &mut Client,
    settings: &Settings,
    sets: &Sets<'_>,
    name: &TenantName,
) -> Result<Option<Tenant>, Error> {
    let doing = || format!("taking a spare schema for tenant {name}");
    settings.gate.pass(client, Point::Planned);
    match client.simple_query(&take_message(settings, sets, name)) {
        Ok(answer) => {
            let row = answer.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            match row {
                None => Ok(None),
                Some(row) => match taken(row, name) {
                    Some(tenant) => Ok(Some(tenant)),
                    None => Ok(registry::find(client, &settings.layout, name)?.map(|found| found.tenant)),
                },
            }
        }
        Err(error) => match error.code().map(postgres::error::SqlState::code) {
            // Whoever provisions waits for these, and makes what is not there.
            Some(lock::STALE | lock::TENANT_BUSY | lock::FLEET_BUSY | "42P01") => Ok(None),
            Some("42P06") => Err(Error::SchemaExists(name.clone())),
            _ => Err(Error::from_driver(doing(), &error)),
        },
    }
}

/// Drops all spares; returns how many.
pub(crate) fn drain(session: &mut Session<'_>, settings: &Settings) -> Result<usize, Error> {
    let query = format!(
        "SELECT schema_name::text FROM {} WHERE {}",
        settings.layout.table("tenants"),
        is_spare_sql("schema_name")
    );
    let rows = session.client.query_typed(&query, &[]);
    let rows = registry::rows_or_no_registry(rows, "listing spare schemas")?.unwrap_or_default();
    for row in &rows {
        drop_spare(session, settings, &row.get::<_, &str>(0).parse()?)?;
    }
    Ok(rows.len())
}

/// The tenant's row is all that it returns, and nothing when there was no spare.
fn take_message(settings: &Settings, sets: &Sets<'_>, name: &TenantName) -> String {
    let layout = &settings.layout;
    let (tenants, registry) = (layout.table("tenants"), &layout.registry);
    let (new, digest) = (Literal(name.as_str()), sets.tenant.digest().to_sql());
    let shared =
        [("registry", registry, sets.registry), ("shared", &layout.shared, sets.shared)].map(|(key, schema, set)| {
            format!(
                "EXISTS (SELECT FROM {} WHERE name = '{key}' AND digest = {} AND schema_oid = \
             (SELECT oid FROM pg_namespace WHERE nspname = {}))",
                layout.table("sets"),
                set.digest().to_sql(),
                Literal(schema.as_str()),
            )
        });
    let is_ready = format!(
        "{} AND digest = {digest} \
         AND EXISTS (SELECT FROM pg_namespace WHERE oid = schema_oid AND nspname = schema_name)",
        is_spare_sql("schema_name")
    );
    // Somebody else may have taken a spare since the loop's query began, or be at work on it.
    let body = format!(
        "  FOR spare IN SELECT schema_name FROM {tenants} WHERE {is_ready} ORDER BY id LOOP
    IF pg_try_advisory_xact_lock({}) THEN
      IF EXISTS (SELECT FROM {tenants} WHERE schema_name = spare AND {is_ready}) THEN
        EXECUTE format('ALTER SCHEMA %I RENAME TO %I', spare, {new});
        UPDATE {tenants} SET schema_name = {new}, status = 'active', created_at = clock_timestamp()
        WHERE schema_name = spare;
        {}EXIT;
      END IF;
    END IF;
  END LOOP;
",
        lock::key(registry, "spare"),
        settings.gate.at(Point::Applied).map_or_else(String::new, |gate| gate.replace("SELECT", "PERFORM") + "; "),
    );
    let stale = format!("EXISTS (SELECT FROM {tenants} WHERE schema_name = {new}) OR NOT ({})", shared.join(" AND "));
    format!(
        "{};\n{};\nSELECT id, version, display_name, metadata, status, (extract(epoch FROM created_at) * 1000000)::int8, \
         (extract(epoch FROM migrated_at) * 1000000)::int8 FROM {tenants} WHERE schema_name = {new}",
        BEGINNING.join(";\n"),
        lock::guarded(registry, Lock::Tenant(name), &stale, "DECLARE spare name; ", &body),
    )
}

/// Reads the row; a tenant that has just come has no domains.
fn taken(row: &SimpleQueryRow, name: &TenantName) -> Option<Tenant> {
    let time = |index: usize| Some(SystemTime::UNIX_EPOCH + Duration::from_micros(row.get(index)?.parse().ok()?));
    Some(Tenant {
        id: row.get(0)?.parse().ok()?,
        name: name.clone(),
        display_name: row.get(2).map(str::to_owned),
        metadata: row.get(3)?.to_owned(),
        status: row.get(4)?.to_owned(),
        version: row.get(1).and_then(|version| version.parse().ok()),
        created_at: time(5)?,
        migrated_at: time(6),
        last_error: None,
        domains: Vec::new(),
    })
}

/// Functions whose settings name the schema they were made in: text that a rename does not change.
fn pinned_functions(client: &mut Client, spare: &TenantName) -> Result<Vec<String>, Error> {
    let query = "SELECT p.oid::regprocedure::text FROM pg_proc p \
                 WHERE p.pronamespace = to_regnamespace($1)::oid AND array_to_string(p.proconfig, ' ') LIKE '%' || $1 || '%'";
    let rows = client
        .query_typed(query, &[(&spare.as_str(), Type::TEXT)])
        .map_err(|error| Error::from_driver("looking at a spare schema's functions", &error))?;
    let unqualified = |name: String| name.replace(&format!("{spare}."), "");
    Ok(rows.iter().map(|row| unqualified(row.get(0))).collect())
}

/// Asks for nobody in particular: brings the registry and the shared set up to date, which spares need too.
pub(crate) fn prepare(session: &mut Session<'_>, settings: &Settings, sets: &Sets<'_>) -> Result<(), Error> {
    let extensions = sets.tenant.extension_names();
    let question = Question { extensions: &extensions, for_new_tenants: true, ..Question::about_nobody(sets.tenant) };
    stage::prepare(session, settings, sets, &question, &mut Report::default().shared).map(|_| ())
}
