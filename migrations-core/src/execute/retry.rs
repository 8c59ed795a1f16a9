//! Which errors are transient, and how often work is tried again.

use std::time::Duration;

use crate::report::{Failure, Reason};
use crate::server::{RETRIES, TransientErrors, is_lost_code, is_lost_failure};

/// The pause before the first retry; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// SQLSTATEs of transient errors, besides those of a lost connection: a lock that is held, a deadlock, a serialization
/// failure, a full server.
const TRANSIENT: [&str; 4] = ["55P03", "40P01", "40001", "53300"];

/// The server's message when two sessions change one row of the catalog; it is in English whatever the server's
/// language is. Examples are two grants on the same object, or the build of an index while another build on the same
/// table ends.
const CATALOG_RACE: &str = "tuple concurrently ";

/// The retries of one piece of work; they are also counted for the whole run.
pub(crate) struct Retries<'a> {
    done: u32,
    all: &'a TransientErrors,
}

impl<'a> Retries<'a> {
    pub(crate) fn new(all: &'a TransientErrors) -> Self {
        Self { done: 0, all }
    }

    /// Whether a transient failure would be tried again.
    pub(crate) fn are_left(&self) -> bool {
        self.done < RETRIES
    }

    /// Sleeps, with backoff and jitter, if the failure is transient and there are retries left.
    pub(crate) fn pause(&mut self, failure: &Failure) -> bool {
        if is_lost_failure(failure) {
            self.all.add_lost_connection();
        }
        if !self.are_left() || !is_transient(failure) {
            return false;
        }
        let pause = FIRST_PAUSE * 2u32.pow(self.done);
        self.done += 1;
        self.all.add_retry();
        log::warn!("{}: {}; retry {} of {RETRIES}", failure.subject(), failure.message(), self.done);
        std::thread::sleep(pause.mul_f64(0.5 + fastrand::f64()));
        true
    }
}

/// Whether a failure is transient.
pub(super) fn is_transient(failure: &Failure) -> bool {
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
