//! What follows every migration, whatever its text: nothing that it left in the session reaches the next migration, the
//! next tenant, or the next client of a pooler.
//!
//! It does what `DISCARD ALL` does, statement by statement, since that one cannot run inside a transaction
//! (<https://www.postgresql.org/docs/current/sql-discard.html>).

use std::fmt::Write;
use std::time::Duration;

use crate::sql::{Ident, Literal};

/// In this order: a cursor can hold a temporary table, and a role that the migration took may not drop one. `RESET ALL`
/// leaves role and session authorization alone.
const UNDO: &str = "\
CLOSE ALL;
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
DEALLOCATE ALL;
UNLISTEN *;
DISCARD TEMP;
DISCARD SEQUENCES";

/// What our own statements and every migration of one transaction run with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    /// The connection's own name. A pooler has set it for the session, and would believe that its client has none.
    pub(crate) application_name: Option<&'a str>,
    pub(crate) lock_timeout: Duration,
    /// Whether the commit waits for the disk.
    pub(crate) durable: bool,
}

impl Local<'_> {
    /// Sets it for the transaction, with the names of PostgreSQL in front of all others, and lets go of the locks that a
    /// migration took for the session.
    fn again(self) -> String {
        let mut calls = String::from("SELECT pg_catalog.pg_advisory_unlock_all()");
        let mut set = |name: &str, value: &str, local: bool| {
            let _ = write!(calls, ", pg_catalog.set_config({}, {}, {local})", Literal(name), Literal(value));
        };
        set("search_path", "pg_catalog, pg_temp", true);
        set("lock_timeout", &format!("{}ms", self.lock_timeout.as_millis()), true);
        if !self.durable {
            set("synchronous_commit", "off", true);
        }
        if let Some(name) = self.application_name {
            set("application_name", name, false);
            // The driver's.
            set("client_encoding", "UTF8", false);
        }
        calls
    }
}

/// The statements behind a migration.
pub(crate) fn epilogue(local: Local<'_>) -> String {
    format!("{UNDO};\n{}", local.again())
}

/// Checks the constraints that a migration deferred, as its commit would: a check that is still open stands in the way of
/// the next migration's `ALTER TABLE`. Those that are deferred by their definition are deferred again. All by name:
/// `SET CONSTRAINTS ALL` would hold for constraints too that a later migration creates.
pub(crate) fn check_constraints(schema: &str) -> String {
    // By way of the schema's own dependencies: nothing here reads a catalog from end to end.
    format!(
        "DO $migrate$
DECLARE
    to_check text;
    to_defer text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT name, ', '),
        pg_catalog.string_agg(DISTINCT name, ', ') FILTER (WHERE condeferred AND NOT is_ambiguous)
    INTO to_check, to_defer
    FROM (
        SELECT pg_catalog.format('%I.%I', {name}, k.conname) AS name, k.condeferred,
            -- Another constraint of that name is checked at once, and would be meant too.
            EXISTS (
                SELECT FROM pg_catalog.pg_constraint other
                WHERE other.conname OPERATOR(pg_catalog.=) k.conname
                    AND other.connamespace OPERATOR(pg_catalog.=) k.connamespace AND NOT other.condeferred
            ) AS is_ambiguous
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_constraint k ON k.conrelid OPERATOR(pg_catalog.=) d.objid
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
            AND d.refobjid OPERATOR(pg_catalog.=) {regnamespace}::pg_catalog.regnamespace
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND k.condeferrable
    ) AS constraints;
    IF to_check IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || to_check || ' IMMEDIATE';
    END IF;
    IF to_defer IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || to_defer || ' DEFERRED';
    END IF;
END
$migrate$",
        name = Literal(schema),
        regnamespace = Literal(&Ident(schema).to_string()),
    )
}
