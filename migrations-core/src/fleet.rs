//! The tenant stage: every tenant that is not up to date, by several workers with a connection each.
//!
//! Workers take tenants in registration order. A tenant that fails does not stop the others; one that another run is at
//! work on is left for the end. Nothing here grows with the fleet but the list of what was done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::apply::{Outcome, Session, failure};
use crate::database::Database;
use crate::error::Error;
use crate::event::{Event, Progress};
use crate::failure::{Failure, Reason};
use crate::history::Standing;
use crate::lock::Polling;
use crate::name::TenantName;
use crate::plan::{Overview, PAGE, Question, Resolver, TenantClaim};
use crate::provision::Provisioning;
use crate::registry;
use crate::report::{OutcomeKind, Report, TenantOutcome};
use crate::retry::Retries;
use crate::script::{Job, Origin, Owner};
use crate::set::MigrationSet;
use crate::settings::Settings;
use crate::stage::ask;

/// A tenant to deal with.
enum Task {
    Create { id: i64, name: TenantName },
    Migrate(TenantClaim),
}

/// What became of one tenant.
enum Finished {
    Created,
    Migrated(usize),
    Current,
    Ahead(i64),
    Busy,
    Failed(Box<Failure>),
}

/// The tenant stage of one run.
pub(crate) struct Fleet<'a> {
    database: &'a Database,
    settings: &'a Settings,
    set: &'a MigrationSet,
    only: &'a [TenantName],
    /// Whether every commit waits for the disk, or the run's last one for all.
    durable: bool,
    queue: Mutex<Queue>,
    total: usize,
    done: AtomicUsize,
    finished: Mutex<Vec<(i64, TenantOutcome, Option<Failure>)>>,
}

/// What is still to be taken, a page at a time.
#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// The last tenant that was read from the registry; `None` when there are no more.
    after: Option<i64>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(database: &'a Database, settings: &'a Settings, set: &'a MigrationSet) -> Self {
        Self {
            database,
            settings,
            set,
            only: &[],
            durable: false,
            queue: Mutex::default(),
            total: 0,
            done: AtomicUsize::new(0),
            finished: Mutex::default(),
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

    /// Deals with the tenants that `overview` found, and creates others, whose ids are drawn already. Adds to the report
    /// what became of each.
    pub(crate) fn run(
        mut self,
        first: &mut Session<'_>,
        overview: Overview,
        create: Vec<(i64, TenantName)>,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.total = overview.pending + create.len();
        let mut tasks: VecDeque<Task> = create.into_iter().map(|(id, name)| Task::Create { id, name }).collect();
        let after = next_page(&overview.tenants);
        tasks.extend(overview.tenants.into_iter().map(Task::Migrate));
        self.queue = Mutex::new(Queue { tasks, after });

        let workers = self.settings.jobs.clamp(1, self.total.max(1));
        let this = &self;
        let results: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers)
                .map(|_| {
                    scope.spawn(move || {
                        let client = this.database.connect()?;
                        this.work(&mut Session::new(this.database, client))
                    })
                })
                .collect();
            let mut results = vec![this.work(first)];
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            results.extend(others.into_iter().map(join));
            results
        });
        fill(report, std::mem::take(&mut *lock(&self.finished)), self.total);
        let left = report.outcomes.len() < self.total;
        match results.into_iter().find_map(Result::err) {
            Some(error) if left => Err(error),
            // A worker that could not go on costs speed and no more, when the others did its share.
            Some(error) => {
                log::warn!("a worker stopped early: {error}");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn work(&self, session: &mut Session<'_>) -> Result<(), Error> {
        let mut resolver = Resolver::new(self.set);
        let mut busy = Vec::new();
        while let Some(task) = self.next(session)? {
            match task {
                Task::Create { id, name } => {
                    let start = Instant::now();
                    let finished = self.create(session, &name, id);
                    self.finish(session, id, name, &finished, start.elapsed());
                }
                Task::Migrate(claim) => {
                    let start = Instant::now();
                    let finished = self.migrate(session, &mut resolver, &claim)?;
                    if matches!(finished, Finished::Busy) {
                        busy.push(claim);
                    } else {
                        self.finish(session, claim.id, claim.name, &finished, start.elapsed());
                    }
                }
            }
        }
        self.wait_for(session, &mut resolver, busy)
    }

    /// The next tenant, reading another page when this one is used up.
    fn next(&self, session: &mut Session<'_>) -> Result<Option<Task>, Error> {
        let mut queue = lock(&self.queue);
        if let Some(task) = queue.tasks.pop_front() {
            return Ok(Some(task));
        }
        let Some(after) = queue.after else { return Ok(None) };
        let question = Question { after, limit: PAGE, ..self.question() };
        let overview = ask(session, self.settings, &question)?;
        queue.after = next_page(&overview.tenants);
        queue.tasks.extend(overview.tenants.into_iter().map(Task::Migrate));
        Ok(queue.tasks.pop_front())
    }

    fn question(&self) -> Question<'_> {
        Question { latest: self.set.digest(), only: self.only, names: &[], after: 0, all: false, limit: 0 }
    }

    fn create(&self, session: &mut Session<'_>, name: &TenantName, id: i64) -> Finished {
        let provisioning = Provisioning { settings: self.settings, set: self.set, durable: self.durable };
        match provisioning.create(session, name, Some(id)) {
            Ok(true) => Finished::Created,
            Ok(false) => Finished::Current,
            Err(Error::Locked { .. }) => Finished::Busy,
            Err(Error::Failed(failure)) => Finished::Failed(failure),
            Err(error) => Finished::Failed(Box::new(Failure {
                set: self.set.name().clone(),
                tenant: Some(name.clone()),
                migration: None,
                excerpt: None,
                reason: Reason::Refused(error.to_string()),
            })),
        }
    }

    /// Brings one tenant up to date, trying again what can pass by itself.
    fn migrate(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        claim: &TenantClaim,
    ) -> Result<Finished, Error> {
        let mut claim = claim.clone();
        let mut polling = Polling::new(self.settings.lock_wait);
        let mut retries = Retries::default();
        let mut applied = 0;
        loop {
            let job = Job {
                layout: &self.settings.layout,
                set: self.set,
                owner: Owner::Tenant(&claim.name),
                claim: claim.claim,
                applied: 0,
                origin: Origin::Exists,
                lock_timeout: self.settings.lock_timeout,
                durable: self.durable,
            };
            let standing = resolver.resolve(&mut session.client, claim.name.as_str(), &claim.claim)?;
            let fail = |reason| Ok(Finished::Failed(Box::new(failure(&job, reason))));
            let outcome = match standing {
                Standing::Applied(all) if all == self.set.migrations().len() && claim.claim.is_current(self.set) => {
                    return Ok(Finished::Current);
                }
                Standing::Applied(applied) => session.apply(&Job { applied, ..job }),
                Standing::Ahead { version } => return Ok(Finished::Ahead(version)),
                Standing::Missing => return fail(Reason::SchemaMissing),
                Standing::Diverged(divergence) => return fail(Reason::Diverged(divergence)),
                Standing::Unreadable(problem) => return fail(Reason::History(problem)),
            };
            match outcome {
                Outcome::Done(0) if applied == 0 => return Ok(Finished::Current),
                Outcome::Done(more) => {
                    applied += more;
                    return Ok(Finished::Migrated(applied));
                }
                Outcome::Busy => return Ok(Finished::Busy),
                Outcome::FleetBusy => {
                    let what = "what all tenants share";
                    if polling.is_first() {
                        self.settings.emit(&Event::Waiting { what });
                    }
                    if polling.pause(what).is_err() {
                        return Ok(Finished::Busy);
                    }
                }
                Outcome::Stale => {}
                Outcome::Failed(failure) => {
                    if !retries.pause(&failure) {
                        return Ok(Finished::Failed(Box::new(failure)));
                    }
                    session.reconnect_if_closed()?;
                }
            }
            match self.look_again(session, &claim.name)? {
                Some(fresh) => claim = fresh,
                // Forgotten meanwhile: there is nothing to migrate.
                None => return Ok(Finished::Current),
            }
        }
    }

    /// What the registry says of a tenant now.
    fn look_again(&self, session: &mut Session<'_>, name: &TenantName) -> Result<Option<TenantClaim>, Error> {
        let only = [name.clone()];
        let question = Question { only: &only, all: true, limit: 1, ..self.question() };
        Ok(ask(session, self.settings, &question)?.tenants.pop())
    }

    /// Waits for tenants that another run was at work on. What that run leaves undone is done here.
    fn wait_for(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        mut busy: Vec<TenantClaim>,
    ) -> Result<(), Error> {
        let mut polling = Polling::new(self.settings.lock_wait);
        while !busy.is_empty() {
            let what = format!("tenant {}", busy[0].name);
            if polling.is_first() {
                self.settings.emit(&Event::Waiting { what: &what });
            }
            if polling.pause(&what).is_err() {
                for claim in busy.drain(..) {
                    self.finish(session, claim.id, claim.name, &Finished::Busy, Duration::ZERO);
                }
                break;
            }
            for claim in std::mem::take(&mut busy) {
                let start = Instant::now();
                let Some(fresh) = self.look_again(session, &claim.name)? else {
                    self.finish(session, claim.id, claim.name, &Finished::Current, Duration::ZERO);
                    continue;
                };
                let finished = self.migrate(session, resolver, &fresh)?;
                if matches!(finished, Finished::Busy) {
                    busy.push(fresh);
                } else {
                    self.finish(session, fresh.id, fresh.name, &finished, start.elapsed());
                }
            }
        }
        Ok(())
    }

    /// Writes down what became of a tenant, and tells.
    fn finish(&self, session: &mut Session<'_>, id: i64, tenant: TenantName, finished: &Finished, elapsed: Duration) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let progress = Progress { done, total: self.total };
        let (kind, failure) = match finished {
            Finished::Created => (OutcomeKind::Created, None),
            Finished::Current => (OutcomeKind::Current, None),
            Finished::Busy => (OutcomeKind::Busy, None),
            Finished::Migrated(migrations) => {
                let migrations = *migrations;
                self.settings.emit(&Event::TenantMigrated { tenant: &tenant, migrations, elapsed, progress });
                (OutcomeKind::Migrated, None)
            }
            Finished::Ahead(version) => {
                let version = Some(*version);
                self.settings.emit(&Event::Ahead { set: self.set.name(), tenant: Some(&tenant), version });
                (OutcomeKind::Ahead, None)
            }
            Finished::Failed(failure) => {
                self.settings.emit(&Event::TenantFailed { failure, progress });
                if let Err(error) = registry::record_failure(&mut session.client, &self.settings.layout, failure) {
                    log::warn!("tenant {tenant}: its failure could not be recorded: {error}");
                }
                (OutcomeKind::Failed, Some((**failure).clone()))
            }
        };
        lock(&self.finished).push((id, TenantOutcome { tenant, kind, elapsed }, failure));
    }
}

/// Where the next page starts; `None` when this one was the last.
fn next_page(tenants: &[TenantClaim]) -> Option<i64> {
    let is_full = i64::try_from(tenants.len()).is_ok_and(|length| length >= PAGE);
    tenants.last().filter(|_| is_full).map(|last| last.id)
}

fn fill(report: &mut Report, mut finished: Vec<(i64, TenantOutcome, Option<Failure>)>, pending: usize) {
    finished.sort_by_key(|(id, _, _)| *id);
    let counts = &mut report.tenants;
    counts.current = counts.total.saturating_sub(pending);
    for (_, outcome, failure) in finished {
        match outcome.kind {
            OutcomeKind::Created => counts.created += 1,
            OutcomeKind::Migrated => counts.migrated += 1,
            OutcomeKind::Current => counts.current += 1,
            OutcomeKind::Ahead => counts.ahead += 1,
            OutcomeKind::Busy => counts.busy += 1,
            OutcomeKind::Failed => counts.failed += 1,
        }
        report.failures.extend(failure);
        report.outcomes.push(outcome);
    }
}

/// A panic in another worker is reported when that worker is joined; the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
