//! How many tenants share a transaction.
//!
//! A transaction holds the locks of all its tenants until it commits, and the application waits as long. So tenants
//! share one only if that takes a moment: a worker begins with one tenant, and takes as many as it expects to finish in
//! [`HOLD`]. A statement that takes longer, or a lock that is not available at once, ends the shared transaction, and
//! its tenants are done one by one.

use std::time::Duration;

/// How long a shared transaction should take.
const HOLD: Duration = Duration::from_millis(25);

/// The maximum number of tenants in one transaction: more of them save nothing.
const MOST: usize = 16;

/// The number of tenants that a worker takes for its next transaction.
pub(super) struct Batching {
    fixed: Option<usize>,
    most: usize,
    /// What a shared transaction that failed still allows.
    ceiling: usize,
    size: usize,
    /// Tenants in a row that were migrated alone.
    alone: usize,
}

impl Batching {
    /// A fixed number, or one that is adjusted to measurements, up to `most`.
    pub(super) fn new(fixed: Option<usize>, most: usize) -> Self {
        let most = most.clamp(1, MOST);
        Self { fixed, most, ceiling: most, size: 1, alone: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.fixed.unwrap_or(self.size)
    }

    /// Whether the application chose the number, and with it how long locks are held.
    pub(super) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// A tenant was migrated alone. How long that took says more about the network than about its locks.
    pub(super) fn done_alone(&mut self) {
        self.alone += 1;
        if self.alone >= MOST {
            self.alone = 0;
            self.ceiling = (self.ceiling * 2).min(self.most);
        }
        self.size = self.size.max(2).min(self.ceiling);
    }

    /// This many tenants shared a transaction that took this long on the server.
    pub(super) fn done_together(&mut self, tenants: usize, elapsed: Duration) {
        let each = elapsed / u32::try_from(tenants.max(1)).unwrap_or(u32::MAX);
        let fits = HOLD.as_micros().checked_div(each.as_micros()).unwrap_or(u128::MAX);
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        self.alone = 0;
        if tenants >= self.ceiling {
            self.ceiling = (self.ceiling * 2).min(self.most);
        }
        // It grows step by step: the next tenants may hold more than these.
        self.size = fits.min(self.size * 2).clamp(1, self.ceiling);
    }

    /// A transaction that this many tenants shared was not committed. Its tenants are done alone; the next ones share one
    /// that is half as large at most.
    pub(super) fn failed(&mut self, tenants: usize) {
        self.alone = 0;
        self.ceiling = (tenants / 2).max(1);
        self.size = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_share_a_transaction_while_that_takes_a_moment() {
        let mut batching = Batching::new(None, 10);
        batching.done_alone();
        let mut sizes = Vec::new();
        for milliseconds in [2, 4, 8, 10, 100] {
            sizes.push(batching.size());
            batching.done_together(batching.size(), Duration::from_millis(milliseconds));
        }
        assert_eq!(sizes, [2, 4, 8, 10, 10], "it grows, and follows what was measured");
        assert_eq!(batching.size(), 2);
        batching.done_together(2, Duration::from_millis(60));
        assert_eq!(batching.size(), 1);
        assert_eq!(Batching::new(Some(100), 1).size(), 100);
    }

    #[test]
    fn a_failure_halves_what_may_share_until_that_is_seen_to_work() {
        let mut batching = Batching::new(None, 16);
        batching.failed(16);
        // Those of the failed transaction, one by one.
        (0..15).for_each(|_| batching.done_alone());
        assert_eq!(batching.size(), 2);
        for expected in [4, 8] {
            batching.done_together(batching.size(), Duration::from_millis(1));
            assert_eq!(batching.size(), expected);
        }
        batching.failed(8);
        batching.failed(4);
        batching.failed(2);
        batching.done_alone();
        assert_eq!(batching.size(), 1, "nothing is shared where sharing fails");
        (0..16).for_each(|_| batching.done_alone());
        assert_eq!(batching.size(), 2, "it is tried again");
    }
}
