//! Which test databases are still in use on a server that is not thrown away, and the removal of the others.
//!
//! A process that ends by `abort`, `exit` or `kill -9` drops nothing. So every database created on such a server has a
//! session that holds an advisory lock for it, and a comment that marks it as a test database. The first test of the
//! next process drops the databases whose lock is free.
//!
//! Advisory locks are per database. The lock is taken in the database that `DATABASE_URL` names, not in the test's own,
//! which has no session of ours, as a test expects (and as `CREATE DATABASE … TEMPLATE` needs). The comment names that
//! database, and only processes that connect to the same one rely on the lock. An open transaction holds the lock
//! rather than the session, so that a pooler in transaction mode gives the connection to no other client.

use std::sync::Mutex;

use migrations_core::Database;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

/// Opens the transaction that holds a lock; it lasts as long as the test.
const HOLD: &str = "BEGIN; SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings \
                    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

/// Takes the lock of the named database.
const TRY_LOCK: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock(\
                          pg_catalog.hashtextextended('migrations-testing ' || $1::text, 0))";

/// The comment that marks a test database.
const MARK: &str = "SELECT pg_catalog.format('a test''s database, made by migrations-testing through database %I; it is \
                           dropped once no session holds its lock', pg_catalog.current_database())";

/// The statement that sets the comment.
const COMMENT: &str = "SELECT pg_catalog.format('COMMENT ON DATABASE %I IS %L', $1::text, $2::text)";

/// Test databases that this role can drop and that have no session. A name alone is not proof enough.
const CANDIDATES: &str = "\
    SELECT datname::text FROM pg_catalog.pg_database AS database \
     WHERE datname OPERATOR(pg_catalog.~) '^test_[0-9]+_[0-9a-f]{8}$' \
       AND pg_catalog.shobj_description(oid, 'pg_database') OPERATOR(pg_catalog.=) $1 \
       AND pg_catalog.pg_has_role(datdba, 'USAGE') \
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS session WHERE session.datid = database.oid)";

/// A database in use: its lock is held until this is dropped.
pub(crate) struct Lease {
    /// A mutex, since a test's threads share a database and a client is not `Sync`.
    _holder: Mutex<Client>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Lease {
    /// Takes the lock of a database with the session, if it is free.
    pub(crate) fn take(mut session: Client, name: &str) -> Result<Option<Self>, postgres::Error> {
        session.batch_execute(HOLD)?;
        let is_free: bool = single(&mut session, TRY_LOCK, &[name])?.get(0);
        Ok(is_free.then_some(Self { _holder: Mutex::new(session) }))
    }
}

/// Marks a database as a test database. No process sweeps it before that.
pub(crate) fn mark(client: &mut Client, name: &str) -> Result<(), postgres::Error> {
    let mark = mark_of(client)?;
    let comment: String = single(client, COMMENT, &[name, &mark])?.get(0);
    client.batch_execute(&comment)
}

/// Drops the test databases of processes that have ended. A database that cannot be dropped is left to the next
/// process: a failed sweep must not fail a test.
pub(crate) fn sweep(maintenance: &Database) {
    let Ok(mut client) = maintenance.connect() else { return };
    let candidates = mark_of(&mut client).and_then(|mark| client.query_typed(CANDIDATES, &[(&mark, Type::TEXT)]));
    for row in candidates.unwrap_or_default() {
        let name: String = row.get(0);
        let Ok(session) = maintenance.connect() else { return };
        // Held during the drop: two concurrent sweeps do not wait for each other.
        if let Ok(Some(_lease)) = Lease::take(session, &name) {
            // Not by force: a developer who inspects the database of a failed test is not disconnected.
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"));
        }
    }
}

fn mark_of(client: &mut Client) -> Result<String, postgres::Error> {
    Ok(single(client, MARK, &[])?.get(0))
}

/// The row that a query returns. It uses no named statement, since a pooler in transaction mode may look for that in
/// another session than the one that prepared it.
pub(crate) fn single(client: &mut Client, query: &str, texts: &[&str]) -> Result<Row, postgres::Error> {
    let texts: Vec<(&(dyn ToSql + Sync), Type)> =
        texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
    client.query_typed_one(query, &texts)
}
