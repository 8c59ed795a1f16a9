//! Capacity risks, found before the run: a script that needs more locks than the server has room for, and foreign keys
//! that make tenants queue for each other's locks.

use postgres::Client;

use crate::engine::Engine;
use crate::report::Error;

/// The share of the server's lock table that a run may fill; the application needs some too.
const SHARE: usize = 2;

/// The server's capacity.
pub(super) struct Capacity {
    /// The number of workers.
    pub(super) jobs: usize,
    /// The number of tenants in one transaction of each worker.
    pub(super) together: usize,
}

/// Warns, and returns the server's capacity.
pub(super) fn capacity(
    engine: &Engine<'_>,
    client: &mut Client,
    first_pending: usize,
    tenants: usize,
) -> Result<Capacity, Error> {
    let (settings, set) = (engine.settings(), engine.sets.tenant);
    let pending = &set.migrations()[first_pending.min(set.migrations().len())..];
    let jobs = settings.jobs.min(tenants).max(1);
    // A handful of tenants does not queue.
    if jobs > 1 && tenants > jobs {
        for migration in pending {
            for table in set.shared_references(migration) {
                let text = format!(
                    "{} refers to {table}, which is not a tenant's table: a foreign key locks it until the commit, so \
                     tenants queue behind each other, and deleting one of its rows is checked in every schema",
                    migration.title()
                );
                engine.warn(&text);
            }
        }
    }
    // The history table and the registry's row need locks too, besides the migrations' own.
    let each = 8 + pending.iter().map(|migration| migration.facts().locks).sum::<usize>();
    let room = lock_slots(client)? / SHARE;
    let together = settings.group.unwrap_or(1);
    let limit = (room / (each.saturating_mul(together))).max(1);
    if limit < jobs {
        let text = format!(
            "{jobs} workers with about {each} locks a tenant, {together} tenants a transaction, could fill the server's \
             lock table (room for {room}); going on with {limit}; raise max_locks_per_transaction for more"
        );
        engine.warn(&text);
    }
    let jobs = limit.min(jobs);
    Ok(Capacity { jobs, together: (room / (each * jobs)).max(1) })
}

/// The number of locks that the server has room for
/// (<https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION>).
fn lock_slots(client: &mut Client) -> Result<usize, Error> {
    let query = "SELECT current_setting('max_locks_per_transaction')::int8 \
                 * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8)";
    let rows =
        client.query_typed(query, &[]).map_err(|error| Error::from_driver("reading the server's limits", &error))?;
    Ok(rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(0)).ok()).unwrap_or(usize::MAX))
}
