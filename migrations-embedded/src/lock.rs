//! Locks on folders, which tell whether a process still uses one.
//!
//! The folder itself is locked (`flock`), so there is no lock file to create in another user's folder, to leave behind,
//! or to delete under a waiting process. The lock belongs to the open handle: programs that work in the folder get a
//! copy as one of their standard streams, so that the lock becomes free only when the last of them has ended.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// The pause between two attempts to take a lock.
const INTERVAL: Duration = Duration::from_millis(20);

/// Takes the lock if it is free.
pub(crate) fn try_lock(folder: &File) -> io::Result<bool> {
    match folder.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Takes the lock as soon as it is free, and gives up after `patience`.
pub(crate) fn lock_within(folder: &File, patience: Duration) -> io::Result<bool> {
    let started = Instant::now();
    while !try_lock(folder)? {
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        thread::sleep(INTERVAL.min(left));
    }
    Ok(true)
}
