//! The only place that sends units of work, tries again, classifies errors and locates them.
//!
//! | file | what it is |
//! | --- | --- |
//! | `done` | the outcome of a unit |
//! | `retry` | which errors are transient, and how often something is tried |
//! | `blockers` | the sessions that hold a lock that was not available |
//! | `standing` | where a schema stands, reading its history if that is needed |
//! | `deliver` | sends a script |
//! | `inspect` | sends a transaction so that its changes outside its schema are seen before the commit |
//! | `locate` | the place in a migration that an error is about |
//! | `transaction` | sends one transaction, and says why it was not committed |
//! | `outside` | runs a migration outside a transaction, unit by unit |
//! | `unit` | brings one schema to the end of its set |
//! | `registration` | a change of one tenant's registration, under its lock |
//! | `provision` | creates a tenant, whole or not at all |
//! | `rewrite` | writes a history and the registry's row, without running a migration |
//! | `scratch` | what the migrations of a set make |

mod blockers;
mod deliver;
mod done;
mod inspect;
mod locate;
mod outside;
mod provision;
mod registration;
mod retry;
mod rewrite;
mod scratch;
mod standing;
mod transaction;
mod unit;

pub(crate) use done::{Done, Stop};
pub(crate) use outside::clear_mark;
pub(crate) use provision::{Provisioning, drop_spare, sweep};
pub(crate) use registration::change_registration;
pub(crate) use retry::Retries;
pub(crate) use rewrite::{Rewrite, Says, rewrite};
pub(crate) use scratch::{Made, made_by_shared_set, made_by_tenant_set};
pub(crate) use standing::standing;
pub(crate) use transaction::failure;
pub(crate) use unit::{execute, execute_batch, recover};
