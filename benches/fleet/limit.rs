//! The least that it can take: plain connections that send the same messages, made beforehand, from a shared queue.
//!
//! It plans nothing, checks nothing, writes down no run and never replaces a connection. At the end it waits for the disk
//! once, as a run does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use migrations_core::{Database, Migrator};
use postgres::{Client, NoTls};

/// Waits until everything that was committed is on disk: a transaction that logs nothing would wait for nothing.
const BARRIER: &str = "SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'migrate', '')";

/// Sends the messages over so many connections.
pub(crate) fn run(database: &Database, messages: &[String], connections: usize) -> Duration {
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut client = connect(database);
        while let Some(message) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
            client.batch_execute(message).unwrap();
        }
        client
    };
    std::thread::scope(|scope| {
        for _ in 1..connections {
            scope.spawn(work);
        }
        work().batch_execute(BARRIER).unwrap();
    });
    start.elapsed()
}

/// The migrations of the tenant set and nothing else: no guard, no history, no registry.
pub(crate) fn bare(migrator: &Migrator, schemas: &[migrations_core::TenantName]) -> Vec<String> {
    let migrations: Vec<_> = migrator.tenant_set().migrations().iter().map(crate::naive::transactional).collect();
    let sql = migrations.join("\n;\n");
    let message = |schema: &migrations_core::TenantName| {
        format!(
            "SET LOCAL synchronous_commit = off; CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}, public;\n{sql}"
        )
    };
    schemas.iter().map(message).collect()
}

fn connect(database: &Database) -> Client {
    database.config().connect(NoTls).unwrap()
}
