//! The results: reports, events, failures and errors. Pure data and texts; nothing here talks to a server.
//!
//! | file | what it is |
//! | --- | --- |
//! | `cause` | an error and its causes, in one line |
//! | `server_error`, `connect_error` | an error of the server, and why there is no connection |
//! | `blocker` | a session that holds a lock |
//! | `tenant` | a tenant as the registry knows it |
//! | `failure` | why one schema was not migrated |
//! | `error` | every error |
//! | `run` | what a run did |
//! | `run_error` | why a run ended early |
//! | `event` | events during a run |
//! | `status` | where every schema stands |
//! | `adoption`, `dry_run`, `pool` | what the other calls return |

mod adoption;
mod blocker;
mod cause;
mod connect_error;
mod dry_run;
mod error;
mod event;
mod failure;
mod pool;
mod run;
mod run_error;
mod server_error;
mod status;
mod tenant;

pub use adoption::{Adoption, Adoptions};
pub use blocker::Blocker;
pub(crate) use cause::chain;
pub use connect_error::ConnectError;
pub use dry_run::Rehearsal;
pub use error::Error;
pub use event::{Event, Progress};
pub use failure::{Divergence, Failure, Reason};
pub use pool::PoolStatus;
pub use run::{OutcomeKind, Report, SharedReport, TenantCounts, TenantOutcome};
pub use run_error::RunError;
pub use server_error::ServerError;
pub use status::{SchemaStatus, State, Status, TenantStatus, UnusableRow};
pub use tenant::{Domain, Tenant};
