//! Counts retries.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Attempts after the first one.
pub(crate) const RETRIES: u32 = 5;

/// Attempts in all.
pub(crate) const TRIES: u32 = RETRIES + 1;

/// The transient errors of one run, counted over all its work.
#[derive(Default)]
pub(crate) struct TransientErrors {
    /// The number of retries.
    retries: AtomicUsize,
    /// How often the connection was lost. What was committed over it may not have been on disk.
    lost: AtomicUsize,
}

impl TransientErrors {
    /// Counts a retry.
    pub(crate) fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a lost connection.
    pub(crate) fn add_lost_connection(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of retries.
    pub(crate) fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }

    /// How often the connection was lost.
    pub(crate) fn lost_connections(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}
