//! The warm pool: spare schemas, provisioned ahead and migrated with the fleet. A sign-up takes one by renaming it, which
//! is a row in the catalog where provisioning is hundreds.
//!
//! A spare is a row of the registry with status `spare` and a name of its own that no tenant can have.

use postgres::Client;
use postgres::types::Type;

use crate::apply::Session;
use crate::error::Error;
use crate::lock::{self, Lock};
use crate::name::TenantName;
use crate::plan::{Overview, Question};
use crate::provision::Provisioning;
use crate::registry::Layout;
use crate::report::Report;
use crate::retry::Mishaps;
use crate::settings::Settings;
use crate::sql::{BEGINNING, Ident, Literal};
use crate::stage::{self, Sets};
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

/// What became of an attempt to take a spare.
pub(crate) enum Taken {
    /// The tenant has it.
    Yes,
    /// There is none that can be had.
    Empty,
    /// Somebody else made the tenant meanwhile.
    Registered,
}

/// A spare that can be had.
struct Spare {
    name: TenantName,
    oid: u32,
}

/// Makes spares until there are `size`; returns how many were made.
pub(crate) fn fill(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    size: usize,
) -> Result<usize, Error> {
    let status = status(&mut session.client, settings, sets)?;
    let missing = size.saturating_sub(status.ready + status.behind);
    if missing == 0 {
        return Ok(0);
    }
    // The first one shows whether the set can be renamed at all.
    let first = TenantName::for_spare(fastrand::u64(..));
    let mishaps = Mishaps::default();
    Provisioning { settings, set: sets.tenant, durable: true, inspect: false, mishaps: &mishaps }
        .create(session, &first, None)?;
    let pinned = pinned_functions(&mut session.client, &first)?;
    if !pinned.is_empty() {
        drop_spare(session, settings, &first)?;
        return Err(Error::PoolRefused { functions: pinned });
    }
    let names = (1..missing).map(|_| TenantName::for_spare(fastrand::u64(..))).collect();
    let create = registry::draw_ids(&mut session.client, &settings.layout, names)?;
    let (nobody, mut report) = (Overview::default(), Report::default());
    fleet::Fleet::new(session.database(), settings, sets.tenant).run(session, nobody, create, &mut report)?;
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(missing),
    }
}

/// How many spares there are.
pub(crate) fn status(client: &mut Client, settings: &Settings, sets: &Sets<'_>) -> Result<PoolStatus, Error> {
    let query = format!(
        "SELECT count(*) FILTER (WHERE digest = $1), count(*) FROM {} WHERE status = 'spare'",
        settings.layout.table("tenants")
    );
    let rows = client.query_typed(&query, &[(&sets.tenant.digest().to_sql(), Type::INT8)]);
    let rows = registry::rows_or_no_registry(rows, "counting spare schemas")?.unwrap_or_default();
    let count = |index| rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(index)).ok()).unwrap_or_default();
    Ok(PoolStatus { ready: count(0), behind: count(1) - count(0) })
}

/// Gives the tenant a spare, when there is one: the rename and the registration in one transaction.
pub(crate) fn take(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    name: &TenantName,
) -> Result<Taken, Error> {
    let layout = &settings.layout;
    loop {
        let Some(spare) = candidate(&mut session.client, layout, sets)? else { return Ok(Taken::Empty) };
        let Err(error) = session.client.batch_execute(&take_message(layout, sets, name, &spare)) else {
            return Ok(Taken::Yes);
        };
        match error.code().map(postgres::error::SqlState::code) {
            // Somebody else took the spare, or is at work on it, or on the tenant: look again.
            Some(lock::STALE | lock::TENANT_BUSY) => {
                if registry::find(&mut session.client, layout, name)?.is_some() {
                    return Ok(Taken::Registered);
                }
                std::thread::sleep(std::time::Duration::from_millis(1 + fastrand::u64(..4)));
            }
            // Provisioning waits for this.
            Some(lock::FLEET_BUSY) => return Ok(Taken::Empty),
            Some("42P06") => return Err(Error::SchemaExists(name.clone())),
            _ => return Err(Error::from_driver(format!("taking a spare schema for tenant {name}"), &error)),
        }
    }
}

/// Drops all spares; returns how many.
pub(crate) fn drain(session: &mut Session<'_>, settings: &Settings) -> Result<usize, Error> {
    let query = format!("SELECT schema_name::text FROM {} WHERE status = 'spare'", settings.layout.table("tenants"));
    let rows = session.client.query_typed(&query, &[]);
    let rows = registry::rows_or_no_registry(rows, "listing spare schemas")?.unwrap_or_default();
    for row in &rows {
        drop_spare(session, settings, &row.get::<_, &str>(0).parse()?)?;
    }
    Ok(rows.len())
}

/// One of the spares that are up to date; not always the same, so that many sign-ups at once do not meet at one.
fn candidate(client: &mut Client, layout: &Layout, sets: &Sets<'_>) -> Result<Option<Spare>, Error> {
    let query = format!(
        "SELECT t.schema_name::text, t.schema_oid FROM {} t \
         JOIN pg_namespace n ON n.oid = t.schema_oid AND n.nspname = t.schema_name \
         WHERE t.status = 'spare' AND t.digest = $1 ORDER BY random() LIMIT 1",
        layout.table("tenants")
    );
    let rows = client
        .query_typed(&query, &[(&sets.tenant.digest().to_sql(), Type::INT8)])
        .map_err(|error| Error::from_driver("looking for a spare schema", &error))?;
    let spare = |row: &postgres::Row| Ok(Spare { name: row.get::<_, &str>(0).parse()?, oid: row.get(1) });
    rows.first().map(spare).transpose()
}

fn take_message(layout: &Layout, sets: &Sets<'_>, name: &TenantName, spare: &Spare) -> String {
    let tenants = layout.table("tenants");
    let (old, new) = (Literal(spare.name.as_str()), Literal(name.as_str()));
    let stale = format!(
        "EXISTS (SELECT FROM {tenants} WHERE schema_name = {new}) OR NOT EXISTS (SELECT FROM {tenants} \
         WHERE schema_name = {old} AND status = 'spare' AND digest = {} AND schema_oid = {})",
        sets.tenant.digest().to_sql(),
        spare.oid,
    );
    format!(
        "{};\n{};\nALTER SCHEMA {} RENAME TO {};\n\
         UPDATE {tenants} SET schema_name = {new}, status = 'active', created_at = clock_timestamp() \
         WHERE schema_name = {old}",
        BEGINNING.join(";\n"),
        lock::guard(&layout.registry, Lock::Rename { from: &spare.name, to: name }, &stale),
        Ident(spare.name.as_str()),
        Ident(name.as_str()),
    )
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

fn drop_spare(session: &mut Session<'_>, settings: &Settings, spare: &TenantName) -> Result<(), Error> {
    let literal = Literal(spare.as_str());
    let tenants = settings.layout.table("tenants");
    let gone = format!("NOT EXISTS (SELECT FROM {tenants} WHERE schema_name = {literal} AND status = 'spare')");
    let sql = format!(
        "DROP SCHEMA IF EXISTS {} CASCADE;\nDELETE FROM {tenants} WHERE schema_name = {literal}",
        Ident(spare.as_str())
    );
    // When a sign-up was faster, it is not a spare any more.
    stage::locked(session, settings, spare, &gone, &sql).map(|_| ())
}

/// Asks for nobody in particular: brings the registry and the shared set up to date, which spares need too.
pub(crate) fn prepare(session: &mut Session<'_>, settings: &Settings, sets: &Sets<'_>) -> Result<(), Error> {
    let question = Question::about_nobody(sets.tenant);
    stage::prepare(session, settings, sets, &question, &mut Report::default().shared).map(|_| ())
}
