//! Waits until commits are on disk.
//!
//! A commit waits for the disk only if its transaction has written to the write-ahead log; taking a transaction id is
//! not enough. A logical message writes to the log and changes nothing.

use postgres::Client;

use crate::report::Error;

/// A logical message. When its commit is on disk, everything that was committed before is too. Every role may send it,
/// unless `EXECUTE` on the function was revoked.
/// The setting comes first in the same statement, for a server that accepts only one statement at a time.
const STATEMENT: &str = "WITH durable AS MATERIALIZED (\
     SELECT pg_catalog.set_config('synchronous_commit'::text, 'on'::text, true)) \
     SELECT pg_catalog.pg_logical_emit_message(true, 'migrate'::text, ''::text) FROM durable";

/// Waits until everything that was committed so far is on disk.
pub(super) fn flush(client: &mut Client) -> Result<(), Error> {
    client.batch_execute(STATEMENT).map_err(|error| Error::from_driver("waiting for the disk", &error))
}

#[cfg(test)]
// Tests fail by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use migrations_embedded::Server;
    use postgres::NoTls;

    use super::*;

    /// Bytes of the write-ahead log that are not on disk yet.
    fn pending(client: &mut Client) -> i64 {
        let query = "SELECT (pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn())::int8";
        client.query_one(query, &[]).unwrap().get(0)
    }

    #[test]
    fn a_flush_leaves_nothing_that_was_committed_behind_the_disk() {
        // Nothing reaches the disk on its own for a while.
        let builder = Server::builder().durable(true).setting("wal_writer_delay", "10s");
        let server = builder.setting("autovacuum", "off").start_throwaway().unwrap();
        let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
        client.batch_execute("CREATE TABLE t (a int)").unwrap();
        let mut was_pending = false;
        for _ in 0..5 {
            client.batch_execute("SET synchronous_commit = off; INSERT INTO t VALUES (1)").unwrap();
            was_pending |= pending(&mut client) > 0;
            flush(&mut client).unwrap();
            assert_eq!(pending(&mut client), 0);
        }
        assert!(was_pending, "there was nothing to wait for");
    }
}
