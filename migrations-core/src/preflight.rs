//! What is going to hurt, said before it does: a script that needs more locks than the server has room for, and foreign
//! keys that make tenants queue behind each other.

use postgres::Client;

use crate::error::Error;
use crate::event::Event;
use crate::set::MigrationSet;
use crate::settings::Settings;

/// The part of the server's lock table that a run may fill; the application needs some too.
const SHARE: usize = 2;

/// Warns, and returns how many workers the server can take.
pub(crate) fn workers(
    client: &mut Client,
    settings: &Settings,
    set: &MigrationSet,
    first_pending: usize,
    tenants: usize,
) -> Result<usize, Error> {
    let pending = &set.migrations()[first_pending.min(set.migrations().len())..];
    let jobs = settings.jobs.min(tenants).max(1);
    // A handful does not queue.
    if jobs > 1 && tenants > jobs {
        let own: Vec<&String> = set.migrations().iter().flat_map(|migration| &migration.facts().creates).collect();
        for migration in pending {
            for table in migration.facts().references.iter().filter(|table| !own.contains(table)) {
                let text = format!(
                    "{} refers to {table}, which is not a tenant's table: a foreign key locks it until the commit, so \
                     tenants queue behind each other, and deleting one of its rows is checked in every schema",
                    migration.title()
                );
                settings.emit(&Event::Warning { text: &text });
            }
        }
    }
    // The history table and the registry's row, beside the migrations' own.
    let each = 8 + pending.iter().map(|migration| migration.facts().locks).sum::<usize>();
    let room = lock_slots(client)? / SHARE;
    let limit = (room / (each * settings.group)).max(1);
    if limit < jobs {
        let text = format!(
            "{jobs} workers with about {each} locks a tenant, {} tenants a transaction, could fill the server's lock \
             table (room for {room}); going on with {limit}; raise max_locks_per_transaction for more",
            settings.group
        );
        settings.emit(&Event::Warning { text: &text });
    }
    Ok(limit.min(jobs))
}

/// How many locks the server has room for
/// (<https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION>).
fn lock_slots(client: &mut Client) -> Result<usize, Error> {
    let query = "SELECT current_setting('max_locks_per_transaction')::int8 \
                 * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8)";
    let rows =
        client.query_typed(query, &[]).map_err(|error| Error::from_driver("asking for the server's limits", &error))?;
    Ok(rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(0)).ok()).unwrap_or(usize::MAX))
}
