//! Does blocking work on another thread and waits for it: a test's own thread can drive a tokio runtime, where the
//! driver panics. A test may wait.

use std::thread;

use crate::Error;

/// Does `work` on another thread. The inner result is an error if it panicked.
pub(crate) fn elsewhere<T: Send>(work: impl FnOnce() -> T + Send) -> Result<thread::Result<T>, Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("test database".to_owned()).spawn_scoped(scope, work);
        thread.map(thread::ScopedJoinHandle::join).map_err(Error::Thread)
    })
}

/// Does `work` on another thread. A panic continues here.
pub(crate) fn off_runtime<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    elsewhere(work)?.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
