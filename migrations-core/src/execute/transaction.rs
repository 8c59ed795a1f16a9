//! Sends one transaction, and says why it was not committed.

use std::ops::Range;

use postgres::error::SqlState;
use postgres::{Client, Error as DriverError};

use super::blockers;
use super::deliver::send_script;
use super::done::Stop;
use super::inspect::{self, Allowed, Stopped};
use super::locate::locate;
use super::retry::is_transient;
use crate::plan::{Script, Unit};
use crate::report::{Error, Failure, Reason, ServerError, chain};
use crate::server::undo_rolled_back;
use crate::store::{NAME_KEY, codes, is_refusal};

/// Sends the script of these migrations.
pub(super) fn send(
    client: &mut Client,
    unit: &Unit<'_>,
    script: &Script,
    migrations: Range<usize>,
) -> Result<(), Stop> {
    let only = only_migration(unit, &migrations);
    let sent = if unit.policy.inspect {
        let allowed = Allowed {
            schemas: unit.allowed_schemas(migrations.clone()),
            database: unit.allows_database(migrations.clone()),
        };
        inspect::send(client, unit, script, &allowed)
    } else {
        send_script(client, unit, script).map_err(|refused| Stopped::Refused { refused, sent: script.clone() })
    };
    let (refused, sent) = match sent {
        Ok(()) => return Ok(()),
        Err(Stopped::Refused { refused, sent }) => (refused, sent),
        Err(Stopped::Outside(found)) => {
            undo_rolled_back(client, unit.engine.delivery());
            let mut failure = failure(unit, Reason::Server(*found));
            failure.migration = only;
            return Err(failure.into());
        }
    };
    // A guard refuses before anything of a migration runs.
    let is_ours = refused.error.code().is_some_and(is_refusal);
    if !is_ours {
        undo_rolled_back(client, unit.engine.delivery());
    }
    Err(stop(unit, &refused.error, |failure| {
        find_blockers(client, unit, failure);
        if is_transient(failure) && !unit.policy.is_last_try || unit.engine.interrupt().is_raised() {
            return;
        }
        locate(client, unit, script, &sent, &refused, failure);
        undo_rolled_back(client, unit.engine.delivery());
        if failure.sqlstate() == Some(codes::ISOLATION) && failure.migration.is_none() {
            failure.migration = only;
        }
    }))
}

/// The migration to blame for what is found of a transaction as a whole, if it has only one.
fn only_migration(unit: &Unit<'_>, migrations: &Range<usize>) -> Option<String> {
    (migrations.len() == 1).then(|| unit.set.migrations()[migrations.start].title().to_owned())
}

/// Looks for the sessions that hold the lock, if the failure is about one.
pub(super) fn find_blockers(client: &mut Client, unit: &Unit<'_>, failure: &mut Failure) {
    if failure.sqlstate() == Some(SqlState::LOCK_NOT_AVAILABLE.code()) {
        failure.blockers = blockers::find(client, unit.schema(), unit.layout().shared.as_str());
    }
}

/// Converts an error for the unit. `describe` completes the failure, if the server refused a statement.
pub(super) fn stop(unit: &Unit<'_>, error: &DriverError, describe: impl FnOnce(&mut Failure)) -> Stop {
    let Some(found) = error.as_db_error() else {
        return failure(unit, Reason::ConnectionLost(chain(error))).into();
    };
    match found.code().code() {
        codes::FLEET_BUSY => Stop::FleetBusy,
        codes::TENANT_BUSY => Stop::Busy,
        codes::STALE => Stop::Stale,
        // Another process has just given the tenant another schema, whose lock is not ours.
        "23505" if is_creation(unit) && found.constraint() == Some(NAME_KEY) => Stop::Stale,
        _ => {
            let mut error = ServerError::new(found);
            if let Some(advice) = advice_on_the_timeout(unit, found.code()) {
                error = error.with_advice(advice);
            }
            let mut failure = failure(unit, Reason::Server(error));
            describe(&mut failure);
            failure.into()
        }
    }
}

/// What to do about a cancelled statement, if it ran with a timeout of the migrator. The server's message could tell
/// the timeout from another session's `pg_cancel_backend`, but its language is a setting.
fn advice_on_the_timeout(unit: &Unit<'_>, code: &SqlState) -> Option<String> {
    let timeout = unit.policy.statement_timeout.filter(|timeout| !timeout.is_zero())?;
    (*code == SqlState::QUERY_CANCELED && !unit.engine.interrupt().is_raised()).then(|| {
        format!(
            "the statement took longer than {timeout:?}, the statement_timeout that Migrator::statement_timeout sets, \
             or another session cancelled it; set a longer timeout and run again; a migration that is not applied \
             anywhere yet can also say SET LOCAL statement_timeout"
        )
    })
}

/// Whether the unit registers a tenant.
fn is_creation(unit: &Unit<'_>) -> bool {
    unit.is_new_tenant() || unit.rename_to.is_some()
}

/// The error of a cancelled statement, for an interrupt between two statements.
pub(super) fn interrupted(unit: &Unit<'_>) -> Failure {
    let hint = "run again; the run continues where this one ended".to_owned();
    let error = ServerError::raised(SqlState::QUERY_CANCELED.code(), "the run was interrupted".to_owned(), hint);
    failure(unit, Reason::Server(error))
}

/// A failure without a place in a migration.
pub(crate) fn failure(unit: &Unit<'_>, reason: Reason) -> Failure {
    Failure::new(unit.set.name().clone(), unit.tenant().cloned(), reason)
}

/// Why a connection was refused, or a query not answered.
pub(super) fn refused(error: &Error) -> Reason {
    match error {
        Error::Connect(refused) => match refused.server() {
            Some(said) => Reason::Server(ServerError::new(said)),
            None => Reason::ConnectionLost(error.to_string()),
        },
        _ => Reason::ConnectionLost(error.to_string()),
    }
}
