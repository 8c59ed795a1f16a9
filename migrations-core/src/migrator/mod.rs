//! The public entry point: two sets, and the operations on a database.
//!
//! | file | what it is |
//! | --- | --- |
//! | `host_name` | host names of tenants |
//! | `builder` | the two sets by their names |
//! | `settings` | everything that has a default |
//! | `calls` | a blocking call for a future, on a thread of its own |
//! | `asynchronous` | the async face |
//! | `baseline` | databases that another tool migrated |

#[cfg(feature = "tokio")]
mod asynchronous;
mod baseline;
mod builder;
#[cfg(feature = "tokio")]
mod calls;
mod host_name;
#[cfg(test)]
mod races;
mod settings;

use std::sync::Arc;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncMigrator;
pub use builder::MigratorBuilder;
use host_name::host_name;

use crate::engine::{Engine, RunOptions, Sets, Setup};
use crate::flows::import::{self, ImportOptions};
use crate::flows::pool::WhenTaken;
use crate::flows::{adoption, dry_run, pool, run, sign_up, status};
use crate::names::{SchemaName, TenantName};
use crate::report::{
    Adoption, Adoptions, Error, Import, PoolStatus, Rehearsal, Report, RunError, Status, Tenant, Tool,
};
use crate::server::{Connection, Database};
use crate::set::{MigrationSet, SetError};
use crate::store::{Layout, add_domain, all_tenants, check_name, find_by_domain, find_tenant, registry_set};

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
    /// Shared by all clones: each call of the async API makes one.
    shared: Arc<MigrationSet>,
    tenant: Arc<MigrationSet>,
    /// An error in the sets: a migration that cannot run at all, or not in the tenant set. Every operation returns it.
    problem: Option<SetError>,
    setup: Setup,
}

impl Migrator {
    /// Creates a migrator for these sets. The registry is in schema `migrations`, the shared tables are in `public`.
    ///
    /// A tenant's migration must not change anything outside the tenant's schema: it names without a schema whatever it
    /// creates, changes or drops, unless the file says `-- migrate: allow-schema NAME` on top. Every operation refuses
    /// a set that breaks this rule.
    pub fn new(shared: MigrationSet, tenant: MigrationSet) -> Self {
        let problem = problem(&shared, &tenant);
        Self { shared: Arc::new(shared), tenant: Arc::new(tenant), problem, setup: Setup::default() }
    }

    /// Returns a builder, for two sets that are given by name.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let (shared, tenant) = (MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// let migrator = Migrator::builder().shared(shared).tenant(tenant).jobs(2);
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    pub fn builder() -> MigratorBuilder {
        MigratorBuilder::new()
    }

    /// Replaces the tenant set, and keeps everything else.
    #[must_use]
    pub fn with_tenant_set(mut self, tenant: MigrationSet) -> Self {
        // What was found out is about the other set.
        self.setup.learnt = Arc::default();
        self.problem = problem(&self.shared, &tenant);
        self.tenant = Arc::new(tenant);
        self
    }

    /// Checks, without a server, that every migration of both sets can run, and that the tenant set changes only what
    /// is the tenant's own. Every other operation makes this check first.
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
    /// If a migration is refused; the error is about the first one.
    pub fn check(&self) -> Result<(), Error> {
        self.sets().map(|_| ())
    }

    /// The shared set.
    pub fn shared_set(&self) -> &MigrationSet {
        &self.shared
    }

    /// The tenant set.
    pub fn tenant_set(&self) -> &MigrationSet {
        &self.tenant
    }

    /// Brings the database to the state that this binary expects: waits for the server, then migrates the registry, the
    /// shared set, and every tenant in registration order.
    ///
    /// A tenant that fails does not stop the others. It is in the report, and a rerun continues with the remaining
    /// tenants. When everything is up to date, a run is one query.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached; if the registry or the shared set cannot be brought up to date (then no tenant
    /// was touched); and if the run was interrupted. [`RunError::report`] says what was done until then; in a function
    /// that returns [`Error`], `?` drops it.
    pub fn run(&self, database: &Database) -> Result<Report, RunError> {
        self.run_with(database, &RunOptions::default())
    }

    /// [`run`](Self::run), with options.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and if the run is limited to a tenant that is not registered.
    pub fn run_with(&self, database: &Database, options: &RunOptions) -> Result<Report, RunError> {
        run::run(&self.engine(database)?, database, options)
    }

    /// Returns what [`run_with`](Self::run_with) would send, without sending it: schema by schema, in the order of the
    /// run.
    ///
    /// If shared migrations are pending, a tenant that comes after them is shown as it would be sent now.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn rehearse(&self, database: &Database, options: &RunOptions) -> Result<Vec<Rehearsal>, Error> {
        let engine = self.engine(database)?;
        dry_run::rehearse(&engine, &mut engine.connect()?, options)
    }

    /// Returns the tenant of this name, and whether this call created it.
    ///
    /// One query if the tenant exists and is up to date. A new tenant is registered, its schema created and all its
    /// migrations applied in one transaction; a tenant that is behind is migrated. Of two callers at the same time, one
    /// gets `true`; a tenant is never created twice. A lost connection is replaced. If it was lost before the answer to
    /// a commit arrived, the retry finds the tenant, and no caller gets `true`.
    ///
    /// # Errors
    ///
    /// If the rule has no schema for the tenant ([`schema_for`](Self::schema_for)); if that schema exists, or belongs to
    /// another tenant; if a migration fails (then nothing is left of the tenant); if another session holds the tenant's
    /// lock for longer than [`lock_wait`](Self::lock_wait); and as [`run`](Self::run).
    pub fn get_or_create_tenant(&self, database: &Database, name: &TenantName) -> Result<(Tenant, bool), Error> {
        self.get_or_create(database, name, None)
    }

    /// [`get_or_create_tenant`](Self::get_or_create_tenant), with the name of the schema for a new tenant in place of the
    /// rule's.
    ///
    /// ```no_run
    /// use migrations_core::{Database, MigrationSet, Migrator};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// let migrator = Migrator::builder().tenant(MigrationSet::new("tenant")?);
    /// let database = Database::from_env()?;
    /// let (tenant, created) = migrator.get_or_create_tenant_in(&database, &"acme-corp".parse()?, &"t_42".parse()?)?;
    /// assert_eq!((tenant.name.as_str(), tenant.schema.as_str()), ("acme-corp", "t_42"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_or_create_tenant`](Self::get_or_create_tenant), and [`Error::OtherSchema`] if the tenant is registered
    /// with another schema.
    pub fn get_or_create_tenant_in(
        &self,
        database: &Database,
        name: &TenantName,
        schema: &SchemaName,
    ) -> Result<(Tenant, bool), Error> {
        self.get_or_create(database, name, Some(schema))
    }

    fn get_or_create(
        &self,
        database: &Database,
        name: &TenantName,
        schema: Option<&SchemaName>,
    ) -> Result<(Tenant, bool), Error> {
        check_name(name)?;
        let engine = self.engine(database)?;
        let database = &engine.database;
        let get = |client| {
            let mut connection = Connection::new(database, client);
            let found = sign_up::get_or_create(&engine, &mut connection, name, schema)?;
            let client = connection.into_client();
            // A cancellation that was already sent would hit the next call's statement.
            if !engine.interrupt().is_raised() {
                database.keep(client);
            }
            Ok::<_, Error>(found)
        };
        let client = match database.take_kept()? {
            Some(kept) => kept,
            None => database.ready()?,
        };
        match get(client) {
            // The server may have closed the connection since the last call, or may close it now; a second attempt is
            // always safe.
            Err(error) if error.is_lost_connection() => get(database.ready()?),
            found => found,
        }
    }

    /// Registers an existing schema as a tenant of the same name. Its history table says what is applied to it; the next
    /// run continues from there. A schema that holds tables and has no history is not migrated before it has a baseline
    /// ([`baseline_tenants`](Self::baseline_tenants)). This writes to the registry alone. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// If no schema has that name, and as [`adopt_tenant_in`](Self::adopt_tenant_in).
    pub fn adopt_tenant(&self, database: &Database, name: &TenantName) -> Result<Adoption, Error> {
        self.adopt_tenant_in(database, name, &name.as_str().parse()?)
    }

    /// Registers an existing schema as a tenant of this name, as [`adopt_tenant`](Self::adopt_tenant) does.
    ///
    /// ```no_run
    /// use migrations_core::{Database, MigrationSet, Migrator};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// let migrator = Migrator::builder().tenant(MigrationSet::new("tenant")?);
    /// let adopted = migrator.adopt_tenant_in(&Database::from_env()?, &"acme-corp".parse()?, &"Acme".parse()?)?;
    /// assert_eq!(adopted.tenant.schema.as_str(), "Acme");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the schema does not exist or cannot be a tenant's, [`Error::OtherSchema`] if the tenant is registered with
    /// another schema, and [`Error::SchemaTaken`] if the schema is registered for another tenant.
    pub fn adopt_tenant_in(
        &self,
        database: &Database,
        name: &TenantName,
        schema: &SchemaName,
    ) -> Result<Adoption, Error> {
        check_name(name)?;
        let member = self.layout().member(name, schema.clone())?;
        let engine = self.engine(database)?;
        adoption::adopt(&engine, &mut engine.connect()?, &member)
    }

    /// Registers every schema that holds a history of the tenant set and is not registered, for instance after the
    /// registry was dropped, as a tenant of the same name. The schemas of the registry and of the shared set are not tenants. Spare schemas of a warm
    /// pool, and histories that are not the tenant set's, are left alone and reported. Doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the schemas that were registered before the error stay registered.
    pub fn adopt_all(&self, database: &Database) -> Result<Adoptions, Error> {
        let engine = self.engine(database)?;
        adoption::adopt_all(&engine, &mut engine.connect()?)
    }

    /// Writes the histories of schemas that another tool has migrated, and registers those of tenants. It runs no
    /// migration, and changes nothing of the tool's.
    ///
    /// A migration of the tool corresponds to the migration of the set that has the same version and name, or else the
    /// same name; [`ImportOptions::map`] says otherwise. A schema in which something has no counterpart is refused, and so is
    /// one that has another history of its own; the others are imported. Doing it again changes nothing.
    ///
    /// ```no_run
    /// use migrations_core::{Database, ImportOptions, MigrationSet, Migrator, Tool};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// let options = ImportOptions::new().dry_run(true);
    /// let import = migrator.import(&Database::from_env()?, Tool::Sqlx, &options)?;
    /// assert!(import.is_success());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If no schema has a history of the tool, if a mapping names a version that no set has, and as
    /// [`adopt_all`](Self::adopt_all).
    pub fn import(&self, database: &Database, tool: Tool, options: &ImportOptions) -> Result<Import, Error> {
        let engine = self.engine(database)?;
        import::import(&engine, &mut engine.connect()?, tool, options).map_err(|error| engine.interrupted_or(error))
    }

    /// Removes the registration of a tenant whose schema is gone. It drops nothing.
    ///
    /// # Errors
    ///
    /// If the tenant is not registered, or its schema still exists.
    pub fn forget_tenant(&self, database: &Database, name: &TenantName) -> Result<(), Error> {
        let engine = self.engine_for_any_set(database)?;
        sign_up::forget(&engine, &mut engine.connect()?, name)
    }

    /// Says where the registry, the shared schema and every tenant stand. Changes nothing.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses a query.
    pub fn status(&self, database: &Database) -> Result<Status, Error> {
        status::status(&self.engine(database)?, &mut Connection::open(database)?.client, false)
    }

    /// Like [`status`](Self::status), but from every schema's history instead of the registry: a query or two for each
    /// tenant. It finds changes that somebody made by hand. [`RunOptions::verify`] does the same for a run.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn verify(&self, database: &Database) -> Result<Status, Error> {
        status::status(&self.engine(database)?, &mut Connection::open(database)?.client, true)
    }

    /// Whether a run would change or report anything. One query if everything is up to date.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn is_pending(&self, database: &Database) -> Result<bool, Error> {
        status::is_pending(&self.engine(database)?, &mut Connection::open(database)?.client)
    }

    /// Lists every tenant, in registration order.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses the query.
    pub fn tenants(&self, database: &Database) -> Result<Vec<Tenant>, Error> {
        all_tenants(&mut Connection::open(database)?.client, self.layout())
    }

    /// Returns the tenant of this name.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants).
    pub fn tenant(&self, database: &Database, name: &TenantName) -> Result<Option<Tenant>, Error> {
        let found = find_tenant(&mut Connection::open(database)?.client, self.layout(), name)?;
        Ok(found.map(|found| found.tenant))
    }

    /// Returns the tenant that a host name belongs to.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants), and if the text is not a host name.
    pub fn tenant_by_domain(&self, database: &Database, host: &str) -> Result<Option<Tenant>, Error> {
        let host = host_name(host)?;
        find_by_domain(&mut Connection::open(database)?.client, self.layout(), &host)
    }

    /// Adds a host name to a tenant. A primary one replaces the tenant's previous primary host name. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// If the text is not a host name, the tenant is not registered, or the domain belongs to another tenant.
    pub fn add_domain(&self, database: &Database, name: &TenantName, host: &str, primary: bool) -> Result<(), Error> {
        let host = host_name(host)?;
        add_domain(&mut Connection::open(database)?.client, self.layout(), name, &host, primary)
    }

    /// Provisions spare schemas until there are `size`; returns how many were created.
    ///
    /// # Errors
    ///
    /// [`Error::PoolRefused`] if the set has functions that do not survive a rename, and as [`run`](Self::run).
    pub fn fill_pool(&self, database: &Database, size: usize) -> Result<usize, Error> {
        let engine = self.engine(database)?;
        let mut connection = engine.connect()?;
        pool::prepare_for_spares(&engine, &mut connection)?;
        let made = pool::fill(&engine, &mut connection, size, WhenTaken::Wait, &mut 0)?;
        connection.flush()?;
        Ok(made)
    }

    /// Counts the spare schemas.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn pool(&self, database: &Database) -> Result<PoolStatus, Error> {
        let engine = self.engine(database)?;
        pool::status(&engine, &mut engine.connect()?)
    }

    /// Drops all spare schemas; returns how many it dropped.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub fn drain_pool(&self, database: &Database) -> Result<usize, Error> {
        let engine = self.engine_for_any_set(database)?;
        pool::drain(&engine, &mut engine.connect()?)
    }

    /// The context of one call.
    fn engine<'a>(&'a self, database: &Database) -> Result<Engine<'a>, Error> {
        Ok(Engine::new(&self.setup, self.sets()?, database))
    }

    /// The context of a call that sends no migration, so that a set which cannot be used does not stand in its way.
    fn engine_for_any_set<'a>(&'a self, database: &Database) -> Result<Engine<'a>, Error> {
        let sets = Sets { registry: registry_set()?, shared: &self.shared, tenant: &self.tenant };
        Ok(Engine::new(&self.setup, sets, database))
    }

    fn sets(&self) -> Result<Sets<'_>, Error> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone().into());
        }
        Ok(Sets { registry: registry_set()?, shared: &self.shared, tenant: &self.tenant })
    }

    fn layout(&self) -> &Layout {
        &self.setup.settings.layout
    }
}

/// The error for the first migration that cannot run at all, or not in the tenant set.
fn problem(shared: &MigrationSet, tenant: &MigrationSet) -> Option<SetError> {
    let swapped = shared.misplaced("tenant", "shared").or_else(|| tenant.misplaced("shared", "tenants'"));
    swapped.or_else(|| shared.problem()).or_else(|| tenant.problem()).or_else(|| tenant.isolation_violation())
}
