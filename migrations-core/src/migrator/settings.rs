//! The settings of a migrator: everything that has a default.

use std::time::Duration;

use super::Migrator;
use crate::engine::{LOCK_TIMEOUT, Naming};
use crate::names::{RoleName, SchemaName, TenantName};
use crate::report::Event;
use crate::server::{Delivery, Interrupt};

/// The longest timeout that PostgreSQL's `int4` of milliseconds can hold, in whole days.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24 * 24);

impl Migrator {
    /// The time that a statement waits for a table lock, unless [`lock_timeout`](Self::lock_timeout) says otherwise.
    pub const DEFAULT_LOCK_TIMEOUT: Duration = LOCK_TIMEOUT;

    /// Puts the registry in this schema.
    #[must_use]
    pub fn registry_schema(mut self, schema: SchemaName) -> Self {
        self.setup.settings.layout.registry = schema;
        self
    }

    /// Sets the rule for the schemas of new tenants: a function from the tenant's name to the name of its schema. Default:
    /// the schema has the tenant's name, if that is a plain identifier (`a-z`, `0-9` and `_`, not starting with a digit);
    /// any other name is refused.
    ///
    /// Only tenants that are not registered need the rule. The registry keeps both names, so the rule can change later.
    /// Two tenants cannot have one schema. A rule that gives a new tenant the schema of another one
    /// leads to [`Error::SchemaTaken`](crate::Error::SchemaTaken), and nothing is created.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let migrator = Migrator::builder().tenant(MigrationSet::new("tenant")?);
    /// let prefixed = migrator.clone().schema_for(|tenant| format!("t_{tenant}").parse());
    /// // The schema has the tenant's name, whatever that is.
    /// let same = migrator.schema_for(|tenant| tenant.as_str().parse());
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn schema_for<E>(mut self, rule: impl Fn(&TenantName) -> Result<SchemaName, E> + Send + Sync + 'static) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.setup.settings.naming = Naming::new(rule);
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

    /// The schema of the shared tables.
    #[must_use]
    pub fn get_shared_schema(&self) -> &SchemaName {
        &self.setup.settings.layout.shared
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
        self.setup.settings.lock_timeout = timeout.clamp(Duration::from_millis(1), LONGEST_TIMEOUT);
        self
    }

    /// The time that [`lock_timeout`](Self::lock_timeout) has set, or the default.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// assert_eq!(migrator.get_lock_timeout(), Migrator::DEFAULT_LOCK_TIMEOUT);
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    pub fn get_lock_timeout(&self) -> Duration {
        self.setup.settings.lock_timeout
    }

    /// How long a statement of a migration may take before the server cancels it and the migration fails; it is not
    /// tried again. Default: `None`, what the role or the database has. A migration that needs longer can say
    /// `SET LOCAL statement_timeout` itself.
    ///
    /// PostgreSQL counts in whole milliseconds and takes 0 for no limit, as does this setting. Anything else shorter
    /// than a millisecond becomes one millisecond, anything longer than 24 days becomes 24 days.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?)
    ///     .statement_timeout(Duration::from_mins(10));
    /// assert_eq!(migrator.get_statement_timeout(), Some(Duration::from_mins(10)));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn statement_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        let within = |timeout: Duration| match timeout {
            Duration::ZERO => timeout,
            _ => timeout.clamp(Duration::from_millis(1), LONGEST_TIMEOUT),
        };
        self.setup.settings.statement_timeout = timeout.into().map(within);
        self
    }

    /// The time that [`statement_timeout`](Self::statement_timeout) has set.
    pub fn get_statement_timeout(&self) -> Option<Duration> {
        self.setup.settings.statement_timeout
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

    /// Lets [`get_or_create_tenant`](Self::get_or_create_tenant) create a tenant although the other tenants, or the
    /// shared schema, do not have this binary's migrations. By default, a sign-up is refused then: the new tenant would
    /// be like none of the others, and would have to be repaired with them.
    ///
    /// Tenants that a newer binary has migrated do not count, nor does a minority: at least half of the hundred tenants
    /// that were registered last have to differ.
    #[must_use]
    pub fn allow_divergence(mut self) -> Self {
        self.setup.settings.allow_divergence = true;
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
