//! Does work of the driver on a thread of its own: its blocking calls panic on a thread that drives a tokio runtime, as
//! that of an async application or test does.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::{io, panic};

/// Does the work, and waits for its end. A panic continues here.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let started = thread::Builder::new().spawn_scoped(scope, work)?;
        Ok(started.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })
}

/// Does the work, and waits for its end as long as `limit`. None for work that takes longer: its thread ends with it.
pub(crate) fn aside_within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // Nobody receives a result that comes too late.
        let _ = sender.send(work());
    })?;
    Ok(receiver.recv_timeout(limit).ok())
}
