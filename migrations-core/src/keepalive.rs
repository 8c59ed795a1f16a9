//! Keeps a connection from being idle while another one is at work.
//!
//! The connection that holds the locks of a `no-transaction` migration has nothing to do for as long as an index takes, and
//! load balancers and poolers close what is idle.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use postgres::Client;

/// Less than any idle timeout that is in use.
pub(crate) const EVERY: Duration = Duration::from_secs(20);

/// Does the work, and sends something over the connection every so often meanwhile.
pub(crate) fn while_kept_alive<T>(client: &mut Client, every: Duration, work: impl FnOnce() -> T) -> T {
    let (over, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                // An empty query takes no snapshot, for which the build of an index would wait. A connection that is lost
                // is noticed by what is sent over it next.
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

/// Does the work, and calls `tell` once when it has taken a second.
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
