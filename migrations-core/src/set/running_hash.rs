//! Hashes over a list of texts that tell where one ends and the next begins, the same on every platform: they are kept in the
//! registry.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A text, told from the ones around it.
pub(crate) fn write(hasher: &mut SipHasher13, text: &str) {
    hasher.write(&(text.len() as u64).to_le_bytes());
    hasher.write(text.as_bytes());
}

/// Hashes of the first so many of these texts, from none to all.
pub(crate) fn running_hashes<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<i64> {
    let mut hasher = SipHasher13::new();
    let mut found = vec![hasher.finish().cast_signed()];
    for text in texts {
        write(&mut hasher, text);
        found.push(hasher.finish().cast_signed());
    }
    found
}
