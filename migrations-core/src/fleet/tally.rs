//! The outcome for every tenant, the progress of the run, and whether it should continue.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock::lock;
use crate::engine::Budget;
use crate::names::Member;
use crate::report::{Failure, OutcomeKind, Progress, Report, TenantOutcome};
use crate::server::{Interrupt, TransientErrors};

/// Counts for all workers together.
pub(super) struct Tally {
    start: Instant,
    total: usize,
    spares: usize,
    budget: Budget,
    done: AtomicUsize,
    stopped: AtomicBool,
    interrupt: Interrupt,
    results: Mutex<Results>,
    pub(super) errors: TransientErrors,
}

/// Behind one lock, so that exactly as many failures as the budget allows are counted.
#[derive(Default)]
struct Results {
    entries: Vec<Entry>,
    failures: usize,
    /// The different SQLSTATEs among them.
    distinct: HashSet<String>,
}

struct Entry {
    id: i64,
    /// `None` for a row of the registry that names no tenant.
    outcome: Option<TenantOutcome>,
    failure: Option<Failure>,
}

impl Tally {
    pub(super) fn new(total: usize, budget: Budget, interrupt: &Interrupt) -> Self {
        Self {
            start: Instant::now(),
            total,
            spares: 0,
            budget,
            done: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            interrupt: interrupt.clone(),
            results: Mutex::default(),
            errors: TransientErrors::default(),
        }
    }

    /// Notes that this many are spare schemas, which are not tenants.
    pub(super) fn with_spares(mut self, spares: usize) -> Self {
        self.spares = spares;
        self
    }

    /// Whether no further tenant may be taken: too many have failed, or the run was interrupted.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.interrupt.is_draining()
    }

    /// Counts one more finished tenant. The remaining time is extrapolated from the tenants so far.
    pub(super) fn advance(&self) -> Progress {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let left = self.total.saturating_sub(done);
        let each = self.start.elapsed().as_secs_f64() / f64::from(u32::try_from(done).unwrap_or(u32::MAX));
        let remaining = each * f64::from(u32::try_from(left).unwrap_or(u32::MAX));
        Progress { done, total: self.total, remaining: Duration::from_secs_f64(remaining) }
    }

    /// Records a tenant's outcome.
    pub(super) fn add(&self, id: i64, member: Member, kind: OutcomeKind, elapsed: Duration, failure: Option<Failure>) {
        let Member { name: tenant, schema } = member;
        self.push(Entry { id, outcome: Some(TenantOutcome { tenant, schema, kind, elapsed }), failure });
    }

    /// Records a row of the registry that names no tenant.
    pub(super) fn add_unusable(&self, id: i64, failure: Failure) {
        self.push(Entry { id, outcome: None, failure: Some(failure) });
    }

    fn push(&self, entry: Entry) {
        let mut results = lock(&self.results);
        if let Some(failure) = &entry.failure {
            results.failures += 1;
            results.distinct.insert(failure.sqlstate().unwrap_or_default().to_owned());
            if self.budget.is_spent(results.failures, results.distinct.len()) {
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
        results.entries.push(entry);
    }

    /// Fills in the report, in registration order. Returns whether some tenants were not started.
    pub(super) fn fill(self, report: &mut Report) -> bool {
        let was_stopped = self.is_stopped();
        let mut entries = self.results.into_inner().unwrap_or_else(PoisonError::into_inner).entries;
        entries.sort_by_key(|entry| entry.id);
        report.retries += self.errors.retries();
        report.lost_connections += self.errors.lost_connections();
        let left = self.total.saturating_sub(entries.len());
        let counts = &mut report.tenants;
        let is_spare = |entry: &&Entry| entry.outcome.as_ref().is_some_and(|outcome| outcome.schema.is_spare());
        let spares_left = self.spares.saturating_sub(entries.iter().filter(is_spare).count());
        let left = left.saturating_sub(spares_left);
        if was_stopped {
            counts.skipped += left;
        }
        for Entry { outcome, failure, .. } in entries {
            let Some(outcome) = outcome else {
                counts.failed += 1;
                report.failures.extend(failure);
                continue;
            };
            match outcome.kind {
                OutcomeKind::Failed => counts.failed += 1,
                _ if outcome.schema.is_spare() => {
                    counts.spares += usize::from(matches!(outcome.kind, OutcomeKind::Created | OutcomeKind::Migrated));
                    continue;
                }
                OutcomeKind::Created => counts.created += 1,
                OutcomeKind::Migrated => counts.migrated += 1,
                OutcomeKind::Current => counts.current += 1,
                OutcomeKind::Ahead => counts.ahead += 1,
                OutcomeKind::Busy => counts.busy += 1,
            }
            report.failures.extend(failure);
            report.outcomes.push(outcome);
        }
        left > counts.skipped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::report::Reason;
    use crate::set::MigrationSet;

    #[test]
    fn a_budget_is_spent_by_failures_that_come_at_the_same_moment() -> Result<(), crate::Error> {
        const WORKERS: usize = 8;
        let set = MigrationSet::new("tenant")?;
        let failure = || Failure::new(set.name().clone(), None, Reason::SchemaMissing);
        for round in 0..500 {
            let budget = Budget { failures: Some(WORKERS), distinct: None };
            let (tally, together) = (Tally::new(WORKERS, budget, &Interrupt::new()), Barrier::new(WORKERS));
            std::thread::scope(|scope| {
                for _ in 0..WORKERS {
                    let (tally, together, failure) = (&tally, &together, failure());
                    scope.spawn(move || {
                        together.wait();
                        tally.add(0, Member::spare(), OutcomeKind::Failed, Duration::ZERO, Some(failure));
                    });
                }
            });
            assert!(tally.is_stopped(), "round {round}");
        }
        Ok(())
    }
}
