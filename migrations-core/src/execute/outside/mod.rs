//! Runs a migration outside a transaction, unit by unit, each exactly once.
//!
//! The worker's own connection holds the locks, in a transaction that is otherwise idle: it has no snapshot, so
//! `CREATE INDEX CONCURRENTLY` does not wait for it. A second connection, opened with the migration's settings, sends
//! the units. A unit that can run in a transaction commits together with its mark in the registry. A unit that cannot
//! is marked before it starts and when it is done, so that a run after a crash knows what to expect.
//!
//! | file | what it is |
//! | --- | --- |
//! | `task` | one unit of a migration, and its place in errors |
//! | `remains` | what an earlier run left of a statement |
//! | `clear` | decides what an interrupted statement has done, and clears its mark |
//! | `direct` | the connection that units are sent over |

mod clear;
mod direct;
mod remains;
mod task;

use super::done::Stop;
use super::transaction::{failure, interrupted};
use crate::engine::Point;
use crate::plan::Unit;
use crate::report::{Event, Reason};
use crate::server::{Connection, send_within, telling_when_slow, while_kept_alive};
use crate::set::Migration;
use crate::store::{
    Marked, Reached, Unknown, create_history, forget_mark, insert_history, read_mark, renew_unfinished,
};

pub(crate) use clear::clear_mark;
use direct::Direct;
use task::{Task, titled};

/// The lock holder has to wait while an index is built. Not every server has each of these settings.
const WITHOUT_TIMEOUTS: &str = "SELECT set_config(name, '0', true) FROM pg_settings \
                                WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

const WAITS_FOR_ITS_SECOND_CONNECTION: &str = "a migration outside a transaction waits for its second connection: \
     a pooler in transaction mode has none to spare, or the server is slow to accept one; \
     give the pooler a larger pool, run with fewer jobs, or connect to the server itself";

/// Runs the migration at this place in the set.
pub(super) fn run_outside(connection: &mut Connection<'_>, whole: &Unit<'_>, index: usize) -> Result<(), Stop> {
    let migration = &whole.set.migrations()[index];
    let Some(outside) = migration.outside() else { return Ok(()) };
    let engine = whole.engine;
    let tell = || engine.emit(&Event::Warning { text: WAITS_FOR_ITS_SECOND_CONNECTION });
    let mut direct = telling_when_slow(tell, || Direct::open(connection, whole))?;
    // A worker that holds the locks uses one of the pooler's connections and needs another: if several workers had one
    // each, none of them could continue.
    let _turn = (!direct.is_set).then(|| engine.learnt().hold_two());
    let done = telling_when_slow(tell, || hold(connection, whole, index, &mut direct)).and_then(|mut mark| {
        let reached = mark.reached(migration);
        if let Reached::Unknown(why) = reached
            && (why == Unknown::AnotherMigrations || outside.has_transactions() && !migration.is_idempotent())
        {
            return Err(unknown(whole, migration, mark, why));
        }
        engine.gate().pass(&mut direct.client, Point::Locked);
        for (number, unit) in outside.units().iter().enumerate().skip(reached.first()) {
            if engine.interrupt().is_raised() {
                return Err(interrupted(whole).into());
            }
            // The locks are lost with the connection, if it was lost in the meantime.
            connection.client.batch_execute("").map_err(|error| titled(whole, migration, &error))?;
            let task = Task { whole, index, migration, number, unit, reached };
            let every = engine.settings().keep_alive;
            while_kept_alive(&mut connection.client, every, || direct.run(&task, &mut mark))?;
        }
        engine.gate().pass(&mut direct.client, Point::Applied);
        close(connection, whole, index)
    });
    if done.is_err() {
        // The next unit of work needs the connection as it was before. A lost connection is replaced when the failure
        // is handled.
        let _ = connection.client.batch_execute("ROLLBACK");
    }
    done
}

/// Takes the locks, and reads the mark under them.
fn hold(connection: &mut Connection<'_>, whole: &Unit<'_>, index: usize, direct: &mut Direct) -> Result<Marked, Stop> {
    let migration = &whole.set.migrations()[index];
    let mut opening = vec!["BEGIN".to_owned()];
    opening.extend(whole.opening(""));
    opening.push(WITHOUT_TIMEOUTS.to_owned());
    // A migration of this kind may be a set's first.
    if index == 0 {
        opening.push(create_history(whole.schema()));
    }
    for sql in opening {
        connection.client.batch_execute(&sql).map_err(|error| titled(whole, migration, &error))?;
    }
    let mark = read_mark(&mut connection.client, whole.layout(), whole.owner)
        .map_err(|error| titled(whole, migration, &error))?;
    // A pooler accepts the connection at once, but needs one of the server's when something is sent.
    let every = whole.engine.settings().keep_alive;
    while_kept_alive(&mut connection.client, every, || direct.client.batch_execute(""))
        .map_err(|error| titled(whole, migration, &error))?;
    Ok(mark)
}

/// Records what was done, and releases the locks in the same commit.
fn close(connection: &mut Connection<'_>, whole: &Unit<'_>, index: usize) -> Result<(), Stop> {
    let migration = &whole.set.migrations()[index];
    let mut closing = vec![insert_history(whole.schema(), migration), whole.record(&(index..index + 1))];
    closing.extend(whole.rename_to.map(|_| renew_unfinished(whole.layout(), whole.schema())));
    closing.push("COMMIT".to_owned());
    send_within(&mut connection.client, whole.engine.delivery(), &closing)
        .map_err(|refused| titled(whole, migration, &refused.error))
}

/// The failure for a mark that does not say what is done of the migration.
fn unknown(whole: &Unit<'_>, migration: &Migration, found: Marked, why: Unknown) -> Stop {
    let version = found.mark.map_or(0, |mark| mark.version);
    let forget = forget_mark(whole.layout(), whole.owner);
    let anew = format!("if its changes were undone, let it start from the beginning: {forget}");
    let repeat = "if its statements are safe to repeat, say `-- migrate: no-transaction idempotent` on top";
    let reason = match why {
        Unknown::Edited => format!(
            "a run stopped in the middle of version {version}, and this file no longer begins with the statements that \
             were done; restore them as they were when they ran, and put new statements after them; {repeat}; {anew}"
        ),
        Unknown::Replaced => format!(
            "a run stopped in the middle of version {version}, and the schema was replaced since (dropped and created, \
             or restored), so what is done in it is not known; {repeat}; {anew}"
        ),
        Unknown::AnotherMigrations => format!(
            "a run stopped in the middle of version {version}, which must be finished first; a migration that \
             comes before it, or without it, has to run in a transaction until then: finish version {version} as it \
             was, or leave out `-- migrate: no-transaction` here; {anew}"
        ),
    };
    let mut failure = failure(whole, Reason::Refused(reason));
    failure.migration = Some(migration.title().to_owned());
    failure.into()
}
