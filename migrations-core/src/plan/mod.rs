//! The work to do, from the store's answers: where a schema stands, and the unit of work that brings it to the end of
//! its set. Nothing here talks to a server.
//!
//! | file | what it is |
//! | --- | --- |
//! | `standing` | where a schema stands in its set |
//! | `script` | the statements of one transaction, and the step that each belongs to |
//! | `unit` | a unit of work: one schema, its parts, and what each sends |
//! | `batch` | several tenants in one transaction |

mod batch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod script;
mod standing;
mod unit;

pub(crate) use batch::Batch;
pub(crate) use script::{Script, Step};
pub(crate) use standing::{Positions, Standing, accepted, compare};
pub(crate) use unit::{Origin, Part, Policy, Unit};
