//! The tenant stage: every tenant that is not up to date, by several workers with a connection each.
//!
//! Workers take tenants in registration order, until another run is met that is at work on the same ones. A tenant that
//! fails does not stop the others, unless a budget of failures says so; one that another run is at work on is left for the
//! end. Nothing here grows with the fleet but the list of what was done.

mod canary;
mod queue;
mod tally;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::apply::{Outcome, Session, failure};
use crate::database::Database;
use crate::error::Error;
use crate::event::Event;
use crate::failure::{Failure, Reason};
use crate::history::Standing;
use crate::lock::Polling;
use crate::lost::is_lost;
use crate::name::TenantName;
use crate::plan::{Claim, Overview, PAGE, Question, Resolver, TenantClaim};
use crate::provision::{Provisioning, drop_spare};
use crate::registry;
use crate::report::{OutcomeKind, Report};
use crate::retry::Retries;
use crate::script::{Job, Origin, Owner, Step};
use crate::set::{Migration, MigrationSet};
use crate::settings::Settings;
use crate::stage::ask;
use crate::status::UnusableRow;

use canary::{Canary, Start};
use queue::{Queue, Task};
use tally::{Tally, lock};
use turns::Turns;

/// What became of one tenant.
enum Finished {
    Created,
    Migrated(usize),
    Current,
    Ahead(i64),
    Busy,
    /// The run was interrupted; nothing was done.
    Interrupted,
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
    jobs: usize,
    queue: Mutex<Queue>,
    canary: Canary,
    turns: Turns,
    tally: Tally,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(database: &'a Database, settings: &'a Settings, set: &'a MigrationSet) -> Self {
        Self {
            database,
            settings,
            set,
            only: &[],
            durable: false,
            jobs: settings.jobs,
            queue: Mutex::default(),
            canary: Canary::default(),
            turns: Turns::new(settings.jobs / 2),
            tally: Tally::new(0, settings.budget, &settings.interrupt),
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

    /// Uses so many workers at the most.
    pub(crate) fn at_most(mut self, jobs: usize) -> Self {
        self.jobs = self.jobs.min(jobs);
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
        let total = overview.pending + overview.pending_spares + create.len();
        self.tally =
            Tally::new(total, self.settings.budget, &self.settings.interrupt).with_spares(overview.pending_spares);
        self.refuse(&overview.unusable);
        self.queue = Mutex::new(Queue::new(overview, create));
        let workers = self.jobs.clamp(1, total.max(1));
        let this = &self;
        let results: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers)
                .map(|_| scope.spawn(move || this.work(&mut Session::new(this.database, this.database.ready()?))))
                .collect();
            let mut results = vec![this.work(first)];
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            results.extend(others.into_iter().map(join));
            results
        });
        let skipped = report.tenants.skipped;
        let is_incomplete = self.tally.fill(report);
        if !first.client.is_closed() {
            look_at_others_again(first, self.settings, self.set, report);
        }
        // A tenant that was cut off behind a statement which commits by itself is a failure, of what was interrupted.
        let is_cut_off = report.failures.iter().any(|failure| self.settings.interrupt.is_cause(failure.sqlstate()));
        if self.settings.interrupt.is_raised() && (report.tenants.skipped > skipped || is_cut_off) {
            return Err(Error::Interrupted);
        }
        match results.into_iter().find_map(Result::err) {
            Some(error) if is_incomplete => Err(error),
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
        loop {
            let mut tasks = self.take(session)?;
            if tasks.is_empty() {
                break;
            }
            session.renew_after(self.settings.schemas_per_connection, &self.tally.mishaps)?;
            if tasks.len() > 1 && self.canary.is_untried() {
                self.single(session, &mut resolver, tasks.remove(0), &mut busy)?;
            }
            if tasks.len() > 1 {
                tasks = self.group(session, &mut resolver, tasks)?;
            }
            let mut tasks = tasks.into_iter();
            while let Some(task) = tasks.next() {
                if self.tally.is_stopped() {
                    return Ok(());
                }
                if let Err(error) = self.single(session, &mut resolver, task.clone(), &mut busy) {
                    // For the other workers, if they still have a connection.
                    lock(&self.queue).put_back(std::iter::once(task).chain(tasks).collect());
                    return Err(error);
                }
            }
        }
        self.wait_for(session, &mut resolver, busy)
    }

    /// The next tasks, reading another page when this one is used up. None when a budget of failures is spent.
    fn take(&self, session: &mut Session<'_>) -> Result<Vec<Task>, Error> {
        if self.tally.is_stopped() {
            return Ok(Vec::new());
        }
        let mut queue = lock(&self.queue);
        if let Some(doubtful) = queue.doubtful() {
            match self.still_open(session, &doubtful) {
                Ok(left) => queue.put_back(left),
                Err(error) => {
                    // For the other workers.
                    queue.put_back(doubtful);
                    return Err(error);
                }
            }
        }
        if let Some(after) = queue.wants_page() {
            let question = Question { after, limit: PAGE, ..self.question() };
            let page = ask(session, self.settings, &self.tally.mishaps, &question)?;
            self.refuse(&page.unusable);
            queue.add_page(page);
        }
        Ok(queue.take(self.settings.group))
    }

    /// Those of the tasks that another run has not done.
    fn still_open(&self, session: &mut Session<'_>, tasks: &[Task]) -> Result<Vec<Task>, Error> {
        let names: Vec<TenantName> = tasks.iter().map(|task| task.name().clone()).collect();
        let question = Question { only: &names, limit: i64::MAX, ..self.question() };
        let overview = ask(session, self.settings, &self.tally.mishaps, &question)?;
        let mut behind: HashMap<_, _> = overview.tenants.into_iter().map(|claim| (claim.name.clone(), claim)).collect();
        let absent: HashSet<_> = overview.absent.into_iter().collect();
        let mut left = Vec::new();
        for task in tasks {
            match (behind.remove(task.name()), task) {
                // Also one that an older binary has made meanwhile.
                (Some(claim), _) => left.push(Task::Migrate(claim)),
                (_, Task::Create { .. }) if absent.contains(task.name()) => left.push(task.clone()),
                _ => self.finish(session, task.id(), task.name().clone(), &Finished::Current, Duration::ZERO),
            }
        }
        Ok(left)
    }

    /// Writes down rows of the registry that name no tenant.
    fn refuse(&self, rows: &[UnusableRow]) {
        for row in rows {
            let failure = self.failure(None, Reason::Refused(row.problem.clone()));
            let progress = self.tally.advance();
            self.settings.emit(&Event::TenantFailed { failure: &failure, progress });
            self.tally.add_unusable(row.id, failure);
        }
    }

    /// A failure that has no job.
    fn failure(&self, tenant: Option<&TenantName>, reason: Reason) -> Failure {
        Failure::new(self.set.name().clone(), tenant.cloned(), reason)
    }

    fn question(&self) -> Question<'_> {
        Question {
            latest: self.set.digest(),
            only: self.only,
            names: &[],
            extensions: &[],
            for_new_tenants: false,
            after: 0,
            all: false,
            limit: 0,
        }
    }

    fn job<'b>(&'b self, name: &'b TenantName, claim: Claim, origin: Origin) -> Job<'b> {
        Job {
            origin,
            application_name: self.database.config().get_application_name(),
            durable: self.durable,
            ..Job::new(self.settings, self.set, Owner::Tenant(name), claim)
        }
    }

    /// Deals with several tenants in one transaction, and so in one commit. Whatever cannot be done so, and all of them
    /// when one is busy or fails, is returned to be done one by one.
    fn group(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        tasks: Vec<Task>,
    ) -> Result<Vec<Task>, Error> {
        let start = Instant::now();
        let mut message = String::new();
        let (mut together, mut single) = (Vec::new(), Vec::new());
        for task in tasks {
            let job = match &task {
                Task::Create { .. } if !self.canary.has_passed(Start::New) => None,
                Task::Create { id, name } => Some(self.job(name, Claim::default(), Origin::Created { id: Some(*id) })),
                Task::Migrate(claim) => match self.standing(session, resolver, &claim.name, &claim.claim)? {
                    Standing::Applied(applied) if self.canary.has_passed(Start::Behind(applied)) => {
                        Some(Job { applied, ..self.job(&claim.name, claim.claim, Origin::Exists) })
                    }
                    _ => None,
                },
            };
            match job.map(|job| (job.steps(), job)) {
                Some((steps, job)) if matches!(steps[..], [Step::Together(_)]) => {
                    message.push_str(&job.script(job.applied..self.set.migrations().len()).message());
                    let migrations = self.set.migrations().len() - job.applied;
                    together.push((task, migrations));
                }
                _ => single.push(task),
            }
        }
        if let Err(error) = session.client.batch_execute(&message) {
            log::info!("a group of {} tenants is done one by one: {error}", together.len());
            if is_lost(&error) {
                self.tally.mishaps.lost.fetch_add(1, Ordering::Relaxed);
                session.reconnect()?;
            }
            let mut all: Vec<Task> = together.into_iter().map(|(task, _)| task).chain(single).collect();
            all.sort_by_key(Task::id);
            return Ok(all);
        }
        let each = start.elapsed() / u32::try_from(together.len().max(1)).unwrap_or(u32::MAX);
        for (task, migrations) in together {
            let is_new = matches!(task, Task::Create { .. });
            session.used(if is_new { Origin::Created { id: None } } else { Origin::Exists });
            let finished = match &task {
                Task::Create { .. } => Finished::Created,
                Task::Migrate(_) if migrations == 0 => Finished::Current,
                Task::Migrate(_) => Finished::Migrated(migrations),
            };
            self.finish(session, task.id(), task.name().clone(), &finished, each);
        }
        Ok(single)
    }

    fn single(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        task: Task,
        busy: &mut Vec<Task>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let finished = match &task {
            Task::Create { id, name } => match self.create(session, name, *id)? {
                // An older binary may have made it.
                Finished::Current => match self.look_again(session, name)? {
                    Some(claim) => self.migrate(session, resolver, &claim)?,
                    None => Finished::Current,
                },
                finished => finished,
            },
            Task::Migrate(claim) => match self.migrate(session, resolver, claim)? {
                Finished::Failed(failure) if claim.name.is_spare() => self.without_spare(session, &claim.name, failure),
                finished => finished,
            },
        };
        match finished {
            Finished::Busy => busy.push(task),
            Finished::Interrupted => {}
            Finished::Failed(failure)
                if self.settings.interrupt.is_cause(failure.sqlstate()) && !failure.left_something() => {}
            finished => self.finish(session, task.id(), task.name().clone(), &finished, start.elapsed()),
        }
        Ok(())
    }

    /// A spare that cannot be migrated is nobody's loss: it is dropped, and the pool makes another.
    fn without_spare(&self, session: &mut Session<'_>, spare: &TenantName, failure: Box<Failure>) -> Finished {
        if self.settings.interrupt.is_raised() {
            return Finished::Failed(failure);
        }
        match drop_spare(session, self.settings, spare) {
            Ok(()) => {
                log::warn!("a spare schema that could not be migrated is dropped: {}", failure.message());
                Finished::Current
            }
            Err(error) => {
                log::warn!("{error}");
                Finished::Failed(failure)
            }
        }
    }

    /// Creates one tenant. An error is one of the connection, and no tenant's.
    fn create(&self, session: &mut Session<'_>, name: &TenantName, id: i64) -> Result<Finished, Error> {
        let apart = self.set.migrations().iter().any(Migration::is_apart_for_a_new_schema);
        let _turn = apart.then(|| self.turns.take());
        let inspection = self.canary.enter(Start::New);
        let provisioning = Provisioning {
            settings: self.settings,
            set: self.set,
            durable: self.durable,
            inspect: inspection.is_some(),
            is_patient: false,
            mishaps: &self.tally.mishaps,
        };
        Ok(match provisioning.create(session, name, Some(id)) {
            Ok(true) => {
                if let Some(inspection) = inspection {
                    inspection.pass();
                }
                Finished::Created
            }
            Ok(false) => {
                lock(&self.queue).meet();
                Finished::Current
            }
            Err(Error::Locked { .. }) => {
                lock(&self.queue).meet();
                Finished::Busy
            }
            Err(Error::Failed(failure)) => {
                session.recover(&failure)?;
                Finished::Failed(failure)
            }
            Err(Error::Interrupted) => Finished::Interrupted,
            Err(error @ (Error::Connect(_) | Error::ServerGone { .. })) => return Err(error),
            Err(error) => Finished::Failed(Box::new(self.failure(Some(name), Reason::Refused(error.to_string())))),
        })
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
        let mut retries = Retries::new(&self.tally.mishaps);
        let mut was_stale = false;
        // Of the migrations that commit by themselves, those that a try before the last one applied.
        let mut start = None;
        loop {
            if self.settings.interrupt.is_raised() {
                return Ok(Finished::Interrupted);
            }
            let is_last_try = !retries.are_left();
            let job = Job { is_last_try, ..self.job(&claim.name, claim.claim, Origin::Exists) };
            let standing = self.standing(session, resolver, &claim.name, &claim.claim)?;
            let fail = |reason| Ok(Finished::Failed(Box::new(failure(&job, reason))));
            let (applied, outcome) = match standing {
                Standing::Applied(all) if all == self.set.migrations().len() && claim.claim.is_current(self.set) => {
                    return Ok(Finished::Current);
                }
                Standing::Applied(applied) => {
                    start.get_or_insert(applied);
                    let pending = &self.set.migrations()[applied..];
                    let turn = pending.iter().any(Migration::is_outside_a_transaction).then(|| self.turns.take());
                    let inspection = self.canary.enter(Start::Behind(applied));
                    let outcome = session.apply(&Job { applied, inspect: inspection.is_some(), ..job });
                    if let (Outcome::Done(_), Some(inspection)) = (&outcome, inspection) {
                        inspection.pass();
                    }
                    drop(turn);
                    (applied, outcome)
                }
                Standing::Ahead { version } => return Ok(Finished::Ahead(version)),
                Standing::Missing => return fail(Reason::SchemaMissing),
                Standing::Diverged(divergence) => return fail(Reason::Diverged(divergence)),
                Standing::Unreadable(problem) => return fail(Reason::History(problem)),
            };
            match outcome {
                Outcome::Done(0) => return Ok(Finished::Current),
                Outcome::Done(applied) => return Ok(Finished::Migrated(applied)),
                Outcome::Busy => {
                    lock(&self.queue).meet();
                    return Ok(Finished::Busy);
                }
                Outcome::FleetBusy => {
                    let what = "what all tenants share";
                    if self.settings.wait(&mut polling, what).is_err() {
                        return Ok(Finished::Busy);
                    }
                }
                Outcome::Stale => {
                    lock(&self.queue).meet();
                    // Once is how replicas meet; it cannot be out of date for ever.
                    if std::mem::replace(&mut was_stale, true) && polling.pause(claim.name.as_str()).is_err() {
                        return Ok(Finished::Busy);
                    }
                }
                Outcome::Failed(mut failure) => {
                    failure.applied.splice(..0, self.set.titles(start.unwrap_or(applied)..applied));
                    let again = !self.settings.interrupt.is_raised() && retries.pause(&failure);
                    session.recover(&failure)?;
                    if !again {
                        return Ok(Finished::Failed(failure));
                    }
                }
            }
            match self.look_again(session, &claim.name)? {
                Some(fresh) => claim = fresh,
                // Forgotten meanwhile: there is nothing to migrate.
                None => return Ok(Finished::Current),
            }
        }
    }

    /// Where a tenant stands.
    fn standing(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        name: &TenantName,
        claim: &Claim,
    ) -> Result<Standing, Error> {
        session.ask(&self.tally.mishaps, |client| resolver.resolve(client, name.as_str(), claim))
    }

    /// What the registry says of a tenant now.
    fn look_again(&self, session: &mut Session<'_>, name: &TenantName) -> Result<Option<TenantClaim>, Error> {
        let only = [name.clone()];
        let question = Question { only: &only, all: true, limit: 1, ..self.question() };
        Ok(ask(session, self.settings, &self.tally.mishaps, &question)?.tenants.pop())
    }

    /// Waits for tenants that another run was at work on. What that run leaves undone is done here.
    fn wait_for(
        &self,
        session: &mut Session<'_>,
        resolver: &mut Resolver<'_>,
        mut busy: Vec<Task>,
    ) -> Result<(), Error> {
        let mut polling = Polling::new(self.settings.lock_wait);
        while !busy.is_empty() && !self.tally.is_stopped() {
            let what = format!("tenant {}", busy[0].name());
            let waited = self.settings.wait(&mut polling, &what);
            if self.settings.interrupt.is_raised() {
                break;
            }
            if waited.is_err() {
                for task in busy.drain(..) {
                    self.finish(session, task.id(), task.name().clone(), &Finished::Busy, Duration::ZERO);
                }
                break;
            }
            for task in self.still_open(session, &std::mem::take(&mut busy))? {
                self.single(session, resolver, task, &mut busy)?;
            }
        }
        Ok(())
    }

    /// The failure, with what is known of its migration in other tenants.
    fn with_what_others_have(&self, session: &mut Session<'_>, failure: &Failure) -> Failure {
        let layout = &self.settings.layout;
        let is_applied_elsewhere = registry::is_applied_elsewhere(&mut session.client, layout, self.set, failure);
        Failure { is_applied_elsewhere, ..failure.clone() }
    }

    /// Writes down what became of a tenant, and tells.
    fn finish(&self, session: &mut Session<'_>, id: i64, tenant: TenantName, finished: &Finished, elapsed: Duration) {
        let progress = self.tally.advance();
        let (kind, failure) = match finished {
            Finished::Current => (OutcomeKind::Current, None),
            Finished::Busy => (OutcomeKind::Busy, None),
            Finished::Interrupted => return,
            Finished::Created => {
                self.settings.emit(&Event::TenantCreated { tenant: &tenant, elapsed, progress });
                (OutcomeKind::Created, None)
            }
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
                let failure = self.with_what_others_have(session, failure);
                self.settings.emit(&Event::TenantFailed { failure: &failure, progress });
                if let Err(error) = registry::record_failure(&mut session.client, &self.settings.layout, &failure) {
                    log::warn!("tenant {tenant}: its failure could not be recorded: {error}");
                }
                (OutcomeKind::Failed, Some(failure))
            }
        };
        self.tally.add(id, tenant, kind, elapsed, failure);
    }
}

/// What failed first may be applied to others by now, so that its file is to stay as it is.
fn look_at_others_again(session: &mut Session<'_>, settings: &Settings, set: &MigrationSet, report: &mut Report) {
    let mut known: HashMap<String, bool> = HashMap::new();
    for failure in report.failures.iter_mut().filter(|failure| !failure.is_applied_elsewhere) {
        let Some(title) = failure.migration().map(str::to_owned) else { continue };
        failure.is_applied_elsewhere = *known
            .entry(title)
            .or_insert_with(|| registry::is_applied_elsewhere(&mut session.client, &settings.layout, set, failure));
    }
}
