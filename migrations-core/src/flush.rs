//! Waits for the disk.
//!
//! A commit waits for the disk only if its transaction has written to the write-ahead log; to take a transaction id is not
//! enough. A logical message is written, and changes nothing.

use postgres::Client;

use crate::error::Error;

/// A message whose commit is on disk, and with it everything that was committed before. Anybody may send it, unless
/// `EXECUTE` on the function was revoked.
const MESSAGE: &str =
    "SET LOCAL synchronous_commit = on; SELECT pg_catalog.pg_logical_emit_message(true, 'migrate'::text, ''::text)";

/// Waits until everything that was committed so far is on disk.
pub(crate) fn flush(client: &mut Client) -> Result<(), Error> {
    client.batch_execute(MESSAGE).map_err(|error| Error::from_driver("waiting for the disk", &error))
}

#[cfg(test)]
// A test says what went wrong by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use migrations_embedded::Server;
    use postgres::NoTls;

    use super::*;

    /// Bytes of the write-ahead log behind what is on disk.
    fn pending(client: &mut Client) -> i64 {
        let query = "SELECT (pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn())::int8";
        client.query_one(query, &[]).unwrap().get(0)
    }

    #[test]
    fn a_flush_leaves_nothing_that_was_committed_behind_the_disk() {
        // Nothing reaches the disk by itself for a while.
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
