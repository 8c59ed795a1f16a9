//! Keeps a connection from being idle while another one works.
//!
//! The connection that holds the locks of a `no-transaction` migration has nothing to do while an index is built, and
//! load balancers and poolers close idle connections.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use postgres::Client;

/// Less than any idle timeout in use.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Does the work, and meanwhile sends something over the connection at regular intervals.
pub(crate) fn while_kept_alive<T>(client: &mut Client, every: Duration, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                // An empty query takes no snapshot, for which the build of an index would wait. If the connection is
                // lost, the next real query notices it.
                if client.batch_execute("").is_err() {
                    break;
                }
            }
        });
        let done = work();
        drop(over);
        done
    })
}

/// Does the work, and calls `tell` once if it takes longer than a second.
pub(crate) fn telling_when_slow<T>(tell: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_over.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                tell();
            }
        });
        let done = work();
        drop(over);
        done
    })
}

#[cfg(test)]
// Tests fail by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use migrations_embedded::Server;
    use postgres::NoTls;

    use super::*;
    use crate::{Database, MigrationSet, Migrator, RunOptions, TenantName};

    /// Closes a connection on which the client has sent nothing for this long while the server has nothing to answer.
    const IDLE: Duration = Duration::from_millis(600);

    /// A load balancer. Its threads end with their connections, the last thread with the process.
    struct Balancer {
        address: SocketAddr,
        closed: Arc<AtomicUsize>,
    }

    impl Balancer {
        fn start(server: &Server) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
            let closed = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&closed);
            thread::spawn(move || {
                while let Ok((client, _)) = listener.accept() {
                    serve(client, &socket, &count);
                }
            });
            Self { address, closed }
        }
    }

    fn serve(mut client: TcpStream, socket: &PathBuf, closed: &Arc<AtomicUsize>) {
        let mut server = UnixStream::connect(socket).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        // When the server last had nothing left to answer.
        let answered = Arc::new(Mutex::new(None::<Instant>));
        let (mut down, mut up) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let (seen, closed) = (Arc::clone(&answered), Arc::clone(closed));
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(length @ 1..) = down.read(&mut buffer) {
                *seen.lock().unwrap() = Some(Instant::now());
                if up.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = up.shutdown(Shutdown::Both);
        });
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            loop {
                match client.read(&mut buffer) {
                    Ok(length @ 1..) => {
                        *answered.lock().unwrap() = None;
                        if server.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        if answered.lock().unwrap().is_some_and(|answered| answered.elapsed() > IDLE) {
                            closed.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                    }
                    _ => break,
                }
            }
            let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
        });
    }

    /// Migrates one tenant while a writer delays the build of an index for several times the idle timeout; returns how
    /// many connections were closed.
    fn closed(keep_alive: Duration) -> usize {
        let server = Server::throwaway().unwrap();
        let balancer = Balancer::start(&server);
        let url = format!("postgres://postgres@{}/postgres", balancer.address);
        let (direct, database) = (server.url("postgres"), Database::from_url(&url).unwrap());
        let notes = || {
            let set = MigrationSet::new("tenant").unwrap();
            set.with_migration("V1__notes", || "CREATE TABLE notes (id bigint)".to_owned()).unwrap()
        };
        let migrator = |tenant| Migrator::new(MigrationSet::new("shared").unwrap(), tenant).jobs(1);
        let name: TenantName = "acme".parse().unwrap();
        let create = RunOptions::new().create([name]);
        assert!(migrator(notes()).run_with(&Database::from_url(&direct).unwrap(), &create).unwrap().is_success());
        let index = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_idx ON notes (id)";
        let newer = migrator(notes().with_migration("V2__index", || index.to_owned()).unwrap());
        let newer = newer.lock_timeout(Duration::from_mins(1)).keeping_alive(keep_alive);
        let (mut writer, mut watcher) =
            (Client::connect(&direct, NoTls).unwrap(), Client::connect(&direct, NoTls).unwrap());
        writer.batch_execute("BEGIN; INSERT INTO acme.notes VALUES (1)").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| newer.run(&database).unwrap());
            let building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%' \
                            AND pg_blocking_pids(pid) <> '{}'";
            while watcher.query_one(building, &[]).unwrap().get::<_, i64>(0) == 0 {
                thread::sleep(Duration::from_millis(5));
            }
            thread::sleep(IDLE * 3);
            writer.batch_execute("COMMIT").unwrap();
            let report = run.join().unwrap();
            assert!(report.is_success(), "{:?}", report.failures);
        });
        balancer.closed.load(Ordering::SeqCst)
    }

    #[test]
    fn the_connection_that_holds_the_locks_is_not_idle_while_an_index_is_built() {
        assert_eq!(closed(IDLE / 4), 0, "it is kept alive");
        assert!(closed(KEEP_ALIVE) > 0, "the balancer closes what is idle");
    }
}
