//! The framework on a real server: what it guarantees, one guarantee a test.
//!
//! | module | what it proves |
//! | --- | --- |
//! | `order` | the fixed order, and what stops what |
//! | `rerun` | running again is safe and costs one query |
//! | `failure` | what a failing migration leaves, and what is said of it |
//! | `tenants` | get-or-create, adoption, domains |
//! | `processes` | several processes at once |
//! | `takeover` | a database that refinery made, and one that differs from the binary |
//! | `fleet` | workers, replicas, retries, budgets, groups, the barrier |
//! | `pool` | spare schemas |
//! | `outside` | migrations that run outside a transaction |
//! | `stopped` | a run that is limited, stopped or interrupted |

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod failure;
mod fixture;
mod fleet;
mod order;
mod outside;
mod pool;
mod processes;
#[path = "../support/proxy.rs"]
mod proxy;
mod rerun;
mod stopped;
mod takeover;
mod tenants;
