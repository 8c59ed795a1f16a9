//! The same tests as in `tests/integration`, with every statement sent by itself between `BEGIN` and `COMMIT`: the results
//! have to be the same. Left out are the tests that count messages, and those of several processes.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

/// How the statements of a transaction reach the server, in all of these tests.
const DELIVERY: migrations_core::Delivery = migrations_core::Delivery::Statements;

#[path = "../integration/canary.rs"]
mod canary;
#[path = "../integration/enums.rs"]
mod enums;
#[path = "../integration/extensions.rs"]
mod extensions;
#[path = "../integration/failure.rs"]
mod failure;
#[path = "../integration/falls_through.rs"]
mod falls_through;
#[path = "../integration/fixture.rs"]
mod fixture;
#[path = "../integration/import.rs"]
mod import;
#[path = "../integration/leaks.rs"]
mod leaks;
#[path = "../integration/names.rs"]
mod names;
#[path = "../integration/order.rs"]
mod order;
#[path = "../integration/outside.rs"]
mod outside;
#[path = "../integration/path.rs"]
mod path;
#[path = "../integration/pool.rs"]
mod pool;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../integration/realistic.rs"]
mod realistic;
#[path = "../integration/resume.rs"]
mod resume;
#[path = "../integration/stopped.rs"]
mod stopped;
#[path = "../integration/takeover.rs"]
mod takeover;
#[path = "../integration/tenants.rs"]
mod tenants;
#[path = "../integration/units.rs"]
mod units;
#[path = "../integration/versions.rs"]
mod versions;

/// These tests would be worth nothing if the statements went in one message all the same.
#[test]
fn a_transaction_is_sent_statement_by_statement() {
    use fixture::{AUTHOR, NOTES, migrator, with_tenants};

    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech"]);
    let proxy = proxy::Proxy::start(test.database(), std::time::Duration::ZERO);
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1);
    assert_eq!(newer.run(&proxy.database()).unwrap().tenants.migrated, 3);
    assert!(proxy.round_trips() > 3 * 10, "{}", proxy.round_trips());
}
