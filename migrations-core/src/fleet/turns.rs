//! The permits to use two connections at a time.
//!
//! A migration outside a transaction takes a second connection while it keeps the first. Half of the workers may do so,
//! so that a run needs half as many connections again as it has workers, and not twice as many. Behind a pooler, one
//! worker at a time may: the size of the pool cannot be known, and each worker would keep one connection and wait for
//! another.

use std::sync::{Condvar, Mutex, PoisonError};

use super::lock::lock;

/// A number of permits, at least one.
pub(super) struct Turns {
    left: Mutex<usize>,
    given_back: Condvar,
}

/// A permit, given back when it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(super) fn new(turns: usize) -> Self {
        Self { left: Mutex::new(turns.max(1)), given_back: Condvar::new() }
    }

    /// Waits for a permit.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut left = lock(&self.left);
        while *left == 0 {
            left = self.given_back.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.left) += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_than_there_are_turns_go_on_at_a_time() {
        for (turns, most) in [(0, 1), (1, 1), (2, 2)] {
            let turns = Turns::new(turns);
            let (now, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let turn = turns.take();
                        seen.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(3));
                        now.fetch_sub(1, Ordering::SeqCst);
                        drop(turn);
                    });
                }
            });
            assert_eq!(seen.into_inner(), most);
        }
    }
}
