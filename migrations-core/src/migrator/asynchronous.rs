//! The async face: every operation of a migrator as an `async fn`.

use std::sync::Arc;
use std::time::Duration;

use super::Migrator;
use super::calls::{Rest, call};
use crate::engine::{Baseline, Repair, RunOptions, TenantSelection};
use crate::flows::import::ImportOptions;
use crate::names::{SchemaName, TenantName};
use crate::report::{
    Adoption, Adoptions, Baselined, Baselines, Error, Import, PoolStatus, Rehearsal, RepairReport, Report, RunError,
    Status, Tenant, Tool,
};
use crate::server::{Database, Interrupt};

/// A [`Migrator`] for async code: its operations with the same names, arguments and results, as `async fn`. Clones
/// share the migrator.
///
/// ```no_run
/// use migrations_core::{Database, MigrationSet, Migrator};
///
/// # async fn example() -> Result<(), migrations_core::Error> {
/// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?).into_async();
/// let database = Database::from_env()?.keep_connection();
/// let report = migrator.run(&database).await?;
/// let (tenant, created) = migrator.get_or_create_tenant(&database, &"acme".parse()?).await?;
/// # Ok(()) }
/// ```
///
/// # Threads
///
/// A call starts when its future is first polled, and does its work on a thread of its own, which uses neither the
/// executor nor its pool of blocking threads: any executor can poll the future. Each call under way is one thread and
/// at least one connection, so an application that signs up many tenants at the same time limits their number, for
/// instance with `tokio::sync::Semaphore`. An observer ([`Migrator::on_event`]) is called on the call's threads.
///
/// # Dropping a future
///
/// Dropping a future ends its call, as [`Interrupt::raise`] does: the statements under way are cancelled at the server,
/// a tenant is migrated whole or not at all, and tenants that are done stay done. The drop itself does not block: the
/// thread ends a moment later, without the runtime, as soon as the server has answered; a run first records that it was
/// stopped, which may take five seconds. An [`Interrupt`] of the migrator itself ([`Migrator::interrupted_by`]) ends
/// every call that changes something.
///
/// # Panics
///
/// A panic on the call's thread, for instance in an observer, continues in the caller.
#[derive(Clone, Debug)]
pub struct AsyncMigrator(Arc<Migrator>);

impl Migrator {
    /// Returns this migrator for async code.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    ///
    /// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?).into_async();
    /// migrator.blocking().check()?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn into_async(self) -> AsyncMigrator {
        AsyncMigrator(Arc::new(self))
    }
}

impl Database {
    /// [`wait`](Self::wait) for async code: waits until the server accepts connections.
    ///
    /// ```no_run
    /// # async fn example(database: migrations_core::Database) -> Result<(), migrations_core::Error> {
    /// database.wait_async(std::time::Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn wait_async(&self, timeout: Duration) -> Result<(), Error> {
        call(&Interrupt::new(), self, Rest::Nothing, move |_, database| database.wait(timeout).map(drop)).await
    }
}

impl AsyncMigrator {
    /// The migrator itself, for what does not block: [`check`](Migrator::check), the sets, and a clone with other
    /// settings. In an async function, its other operations return [`Error::InsideRuntime`].
    pub fn blocking(&self) -> &Migrator {
        &self.0
    }

    /// Does `work` on a thread of its own, with a migrator that ends when the future is dropped.
    async fn call<T, E>(
        &self,
        database: &Database,
        rest: Rest,
        work: impl FnOnce(&Migrator, &Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let migrator = Arc::clone(&self.0);
        let done = call(&self.0.setup.interrupt, database, rest, move |interrupt, database| {
            work(&Migrator::clone(&migrator).interrupted_by(interrupt), database)
        });
        done.await
    }

    /// Brings the database to the state that this binary expects: [`Migrator::run`].
    ///
    /// ```no_run
    /// # async fn example(migrator: migrations_core::AsyncMigrator) -> Result<(), Box<dyn std::error::Error>> {
    /// let database = migrations_core::Database::from_env()?;
    /// // When the time is up, the tenants that are done stay done.
    /// let report = tokio::time::timeout(std::time::Duration::from_mins(5), migrator.run(&database)).await??;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Migrator::run`], and [`Error::NoThread`].
    pub async fn run(&self, database: &Database) -> Result<Report, RunError> {
        self.call(database, Rest::Record, Migrator::run).await
    }

    /// A run with options: [`Migrator::run_with`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::run_with`], and [`Error::NoThread`].
    pub async fn run_with(&self, database: &Database, options: &RunOptions) -> Result<Report, RunError> {
        let options = options.clone();
        self.call(database, Rest::Record, move |migrator, database| migrator.run_with(database, &options)).await
    }

    /// Returns what a run would send: [`Migrator::rehearse`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::rehearse`], and [`Error::NoThread`].
    pub async fn rehearse(&self, database: &Database, options: &RunOptions) -> Result<Vec<Rehearsal>, Error> {
        let options = options.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.rehearse(database, &options)).await
    }

    /// Returns the tenant of this name, and whether this call created it: [`Migrator::get_or_create_tenant`].
    ///
    /// ```no_run
    /// # async fn example(migrator: migrations_core::AsyncMigrator) -> Result<(), migrations_core::Error> {
    /// let database = migrations_core::Database::from_env()?;
    /// let (tenant, created) = migrator.get_or_create_tenant(&database, &"acme".parse()?).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Migrator::get_or_create_tenant`], and [`Error::NoThread`].
    pub async fn get_or_create_tenant(&self, database: &Database, name: &TenantName) -> Result<(Tenant, bool), Error> {
        let name = name.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.get_or_create_tenant(database, &name))
            .await
    }

    /// Returns the tenant of this name, which lives in this schema: [`Migrator::get_or_create_tenant_in`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::get_or_create_tenant_in`], and [`Error::NoThread`].
    pub async fn get_or_create_tenant_in(
        &self,
        database: &Database,
        name: &TenantName,
        schema: &SchemaName,
    ) -> Result<(Tenant, bool), Error> {
        let (name, schema) = (name.clone(), schema.clone());
        let work =
            move |migrator: &Migrator, database: &Database| migrator.get_or_create_tenant_in(database, &name, &schema);
        self.call(database, Rest::Nothing, work).await
    }

    /// Registers an existing schema as a tenant of the same name: [`Migrator::adopt_tenant`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::adopt_tenant`], and [`Error::NoThread`].
    pub async fn adopt_tenant(&self, database: &Database, name: &TenantName) -> Result<Adoption, Error> {
        let name = name.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.adopt_tenant(database, &name)).await
    }

    /// Registers an existing schema as a tenant of this name: [`Migrator::adopt_tenant_in`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::adopt_tenant_in`], and [`Error::NoThread`].
    pub async fn adopt_tenant_in(
        &self,
        database: &Database,
        name: &TenantName,
        schema: &SchemaName,
    ) -> Result<Adoption, Error> {
        let (name, schema) = (name.clone(), schema.clone());
        let work = move |migrator: &Migrator, database: &Database| migrator.adopt_tenant_in(database, &name, &schema);
        self.call(database, Rest::Nothing, work).await
    }

    /// Registers every schema that holds a history of the tenant set: [`Migrator::adopt_all`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::adopt_all`], and [`Error::NoThread`].
    pub async fn adopt_all(&self, database: &Database) -> Result<Adoptions, Error> {
        self.call(database, Rest::Nothing, Migrator::adopt_all).await
    }

    /// Removes the registration of a tenant whose schema is gone: [`Migrator::forget_tenant`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::forget_tenant`], and [`Error::NoThread`].
    pub async fn forget_tenant(&self, database: &Database, name: &TenantName) -> Result<(), Error> {
        let name = name.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.forget_tenant(database, &name)).await
    }

    /// Records that the shared schema has these migrations: [`Migrator::baseline_shared`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::baseline_shared`], and [`Error::NoThread`].
    pub async fn baseline_shared(&self, database: &Database, baseline: &Baseline) -> Result<Baselined, Error> {
        let baseline = baseline.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.baseline_shared(database, &baseline))
            .await
    }

    /// Records that tenants have these migrations: [`Migrator::baseline_tenants`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::baseline_tenants`], and [`Error::NoThread`].
    pub async fn baseline_tenants(
        &self,
        database: &Database,
        tenants: &TenantSelection,
        baseline: &Baseline,
    ) -> Result<Baselines, Error> {
        let (tenants, baseline) = (tenants.clone(), baseline.clone());
        let work =
            move |migrator: &Migrator, database: &Database| migrator.baseline_tenants(database, &tenants, &baseline);
        self.call(database, Rest::Nothing, work).await
    }

    /// Explains how histories differ from the sets, and corrects what is named: [`Migrator::repair`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::repair`], and [`Error::NoThread`].
    pub async fn repair(&self, database: &Database, repair: &Repair) -> Result<RepairReport, Error> {
        let repair = repair.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.repair(database, &repair)).await
    }

    /// Imports the histories of another migration tool: [`Migrator::import`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::import`], and [`Error::NoThread`].
    pub async fn import(&self, database: &Database, tool: Tool, options: &ImportOptions) -> Result<Import, Error> {
        let options = options.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.import(database, tool, &options)).await
    }

    /// Says where every schema stands: [`Migrator::status`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::status`], and [`Error::NoThread`].
    pub async fn status(&self, database: &Database) -> Result<Status, Error> {
        self.call(database, Rest::Nothing, Migrator::status).await
    }

    /// Says the same from every schema's history: [`Migrator::verify`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::verify`], and [`Error::NoThread`].
    pub async fn verify(&self, database: &Database) -> Result<Status, Error> {
        self.call(database, Rest::Nothing, Migrator::verify).await
    }

    /// Whether a run would change or report anything: [`Migrator::is_pending`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::is_pending`], and [`Error::NoThread`].
    pub async fn is_pending(&self, database: &Database) -> Result<bool, Error> {
        self.call(database, Rest::Nothing, Migrator::is_pending).await
    }

    /// Lists every tenant: [`Migrator::tenants`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::tenants`], and [`Error::NoThread`].
    pub async fn tenants(&self, database: &Database) -> Result<Vec<Tenant>, Error> {
        self.call(database, Rest::Nothing, Migrator::tenants).await
    }

    /// Returns the tenant of this name: [`Migrator::tenant`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::tenant`], and [`Error::NoThread`].
    pub async fn tenant(&self, database: &Database, name: &TenantName) -> Result<Option<Tenant>, Error> {
        let name = name.clone();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.tenant(database, &name)).await
    }

    /// Returns the tenant that a host name belongs to: [`Migrator::tenant_by_domain`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::tenant_by_domain`], and [`Error::NoThread`].
    pub async fn tenant_by_domain(&self, database: &Database, host: &str) -> Result<Option<Tenant>, Error> {
        let host = host.to_owned();
        self.call(database, Rest::Nothing, move |migrator, database| migrator.tenant_by_domain(database, &host)).await
    }

    /// Adds a host name to a tenant: [`Migrator::add_domain`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::add_domain`], and [`Error::NoThread`].
    pub async fn add_domain(
        &self,
        database: &Database,
        name: &TenantName,
        host: &str,
        primary: bool,
    ) -> Result<(), Error> {
        let name = name.clone();
        let host = host.to_owned();
        self.call(database, Rest::Nothing, move |migrator, database| {
            migrator.add_domain(database, &name, &host, primary)
        })
        .await
    }

    /// Provisions spare schemas until there are `size`: [`Migrator::fill_pool`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::fill_pool`], and [`Error::NoThread`].
    pub async fn fill_pool(&self, database: &Database, size: usize) -> Result<usize, Error> {
        self.call(database, Rest::Nothing, move |migrator, database| migrator.fill_pool(database, size)).await
    }

    /// Counts the spare schemas: [`Migrator::pool`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::pool`], and [`Error::NoThread`].
    pub async fn pool(&self, database: &Database) -> Result<PoolStatus, Error> {
        self.call(database, Rest::Nothing, Migrator::pool).await
    }

    /// Drops all spare schemas: [`Migrator::drain_pool`].
    ///
    /// # Errors
    ///
    /// As [`Migrator::drain_pool`], and [`Error::NoThread`].
    pub async fn drain_pool(&self, database: &Database) -> Result<usize, Error> {
        self.call(database, Rest::Nothing, Migrator::drain_pool).await
    }
}
