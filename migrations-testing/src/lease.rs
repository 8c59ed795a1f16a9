//! Whose test databases still live on a server that is not thrown away, and the removal of the others.
//!
//! A process that ends by `abort`, `exit` or `kill -9` drops nothing. So every database made on such a server has a session
//! that holds an advisory lock for it, and a comment that says it is a test's. The first test of the next process drops
//! those whose lock is free.
//!
//! Advisory locks are per database: the lock is taken in the database that `DATABASE_URL` names, not in the test's own,
//! which stays without a session of ours, as a test expects (and as `CREATE DATABASE … TEMPLATE` needs). The comment names
//! that database, and only those who connect to the same one judge by the lock. It is held by an open transaction
//! rather than by the session, so that a pooler in transaction mode gives nobody else the connection.

use std::sync::Mutex;

use migrations_core::Database;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

/// Opens the transaction that holds a lock; it lasts as long as the test.
const HOLD: &str = "BEGIN; SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings \
                    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

/// Takes the lock of the database that is named.
const TRY_LOCK: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock(\
                          pg_catalog.hashtextextended('migrations-testing ' || $1::text, 0))";

/// What is said of a database that is a test's.
const MARK: &str = "SELECT pg_catalog.format('a test''s database, made by migrations-testing through database %I; it is \
                           dropped once no session holds its lock', pg_catalog.current_database())";

/// Says it.
const COMMENT: &str = "SELECT pg_catalog.format('COMMENT ON DATABASE %I IS %L', $1::text, $2::text)";

/// Test databases that this role can drop and that nobody is connected to. A name alone is not proof enough.
const CANDIDATES: &str = "\
    SELECT datname::text FROM pg_catalog.pg_database AS database \
     WHERE datname OPERATOR(pg_catalog.~) '^test_[0-9]+_[0-9a-f]{8}$' \
       AND pg_catalog.shobj_description(oid, 'pg_database') OPERATOR(pg_catalog.=) $1 \
       AND pg_catalog.pg_has_role(datdba, 'USAGE') \
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS session WHERE session.datid = database.oid)";

/// A database that lives: its lock is held until this is dropped.
pub(crate) struct Lease {
    /// A mutex, since a database is shared by a test's threads and a client is not `Sync`.
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

/// Says of a database that it is a test's. Until then it is nobody's to sweep.
pub(crate) fn mark(client: &mut Client, name: &str) -> Result<(), postgres::Error> {
    let mark = mark_of(client)?;
    let comment: String = single(client, COMMENT, &[name, &mark])?.get(0);
    client.batch_execute(&comment)
}

/// Drops the test databases of processes that are gone. What cannot be dropped is left to the next process: a sweep is no
/// test's business.
pub(crate) fn sweep(maintenance: &Database) {
    let Ok(mut client) = maintenance.connect() else { return };
    let candidates = mark_of(&mut client).and_then(|mark| client.query_typed(CANDIDATES, &[(&mark, Type::TEXT)]));
    for row in candidates.unwrap_or_default() {
        let name: String = row.get(0);
        let Ok(session) = maintenance.connect() else { return };
        // Held over the drop: two sweeps that meet do not wait for each other.
        if let Ok(Some(_lease)) = Lease::take(session, &name) {
            // Not by force: somebody who looks at what a failed test has left is not cut off.
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"));
        }
    }
}

fn mark_of(client: &mut Client) -> Result<String, postgres::Error> {
    Ok(single(client, MARK, &[])?.get(0))
}

/// The row that a query returns. Without a named statement, which a pooler in transaction mode may look for in another
/// session than the one it was made in.
pub(crate) fn single(client: &mut Client, query: &str, texts: &[&str]) -> Result<Row, postgres::Error> {
    let texts: Vec<(&(dyn ToSql + Sync), Type)> =
        texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
    client.query_typed_one(query, &texts)
}
