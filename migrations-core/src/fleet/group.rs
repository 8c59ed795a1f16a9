//! Several tenants in one transaction, and so in one commit.

use std::collections::HashSet;
use std::time::Instant;

use postgres::error::SqlState;

use super::Fleet;
use super::canary::Start;
use super::lock::lock;
use super::queue::Task;
use super::worker::Worker;
use crate::execute::{Done, execute_batch};
use crate::names::Member;
use crate::plan::{Batch, Origin, Standing, Unit};
use crate::report::Error;
use crate::server::is_lost;
use crate::store::{Claim, codes};

/// The outcome of a shared transaction.
enum Together {
    /// These tenants are finished.
    Done(HashSet<Member>),
    /// Another run holds the lock of some of them, or has migrated them.
    Met,
    /// They have to be done one by one.
    Failed,
}

impl Worker<'_, '_, '_> {
    /// Carries out several tasks together: existing tenants in one transaction, new ones in another. The tasks that are
    /// left in `tasks` have to be done one by one: those that cannot share a transaction, and all of them if one is
    /// busy or fails.
    pub(super) fn group(&mut self, tasks: &mut Vec<Task>) -> Result<(), Error> {
        for is_new in [false, true] {
            let of_kind = tasks.iter().filter(|task| matches!(task, Task::Create { .. }) == is_new);
            let placed: Vec<_> = of_kind.filter_map(|task| Some((task, self.place(task)?))).collect();
            match self.together(&placed)? {
                Together::Done(done) => tasks.retain(|task| !done.contains(task.member())),
                Together::Met => {
                    lock(&self.fleet.queue).meet();
                    *tasks = self.still_open(tasks)?;
                }
                Together::Failed => {}
            }
        }
        Ok(())
    }

    /// The number of migrations that the task's tenant has; `None` if it is not known, or if its script was not
    /// inspected yet.
    fn place(&self, task: &Task) -> Option<usize> {
        let canary = &self.fleet.canary;
        match task {
            Task::Create { .. } => canary.has_passed(Start::New).then_some(0),
            // Reading a history is for the tenant's own turn.
            Task::Migrate(claim) => match self.positions.known(&claim.claim) {
                Some(Standing::Applied(applied)) if canary.has_passed(Start::Behind(applied)) => Some(applied),
                _ => None,
            },
        }
    }

    /// Carries out tasks of one kind in one transaction.
    fn together(&mut self, tasks: &[(&Task, usize)]) -> Result<Together, Error> {
        let (fleet, is_fixed) = (self.fleet, self.batching.is_fixed());
        let units = tasks.iter().map(|(task, applied)| unit_of(fleet, task, *applied, is_fixed));
        let batch = if is_fixed { Batch::chained(units) } else { Batch::shared(units) };
        // A single tenant gets a transaction of its own, which says what is wrong with it.
        if batch.units().len() < 2 {
            return Ok(Together::Failed);
        }
        let start = Instant::now();
        let sent = execute_batch(self.connection, &batch);
        let elapsed = start.elapsed();
        if let Err(refused) = &sent {
            log::debug!("doing {} tenants one by one: {}", batch.units().len(), refused.error);
            self.batching.failed(batch.units().len());
            if is_lost(&refused.error) {
                fleet.tally.errors.add_lost_connection();
                self.connection.reconnect()?;
            }
            let is_met = |code: &SqlState| [codes::TENANT_BUSY, codes::STALE].contains(&code.code());
            let is_met = refused.error.code().is_some_and(is_met);
            return Ok(if is_met { Together::Met } else { Together::Failed });
        }
        let done: HashSet<Member> = batch.units().iter().filter_map(|unit| unit.tenant().cloned()).collect();
        self.batching.done_together(done.len(), sent.unwrap_or_default());
        let each = elapsed / u32::try_from(done.len()).unwrap_or(u32::MAX);
        for (task, applied) in tasks.iter().filter(|(task, _)| done.contains(task.member())) {
            let what = match task {
                Task::Create { .. } => Done::Created,
                Task::Migrate(_) => Done::Applied(fleet.engine.sets.tenant.migrations().len() - applied),
            };
            self.finish(task, &what, each);
        }
        Ok(Together::Done(done))
    }
}

/// The unit of a task. Unless the application chose the group size, a unit waits for nothing while it holds the locks
/// of other tenants.
fn unit_of<'u>(fleet: &'u Fleet<'_>, task: &'u Task, applied: usize, is_fixed: bool) -> Unit<'u> {
    let mut unit = match task {
        Task::Create { id, member } => fleet.unit(member, Claim::default(), Origin::Created { id: Some(*id) }),
        Task::Migrate(claim) => fleet.unit(&claim.member, claim.claim, Origin::Exists),
    };
    unit.applied = applied;
    if !is_fixed {
        let sharing = fleet.engine.settings().sharing;
        unit.policy.lock_timeout = unit.policy.lock_timeout.min(sharing.lock_timeout);
        // Zero is no limit.
        let own = unit.policy.statement_timeout.filter(|timeout| !timeout.is_zero());
        let timeout = own.map_or(sharing.statement_timeout, |own| own.min(sharing.statement_timeout));
        unit.policy.statement_timeout = Some(timeout);
    }
    unit
}
