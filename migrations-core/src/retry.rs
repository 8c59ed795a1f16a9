//! Which errors pass by themselves, and how often to try again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::failure::{Failure, Reason};
use crate::lost::is_lost_code;

/// Tries after the first one.
const RETRIES: u32 = 5;
/// The pause before the first retry; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How often something is tried at the most.
pub(crate) const TRIES: u32 = RETRIES + 1;

/// SQLSTATEs of what passes by itself, beside a lost connection: a lock that is held, a deadlock, a serialization failure, a
/// server that is full.
const TRANSIENT: [&str; 4] = ["55P03", "40P01", "40001", "53300"];

/// What the server says, in English whatever its language is, when two sessions change one row of the catalog: two grants
/// on the same object, or the build of an index and the end of another one on the same table.
const CATALOG_RACE: &str = "tuple concurrently ";

/// What passed by itself in a run, counted for all that is done in it.
#[derive(Default)]
pub(crate) struct Mishaps {
    /// How often something was tried again.
    pub(crate) retries: AtomicUsize,
    /// How often the connection was lost. What was committed over it may not have been on disk.
    pub(crate) lost: AtomicUsize,
}

/// The retries of one piece of work, counted with those of others.
pub(crate) struct Retries<'a> {
    done: u32,
    all: &'a Mishaps,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(all: &'a Mishaps) -> Self {
        Self { done: 0, all }
    }

    /// Whether a failure that can pass would be tried again.
    pub(crate) fn are_left(&self) -> bool {
        self.done < RETRIES
    }

    /// Sleeps, with backoff and jitter, when the failure can pass and there are retries left.
    pub(crate) fn pause(&mut self, failure: &Failure) -> bool {
        if is_lost(failure) {
            self.all.lost.fetch_add(1, Ordering::Relaxed);
        }
        if !self.are_left() || !is_transient(failure) {
            return false;
        }
        let pause = FIRST_PAUSE * 2u32.pow(self.done);
        self.done += 1;
        self.all.retries.fetch_add(1, Ordering::Relaxed);
        log::warn!("{}: {}; retry {} of {RETRIES}", failure.subject(), failure.message(), self.done);
        std::thread::sleep(pause.mul_f64(0.5 + fastrand::f64()));
        true
    }
}

/// Whether a failure can pass by itself.
pub(crate) fn is_transient(failure: &Failure) -> bool {
    match failure.reason() {
        Reason::Server(error) => {
            let code = error.sqlstate();
            TRANSIENT.contains(&code)
                || is_lost_code(code)
                || code == "XX000" && error.message().starts_with(CATALOG_RACE)
        }
        Reason::ConnectionLost(_) => true,
        _ => false,
    }
}

/// Whether the connection is gone. The driver notices late, and the server may have said so before it went.
pub(crate) fn is_lost(failure: &Failure) -> bool {
    match failure.reason() {
        Reason::Server(error) => is_lost_code(error.sqlstate()),
        Reason::ConnectionLost(_) => true,
        _ => false,
    }
}
