//! Ends the wait for something that has no time limit of its own.
//!
//! The driver's time limit covers the TCP connection only: a server that accepts it and then says nothing, in the TLS
//! handshake or while it checks the password, would hold the caller for ever.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The driver reports a TCP connection that takes as long as the limit; its message comes first.
const GRACE: Duration = Duration::from_millis(100);

/// Why there is no result.
pub(super) enum Late {
    /// It took longer than the limit.
    TimedOut,
    /// The system gave no thread, or the thread ended early.
    NoThread(std::io::Error),
}

/// Does the work on a thread of its own, and waits for its result as long as the limit says. Work that takes longer
/// goes on, and its result is dropped: the thread ends when the server answers or closes the connection.
pub(super) fn within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Late> {
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().name("connect".to_owned()).spawn(move || {
        // Nobody receives a result that comes too late.
        let _ = sender.send(work());
    });
    started.map_err(Late::NoThread)?;
    let arrived = match limit {
        Some(limit) => receiver.recv_timeout(limit.saturating_add(GRACE)),
        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    arrived.map_err(|error| match error {
        RecvTimeoutError::Timeout => Late::TimedOut,
        RecvTimeoutError::Disconnected => {
            Late::NoThread(std::io::Error::other("the thread that opens the connection has ended"))
        }
    })
}
