//! The tenants that are still to be done, in registration order, read from the registry page by page.

use std::collections::VecDeque;

use crate::names::Member;
use crate::store::{Overview, PAGE, TenantClaim};

/// A tenant to migrate or create.
#[derive(Clone)]
pub(super) enum Task {
    Create { id: i64, member: Member },
    Migrate(TenantClaim),
}

impl Task {
    pub(super) fn id(&self) -> i64 {
        match self {
            Self::Create { id, .. } => *id,
            Self::Migrate(claim) => claim.id,
        }
    }

    pub(super) fn member(&self) -> &Member {
        match self {
            Self::Create { member, .. } => member,
            Self::Migrate(claim) => &claim.member,
        }
    }
}

/// Minimum number of tasks before the registry is asked again.
const FEW: usize = 8;

/// Tasks that no worker has taken.
#[derive(Default)]
pub(super) struct Queue {
    tasks: VecDeque<Task>,
    /// The last tenant that was read from the registry; `None` if there are no more.
    after: Option<i64>,
    /// Another run that migrates the same tenants was met.
    contended: bool,
    /// How many tasks were taken since the last query about the other run's progress.
    since: usize,
}

impl Queue {
    /// Existing tenants first, since they come first in the order.
    pub(super) fn new(first: Overview, create: Vec<(i64, Member)>) -> Self {
        let mut queue = Self::default();
        queue.add_page(first);
        queue.tasks.extend(create.into_iter().map(|(id, member)| Task::Create { id, member }));
        queue
    }

    /// Adds another page, before the tenants to create.
    pub(super) fn add_page(&mut self, page: Overview) {
        self.after = page.last_id.filter(|_| page.is_full);
        let create = std::mem::take(&mut self.tasks);
        self.tasks.extend(page.tenants.into_iter().map(Task::Migrate));
        self.tasks.extend(create);
    }

    /// The tenant after which the next page starts, if the present tasks are not enough to continue.
    pub(super) fn wants_page(&self) -> Option<i64> {
        let is_used_up = !matches!(self.tasks.front(), Some(Task::Migrate(_)));
        self.after.filter(|_| is_used_up)
    }

    /// Notes that another run was met.
    pub(super) fn meet(&mut self) {
        self.contended = true;
    }

    /// The tasks to ask about again after another run was met, since it may have done many of them. A few are not worth
    /// a query.
    pub(super) fn uncertain(&mut self) -> Option<Vec<Task>> {
        if !self.contended || self.since < FEW || self.tasks.len() < FEW {
            return None;
        }
        let tasks = self.take(usize::try_from(PAGE).unwrap_or(usize::MAX));
        self.contended = false;
        self.since = 0;
        Some(tasks)
    }

    /// Puts the remaining tasks back. They are rotated to a random start, because two runs that go through a list in
    /// the same order meet at every tenant.
    pub(super) fn put_back(&mut self, tasks: Vec<Task>) {
        let (mut migrate, mut create): (Vec<_>, Vec<_>) =
            tasks.into_iter().partition(|task| matches!(task, Task::Migrate(_)));
        for part in [&mut create, &mut migrate] {
            let middle = fastrand::usize(..=part.len());
            part.rotate_left(middle);
            for task in part.drain(..).rev() {
                self.tasks.push_front(task);
            }
        }
    }

    /// Takes at most this many tasks. New tenants are taken one by one, unless they may be created together.
    pub(super) fn take_up_to(&mut self, limit: usize, create_together: bool) -> Vec<Task> {
        let is_alone = |task: &Task| matches!(task, Task::Create { .. }) && !create_together;
        let limit = self.tasks.iter().take(limit).position(is_alone).map_or(limit, |place| place.max(1));
        self.take(limit)
    }

    /// The number of remaining tasks.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    fn take(&mut self, limit: usize) -> Vec<Task> {
        let tasks: Vec<_> = self.tasks.drain(..limit.min(self.tasks.len())).collect();
        self.since += tasks.len();
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Claim;

    fn claims(ids: std::ops::Range<i64>) -> Overview {
        let tenants: Vec<_> = ids
            .map(|id| TenantClaim {
                id,
                member: Member::spare(),
                claim: Claim::default(),
                status: String::new(),
                last_error: None,
            })
            .collect();
        let is_full = i64::try_from(tenants.len()).is_ok_and(|length| length == PAGE);
        Overview { last_id: tenants.last().map(|last| last.id), is_full, tenants, ..Overview::default() }
    }

    #[test]
    fn pages_come_before_what_is_created_and_end_with_the_first_that_is_not_full() {
        let create = vec![(9_000, Member::spare())];
        let mut queue = Queue::new(claims(1..PAGE + 1), create);
        assert_eq!(queue.wants_page(), None);
        assert_eq!(queue.take(usize::try_from(PAGE).unwrap_or_default()).len(), 1_000);
        assert_eq!(queue.wants_page(), Some(PAGE));
        queue.add_page(claims(PAGE + 1..PAGE + 3));
        let ids: Vec<_> = queue.take(10).iter().map(Task::id).collect();
        assert_eq!(ids, [1_001, 1_002, 9_000]);
        assert_eq!(queue.wants_page(), None);
    }

    #[test]
    fn a_full_page_of_rows_that_are_no_tenants_is_not_the_last_one() {
        let page = Overview { last_id: Some(PAGE), is_full: true, ..Overview::default() };
        assert_eq!(Queue::new(page, Vec::new()).wants_page(), Some(PAGE));
    }
}
