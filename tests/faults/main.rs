//! Faults on real servers: whatever happened before, another run is safe.
//!
//! Every module breaks something at a random moment, runs again, and checks everything: the catalog of every schema,
//! its history table, and the registry. The tests are short by default; `MIGRATE_FAULT_ROUNDS=25` repeats every random
//! test that many times, and `MIGRATE_FAULT_SEED` repeats the moments of a run that failed.
//!
//! | module | what is broken |
//! | --- | --- |
//! | `killed` | the runner, by SIGKILL |
//! | `parts` | the process that creates new tenants in several transactions, by SIGKILL |
//! | `units` | the process that runs a migration outside a transaction, by SIGKILL |
//! | `signalled` | the runner, by SIGINT and SIGTERM |
//! | `crashed` | the server, by an immediate shutdown |
//! | `cut` | the connection, in mid-message and between a commit and its answer |
//! | `index` | the build of an index outside a transaction |
//! | `pooler` | nothing: PgBouncer in transaction mode is in between |
//! | `down` | the server, for good, or the connection at any message |
//! | `limits` | the server's room, or the role's privileges |
//! | `behind` | the database, behind the registry's back |
//! | `small_pool` | nothing: the pooler has fewer connections than the run has workers |
//! | `versions` | nothing: an older binary runs at the same time |

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod behind;
mod crashed;
mod cut;
mod dice;
mod down;
mod index;
mod killed;
mod limits;
mod parts;
#[path = "../support/pgbouncer.rs"]
mod pgbouncer;
mod pooler;
mod runner;
#[path = "../support/severing.rs"]
mod severing;
#[cfg(unix)]
mod signalled;
mod site;
mod small_pool;
mod standby;
mod units;
mod versions;
