//! Random moments that can be reproduced.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a random test is repeated: `MIGRATE_FAULT_ROUNDS`, or `short`.
pub(crate) fn rounds(short: usize) -> usize {
    std::env::var("MIGRATE_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(short)
}

/// Random numbers (`SplitMix64`) from a seed that a failing test prints.
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    pub(crate) fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
        let given = std::env::var("MIGRATE_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::try_from(now() & u128::from(u64::MAX)).unwrap_or_default());
        Self { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A time below `end`.
    pub(crate) fn moment(&mut self, end: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(end.as_micros()).unwrap_or(u64::MAX).max(1)))
    }
}

/// Random moments before the end of a run, until there were enough of them.
///
/// The duration of a run depends on what else the machine does: a moment that came too late does not count, and the
/// following moments are earlier.
pub(crate) struct Moments {
    end: Duration,
    wanted: usize,
    hit: usize,
    missed: usize,
}

impl Moments {
    /// This many moments before the end of a run that takes this long when nothing disturbs it.
    pub(crate) fn before(end: Duration, wanted: usize) -> Self {
        Self { end, wanted, hit: 0, missed: 0 }
    }

    /// The next moment, or nothing if there were enough.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> Option<Duration> {
        assert!(self.missed <= 10 * self.wanted, "{} of {} runs were interrupted", self.hit, self.hit + self.missed);
        (self.hit < self.wanted).then(|| dice.moment(self.end))
    }

    /// The number of moments before the end.
    pub(crate) fn hit(&self) -> usize {
        self.hit
    }

    /// Whether the last moment was before the end.
    pub(crate) fn count(&mut self, was_running: bool) {
        if was_running {
            self.hit += 1;
        } else {
            self.missed += 1;
            self.end = self.end * 3 / 4;
        }
    }

    /// Notes that the last moment was before the end, but not where it was meant to be.
    pub(crate) fn miss(&mut self) {
        self.missed += 1;
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MIGRATE_FAULT_SEED={}", self.seed);
        }
    }
}
