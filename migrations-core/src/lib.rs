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
//! | `server` | where the database is, and the connection to it. It knows nothing of migrations |
//! | `store` | every statement on the registry and on history tables; locks, leases, marks |
//! | `engine` | the context of a call: the settings, the sets, the database, the observers |
//! | `plan` | where a schema stands, and the unit of work that brings it to the end of its set |
//! | `execute` | the only place that sends, retries, classifies and locates |
//! | `fleet` | several workers that carry out units of work |
//! | `flows` | a run, a sign-up, the pool, adoption, status, a dry run: ways to make units |
//! | `migrator` | the public entry point |

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

pub use engine::RunOptions;
pub use migrator::{Migrator, MigratorBuilder};
pub use names::{NameError, RoleName, SchemaName, TenantName};
pub use report::{
    Adoption, Adoptions, Blocker, ConnectError, Divergence, Domain, Error, Event, Failure, OutcomeKind, PoolStatus,
    Progress, Reason, Rehearsal, Report, RunError, SchemaStatus, ServerError, SharedReport, State, Status, Tenant,
    TenantCounts, TenantOutcome, TenantStatus, UnusableRow,
};
pub use server::{Database, Delivery, Interrupt};
pub use set::{Digest, Excerpt, Migration, MigrationSet, SetError, SetErrorKind, SetName};
