//! What a run did.

use std::collections::HashSet;
use std::time::Duration;

use super::failure::Failure;
use crate::names::{SchemaName, TenantName};

/// The result of a run. A tenant that failed is in [`failures`](Self::failures); the others were still migrated.
#[derive(Clone, Debug, Default)]
#[must_use = "a report can hold failures: ask is_success()"]
#[non_exhaustive]
pub struct Report {
    /// The shared set.
    pub shared: SharedReport,
    /// The tenants, counted by outcome.
    pub tenants: TenantCounts,
    /// Every tenant that the run changed or that failed, in registration order.
    pub outcomes: Vec<TenantOutcome>,
    /// Why tenants failed, in registration order.
    pub failures: Vec<Failure>,
    /// How often work was tried again after a transient error, such as a lock that was held or a lost connection.
    pub retries: usize,
    /// Schemas that hold a history and are not registered. Only a run that finds no tenant at all looks for them, as
    /// after the registry was dropped; [`adopt_all`](crate::Migrator::adopt_all) registers them.
    pub unregistered: Vec<String>,
    /// How long the run took.
    pub elapsed: Duration,
    /// How often a connection was lost in the tenant stage.
    pub(crate) lost_connections: usize,
}

/// The result for the shared set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedReport {
    /// Titles of the migrations that were applied, in order.
    pub applied: Vec<String>,
    /// Extensions that the tenants' migrations need and that were created before the tenants.
    pub extensions: Vec<String>,
    /// The version of the shared schema now; `None` if no migration was ever applied.
    pub version: Option<i64>,
    /// The schema is ahead of this binary, and was left alone.
    pub ahead: bool,
    /// How often work was tried again after a transient error.
    pub retries: usize,
}

/// The tenants, counted by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantCounts {
    /// All tenants that the run was for.
    pub total: usize,
    /// Registered and provisioned in this run.
    pub created: usize,
    /// Migrated in this run.
    pub migrated: usize,
    /// Already up to date.
    pub current: usize,
    /// Ahead of this binary, and left alone.
    pub ahead: usize,
    /// Still held by another run when this one stopped waiting.
    pub busy: usize,
    /// Failed.
    pub failed: usize,
    /// Not started, because too many tenants had failed or the run was interrupted.
    pub skipped: usize,
    /// Spare schemas of the warm pool that were created or migrated; not counted among the others.
    pub spares: usize,
}

/// The outcome for one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantOutcome {
    /// Its name.
    pub tenant: TenantName,
    /// Its schema.
    pub schema: SchemaName,
    /// The outcome.
    pub kind: OutcomeKind,
    /// The time it took; of a shared transaction, the tenant's part.
    pub elapsed: Duration,
}

/// The outcome for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// It was registered and provisioned.
    Created,
    /// It was migrated.
    Migrated,
    /// Another run brought it up to date in the meantime.
    Current,
    /// It is ahead of this binary, and was left alone.
    Ahead,
    /// Another run still held its lock when this one stopped waiting.
    Busy,
    /// It failed; the report's failures say why.
    Failed,
}

impl Report {
    /// Whether every schema is up to date.
    pub fn is_success(&self) -> bool {
        self.tenants.failed + self.tenants.busy + self.tenants.skipped == 0
    }

    /// The tenants that took longest, the slowest first, up to `count` of them.
    pub fn slowest(&self, count: usize) -> Vec<&TenantOutcome> {
        let mut outcomes: Vec<_> = self.worked_on().collect();
        outcomes.sort_by_key(|outcome| std::cmp::Reverse(outcome.elapsed));
        outcomes.truncate(count);
        outcomes
    }

    /// The median time of the tenants that were created or migrated.
    pub fn median(&self) -> Option<Duration> {
        let mut times: Vec<_> = self.worked_on().map(|outcome| outcome.elapsed).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Merges the report of a second pass over the same tenants; it replaces what the first pass says of tenants that
    /// were done again.
    pub(crate) fn add_pass(&mut self, pass: Report) {
        let again: HashSet<&TenantName> = pass.outcomes.iter().map(|outcome| &outcome.tenant).collect();
        self.failures.retain(|failure| failure.tenant().is_none_or(|tenant| !again.contains(tenant)));
        let was_created = |tenant: &TenantName| {
            self.outcomes.iter().any(|outcome| outcome.tenant == *tenant && outcome.kind == OutcomeKind::Created)
        };
        let mut redone = pass.outcomes.clone();
        for outcome in &mut redone {
            if outcome.kind == OutcomeKind::Migrated && was_created(&outcome.tenant) {
                outcome.kind = OutcomeKind::Created;
            }
        }
        self.outcomes.retain(|outcome| !again.contains(&outcome.tenant));
        self.outcomes.extend(redone);
        self.failures.extend(pass.failures);
        self.shared.applied.extend(pass.shared.applied);
        self.shared.extensions.extend(pass.shared.extensions);
        self.shared.version = pass.shared.version;
        self.retries += pass.retries;
        self.lost_connections = pass.lost_connections;
        let count = |kind| self.outcomes.iter().filter(|outcome| outcome.kind == kind).count();
        let total = self.tenants.total.max(pass.tenants.total);
        self.tenants = TenantCounts {
            total,
            created: count(OutcomeKind::Created),
            migrated: count(OutcomeKind::Migrated),
            ahead: count(OutcomeKind::Ahead),
            busy: count(OutcomeKind::Busy),
            failed: count(OutcomeKind::Failed),
            current: count(OutcomeKind::Current) + total.saturating_sub(self.outcomes.len() + pass.tenants.skipped),
            skipped: pass.tenants.skipped,
            spares: self.tenants.spares.max(pass.tenants.spares),
        };
    }

    fn worked_on(&self) -> impl Iterator<Item = &TenantOutcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.kind, OutcomeKind::Created | OutcomeKind::Migrated))
    }

    /// Whether the run changed nothing. A tenant that failed after a `no-transaction` migration may have been changed.
    pub fn is_unchanged(&self) -> bool {
        self.shared.applied.is_empty()
            && self.shared.extensions.is_empty()
            && self.tenants.created + self.tenants.migrated + self.tenants.spares == 0
            && !self.failures.iter().any(Failure::left_something)
    }
}
