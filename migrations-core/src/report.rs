//! What a run did.

use std::time::Duration;

use crate::failure::Failure;
use crate::name::TenantName;

/// What a run did. A tenant that failed is in [`failures`](Self::failures); the others were migrated all the same.
#[derive(Clone, Debug, Default)]
#[must_use = "a report can hold failures: ask is_success()"]
#[non_exhaustive]
pub struct Report {
    /// The shared set.
    pub shared: SharedReport,
    /// How many tenants came out how.
    pub tenants: TenantCounts,
    /// Every tenant that something was done to or that failed, in registration order.
    pub outcomes: Vec<TenantOutcome>,
    /// Why tenants failed, in registration order.
    pub failures: Vec<Failure>,
    /// How long the run took.
    pub elapsed: Duration,
}

/// What a run did to the shared set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedReport {
    /// Titles of the migrations that were applied, in order.
    pub applied: Vec<String>,
    /// The version the shared schema has now; `None` when nothing was ever applied.
    pub version: Option<i64>,
    /// The schema is ahead of this binary, and was left alone.
    pub ahead: bool,
}

/// How many tenants came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantCounts {
    /// All that the run was about.
    pub total: usize,
    /// Registered and provisioned in this run.
    pub created: usize,
    /// Migrated in this run.
    pub migrated: usize,
    /// There was nothing to do.
    pub current: usize,
    /// Ahead of this binary, and left alone.
    pub ahead: usize,
    /// Still held by another run when this one stopped waiting.
    pub busy: usize,
    /// Failed.
    pub failed: usize,
}

/// What happened to one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantOutcome {
    /// Its name.
    pub tenant: TenantName,
    /// What happened.
    pub kind: OutcomeKind,
    /// How long it took.
    pub elapsed: Duration,
}

/// What happened to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// It was registered and provisioned.
    Created,
    /// It was migrated.
    Migrated,
    /// Another run brought it up to date meanwhile.
    Current,
    /// It is ahead of this binary, and was left alone.
    Ahead,
    /// Another run held it until this one stopped waiting.
    Busy,
    /// It failed; the report's failures say why.
    Failed,
}

impl Report {
    /// Whether every schema is where it should be.
    pub fn is_success(&self) -> bool {
        self.tenants.failed == 0 && self.tenants.busy == 0
    }

    /// Whether the run changed nothing.
    pub fn is_unchanged(&self) -> bool {
        self.shared.applied.is_empty() && self.tenants.created == 0 && self.tenants.migrated == 0
    }
}
