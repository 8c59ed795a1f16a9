//! The settings of a migrator: everything that has a default.

use std::time::Duration;

use super::Migrator;
use crate::names::{RoleName, SchemaName};
use crate::report::Event;
use crate::server::{Delivery, Interrupt};

/// The longest `lock_timeout` that PostgreSQL's `int4` of milliseconds can hold, in whole days.
const LONGEST_LOCK_TIMEOUT: Duration = Duration::from_hours(24 * 24);

impl Migrator {
    /// Puts the registry in this schema.
    #[must_use]
    pub fn registry_schema(mut self, schema: SchemaName) -> Self {
        self.setup.settings.layout.registry = schema;
        self
    }

    /// Runs tenants' migrations as this role. It owns the tenants' schemas and everything in them, and has only those
    /// rights on shared objects that it was granted: PostgreSQL itself then refuses a tenant's migration that changes
    /// them.
    ///
    /// The connection's role must be a member of it. History tables and the registry are written as the connection's
    /// role. `docs/security.md` has the grants. If a tenant's tables belong to another role, hand them over first
    /// (`ALTER TABLE … OWNER TO`); until then its migrations fail for lack of privileges.
    #[must_use]
    pub fn tenant_role(mut self, role: RoleName) -> Self {
        self.setup.settings.tenant_role = Some(role);
        self
    }

    /// Puts the shared tables in this schema.
    #[must_use]
    pub fn shared_schema(mut self, schema: SchemaName) -> Self {
        self.setup.settings.layout.shared = schema;
        self
    }

    /// How many tenants are migrated at the same time, each over its own connection. Default: four; at least one.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.setup.settings.jobs = jobs.max(1);
        self
    }

    /// How long a statement of a migration waits for a table lock before it fails and is tried again. Default: three
    /// seconds. Sessions that queue behind the statement wait as long.
    ///
    /// PostgreSQL counts in whole milliseconds and takes 0 for no limit. Zero, and anything shorter than a millisecond,
    /// therefore becomes one millisecond, which hardly waits; anything longer than 24 days becomes 24 days.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.setup.settings.lock_timeout = timeout.clamp(Duration::from_millis(1), LONGEST_LOCK_TIMEOUT);
        self
    }

    /// How long a run waits for another run that holds the lock of the same schema. Default: five minutes.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.setup.settings.lock_wait = wait;
        self
    }

    /// Stops starting on further tenants after the first failure.
    #[must_use]
    pub fn fail_fast(self) -> Self {
        self.max_failures(1)
    }

    /// Stops starting on further tenants after this many failures. Default: no limit.
    #[must_use]
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.setup.settings.budget.failures = Some(failures.max(1));
        self
    }

    /// Stops starting on further tenants after failures with this many different SQLSTATEs. Default: no limit.
    #[must_use]
    pub fn max_distinct_failures(mut self, distinct: usize) -> Self {
        self.setup.settings.budget.distinct = Some(distinct.max(1));
        self
    }

    /// Migrates or creates this many tenants in one transaction. If one of a group fails, its tenants are done one by one.
    ///
    /// By default, new tenants are created one by one, and existing tenants share a transaction only if their migrations
    /// are plain definitions (tables, columns, indexes, views, types) that take a moment: as many as are done in 25 ms, at
    /// most 16. There, a statement that takes 100 ms, or waits 50 ms for a lock, ends the transaction, and its tenants are
    /// done one by one. A number that is set here has no such limits, and its transactions hold the locks of all their
    /// tenants until they commit. `group(1)` gives every tenant a transaction of its own.
    #[must_use]
    pub fn group(mut self, tenants: usize) -> Self {
        self.setup.settings.group = Some(tenants.max(1));
        self
    }

    /// The number of new schemas after which a connection is replaced, which bounds the memory of the server's
    /// backends. Default: 250. An existing schema that is migrated counts as a quarter of a new one.
    #[must_use]
    pub fn schemas_per_connection(mut self, schemas: usize) -> Self {
        self.setup.settings.schemas_per_connection = schemas.max(1);
        self
    }

    /// Calls `observer` with every event, on the thread where it happens; observers that were added before stay.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.setup.observers.add(observer);
        self
    }

    /// Lets `interrupt` end this migrator's work. [`run`](Self::run) then returns
    /// [`Error::Interrupted`](crate::Error::Interrupted) with the report of what was done, unless nothing was left to
    /// do.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.setup.interrupt = interrupt.clone();
        self
    }

    /// Keeps this many spare schemas provisioned. A run fills up the pool, and
    /// [`get_or_create_tenant`](Self::get_or_create_tenant) takes a spare, which is far faster than provisioning.
    /// Default: none.
    #[must_use]
    pub fn warm_pool(mut self, spares: usize) -> Self {
        self.setup.settings.warm_pool = spares;
        self
    }

    /// How the statements of a transaction reach the server. Default: in one message.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.setup.settings.delivery = delivery;
        self
    }

    /// Stops at a point until the test releases it.
    #[cfg(test)]
    pub(crate) fn stopping(mut self, gate: crate::engine::Gate) -> Self {
        self.setup.gate = gate;
        self
    }

    /// Lets a shared transaction take as long as a test needs.
    #[cfg(test)]
    pub(crate) fn sharing(mut self, patience: Duration) -> Self {
        let sharing = crate::engine::Sharing { lock_timeout: patience, statement_timeout: patience, limit: patience };
        self.setup.settings.sharing = sharing;
        self
    }

    /// How often the connection that holds locks is used.
    #[cfg(test)]
    pub(crate) fn keeping_alive(mut self, every: Duration) -> Self {
        self.setup.settings.keep_alive = every;
        self
    }
}
