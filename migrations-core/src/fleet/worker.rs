//! Takes tenants until there are none left, and waits for those whose lock another run holds.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::Fleet;
use super::batching::Batching;
use super::lock::lock;
use super::queue::Task;
use crate::execute::{Done, Stop};
use crate::names::{Member, TenantName};
use crate::plan::Positions;
use crate::report::Error;
use crate::server::Connection;
use crate::store::{Question, TenantClaim};

/// A worker, with its connection.
pub(super) struct Worker<'f, 'c, 'd> {
    pub(super) fleet: &'f Fleet<'f>,
    pub(super) connection: &'c mut Connection<'d>,
    pub(super) positions: Positions<'f>,
    pub(super) batching: Batching,
    /// Tenants whose lock another run held.
    busy: Vec<Task>,
}

impl<'f, 'c, 'd> Worker<'f, 'c, 'd> {
    pub(super) fn new(fleet: &'f Fleet<'f>, connection: &'c mut Connection<'d>) -> Self {
        Self {
            fleet,
            connection,
            positions: Positions::of_tenants(fleet.engine.sets.tenant),
            batching: Batching::new(fleet.engine.settings().group, fleet.together),
            busy: Vec::new(),
        }
    }

    pub(super) fn work(mut self) -> Result<(), Error> {
        let fleet = self.fleet;
        loop {
            let mut tasks = self.take()?;
            if tasks.is_empty() {
                break;
            }
            if let Err(error) = self.work_on(&mut tasks) {
                // For the other workers, if they still have a connection.
                lock(&fleet.queue).put_back(tasks);
                return Err(error);
            }
        }
        self.wait_for_busy()
    }

    /// Carries out these tasks. If the connection is lost for good, the remaining tasks stay in `tasks`.
    fn work_on(&mut self, tasks: &mut Vec<Task>) -> Result<(), Error> {
        let fleet = self.fleet;
        self.connection.renew_after(fleet.engine.settings().schemas_per_connection, &fleet.tally.errors)?;
        if fleet.canary.is_untried() {
            self.first_of(tasks)?;
        }
        if tasks.len() > 1 && !fleet.tally.is_stopped() {
            self.group(tasks)?;
        }
        while !tasks.is_empty() && !fleet.tally.is_stopped() {
            self.first_of(tasks)?;
        }
        Ok(())
    }

    fn first_of(&mut self, tasks: &mut Vec<Task>) -> Result<(), Error> {
        let Some(task) = tasks.first() else { return Ok(()) };
        if self.single(task.clone())? {
            self.batching.done_alone();
        }
        tasks.remove(0);
        Ok(())
    }

    /// Takes the next tasks, and reads another page when this one is used up. Returns none when a failure budget is
    /// used up.
    fn take(&mut self) -> Result<Vec<Task>, Error> {
        let fleet = self.fleet;
        if fleet.tally.is_stopped() {
            return Ok(Vec::new());
        }
        let mut queue = lock(&fleet.queue);
        if let Some(uncertain) = queue.uncertain() {
            match self.still_open(&uncertain) {
                Ok(left) => queue.put_back(left),
                Err(error) => {
                    // For the other workers.
                    queue.put_back(uncertain);
                    return Err(error);
                }
            }
        }
        if let Some(after) = queue.wants_page() {
            let question = Question { after, ..fleet.question() };
            let page = fleet.engine.overview(self.connection, &fleet.tally.errors, &question)?;
            fleet.refuse(&page.unusable);
            queue.add_page(page);
        }
        // The remaining tasks are for all workers.
        let share = (queue.len() / fleet.jobs.max(1)).max(1);
        let limit = self.batching.size().min(if self.batching.is_fixed() { usize::MAX } else { share });
        Ok(queue.take_up_to(limit, self.batching.is_fixed()))
    }

    /// Those of the tasks that another run has not finished.
    pub(super) fn still_open(&mut self, tasks: &[Task]) -> Result<Vec<Task>, Error> {
        let fleet = self.fleet;
        let names: Vec<TenantName> = tasks.iter().map(|task| task.member().name.clone()).collect();
        let question = Question { only: &names, limit: i64::MAX, ..fleet.question() };
        let overview = fleet.engine.overview(self.connection, &fleet.tally.errors, &question)?;
        let mut behind: HashMap<_, _> =
            overview.tenants.into_iter().map(|claim| (claim.member.name.clone(), claim)).collect();
        let absent: HashSet<_> = overview.absent.into_iter().collect();
        let mut left = Vec::new();
        for task in tasks {
            match (behind.remove(&task.member().name), task) {
                // An older binary may have created this tenant in the meantime.
                (Some(claim), _) => left.push(Task::Migrate(claim)),
                (_, Task::Create { .. }) if absent.contains(&task.member().name) => left.push(task.clone()),
                _ => self.finish(task, &Done::Current, Duration::ZERO),
            }
        }
        Ok(left)
    }

    /// Carries out one task; returns whether migrations were applied.
    fn single(&mut self, task: Task) -> Result<bool, Error> {
        let start = Instant::now();
        let done = match &task {
            Task::Create { id, member } => match self.create(member, *id)? {
                // An older binary may have created it.
                Done::Current => match self.look_again(member)? {
                    Some(claim) => self.migrate(&claim)?,
                    None => Done::Current,
                },
                done => done,
            },
            Task::Migrate(claim) => match self.migrate(claim)? {
                Done::Stopped(Stop::Failed(failure)) if claim.member.is_spare() => {
                    self.without_spare(&claim.member.schema, failure)
                }
                done => done,
            },
        };
        let interrupt = self.fleet.engine.interrupt();
        let is_applied = matches!(done, Done::Applied(_));
        match done {
            Done::Stopped(Stop::Busy) => self.busy.push(task),
            Done::Stopped(Stop::Failed(failure))
                if interrupt.is_cause(failure.sqlstate()) && !failure.left_something() => {}
            done => self.finish(&task, &done, start.elapsed()),
        }
        Ok(is_applied)
    }

    pub(super) fn finish(&mut self, task: &Task, done: &Done, elapsed: Duration) {
        self.fleet.finish(self.connection, task.id(), task.member().clone(), done, elapsed);
    }

    /// What the registry says of a tenant now.
    pub(super) fn look_again(&mut self, member: &Member) -> Result<Option<TenantClaim>, Error> {
        let fleet = self.fleet;
        let only = [member.name.clone()];
        let question = Question { only: &only, all: true, limit: 1, ..fleet.question() };
        Ok(fleet.engine.overview(self.connection, &fleet.tally.errors, &question)?.tenants.pop())
    }

    /// Waits for tenants whose lock another run held, and finishes what that run leaves undone.
    fn wait_for_busy(&mut self) -> Result<(), Error> {
        let fleet = self.fleet;
        let mut polling = fleet.engine.polling();
        while !self.busy.is_empty() && !fleet.tally.is_stopped() {
            let what = format!("tenant {}", self.busy[0].member());
            let waited = fleet.engine.wait(&mut polling, &what);
            if fleet.engine.interrupt().is_draining() {
                break;
            }
            let busy = std::mem::take(&mut self.busy);
            if waited.is_err() {
                for task in &busy {
                    self.finish(task, &Done::Stopped(Stop::Busy), Duration::ZERO);
                }
                break;
            }
            for task in self.still_open(&busy)? {
                self.single(task)?;
            }
        }
        Ok(())
    }
}
