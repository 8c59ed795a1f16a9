//! The results: reports, events, failures and errors. Pure data and texts; nothing here talks to a server.
//!
//! | file | what it is |
//! | --- | --- |
//! | `cause` | an error and its causes, in one line |
//! | `server_error` | an error of the server |
//! | `tls_problem` | what is wrong with TLS |
//! | `connect_error`, `connect_advice` | why there is no connection, and what to do |
//! | `blocker` | a session that holds a lock |
//! | `tenant` | a tenant as the registry knows it |
//! | `failure` | why one schema was not migrated |
//! | `error` | every error |
//! | `run` | what a run did |
//! | `run_error` | why a run ended early |
//! | `event` | events during a run |
//! | `status` | where every schema stands |
//! | `difference` | how a schema differs from what its migrations make |
//! | `baseline` | what a baseline did |
//! | `repair` | what a repair found and corrected |
//! | `adoption`, `dry_run`, `import`, `pool` | what the other calls return |

mod adoption;
mod baseline;
mod blocker;
mod cause;
mod connect_advice;
mod connect_error;
mod difference;
mod dry_run;
mod error;
mod event;
mod failure;
mod import;
mod pool;
mod repair;
mod run;
mod run_error;
mod server_error;
mod status;
mod tenant;
mod tls_problem;

pub use adoption::{Adoption, Adoptions};
pub use baseline::{BaselineOutcome, BaselineRefusal, Baselined, Baselines};
pub use blocker::Blocker;
pub(crate) use cause::chain;
pub(crate) use connect_error::ConnectCause;
pub use connect_error::ConnectError;
pub use difference::{Changed, SchemaDifference};
pub use dry_run::Rehearsal;
pub use error::Error;
pub use event::{Event, Progress};
pub use failure::{Divergence, Failure, Reason};
pub use import::{Basis, Comparison, Counterpart, Import, ImportOutcome, ImportedSchema, ImportedSet, Refusal, Tool};
pub use pool::PoolStatus;
pub use repair::{Diverged, DivergedSchema, Finding, RepairReport, Repaired};
pub use run::{OutcomeKind, Report, SharedReport, TenantCounts, TenantOutcome};
pub use run_error::RunError;
pub use server_error::ServerError;
pub use status::{SchemaStatus, State, Status, TenantStatus, UnusableRow};
pub use tenant::{Domain, Tenant};
pub(crate) use tls_problem::TlsProblem;
