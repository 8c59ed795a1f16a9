//! The async face on real servers, in runtimes of both kinds.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `calls` | every call returns what the blocking one does, and blocks no executor |
//! | `dropped` | a future that is dropped ends its call: nothing is half done, and no session stays |
//! | `inside` | a blocking call inside a runtime is an error, and dropping is safe there |
//! | `service` | the axum example: migrates, signs up over HTTP, and ends by a signal |
//! | `verified` | the axum example and an async test over TLS with `sslmode=verify-full` |
//!
//! `MIGRATE_FAULT_ROUNDS` and `MIGRATE_FAULT_SEED` are those of `tests/faults`.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

#[cfg(all(unix, feature = "tls"))]
#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "the tests of TLS use more of it")]
mod authority;
mod calls;
#[path = "../faults/dice.rs"]
#[allow(dead_code, reason = "the faults use more of it")]
mod dice;
mod dropped;
mod inside;
#[cfg(unix)]
mod service;
mod site;
#[cfg(all(unix, feature = "tls"))]
#[path = "../tls/site.rs"]
#[allow(dead_code, reason = "the tests of TLS use more of it")]
mod tls_site;
#[cfg(all(unix, feature = "tls"))]
mod verified;
