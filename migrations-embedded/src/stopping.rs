//! The servers that this process is stopping: they still answer for a moment, and nothing may begin to use them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The servers' process ids.
static PIDS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A server that is being stopped, until this is dropped.
pub(crate) struct Stopping(u32);

impl Stopping {
    pub(crate) fn new(pid: u32) -> Self {
        pids().push(pid);
        Self(pid)
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        let mut pids = pids();
        if let Some(index) = pids.iter().position(|pid| *pid == self.0) {
            pids.swap_remove(index);
        }
    }
}

/// Whether this process is stopping the server.
pub(crate) fn is_stopping(pid: u32) -> bool {
    pids().contains(&pid)
}

fn pids() -> MutexGuard<'static, Vec<u32>> {
    PIDS.lock().unwrap_or_else(PoisonError::into_inner)
}
