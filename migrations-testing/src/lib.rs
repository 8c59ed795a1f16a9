//! A fresh PostgreSQL database for every test, with tenants where a test needs them.
//!
//! [`TestDatabase::new`] creates a database on a throwaway server that all tests of the process share, or on the server
//! that `DATABASE_URL` names, and drops it when the test ends. Nothing has to be started or migrated before the tests:
//! a `TestDatabase` is ready for use. Libpq's variables and the password file supply what the URL does not say, as in
//! [`Database::from_env`]. On a server that `DATABASE_URL` names, each database has one more session, which shows that
//! its test still runs; the next process drops the databases that a killed process left there.
//!
//! ```
//! use migrations_core::{MigrationSet, Migrator};
//! use migrations_testing::TestDatabase;
//!
//! let migrator = Migrator::new(
//!     MigrationSet::new("shared")?,
//!     MigrationSet::new("tenant")?.with_migration("V1__notes", || "CREATE TABLE notes (body text)".to_owned())?,
//! );
//! let test = TestDatabase::migrated(&migrator, &["acme", "globex"])?;
//! test.client()?.batch_execute("INSERT INTO acme.notes VALUES ('hello')")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It works the same in an async test: another thread creates and drops the database, and the test waits for it. The
//! blocking [`client`](TestDatabase::client) is an error there; connect your own to [`url`](TestDatabase::url), and use
//! `Migrator::into_async` (feature `tokio` of `migrations-core`).
//!
//! [`Difference`] says whether a tenant that is created today equals one that was upgraded step by step.
//!
//! This crate creates and compares databases, and nothing else; `migrations-embedded` has the servers,
//! `migrations-core` the migrations.

mod connection_string;
mod elsewhere;
mod error;
mod lease;
mod server;
mod upgrade;

use migrations_core::{Database, Migrator};
use postgres::Client;

pub use error::Error;
pub use upgrade::Difference;

use crate::elsewhere::{elsewhere, off_runtime};
use crate::lease::Lease;
use crate::server::Created;

/// A database of a test's own. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    database: Database,
    /// The database through which it is created and dropped.
    maintenance: Database,
    /// Released once the database is dropped.
    lease: Option<Lease>,
}

impl TestDatabase {
    /// An empty database.
    ///
    /// # Errors
    ///
    /// When no server is available, because PostgreSQL's programs are not installed or `DATABASE_URL` leads nowhere;
    /// and when the role may not create databases.
    ///
    /// ```
    /// use migrations_testing::TestDatabase;
    ///
    /// let test = TestDatabase::new()?;
    /// let row = test.client()?.query_one("SELECT current_database()::text", &[])?;
    /// assert_eq!(row.get::<_, String>(0), test.name());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Result<Self, Error> {
        off_runtime(Self::create)
    }

    fn create() -> Result<Self, Error> {
        let name = format!("test_{}_{:08x}", std::process::id(), fastrand::u32(..));
        let maintenance = server::maintenance()?;
        let Created { url, database, lease } = server::create(&maintenance, &name)?;
        Ok(Self { name, url, database, maintenance, lease })
    }

    /// A database with the shared set and these tenants, up to date.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and when a tenant's name is not valid or a migration fails.
    ///
    /// ```no_run
    /// # fn example(migrator: &migrations_core::Migrator) -> Result<(), migrations_testing::Error> {
    /// let test = migrations_testing::TestDatabase::migrated(migrator, &["acme", "globex"])?;
    /// # Ok(()) }
    /// ```
    pub fn migrated(migrator: &Migrator, tenants: &[&str]) -> Result<Self, Error> {
        off_runtime(|| Self::create_migrated(migrator, tenants))
    }

    fn create_migrated(migrator: &Migrator, tenants: &[&str]) -> Result<Self, Error> {
        let test = Self::create()?;
        if !migrator.run(&test.database).map_err(migrations_core::Error::from)?.is_success() {
            return Err(Error::Unfinished);
        }
        for tenant in tenants {
            let name = tenant.parse().map_err(migrations_core::Error::from)?;
            migrator.get_or_create_tenant(&test.database, &name)?;
        }
        Ok(test)
    }

    /// The database's URL, for a program under test.
    ///
    /// ```no_run
    /// # let test = migrations_testing::TestDatabase::new()?;
    /// let status = std::process::Command::new("migrate").arg("up").env("DATABASE_URL", test.url()).status();
    /// # Ok::<(), migrations_testing::Error>(())
    /// ```
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    ///
    /// ```no_run
    /// # let test = migrations_testing::TestDatabase::new()?;
    /// assert!(test.name().starts_with("test_"));
    /// # Ok::<(), migrations_testing::Error>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database, for a [`Migrator`].
    ///
    /// ```no_run
    /// # fn example(migrator: &migrations_core::Migrator) -> Result<(), Box<dyn std::error::Error>> {
    /// let test = migrations_testing::TestDatabase::new()?;
    /// let report = migrator.run(test.database())?;
    /// # Ok(()) }
    /// ```
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// When the server refuses it; [`Error::InsideRuntime`] in an async test.
    ///
    /// ```no_run
    /// # let test = migrations_testing::TestDatabase::new()?;
    /// test.client()?.batch_execute("CREATE TABLE notes (body text)")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client(&self) -> Result<Client, Error> {
        self.database.connect().map_err(|error| match error {
            migrations_core::Error::InsideRuntime => Error::InsideRuntime,
            error => error.into(),
        })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Self { name, maintenance, lease, .. } = self;
        // Errors are ignored: a failed test has already reported its failure, and a throwaway server takes its
        // databases along.
        let dropped = elsewhere(|| {
            if let Ok(mut client) = maintenance.connect() {
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            }
            drop(lease.take());
        });
        if dropped.is_err() {
            // Closing its connection on this thread could panic. It is closed when the process ends.
            std::mem::forget(lease.take());
        }
    }
}
