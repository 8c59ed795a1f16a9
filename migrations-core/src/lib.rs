//! Migrations for PostgreSQL applications that keep every tenant in a schema of its own.
//!
//! An application has two sets of migrations compiled into it: one for the tables that all tenants share, one for the
//! tables that every tenant has. [`Migrator::run`] brings a database from whatever state it is in to the state that the
//! binary expects, in a fixed order: the registry, the shared set, then every tenant in the order of registration.
//! Running it twice, from two processes, or after a crash is always safe.
//!
//! ```no_run
//! use migrations_core::{Database, MigrationSet, Migrator};
//!
//! # fn main() -> Result<(), migrations_core::Error> {
//! let migrator = Migrator::new(
//!     MigrationSet::new("shared")?
//!         .with_migration("V1__plans", || "CREATE TABLE plans (code text PRIMARY KEY)".to_owned())?,
//!     MigrationSet::new("tenant")?
//!         .with_migration("V1__notes", || "CREATE TABLE notes (id bigint PRIMARY KEY, body text)".to_owned())?,
//! );
//! let database = Database::from_env()?;
//! let report = migrator.run(&database)?;
//! assert!(report.is_success());
//! let (tenant, created) = migrator.get_or_create_tenant(&database, &"acme".parse()?)?;
//! # Ok(()) }
//! ```
//!
//! # Async code
//!
//! The calls block. Inside a tokio runtime they return [`Error::InsideRuntime`]; there, `Migrator::into_async` (feature
//! `tokio`) returns an `AsyncMigrator`, which has the same calls as `async fn`.
//!
//! # How to read this crate
//!
//! From the bottom up: a module imports only modules above it in this table. Every folder's `mod.rs` has such a table
//! of its own files.
//!
//! | folder | what it is |
//! | --- | --- |
//! | `names` | validated names, and quoting |
//! | `set` | what is compiled in: a migration set, read, checked and in order. Pure text, no server |
//! | `report` | the results: reports, events, failures, errors. Pure data |
//! | `conninfo` | where the database is: libpq's parameters, and the source of each |
//! | `server` | the database, and the connection to it. It knows nothing of migrations |
//! | `store` | every statement on the registry and on history tables; locks, leases, marks |
//! | `engine` | the context of a call: the settings, the sets, the database, the observers |
//! | `plan` | where a schema stands, and the unit of work that brings it to the end of its set |
//! | `execute` | the only place that sends, retries, classifies and locates |
//! | `fleet` | several workers that carry out units of work |
//! | `flows` | a run, a sign-up, the pool, adoption, baselines, imports, repairs, status, a dry run: ways to make units |
//! | `migrator` | the public entry point |
//!
//! # Features
//!
//! `embedded` adds `Database::from_env_or_embedded`, which uses the project's private server where the environment
//! names no database. It is for development: a release should not enable it.

mod conninfo;
mod engine;
mod execute;
mod fleet;
mod flows;
mod migrator;
mod names;
mod plan;
mod report;
mod server;
mod set;
mod store;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use plan::fuzzing;

/// The crate of [`MigrationSet::from_dir`]'s argument.
pub use include_dir;
/// The crate of [`Database`]'s connections and configuration.
pub use postgres;

pub use engine::{Baseline, Repair, RunOptions, TenantSelection};
pub use flows::import::{ImportOptions, MapRule, TenantSchemas};
#[cfg(feature = "tokio")]
pub use migrator::AsyncMigrator;
pub use migrator::{Migrator, MigratorBuilder};
pub use names::{NameError, NamePattern, RoleName, SchemaName, TenantName};
pub use report::{
    Adoption, Adoptions, BaselineOutcome, BaselineRefusal, Baselined, Baselines, Basis, Blocker, Changed, Comparison,
    ConnectError, Counterpart, Diverged, DivergedSchema, Divergence, Domain, Error, Event, Failure, Finding, Import,
    ImportOutcome, ImportedSchema, ImportedSet, OutcomeKind, PoolStatus, Progress, Reason, Refusal, Rehearsal,
    RepairReport, Repaired, Report, RunError, SchemaDifference, SchemaStatus, ServerError, SharedReport, State, Status,
    Tenant, TenantCounts, TenantOutcome, TenantStatus, Tool, UnusableRow,
};
pub use server::{Database, Delivery, Interrupt, SchemaContents};
pub use set::{Digest, Excerpt, Migration, MigrationSet, SetError, SetErrorKind, SetName};
