//! One run: the fixed order from the first query to the barrier behind the last commit.

use std::collections::HashSet;
use std::time::Instant;

use crate::apply::Session;
use crate::database::Database;
use crate::error::Error;
use crate::event::Event;
use crate::fleet::Fleet;
use crate::options::RunOptions;
use crate::plan::{Overview, PAGE, Question, TenantClaim};
use crate::pool::WhenTaken;
use crate::report::Report;
use crate::retry::Mishaps;
use crate::run_error::RunError;
use crate::set::MigrationSet;
use crate::settings::Settings;
use crate::stage::{self, Sets};
use crate::{adoption, pool, preflight, provision, registry};

/// Brings everything up to date, and says what was done.
pub(crate) fn run(
    database: &Database,
    settings: &Settings,
    sets: &Sets<'_>,
    options: &RunOptions,
) -> Result<Report, RunError> {
    let start = Instant::now();
    for name in &options.create {
        settings.layout.check_tenant(name)?;
    }
    let reach = database.interrupted_by(&settings.interrupt);
    let mut session = Session::new(&reach, reach.ready()?);
    let mut report = Report::default();
    let done = stages(&mut session, settings, sets, options, &mut report);
    report.retries += report.shared.retries;
    report.elapsed = start.elapsed();
    // What is left to be written down is not to be cancelled; a cancellation that was sent already may be on its way.
    let client = session.into_client();
    let is_interrupted = settings.interrupt.is_raised();
    let done = done.map_err(|error| interrupted_or(settings, error));
    let client = if is_interrupted { database.ready() } else { Ok(client) };
    let mut session = match client {
        Ok(client) => Session::new(database, client),
        Err(error) => {
            let error = done.err().unwrap_or(error);
            return Err(RunError { error, report: Box::new(report), is_durable: false });
        }
    };
    let saved = barrier(&mut session, settings, &mut report, done.as_ref().err());
    let is_durable = saved.as_ref().is_ok_and(|saved| *saved) && report.lost_connections == 0;
    if let Err(error) = done.and(saved) {
        return Err(RunError { error, report: Box::new(report), is_durable });
    }
    let mut session = Session::new(&reach, session.into_client());
    let made_sure = make_sure(&mut session, settings, sets, options, &mut report);
    report.elapsed = start.elapsed();
    if let Err(error) = made_sure {
        let error = interrupted_or(settings, error);
        return Err(RunError { error, report: Box::new(report), is_durable: false });
    }
    settings.emit(&Event::Finished { report: &report });
    Ok(report)
}

/// What a statement that the interrupt cancelled means for the run.
fn interrupted_or(settings: &Settings, error: Error) -> Error {
    if settings.interrupt.is_cause(error.sqlstate()) { Error::Interrupted } else { error }
}

/// How often a run goes over the tenants again.
const PASSES: usize = 5;

/// Tenants commit without waiting for the disk. When a connection was lost, the server may have gone down with commits that
/// the barrier behind it could not save; so the registry is asked again, and what was lost is done again, until a pass
/// loses no connection.
fn make_sure(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    options: &RunOptions,
    report: &mut Report,
) -> Result<(), Error> {
    for _ in 0..PASSES {
        // A run that stopped by itself does not claim to be whole.
        if report.lost_connections == 0 || report.tenants.skipped > 0 {
            return Ok(());
        }
        log::info!("a connection was lost: looking again whether everything that was done is still there");
        let mut pass = Report::default();
        stages(session, settings, sets, options, &mut pass)?;
        barrier(session, settings, &mut pass, None)?;
        report.add_pass(pass);
    }
    if report.lost_connections == 0 {
        return Ok(());
    }
    Err(Error::Lost {
        doing: "making sure of what was done".to_owned(),
        reason: format!("connections were lost in each of {PASSES} passes"),
    })
}

/// Writes down a run that did something or failed. The commit is synchronous: once it is back, whatever was committed
/// before it is on disk. Nothing is reported as done before that; of a run that was stopped, `false` says that it is not
/// known.
fn barrier(
    session: &mut Session<'_>,
    settings: &Settings,
    report: &mut Report,
    stopped_by: Option<&Error>,
) -> Result<bool, Error> {
    if stopped_by.is_none() && report.is_unchanged() && report.is_success() {
        // What was found done may not be on disk either, when another run did it or the answer to a commit was lost.
        if report.lost_connections > 0 || !report.outcomes.is_empty() {
            match session.flush() {
                Err(error) if error.is_lost_connection() => {
                    report.lost_connections += 1;
                    session.reconnect()?;
                }
                flushed => flushed?,
            }
        }
        return Ok(true);
    }
    // There is no server to write it down, and it was waited for already.
    if matches!(stopped_by, Some(Error::Connect(_) | Error::ServerGone { .. })) && session.client.is_closed() {
        return Ok(false);
    }
    let mut recorded = registry::record_run(&mut session.client, &settings.layout, report, stopped_by);
    if recorded.as_ref().is_err_and(Error::is_lost_connection) {
        // What it was to save may be lost.
        report.lost_connections += 1;
        recorded = session
            .reconnect()
            .and_then(|()| registry::record_run(&mut session.client, &settings.layout, report, stopped_by));
    }
    match (stopped_by, recorded) {
        // What stopped the run matters more than that it could not be written down.
        (Some(_), Err(error)) => {
            log::debug!("the run could not be recorded: {error}");
            Ok(false)
        }
        (_, recorded) => recorded.map(|()| true),
    }
}

/// The registry, the shared set, the tenants, the pool. What fails stops what comes after it.
fn stages(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    options: &RunOptions,
    report: &mut Report,
) -> Result<(), Error> {
    // What the tenants need is created where a run is about tenants.
    let extensions = if options.leaves_out_tenants() { Vec::new() } else { sets.tenant.extension_names() };
    let question = Question {
        latest: sets.tenant.digest(),
        only: options.limit(),
        names: &options.create,
        extensions: &extensions,
        for_new_tenants: false,
        after: 0,
        all: false,
        limit: PAGE,
    };
    let mishaps = Mishaps::default();
    if options.verify {
        session.ask(&mishaps, |client| registry::doubt(client, &settings.layout, options.limit()))?;
    }
    let overview = stage::prepare(session, settings, sets, &question, &mut report.shared)?;
    if options.leaves_out_tenants() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let absent: Vec<_> = overview.absent.iter().filter(|name| seen.insert(*name)).cloned().collect();
    if let Some(unknown) = absent.iter().find(|name| !options.create.contains(name)) {
        return Err(Error::UnknownTenant(unknown.clone()));
    }
    let work = overview.pending + overview.pending_spares + absent.len();
    settings.emit(&Event::Planned { shared: &report.shared.applied, tenants: work });
    report.tenants.total = overview.total + absent.len();
    report.tenants.current = overview.total - overview.pending;
    if overview.total == 0 {
        report.unregistered = adoption::look_for_unregistered(session, settings)?;
    }
    let spares = overview.spares;
    if overview.stale_errors
        && let Err(error) = registry::forget_errors(&mut session.client, &settings.layout, sets.tenant.digest())
    {
        log::warn!("{error}");
    }
    if overview.unfinished > 0 {
        provision::sweep(session, settings)?;
    }
    if work > 0 {
        let first_pending = if absent.is_empty() { first_pending(sets.tenant, &overview) } else { 0 };
        let jobs =
            session.ask(&mishaps, |client| preflight::workers(client, settings, sets.tenant, first_pending, work))?;
        let create = session.ask(&mishaps, |client| registry::draw_ids(client, &settings.layout, absent.clone()))?;
        let fleet = Fleet::new(session.database(), settings, sets.tenant).only(options.limit()).at_most(jobs);
        fleet.run(session, overview, create, report)?;
    }
    if options.only.is_none() && spares < settings.warm_pool {
        report.tenants.spares +=
            pool::fill(session, settings, sets, settings.warm_pool, WhenTaken::Leave, &mut report.lost_connections)?;
    }
    Ok(())
}

/// The first migration that one of these tenants lacks.
fn first_pending(set: &MigrationSet, overview: &Overview) -> usize {
    let position = |tenant: &TenantClaim| tenant.claim.digest.and_then(|digest| set.position(digest));
    overview.tenants.iter().map(|tenant| position(tenant).unwrap_or(0)).min().unwrap_or(0)
}
