//! The way in for databases that exist, on a real server.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `site` | no tests: sets, schemas and questions |
//! | `baseline` | what is declared to be applied, and what is refused |
//! | `verify` | the comparison of a schema with what its migrations make |
//! | `repair` | histories and registries that are wrong |
//! | `others` | what belongs to another tenant, what another session holds, and interrupts |
//! | `diverged` | sign-ups while the fleet is not what the binary makes |

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod baseline;
mod diverged;
mod others;
#[path = "../support/proxy.rs"]
mod proxy;
mod repair;
mod site;
mod verify;
