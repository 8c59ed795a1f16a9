//! Migrations for PostgreSQL applications that keep every tenant in a schema of its own.
//!
//! An application has two sets of migrations compiled into it: one for the tables that all tenants share, one for the
//! tables that every tenant has. [`Migrator::run`] brings a database from whatever state it is in to the state that the
//! binary expects, in a fixed order: the registry, the shared set, then every tenant in the order of registration. Doing
//! it twice, from two processes, or after a crash is always safe.
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
//! From the bottom to the top; nothing imports what is above it.
//!
//! | module | what it is |
//! | --- | --- |
//! | `name`, `sql` | names that cannot be wrong, and quoting |
//! | `running_hash` | hashes over a list of texts |
//! | `lost` | what it means that a connection is lost |
//! | `excerpt`, `blockers`, `cause`, `server_error`, `connect_error` | parts of an error's text: the place, who holds a lock, what the server says |
//! | `set` | a migration set: read, checked, in order, with its digests |
//! | `failure`, `error` | why one schema was not migrated, and everything that can go wrong |
//! | `options`, `report`, `run_error`, `status`, `tenant`, `event` | what goes in and what comes out |
//! | `interrupt` | a way to end a run from outside |
//! | `database` | where the database is, and waiting for it |
//! | `flush`, `keepalive` | waiting for the disk, and keeping a connection from being idle |
//! | `mark` | what is noted of a migration that runs outside a transaction |
//! | `history` | refinery's history table in a schema: what was really applied |
//! | `lock`, `retry` | who may work on what, and what is tried again |
//! | `gate` | where a test can hold a runner |
//! | `registry` | the framework's own tables: tenants, sets, runs |
//! | `settings` | how a run behaves, and who is told |
//! | `lease` | rows that expire: what one process does for all, and what somebody is about to do |
//! | `plan` | where every schema stands, in one query |
//! | `preflight` | what is going to hurt, said before it does |
//! | `unfinished` | a new tenant that needs more than one transaction |
//! | `epilogue` | what follows every migration, so that nothing it left in the session reaches the next |
//! | `script` | what one schema is sent: guard, migrations, history, registry, in one message |
//! | `inspect` | sends a script so that what it does outside of its schema is seen before it is committed |
//! | `locate` | the place in a migration that an error is about |
//! | `apply` | sends a script, and says what became of it |
//! | `extensions` | extensions that tenants ask for, created once |
//! | `stage` | the registry and the shared set, which come before the tenants |
//! | `provision` | a new tenant, whole or not at all |
//! | `fleet` | all tenants that are not up to date, by several workers |
//! | `pool` | spare schemas, for sign-ups that cannot wait |
//! | `admission` | how a tenant comes in and goes out |
//! | `rehearsal` | what a run would send, without sending it |
//! | `survey` | where every schema stands, without changing any |
//! | `adoption` | schemas that exist, registered as tenants |
//! | `run` | the fixed order, and the barrier behind it |
//! | `migrator` | the face of it all |

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

mod admission;
mod adoption;
mod apply;
mod blockers;
mod cause;
mod connect_error;
mod database;
mod epilogue;
mod error;
mod event;
mod excerpt;
mod extensions;
mod failure;
mod fleet;
mod flush;
mod gate;
mod history;
mod inspect;
mod interrupt;
mod keepalive;
mod lease;
mod locate;
mod lock;
mod lost;
mod mark;
mod migrator;
mod name;
mod options;
mod plan;
mod pool;
mod preflight;
mod provision;
#[cfg(test)]
mod races;
mod registry;
mod rehearsal;
mod report;
mod retry;
mod run;
mod run_error;
mod running_hash;
mod script;
mod server_error;
mod set;
mod settings;
mod sql;
mod stage;
mod status;
mod survey;
mod tenant;
mod unfinished;

pub use adoption::{Adoption, Adoptions};
pub use blockers::Blocker;
pub use connect_error::ConnectError;
pub use database::Database;
pub use error::Error;
pub use event::{Event, Progress};
pub use excerpt::Excerpt;
pub use failure::{Divergence, Failure, Reason};
pub use interrupt::Interrupt;
pub use migrator::Migrator;
pub use name::{NameError, RoleName, SchemaName, TenantName};
pub use options::RunOptions;
pub use pool::PoolStatus;
pub use rehearsal::Rehearsal;
pub use report::{OutcomeKind, Report, SharedReport, TenantCounts, TenantOutcome};
pub use run_error::RunError;
pub use server_error::ServerError;
pub use set::{Digest, Migration, MigrationSet, SetError, SetName};
pub use status::{SchemaStatus, State, Status, TenantStatus, UnusableRow};
pub use tenant::{Domain, Tenant};
