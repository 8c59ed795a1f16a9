//! One run: the fixed order from the first query to the barrier after the last commit.

use std::collections::HashSet;
use std::time::Instant;

use super::capacity::capacity;
use super::pool::WhenTaken;
use super::prepare::prepare;
use super::{adoption, pool};
use crate::engine::{Engine, RunOptions};
use crate::execute::sweep;
use crate::fleet::Fleet;
use crate::names::Member;
use crate::report::{Error, Event, Report, RunError};
use crate::server::{Connection, Database, TransientErrors};
use crate::set::MigrationSet;
use crate::store::{
    Overview, Question, TenantClaim, check_name, draw_ids, forget_errors, invalidate_digests, record_run,
};

/// Brings everything up to date, and reports what was done. `database` is the engine's, without its interrupt.
pub(crate) fn run(engine: &Engine<'_>, database: &Database, options: &RunOptions) -> Result<Report, RunError> {
    let start = Instant::now();
    for name in &options.create {
        check_name(name)?;
    }
    let mut connection = engine.connect()?;
    let mut report = Report::default();
    let done = stages(engine, &mut connection, options, &mut report);
    report.retries += report.shared.retries;
    report.elapsed = start.elapsed();
    // The final records must not be cancelled; a cancellation that was already sent may still arrive.
    let client = connection.into_client();
    let is_interrupted = engine.interrupt().is_raised();
    let done = done.map_err(|error| engine.interrupted_or(error));
    let client = if is_interrupted { database.ready() } else { Ok(client) };
    let mut connection = match client {
        Ok(client) => Connection::new(database, client),
        Err(error) => {
            let error = done.err().unwrap_or(error);
            return Err(RunError { error, report: Box::new(report), is_durable: false });
        }
    };
    let saved = barrier(engine, &mut connection, &mut report, done.as_ref().err());
    let is_durable = saved.as_ref().is_ok_and(|saved| *saved) && report.lost_connections == 0;
    if let Err(error) = done.and(saved) {
        return Err(RunError { error, report: Box::new(report), is_durable });
    }
    let mut connection = Connection::new(&engine.database, connection.into_client());
    let made_sure = make_sure(engine, &mut connection, options, &mut report);
    report.elapsed = start.elapsed();
    if let Err(error) = made_sure {
        let error = engine.interrupted_or(error);
        return Err(RunError { error, report: Box::new(report), is_durable: false });
    }
    engine.emit(&Event::Finished { report: &report });
    Ok(report)
}

/// How many passes a run makes over the tenants.
const PASSES: usize = 5;

/// Tenants commit without waiting for the disk. If a connection was lost, the server may have crashed and lost commits
/// that the barrier after them could not save. So the run asks the registry again and repeats what was lost, until no
/// connection is lost during a pass.
fn make_sure(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    options: &RunOptions,
    report: &mut Report,
) -> Result<(), Error> {
    for _ in 0..PASSES {
        // A run that was stopped does not claim to be complete.
        if report.lost_connections == 0 || report.tenants.skipped > 0 {
            return Ok(());
        }
        log::info!("a connection was lost: checking that everything that was committed is still there");
        let mut pass = Report::default();
        stages(engine, connection, options, &mut pass)?;
        barrier(engine, connection, &mut pass, None)?;
        report.add_pass(pass);
    }
    if report.lost_connections == 0 {
        return Ok(());
    }
    Err(Error::Lost {
        doing: "checking that everything that was committed is still there".to_owned(),
        reason: format!("connections were lost in each of {PASSES} passes"),
    })
}

/// Records a run that did something or failed. The commit is synchronous: when it returns, everything that was
/// committed before it is on disk. Nothing is reported as done before that. For a run that was stopped, `false` means
/// that this is not known.
fn barrier(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    report: &mut Report,
    stopped_by: Option<&Error>,
) -> Result<bool, Error> {
    if stopped_by.is_none() && report.is_unchanged() && report.is_success() {
        // What was found done may not be on disk either, if another run did it or the answer to a commit was lost.
        if report.lost_connections > 0 || !report.outcomes.is_empty() {
            match connection.flush() {
                Err(error) if error.is_lost_connection() => {
                    report.lost_connections += 1;
                    connection.reconnect()?;
                }
                flushed => flushed?,
            }
        }
        return Ok(true);
    }
    // There is no server to record it, and the run has already waited for one.
    if matches!(stopped_by, Some(Error::Connect(_) | Error::ServerGone { .. })) && connection.client.is_closed() {
        return Ok(false);
    }
    let layout = engine.layout();
    let mut recorded = record_run(&mut connection.client, layout, report, stopped_by);
    if recorded.as_ref().is_err_and(Error::is_lost_connection) {
        // The commits that it should have saved may be lost.
        report.lost_connections += 1;
        recorded = connection.reconnect().and_then(|()| record_run(&mut connection.client, layout, report, stopped_by));
    }
    match (stopped_by, recorded) {
        // The error that stopped the run matters more than the missing record of it.
        (Some(_), Err(error)) => {
            log::debug!("the run could not be recorded: {error}");
            Ok(false)
        }
        (_, recorded) => recorded.map(|()| true),
    }
}

/// The registry, the shared set, the tenants, the pool. A stage that fails stops the stages after it.
fn stages(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    options: &RunOptions,
    report: &mut Report,
) -> Result<(), Error> {
    let (layout, set) = (engine.layout(), engine.sets.tenant);
    // Objects that the tenants need are created only if the run is about tenants.
    let extensions = if options.leaves_out_tenants() { Vec::new() } else { set.extension_names() };
    let question =
        Question { only: options.limit(), names: &options.create, extensions: &extensions, ..Question::new(set) };
    let errors = TransientErrors::default();
    if options.verify {
        connection.ask(&errors, |client| invalidate_digests(client, layout, options.limit()))?;
    }
    let overview = prepare(engine, connection, &question, &mut report.shared)?;
    if options.leaves_out_tenants() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let absent: Vec<_> = overview.absent.iter().filter(|name| seen.insert(*name)).cloned().collect();
    if let Some(unknown) = absent.iter().find(|name| !options.create.contains(name)) {
        return Err(Error::UnknownTenant(unknown.clone()));
    }
    let new: Vec<Member> = absent.iter().map(|name| engine.new_member(name)).collect::<Result<_, _>>()?;
    let work = overview.pending + overview.pending_spares + absent.len();
    engine.emit(&Event::Planned { shared: &report.shared.applied, tenants: work });
    report.tenants.total = overview.total + absent.len();
    report.tenants.current = overview.total - overview.pending;
    if overview.total == 0 {
        report.unregistered = adoption::look_for_unregistered(engine, connection)?;
    }
    let spares = overview.spares;
    if overview.stale_errors
        && let Err(error) = forget_errors(&mut connection.client, layout, set.digest())
    {
        log::warn!("{error}");
    }
    if overview.unfinished > 0 {
        sweep(engine, connection)?;
    }
    if work > 0 {
        let first_pending = if absent.is_empty() { first_pending(set, &overview) } else { 0 };
        let capacity = connection.ask(&errors, |client| capacity(engine, client, first_pending, work))?;
        let create = connection.ask(&errors, |client| draw_ids(client, layout, new.clone()))?;
        let fleet = Fleet::new(engine).only(options.limit()).at_most(capacity.jobs).together(capacity.together);
        fleet.run(connection, overview, create, report)?;
    }
    let size = engine.settings().warm_pool;
    if options.only.is_none() && spares < size {
        report.tenants.spares += pool::fill(engine, connection, size, WhenTaken::Leave, &mut report.lost_connections)?;
    }
    Ok(())
}

/// The first migration that one of these tenants lacks.
fn first_pending(set: &MigrationSet, overview: &Overview) -> usize {
    let position = |tenant: &TenantClaim| tenant.claim.digest.and_then(|digest| set.position(digest));
    overview.tenants.iter().map(|tenant| position(tenant).unwrap_or(0)).min().unwrap_or(0)
}
