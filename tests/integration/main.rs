//! The framework on a real server: what it guarantees, one guarantee a test.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `order` | the fixed order, and what stops what |
//! | `rerun` | running again is safe and costs one query |
//! | `failure` | what a failing migration leaves, and what is said of it |
//! | `falls_through` | an unqualified name that is changed is the tenant's own |
//! | `tenants` | get-or-create, adoption, domains |
//! | `processes` | several processes at once |
//! | `takeover` | a database that refinery made, and one that differs from the binary |
//! | `fleet` | workers, replicas, retries, budgets, groups, the barrier |
//! | `realistic` | sixty migrations of every kind, at once and one by one |
//! | `pool` | spare schemas |
//! | `outside` | migrations that run outside a transaction |
//! | `units` | the units of such a migration, each of which is done once |
//! | `extensions` | extensions that tenants ask for |
//! | `versions` | registries of older binaries, and older binaries beside newer ones |
//! | `canary` | what a migration changes outside of its tenant, by whatever way |
//! | `enums` | tenants that need commits between their migrations |
//! | `leaks` | what a migration leaves in the session |
//! | `resume` | what a run that was cut off in one of those left |
//! | `path` | what their names mean, and which settings reach them |
//! | `intent` | a shared migration beside a busy fleet |
//! | `stopped` | a run that is limited, stopped or interrupted |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod canary;
mod enums;
mod extensions;
mod failure;
mod falls_through;
mod fixture;
mod fleet;
mod intent;
mod leaks;
mod order;
mod outside;
mod path;
mod pool;
mod processes;
#[path = "../support/proxy.rs"]
mod proxy;
mod realistic;
mod rerun;
mod resume;
mod stopped;
mod takeover;
mod tenants;
mod units;
mod versions;
