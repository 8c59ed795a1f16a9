//! Whether the tool ran the text that the set has, according to the tool's checksum.

use std::collections::HashMap;

use postgres::Client;
use postgres::types::Type;

use super::foreign::{Checksum, History};
use crate::report::{Comparison, Error};
use crate::set::{Migration, MigrationSet};

/// Checksums of a set's texts that this crate does not compute itself, by version.
#[derive(Default)]
pub(super) struct Texts {
    sha384: HashMap<i64, String>,
}

impl Texts {
    /// Lets the server compute the checksums.
    pub(super) fn ask(client: &mut Client, set: &MigrationSet) -> Result<Self, Error> {
        let texts: Vec<&str> = set.migrations().iter().map(text).collect();
        let query = "SELECT encode(sha384(convert_to(text, 'UTF8')), 'hex') \
                     FROM unnest($1::text[]) WITH ORDINALITY AS t (text, place) ORDER BY place";
        let rows = client
            .query_typed(query, &[(&texts, Type::TEXT_ARRAY)])
            .map_err(|error| Error::from_driver("comparing the texts of migrations", &error))?;
        let versions = set.migrations().iter().map(Migration::version);
        Ok(Self { sha384: versions.zip(rows.iter().map(|row| row.get(0))).collect() })
    }

    /// Compares the migration with what the tool ran under this name in any of the schemas.
    pub(super) fn compare(&self, ours: &Migration, histories: &[(&History, usize)], id: &str) -> Comparison {
        let applied = histories.iter().flat_map(|(history, _)| &history.applied).filter(|foreign| foreign.id == id);
        let mut equal = applied.map(|foreign| self.is_equal(ours, foreign.checksum.as_ref()?)).peekable();
        if equal.peek().is_none() {
            return Comparison::Unknown;
        }
        match equal.collect::<Option<Vec<bool>>>() {
            None => Comparison::Unknown,
            Some(all) if all.iter().all(|is_equal| *is_equal) => Comparison::Identical,
            Some(_) => Comparison::Different,
        }
    }

    fn is_equal(&self, ours: &Migration, checksum: &Checksum) -> Option<bool> {
        Some(match checksum {
            Checksum::Refinery(hash) => *hash == ours.checksum() || Some(*hash) == ours.checksum_int4(),
            Checksum::Sha384(digits) => self.sha384.get(&ours.version())? == digits,
            Checksum::Crc32(sum) => *sum == crc32_of_lines(text(ours)),
        })
    }
}

/// The text of the file, also if the set runs another one instead.
fn text(migration: &Migration) -> &str {
    migration.recorded().sql().unwrap_or_else(|| migration.sql())
}

/// Flyway's checksum: the lines without their ends, and without a byte order mark.
fn crc32_of_lines(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sum = u32::MAX;
    for byte in text.lines().flat_map(str::bytes) {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
    }
    (!sum).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_lines_does_not_depend_on_their_ends() {
        // The check value of CRC-32.
        assert_eq!(crc32_of_lines("123456789").cast_unsigned(), 0xCBF4_3926);
        assert_eq!(crc32_of_lines("\u{feff}1234\r\n567\n89\n"), crc32_of_lines("123456789"));
    }
}
