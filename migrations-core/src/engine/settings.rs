//! The settings of a migrator: configuration, and nothing else.

use std::time::Duration;

use super::naming::Naming;
use crate::names::{RoleName, SchemaName};
use crate::server::{Delivery, KEEP_ALIVE};
use crate::store::Layout;

/// How long a statement waits for a table lock, unless the application says otherwise.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// The settings of a migrator.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    /// Names the schemas of new tenants.
    pub(crate) naming: Naming,
    /// The number of connections that migrate tenants.
    pub(crate) jobs: usize,
    /// How long a statement waits for a table lock.
    pub(crate) lock_timeout: Duration,
    /// How long a statement of a migration may take; zero: without a limit. `None`: what the role or the database has.
    pub(crate) statement_timeout: Option<Duration>,
    /// How long a run waits for another run.
    pub(crate) lock_wait: Duration,
    /// When a run with failures stops starting on further tenants.
    pub(crate) budget: Budget,
    /// The number of tenants in one transaction. If it is not set, as many as take a moment.
    pub(crate) group: Option<usize>,
    /// The number of new schemas after which a connection is replaced.
    pub(crate) schemas_per_connection: usize,
    /// The role that runs the tenants' migrations and owns their schemas. If it is not set, the connection's role.
    pub(crate) tenant_role: Option<RoleName>,
    /// Whether a sign-up creates a tenant while most others have other migrations.
    pub(crate) allow_divergence: bool,
    /// The number of spare schemas to keep provisioned.
    pub(crate) warm_pool: usize,
    /// What ends a transaction that tenants share without the application's asking.
    pub(crate) sharing: Sharing,
    /// How the statements of a transaction reach the server.
    pub(crate) delivery: Delivery,
    /// How often the connection that holds locks is used while another connection works.
    pub(crate) keep_alive: Duration,
}

/// How many failures a run allows before it stops starting on further tenants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    pub(crate) failures: Option<usize>,
    /// Failures with different SQLSTATEs.
    pub(crate) distinct: Option<usize>,
}

impl Budget {
    pub(crate) fn is_spent(&self, failures: usize, distinct: usize) -> bool {
        self.failures.is_some_and(|limit| failures >= limit) || self.distinct.is_some_and(|limit| distinct >= limit)
    }
}

/// What ends a transaction that tenants share without the application's asking: it holds the locks of all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    /// How long a statement waits for a table lock.
    pub(crate) lock_timeout: Duration,
    /// How long a statement may take.
    pub(crate) statement_timeout: Duration,
    /// How long the transaction may have taken before its next tenant.
    pub(crate) limit: Duration,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(50),
            statement_timeout: Duration::from_millis(100),
            limit: Duration::from_millis(100),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            layout: Layout { registry: SchemaName::literal("migrations"), shared: SchemaName::literal("public") },
            naming: Naming::default(),
            jobs: 4,
            lock_timeout: LOCK_TIMEOUT,
            statement_timeout: None,
            lock_wait: Duration::from_mins(5),
            budget: Budget::default(),
            group: None,
            schemas_per_connection: 250,
            tenant_role: None,
            allow_divergence: false,
            warm_pool: 0,
            sharing: Sharing::default(),
            delivery: Delivery::default(),
            keep_alive: KEEP_ALIVE,
        }
    }
}
