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

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod failure;
mod falls_through;
mod fixture;
mod fleet;
mod order;
mod outside;
mod pool;
mod processes;
#[path = "../support/proxy.rs"]
mod proxy;
mod realistic;
mod rerun;
mod takeover;
mod tenants;
