//! The tenant stage: several workers, each with its own connection, migrate every tenant that is not up to date.
//!
//! Workers take tenants in registration order, until they meet another run that migrates the same ones. A tenant that
//! fails does not stop the others, unless a failure budget says so. A tenant whose lock another run holds is left for
//! the end. Only the list of results grows with the fleet.
//!
//! | file | what it is |
//! | --- | --- |
//! | `lock` | a mutex whose data stays usable even if another worker panicked |
//! | `turns` | the permits to use two connections at a time |
//! | `canary` | the inspection of the first tenant of every distinct script |
//! | `queue` | the tenants that are still to be done |
//! | `tally` | the outcome for every tenant, and whether to continue |
//! | `batching` | how many tenants share a transaction |
//! | `worker` | takes tenants until there are none left |
//! | `tenant` | one tenant: created, or migrated with retries |
//! | `group` | several tenants in one transaction |

mod batching;
mod canary;
mod group;
mod lock;
mod queue;
mod tally;
mod tenant;
mod turns;
mod worker;

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use crate::engine::Engine;
use crate::execute::{Done, Stop};
use crate::names::{Member, TenantName};
use crate::report::{Error, Event, Failure, Reason, Report, UnusableRow};
use crate::server::Connection;
use crate::store::{Overview, Question, is_applied_elsewhere, record_failure};

use canary::Canary;
use queue::Queue;
use tally::Tally;
use turns::Turns;
use worker::Worker;

/// The tenant stage of one run.
pub(crate) struct Fleet<'a> {
    engine: &'a Engine<'a>,
    only: &'a [TenantName],
    /// Whether every commit waits for the disk, or only the run's last one.
    durable: bool,
    jobs: usize,
    /// The number of tenants that a transaction has room for.
    together: usize,
    queue: Mutex<Queue>,
    canary: Canary,
    turns: Turns,
    tally: Tally,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(engine: &'a Engine<'a>) -> Self {
        let settings = engine.settings();
        Self {
            engine,
            only: &[],
            durable: false,
            jobs: settings.jobs,
            together: 1,
            queue: Mutex::default(),
            canary: Canary::default(),
            turns: Turns::new(settings.jobs / 2),
            tally: Tally::new(0, settings.budget, engine.interrupt()),
        }
    }

    /// Limits the stage to these tenants.
    pub(crate) fn only(mut self, only: &'a [TenantName]) -> Self {
        self.only = only;
        self
    }

    /// Makes every commit wait for the disk.
    pub(crate) fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Uses at most this many workers.
    pub(crate) fn at_most(mut self, jobs: usize) -> Self {
        self.jobs = self.jobs.min(jobs);
        self
    }

    /// Allows at most this many tenants in one transaction.
    pub(crate) fn together(mut self, tenants: usize) -> Self {
        self.together = tenants;
        self
    }

    /// Migrates the tenants in `overview`, and creates others, whose ids are already drawn. Adds each tenant's outcome
    /// to the report.
    pub(crate) fn run(
        mut self,
        first: &mut Connection<'_>,
        overview: Overview,
        create: Vec<(i64, Member)>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let engine = self.engine;
        let total = overview.pending + overview.pending_spares + create.len();
        let tally = Tally::new(total, engine.settings().budget, engine.interrupt());
        self.tally = tally.with_spares(overview.pending_spares);
        self.refuse(&overview.unusable);
        self.queue = Mutex::new(Queue::new(overview, create));
        let results = self.work(first, self.jobs.clamp(1, total.max(1)));
        let skipped = report.tenants.skipped;
        let is_incomplete = self.tally.fill(report);
        if !first.client.is_closed() {
            look_at_others_again(engine, first, report);
        }
        // A tenant that was interrupted after a statement that commits by itself is a failure; the reason is the
        // interrupted statement.
        let is_cut_off = report.failures.iter().any(|failure| engine.interrupt().is_cause(failure.sqlstate()));
        if engine.interrupt().is_draining() && (report.tenants.skipped > skipped || is_cut_off) {
            return Err(Error::Interrupted);
        }
        match results.into_iter().find_map(Result::err) {
            Some(error) if is_incomplete => Err(error),
            // A worker that stopped early only costs speed, if the others did its work.
            Some(error) => {
                log::warn!("a worker stopped early: {error}");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The result of every worker. The first one uses the existing connection.
    fn work(&self, first: &mut Connection<'_>, workers: usize) -> Vec<Result<(), Error>> {
        std::thread::scope(|scope| {
            let open = move || Worker::new(self, &mut self.engine.connect()?).work();
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(open)).collect();
            let mut results = vec![Worker::new(self, first).work()];
            let join = |worker: ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            results.extend(others.into_iter().map(join));
            results
        })
    }

    /// Records rows of the registry that name no tenant.
    fn refuse(&self, rows: &[UnusableRow]) {
        for row in rows {
            let failure = self.failure(None, Reason::Refused(row.problem.clone()));
            let progress = self.tally.advance();
            self.engine.emit(&Event::TenantFailed { failure: &failure, progress });
            self.tally.add_unusable(row.id, failure);
        }
    }

    /// A failure without a unit of work.
    fn failure(&self, tenant: Option<&Member>, reason: Reason) -> Failure {
        Failure::new(self.engine.sets.tenant.name().clone(), tenant.cloned(), reason)
    }

    fn question(&self) -> Question<'_> {
        Question { only: self.only, ..Question::new(self.engine.sets.tenant) }
    }

    /// Records a tenant's outcome, and reports it.
    fn finish(&self, connection: &mut Connection<'_>, id: i64, member: Member, done: &Done, elapsed: Duration) {
        let (engine, set) = (self.engine, self.engine.sets.tenant);
        let Some(kind) = done.kind() else { return };
        let progress = self.tally.advance();
        let mut written = None;
        let (tenant, schema) = (&member.name, &member.schema);
        match done {
            Done::Created => engine.emit(&Event::TenantCreated { tenant, schema, elapsed, progress }),
            Done::Applied(migrations) => {
                let migrations = *migrations;
                engine.emit(&Event::TenantMigrated { tenant, schema, migrations, elapsed, progress });
            }
            Done::Ahead(version) => {
                let (tenant, schema) = (Some(tenant), Some(schema));
                engine.emit(&Event::Ahead { set: set.name(), tenant, schema, version: Some(*version) });
            }
            Done::Stopped(Stop::Failed(failure)) => {
                let is_applied_elsewhere = is_applied_elsewhere(&mut connection.client, engine.layout(), set, failure);
                let failure = Failure { is_applied_elsewhere, ..*failure.clone() };
                engine.emit(&Event::TenantFailed { failure: &failure, progress });
                if let Err(error) = record_failure(&mut connection.client, engine.layout(), &failure) {
                    log::warn!("tenant {member}: its failure could not be recorded: {error}");
                }
                written = Some(failure);
            }
            Done::Current | Done::Interrupted | Done::Stopped(_) => {}
        }
        self.tally.add(id, member, kind, elapsed, written);
    }
}

/// By now, the migration that failed may be applied to other tenants, so that its file must not change.
fn look_at_others_again(engine: &Engine<'_>, connection: &mut Connection<'_>, report: &mut Report) {
    let mut known: HashMap<String, bool> = HashMap::new();
    for failure in report.failures.iter_mut().filter(|failure| !failure.is_applied_elsewhere) {
        let Some(title) = failure.migration().map(str::to_owned) else { continue };
        failure.is_applied_elsewhere = *known.entry(title).or_insert_with(|| {
            is_applied_elsewhere(&mut connection.client, engine.layout(), engine.sets.tenant, failure)
        });
    }
}
