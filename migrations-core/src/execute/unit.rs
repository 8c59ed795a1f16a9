//! Brings one schema to the end of its set: sends its parts in order, and divides them further if a transaction needs
//! more commits.

use std::collections::VecDeque;
use std::time::Duration;

use postgres::SimpleQueryMessage;

use super::deliver::query_script;
use super::done::Stop;
use super::outside::run_outside;
use super::transaction::{failure, interrupted, refused, send};
use crate::engine::{Commits, Point};
use crate::plan::{Batch, Origin, Part, Unit};
use crate::report::{Error, Failure};
use crate::server::{Connection, Refused, Use, is_lost_failure, undo_rolled_back};
use crate::store::{is_refusal, schema_claim};

/// Brings the unit's schema to the end of its set; returns how many migrations were applied.
pub(crate) fn execute(connection: &mut Connection<'_>, unit: &Unit<'_>) -> Result<usize, Stop> {
    let (mut unit, start, engine) = (*unit, unit.applied, unit.engine);
    connection.used(use_of(unit.origin));
    engine.gate().pass(&mut connection.client, Point::Planned);
    let mut parts = VecDeque::from(unit.parts());
    // A new tenant under its own name is visible from its first commit. The caller has found one transaction
    // to be enough. If another worker has learnt since then that it is not, the transaction fails as a whole.
    if unit.is_new_tenant() {
        parts = VecDeque::from([Part::Transaction(unit.applied..unit.set.migrations().len())]);
    }
    while let Some(part) = parts.pop_front() {
        if engine.interrupt().is_raised() {
            let mut failure = interrupted(&unit);
            failure.applied = unit.set.titles(start..unit.applied);
            return Err(failure.into());
        }
        let (end, done) = match &part {
            Part::Transaction(range) => {
                let script = unit.script(range.clone());
                (range.end, send(&mut connection.client, &unit, &script, range.clone()))
            }
            Part::Outside(index) => (index + 1, run_outside(connection, &unit, *index)),
        };
        match done {
            Ok(()) => {
                unit.applied = end;
                unit.claim.digest = Some(unit.set.digest_at(end));
                if unit.origin != Origin::Exists && !parts.is_empty() {
                    match schema_claim(&mut connection.client, unit.schema()) {
                        Ok(claim) => unit.claim.oid = claim.oid,
                        Err(error) => return Err(failure(&unit, refused(&error)).into()),
                    }
                }
                unit.origin = Origin::Exists;
            }
            Err(Stop::Failed(mut failure)) => {
                if let Some(smaller) = with_more_commits(&unit, &part, &failure) {
                    parts = VecDeque::from(smaller);
                    continue;
                }
                failure.applied = unit.set.titles(start..unit.applied);
                failure.is_outside = matches!(part, Part::Outside(_));
                return Err(Stop::Failed(failure));
            }
            Err(stop) => return Err(stop),
        }
    }
    engine.gate().pass(&mut connection.client, Point::Committed);
    Ok(unit.applied - start)
}

/// The remaining parts of the unit, if more commits can help against the failure and divide it further. A new tenant
/// must not be visible before its last commit, so the caller that provisions it does the dividing.
fn with_more_commits(unit: &Unit<'_>, part: &Part, failure: &Failure) -> Option<Vec<Part>> {
    let commits = &unit.engine.learnt().commits;
    if !Commits::may_help(unit.set, failure.sqlstate()) || !matches!(part, Part::Transaction(_)) {
        return None;
    }
    // Another worker may have learnt it in the meantime.
    let mut smaller = unit.parts();
    while smaller.first() == Some(part) && commits.increase(failure.sqlstate()) {
        smaller = unit.parts();
    }
    let is_hidden = !unit.is_new_tenant() && unit.rename_to.is_none();
    (smaller.first() != Some(part) && is_hidden).then_some(smaller)
}

/// Brings the schemas of a batch to the end of their set, in one transaction.
pub(crate) fn execute_batch(connection: &mut Connection<'_>, batch: &Batch<'_>) -> Result<Duration, Refused> {
    let Some(first) = batch.units().first() else { return Ok(Duration::ZERO) };
    first.engine.gate().pass(&mut connection.client, Point::Planned);
    let sent = query_script(&mut connection.client, first, &batch.script());
    if sent.as_ref().is_err_and(|refused| !refused.error.code().is_some_and(is_refusal)) {
        undo_rolled_back(&mut connection.client, first.engine.delivery());
    }
    let elapsed = sent?;
    for unit in batch.units() {
        connection.used(use_of(unit.origin));
    }
    first.engine.gate().pass(&mut connection.client, Point::Committed);
    // The last row is the script's last statement's.
    let microseconds = elapsed.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(Duration::from_micros(microseconds.unwrap_or_default()))
}

fn use_of(origin: Origin) -> Use {
    match origin {
        Origin::Created { .. } => Use::Creation,
        Origin::Exists => Use::Change,
    }
}

/// Replaces the connection after a failure, if it is lost.
pub(crate) fn recover(connection: &mut Connection<'_>, failure: &Failure) -> Result<(), Error> {
    if is_lost_failure(failure) || connection.client.is_closed() { connection.reconnect() } else { Ok(()) }
}
