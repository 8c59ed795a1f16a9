//! The least time that the work can take, measured twice: plain connections send messages, built beforehand, from a
//! shared queue.
//!
//! **The limit** sends the messages that the framework would send, with guard, history row and registry row. It plans
//! nothing, checks nothing, records no run and never replaces a connection.
//!
//! **The bare limit** sends the least that anybody could: the migrations' statements, and one row that notes the
//! version. It takes no lock, keeps no history and checks nothing.
//!
//! Both commit asynchronously and wait for the disk once, at the end, as a run does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, TenantName};
use postgres::{Client, NoTls};

use crate::fleet::BARE_TABLE;
use crate::naive;

/// Waits until everything that was committed is on disk: a transaction that logs nothing would wait for nothing.
const BARRIER: &str = "SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'migrate', '')";

/// What makes a transaction of the framework's asynchronous.
const ASYNCHRONOUS: &str = "SET LOCAL synchronous_commit = off";

/// Sends the messages over this number of connections.
pub(crate) fn run(database: &Database, messages: &[String], connections: usize) -> Duration {
    send(messages, connections, || connect(database, ""))
}

/// As [`run`], over connections that commit asynchronously, so that no message has to ask for it.
pub(crate) fn run_bare(database: &Database, messages: &[String], connections: usize) -> Duration {
    send(messages, connections, || connect(database, "-c synchronous_commit=off"))
}

/// Sends one message over a connection of its own; the message's commit waits for the disk.
pub(crate) fn send_one(database: &Database, message: &str) {
    connect(database, "").batch_execute(message).unwrap();
}

/// The bare limit's messages, one for each tenant: the migrations above `applied`, and the row. Without `applied`, the
/// schema is created too.
pub(crate) fn bare(set: &MigrationSet, applied: Option<i64>, schemas: &[TenantName]) -> Vec<String> {
    let pending = set.migrations().iter().filter(|migration| Some(migration.version()) > applied);
    let sql = pending.map(naive::transactional).collect::<Vec<_>>().join(";\n");
    let version = set.latest().unwrap();
    let message = |schema: &TenantName| {
        let create = if applied.is_none() { format!("CREATE SCHEMA {schema};\n") } else { String::new() };
        format!(
            "{create}SET LOCAL search_path = {schema}, public;\n{sql};\n\
             INSERT INTO {BARE_TABLE} VALUES ('{schema}', {version})"
        )
    };
    schemas.iter().map(message).collect()
}

/// The framework's message as it sends it for a single tenant: its commit waits for the disk.
pub(crate) fn durable(message: &str) -> String {
    assert_eq!(message.matches(ASYNCHRONOUS).count(), 1, "{message}");
    message.replace(ASYNCHRONOUS, "")
}

fn send(messages: &[String], connections: usize, connect: impl Fn() -> Client + Sync) -> Duration {
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut client = connect();
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

fn connect(database: &Database, options: &str) -> Client {
    let mut config = database.config().clone();
    if !options.is_empty() {
        config.options(options);
    }
    config.connect(NoTls).unwrap()
}
