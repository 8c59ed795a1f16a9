//! The number of spare schemas.

/// The number of spare schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Up to date: a sign-up can take one.
    pub ready: usize,
    /// Not up to date; the next run migrates them.
    pub behind: usize,
}

impl PoolStatus {
    /// How many spares are missing from `size`.
    pub(crate) fn missing(self, size: usize) -> usize {
        size.saturating_sub(self.ready + self.behind)
    }
}
