//! The digest chain: everything that is applied to a schema as one number.
//!
//! `digest[k]` covers the first `k` migrations: `digest[k] = hash(digest[k - 1], version[k], checksum[k])`. Two schemas
//! with the same digest have the same history, so a plan compares numbers and need not read histories.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The migrations that are applied to a schema, as one number.
///
/// ```
/// use migrations_core::Digest;
///
/// let one = Digest::EMPTY.then(1, 0x5eed);
/// assert_ne!(one, Digest::EMPTY);
/// assert_eq!(one, Digest::EMPTY.then(1, 0x5eed));
/// assert_ne!(one, Digest::EMPTY.then(2, 0x5eed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Nothing is applied.
    pub const EMPTY: Self = Self(0);

    /// The digest after one more migration.
    #[must_use]
    pub fn then(self, version: i64, checksum: u64) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(&self.0.to_le_bytes());
        hasher.write(&version.to_le_bytes());
        hasher.write(&checksum.to_le_bytes());
        Self(hasher.finish())
    }

    /// The number that the registry stores. `bigint` has no unsigned form, so the sign has no meaning.
    pub(crate) fn to_sql(self) -> i64 {
        self.0.cast_signed()
    }

    /// The digest that the registry stores as this number.
    pub(crate) fn from_sql(value: i64) -> Self {
        Self(value.cast_unsigned())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Databases store digests: after a release that computes other ones, every run would have to read every history.
    #[test]
    fn the_hash_is_the_same_in_every_release() {
        assert_eq!(Digest::EMPTY.then(1, 2).then(20_260_131_120_000, u64::MAX).to_string(), "4ee1ca15967b7709");
    }

    #[test]
    fn the_sign_survives_the_database() {
        let digest = Digest(u64::MAX - 1);
        assert_eq!(Digest::from_sql(digest.to_sql()), digest);
    }
}
