//! The framework on a real server: one test for each guarantee.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `order` | the fixed order, and what stops what |
//! | `rerun` | running again is safe and costs one query |
//! | `failure` | what a failing migration leaves, and the text of its failure |
//! | `falls_through` | an unqualified name that is changed is the tenant's own |
//! | `tenants` | get-or-create, adoption, domains |
//! | `names` | tenants and schemas of any name |
//! | `processes` | several processes at once |
//! | `takeover` | a database that refinery created, and one that differs from the binary |
//! | `fleet` | workers, replicas, retries, budgets, groups, the barrier |
//! | `realistic` | sixty migrations of every kind, at once and one by one |
//! | `pool` | spare schemas |
//! | `outside` | migrations that run outside a transaction |
//! | `units` | the units of such a migration, each of which runs once |
//! | `extensions` | extensions that tenants need |
//! | `import` | histories of other tools |
//! | `versions` | registries of older binaries, and older binaries beside newer ones |
//! | `canary` | changes outside a migration's tenant, however it makes them |
//! | `enums` | tenants that need commits between their migrations |
//! | `leaks` | what a migration leaves in the session |
//! | `resume` | what a run that was interrupted in a `no-transaction` migration left |
//! | `path` | what names mean in such migrations, and which settings apply |
//! | `intent` | a shared migration beside a busy fleet |
//! | `stopped` | a run that is limited, stopped or interrupted |

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

/// How the statements of a transaction reach the server, in all of these tests.
const DELIVERY: migrations_core::Delivery = migrations_core::Delivery::OneMessage;

mod canary;
mod enums;
mod extensions;
mod failure;
mod falls_through;
mod fixture;
mod fleet;
mod import;
mod intent;
mod leaks;
mod names;
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
