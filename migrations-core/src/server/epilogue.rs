//! The statements after every migration, whatever its text: nothing that it left in the session reaches the next
//! migration, the next tenant, or the next client of a pooler.
//!
//! It does what `DISCARD ALL` does, statement by statement, because `DISCARD ALL` cannot run inside a transaction
//! (<https://www.postgresql.org/docs/current/sql-discard.html>).

use std::fmt::Write;
use std::time::Duration;

use postgres::Client;

use super::transaction::{Delivery, send};
use crate::names::{Ident, Literal, fill};

/// The order matters: a cursor can hold a temporary table, and the role that a migration has set may not be allowed to
/// drop one. `RESET ALL` does not reset role and session authorization.
const UNDO: [&str; 8] = [
    "CLOSE ALL",
    "RESET SESSION AUTHORIZATION",
    "RESET ROLE",
    "RESET ALL",
    "DEALLOCATE ALL",
    "UNLISTEN *",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
];

/// The settings that our own statements and every migration of one transaction run with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    /// The connection's own name. A pooler has set it for the session, and would otherwise believe that its client has
    /// none.
    pub(crate) application_name: Option<&'a str>,
    pub(crate) lock_timeout: Duration,
    /// `None`: the server's setting.
    pub(crate) statement_timeout: Option<Duration>,
    /// Whether the commit waits for the disk.
    pub(crate) durable: bool,
}

impl Local<'_> {
    /// Applies the settings for the transaction, puts `pg_catalog` first in the path, and releases the locks that a
    /// migration took for the session.
    fn again(self) -> String {
        let mut calls = String::from("SELECT pg_catalog.pg_advisory_unlock_all()");
        let mut set = |name: &str, value: &str, local: bool| {
            let _ = write!(calls, ", pg_catalog.set_config({}, {}, {local})", Literal(name), Literal(value));
        };
        set("search_path", "pg_catalog, pg_temp", true);
        set("lock_timeout", &format!("{}ms", self.lock_timeout.as_millis()), true);
        if let Some(timeout) = self.statement_timeout {
            set("statement_timeout", &format!("{}ms", timeout.as_millis()), true);
        }
        if !self.durable {
            set("synchronous_commit", "off", true);
        }
        if let Some(name) = self.application_name {
            set("application_name", name, false);
            // The driver's setting.
            set("client_encoding", "UTF8", false);
        }
        calls
    }
}

/// The statements after a migration.
pub(crate) fn epilogue(local: Local<'_>) -> impl Iterator<Item = String> {
    UNDO.into_iter().map(str::to_owned).chain([local.again()])
}

/// Undoes what a transaction leaves in the session even when it is rolled back. A connection that is lost has no session.
pub(crate) fn undo_rolled_back(client: &mut Client, delivery: Delivery) {
    if client.is_closed() {
        return;
    }
    let statements = ["DEALLOCATE ALL", "DISCARD SEQUENCES", "SELECT pg_catalog.pg_advisory_unlock_all()"];
    if let Err(refused) = send(client, delivery, &statements) {
        log::debug!("what a failed transaction left in the session stays there: {}", refused.error);
    }
}

/// Checks the constraints that a migration deferred, as its commit would: a pending check blocks the next migration's
/// `ALTER TABLE`. Constraints that are deferred by their definition are deferred again. All are named, because
/// `SET CONSTRAINTS ALL` would also apply to constraints that a later migration creates.
pub(crate) fn check_constraints(schema: &str) -> String {
    fill(
        include_str!("check_constraints.sql"),
        &[("schema", &Literal(schema)), ("regnamespace", &Literal(&Ident(schema).to_string()))],
    )
}
