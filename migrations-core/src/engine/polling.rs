//! Pauses between attempts to take a lock.

use std::time::{Duration, Instant};

use crate::report::Error;

/// Pauses between attempts, up to a deadline.
pub(crate) struct Polling {
    start: Instant,
    wait: Duration,
    pause: Duration,
}

impl Polling {
    /// The first pause; it doubles from there.
    const SHORTEST: Duration = Duration::from_millis(5);
    /// The longest pause between two attempts.
    const LONGEST: Duration = Duration::from_millis(250);

    pub(super) fn new(wait: Duration) -> Self {
        Self { start: Instant::now(), wait, pause: Self::SHORTEST }
    }

    /// Whether there was no pause yet.
    pub(super) fn is_first(&self) -> bool {
        self.pause == Self::SHORTEST
    }

    /// Sleeps for a moment, with jitter, so that many waiting processes do not try again at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when the deadline has passed.
    pub(crate) fn pause(&mut self, what: &str) -> Result<(), Error> {
        let waited = self.start.elapsed();
        if waited >= self.wait {
            return Err(Error::Locked { what: what.to_owned(), waited });
        }
        std::thread::sleep(self.pause.mul_f64(0.5 + fastrand::f64()).min(self.wait.saturating_sub(waited)));
        self.pause = (self.pause * 2).min(Self::LONGEST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_ends_at_its_deadline() {
        let mut polling = Polling::new(Duration::from_millis(20));
        let start = Instant::now();
        while polling.pause("tenant acme").is_ok() {
            assert!(start.elapsed() < Duration::from_secs(5));
        }
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
