//! The face of the framework: two sets, and what can be done with them on a database.

use std::time::Duration;

use crate::adoption::{self, Adoption, Adoptions};
use crate::apply::Session;
use crate::database::Database;
use crate::error::Error;
use crate::event::Event;
use crate::interrupt::Interrupt;
use crate::name::{RoleName, SchemaName, TenantName};
use crate::options::RunOptions;
use crate::pool::{self, PoolStatus, WhenTaken};
use crate::registry;
use crate::rehearsal::{self, Rehearsal};
use crate::report::Report;
use crate::run_error::RunError;
use crate::set::{MigrationSet, SetError};
use crate::settings::Settings;
use crate::stage::Sets;
use crate::status::Status;
use crate::tenant::Tenant;
use crate::{admission, run, survey};

/// The longest `lock_timeout` that fits into PostgreSQL's `int4` of milliseconds, in whole days.
const LONGEST_LOCK_TIMEOUT: Duration = Duration::from_hours(24 * 24);

/// An application's two sets of migrations, and how they are applied.
///
/// ```no_run
/// use migrations_core::{Database, MigrationSet, Migrator};
///
/// # fn main() -> Result<(), migrations_core::Error> {
/// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?).jobs(2);
/// let report = migrator.run(&Database::from_env()?)?;
/// for failure in &report.failures {
///     eprintln!("{failure}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Migrator {
    shared: MigrationSet,
    tenant: MigrationSet,
    /// A migration that cannot be run, or not as a tenant's: nothing is done with such a set.
    problem: Option<SetError>,
    settings: Settings,
}

impl Migrator {
    /// A migrator for these sets. The registry is in schema `migrations`, the shared tables are in `public`.
    ///
    /// A tenant's migration must not change anything outside of the tenant's schema: what it creates, changes or drops is
    /// named without a schema, unless the file says `-- migrate: allow-schema NAME` on top. A set that does not keep to
    /// this is refused by everything that is done with it.
    pub fn new(shared: MigrationSet, tenant: MigrationSet) -> Self {
        let problem = problem(&shared, &tenant);
        Self { shared, tenant, problem, settings: Settings::default() }
    }

    /// Puts another set in the place of the tenants' set, and leaves the rest as it is.
    #[must_use]
    pub fn with_tenant_set(mut self, tenant: MigrationSet) -> Self {
        self.problem = problem(&self.shared, &tenant);
        self.tenant = tenant;
        self
    }

    /// Keeps the registry in this schema.
    #[must_use]
    pub fn registry_schema(mut self, schema: SchemaName) -> Self {
        self.settings.layout.registry = schema;
        self
    }

    /// Runs tenants' migrations as this role, which owns their schemas and everything in them, and has no more rights
    /// on what all share than it was granted: then PostgreSQL itself refuses a tenant's migration that changes it.
    ///
    /// The connection's role has to be a member of it. History tables and the registry are written as the connection's
    /// role. `docs/security.md` has the grants. A tenant whose tables belong to another role is handed over first
    /// (`ALTER TABLE … OWNER TO`); until then its migrations fail for want of rights.
    #[must_use]
    pub fn tenant_role(mut self, role: RoleName) -> Self {
        self.settings.tenant_role = Some(role);
        self
    }

    /// Keeps the shared tables in this schema.
    #[must_use]
    pub fn shared_schema(mut self, schema: SchemaName) -> Self {
        self.settings.layout.shared = schema;
        self
    }

    /// How many tenants are migrated at the same time, over a connection each. Four unless it is set; at least one.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.settings.jobs = jobs.max(1);
        self
    }

    /// How long a statement of a migration waits for a lock on a table before it fails and is tried again. Three seconds
    /// unless it is set: whoever queues behind the statement waits as long.
    ///
    /// PostgreSQL counts in whole milliseconds, and takes 0 for no limit: zero, and what is shorter than a millisecond, is
    /// one millisecond here, which is not to wait; what is longer than 24 days is 24 days.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.settings.lock_timeout = timeout.clamp(Duration::from_millis(1), LONGEST_LOCK_TIMEOUT);
        self
    }

    /// How long a run waits for another run that is at work on the same schema. Five minutes unless it is set.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.settings.lock_wait = wait;
        self
    }

    /// Stops taking further tenants after the first one that fails.
    #[must_use]
    pub fn fail_fast(self) -> Self {
        self.max_failures(1)
    }

    /// Stops taking further tenants after so many have failed. Without a limit unless it is set.
    #[must_use]
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.settings.budget.failures = Some(failures.max(1));
        self
    }

    /// Stops taking further tenants after failures with so many different SQLSTATEs. Without a limit unless it is set.
    #[must_use]
    pub fn max_distinct_failures(mut self, distinct: usize) -> Self {
        self.settings.budget.distinct = Some(distinct.max(1));
        self
    }

    /// How many tenants are dealt with in one transaction. One unless it is set. Where a commit is slow, as on network
    /// storage, several share its price; a group of which one fails is done again one by one.
    #[must_use]
    pub fn group(mut self, tenants: usize) -> Self {
        self.settings.group = tenants.max(1);
        self
    }

    /// After how many new schemas a connection is replaced, which bounds the memory of the server's backends: 250 unless it
    /// is set. A schema that was there and is migrated counts for a quarter of a new one.
    #[must_use]
    pub fn schemas_per_connection(mut self, schemas: usize) -> Self {
        self.settings.schemas_per_connection = schemas.max(1);
        self
    }

    /// Calls `observer` with everything that happens, from whichever thread it happens on; beside the observers before it.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.settings.observers.push(std::sync::Arc::new(observer));
        self
    }

    /// Lets `interrupt` end what this migrator does. [`run`](Self::run) then returns [`Error::Interrupted`] with the report of
    /// what was done, unless nothing was left to do.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.settings.interrupt = interrupt.clone();
        self
    }

    /// Checks, without a server, that every migration of both sets can be run, and that the tenants' set changes nothing that
    /// is not a tenant's. Everything else that is done with the migrator checks it first.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let tenant = MigrationSet::new("tenant")?.with_migration("V1__other", || "DROP TABLE public.plans".to_owned())?;
    /// let migrator = Migrator::new(MigrationSet::new("shared")?, tenant);
    /// assert!(migrator.check().unwrap_err().to_string().contains("allow_schema"));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// For the first migration that is refused.
    pub fn check(&self) -> Result<(), Error> {
        self.sets().map(|_| ())
    }

    /// The shared set.
    pub fn shared_set(&self) -> &MigrationSet {
        &self.shared
    }

    /// The set that every tenant has.
    pub fn tenant_set(&self) -> &MigrationSet {
        &self.tenant
    }

    /// Brings the database to where this binary expects it: waits for the server, then the registry, the shared set, and
    /// every tenant in registration order.
    ///
    /// A tenant that fails does not stop the others; it is in the report, and a rerun takes up what is left. When there
    /// is nothing to do, this is one query.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, when the registry or the shared set could not be brought up to date (then no
    /// tenant was touched), and when the run was interrupted. [`RunError::report`] has what was done until then; in a
    /// function that returns [`Error`], `?` drops it.
    pub fn run(&self, database: &Database) -> Result<Report, RunError> {
        self.run_with(database, &RunOptions::default())
    }

    /// [`run`](Self::run), with options.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and when a tenant that the run is limited to is not registered.
    pub fn run_with(&self, database: &Database, options: &RunOptions) -> Result<Report, RunError> {
        run::run(database, &self.settings, &self.sets()?, options)
    }

    /// What [`run_with`](Self::run_with) would send, without sending it: schema by schema, in the order of the run.
    ///
    /// A tenant that would be created or migrated behind a migration of the shared set is shown as it would be sent now.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn rehearse(&self, database: &Database, options: &RunOptions) -> Result<Vec<Rehearsal>, Error> {
        let database = &self.reach(database);
        let mut session = Session::new(database, database.ready()?);
        rehearsal::rehearse(&mut session, &self.settings, &self.sets()?, options)
    }

    /// Returns the tenant of this name, and whether it was made by this call.
    ///
    /// One query when the tenant is there and up to date. A new one is registered, its schema created and all its
    /// migrations applied in one transaction; one that is behind is migrated. Of two callers at the same time, one gets
    /// `true`, and a tenant is never made twice. A connection that is lost is replaced; if it took the answer to a
    /// commit with it, the tenant is found then, and nobody gets `true`.
    ///
    /// # Errors
    ///
    /// When a schema of that name exists that is not a tenant's, when a migration fails (nothing is left of the tenant
    /// then), when somebody else works on it for longer than [`lock_wait`](Self::lock_wait), and as [`run`](Self::run).
    pub fn get_or_create_tenant(&self, database: &Database, name: &TenantName) -> Result<(Tenant, bool), Error> {
        self.settings.layout.check_tenant(name)?;
        let sets = self.sets()?;
        let database = &self.reach(database);
        let get = |client| {
            let mut session = Session::new(database, client);
            let found = admission::get_or_create(&mut session, &self.settings, &sets, name)?;
            database.keep(session.client);
            Ok::<_, Error>(found)
        };
        let client = match database.take_kept() {
            Some(kept) => kept,
            None => database.ready()?,
        };
        match get(client) {
            // The server may have closed it since the last call, or now; doing it again is always safe.
            Err(error) if error.is_lost_connection() => get(database.ready()?),
            found => found,
        }
    }

    /// Registers a schema that exists as a tenant. Its history table says what is applied to it; the next run continues
    /// from there. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// When there is no schema of that name.
    pub fn adopt_tenant(&self, database: &Database, name: &TenantName) -> Result<Adoption, Error> {
        self.settings.layout.check_tenant(name)?;
        let database = &self.reach(database);
        let mut session = Session::new(database, database.ready()?);
        adoption::adopt(&mut session, &self.settings, &self.sets()?, name)
    }

    /// Registers every schema that holds a history of the tenant set and is not registered, as after the registry was
    /// dropped. The schemas of the registry and of the shared set are no tenants; spare schemas of a warm pool, and
    /// histories that are not the tenant set's, are left alone and told of. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); those that were registered before stay registered.
    pub fn adopt_all(&self, database: &Database) -> Result<Adoptions, Error> {
        let database = &self.reach(database);
        let mut session = Session::new(database, database.ready()?);
        adoption::adopt_all(&mut session, &self.settings, &self.sets()?)
    }

    /// Removes the registration of a tenant whose schema is gone. It drops nothing.
    ///
    /// # Errors
    ///
    /// When the tenant is not registered, or its schema is still there.
    pub fn forget_tenant(&self, database: &Database, name: &TenantName) -> Result<(), Error> {
        let database = &self.reach(database);
        let mut session = Session::new(database, database.ready()?);
        admission::forget(&mut session, &self.settings, name)
    }

    /// Where the registry, the shared schema and every tenant stand. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses a query.
    pub fn status(&self, database: &Database) -> Result<Status, Error> {
        survey::status(&mut database.ready()?, &self.settings, &self.sets()?, false)
    }

    /// The same from every schema's history, not from what the registry says of it: a query or two a tenant. It finds what
    /// somebody has changed by hand. [`RunOptions::verify`] goes by it.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn verify(&self, database: &Database) -> Result<Status, Error> {
        survey::status(&mut database.ready()?, &self.settings, &self.sets()?, true)
    }

    /// Whether a run would find something to do, or something wrong. One query where it would not.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn is_pending(&self, database: &Database) -> Result<bool, Error> {
        survey::is_pending(&mut database.ready()?, &self.settings, &self.sets()?)
    }

    /// Every tenant, in registration order.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses the query.
    pub fn tenants(&self, database: &Database) -> Result<Vec<Tenant>, Error> {
        registry::all(&mut database.ready()?, &self.settings.layout)
    }

    /// The tenant of this name.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants).
    pub fn tenant(&self, database: &Database, name: &TenantName) -> Result<Option<Tenant>, Error> {
        let found = registry::find(&mut database.ready()?, &self.settings.layout, name)?;
        Ok(found.map(|found| found.tenant))
    }

    /// The tenant that a host name leads to.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants), and when the text is not a host name.
    pub fn tenant_by_domain(&self, database: &Database, host: &str) -> Result<Option<Tenant>, Error> {
        let host = host_name(host)?;
        registry::find_by_domain(&mut database.ready()?, &self.settings.layout, &host)
    }

    /// Lets a host name lead to a tenant. A primary one takes the place of the primary one before it. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// When the text is not a host name, the tenant is not registered, or the domain is another tenant's.
    pub fn add_domain(&self, database: &Database, name: &TenantName, host: &str, primary: bool) -> Result<(), Error> {
        let host = host_name(host)?;
        registry::add_domain(&mut database.ready()?, &self.settings.layout, name, &host, primary)
    }

    /// Keeps so many spare schemas provisioned: a run fills them up, and [`get_or_create_tenant`](Self::get_or_create_tenant)
    /// takes one, which is far faster than provisioning. None unless it is set.
    #[must_use]
    pub fn warm_pool(mut self, spares: usize) -> Self {
        self.settings.warm_pool = spares;
        self
    }

    /// Provisions spare schemas until there are `size`; returns how many were made.
    ///
    /// # Errors
    ///
    /// [`Error::PoolRefused`] when the set has functions that do not survive a rename, and as [`run`](Self::run).
    pub fn fill_pool(&self, database: &Database, size: usize) -> Result<usize, Error> {
        let database = &self.reach(database);
        let mut session = Session::new(database, database.ready()?);
        let sets = self.sets()?;
        pool::prepare(&mut session, &self.settings, &sets)?;
        let made = pool::fill(&mut session, &self.settings, &sets, size, WhenTaken::Wait, &mut 0)?;
        session.flush()?;
        Ok(made)
    }

    /// How many spare schemas there are.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn pool(&self, database: &Database) -> Result<PoolStatus, Error> {
        pool::status(&mut database.ready()?, &self.settings, &self.sets()?)
    }

    /// Drops all spare schemas; returns how many.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn drain_pool(&self, database: &Database) -> Result<usize, Error> {
        let database = &self.reach(database);
        pool::drain(&mut Session::new(database, database.ready()?), &self.settings)
    }

    /// Stops at a point until a test lets it go on.
    #[cfg(test)]
    pub(crate) fn stopping(mut self, gate: crate::gate::Gate) -> Self {
        self.settings.gate = gate;
        self
    }

    /// The database, with work on it ended by the interrupt.
    fn reach(&self, database: &Database) -> Database {
        database.interrupted_by(&self.settings.interrupt)
    }

    /// Uses the connection that holds locks so often.
    #[cfg(test)]
    pub(crate) fn keeping_alive(mut self, every: std::time::Duration) -> Self {
        self.settings.keep_alive = every;
        self
    }

    fn sets(&self) -> Result<Sets<'_>, Error> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone().into());
        }
        Ok(Sets { registry: registry::set()?, shared: &self.shared, tenant: &self.tenant })
    }
}

/// The first migration that cannot be run, or not as a tenant's.
fn problem(shared: &MigrationSet, tenant: &MigrationSet) -> Option<SetError> {
    shared.problem().or_else(|| tenant.problem()).or_else(|| tenant.isolation_violation())
}

/// A host name in lower case: labels of letters, digits and hyphens (RFC 1123), at most 253 bytes.
fn host_name(host: &str) -> Result<String, Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() <= 253 && host.split('.').all(is_label) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(Error::Domain { domain: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_checked_and_folded() {
        assert_eq!(host_name("Shop.Example.com").ok().as_deref(), Some("shop.example.com"));
        for bad in ["", "a..b", "-a.b", "a_b", "https://a", "a:80", "a b", "ä.de", &"a".repeat(64), &"a.".repeat(200)]
        {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }
}
