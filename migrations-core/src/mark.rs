//! What is noted of a migration that runs outside a transaction, so that a run after a crash knows what it finds.
//!
//! A mark says how many units are done, and whether the next one was begun. It carries a hash of what is done: a number
//! alone would mean other units once the file was edited. Behind what is the same, an edited file goes on where it was.

use std::hash::Hasher;
use std::ops::Range;

use siphasher::sip::SipHasher13;

use crate::set::{Migration, Unit};
use crate::sql::OrNull;

/// A mark as the registry has it. Older binaries mark only what was begun, with the checksum of the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: i64,
    /// So many units are done.
    pub(crate) done: i64,
    /// A hash of these.
    pub(crate) before: Option<i64>,
    /// A hash of the next one, when it was begun.
    pub(crate) next: Option<i64>,
}

/// What the registry's row holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mark: Option<Mark>,
    /// Whether the mark is about the schema that is there, and not about one that was dropped.
    pub(crate) is_about_this_schema: bool,
}

/// How far an interrupted run has come in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// What is before this unit is done, and nothing of what comes from there.
    Before(usize),
    /// What is before this unit is done; the unit itself was begun.
    In(usize),
    /// What is before this unit is done; another one was begun in its place, and the file was edited since.
    InAnother(usize),
    /// The mark is another text's: any unit may be done.
    Unknown,
}

impl Mark {
    /// What comes before this unit is done.
    pub(crate) fn before(migration: &Migration, number: usize) -> Self {
        Self {
            version: migration.version(),
            done: i64::try_from(number).unwrap_or(i64::MAX),
            before: Some(hash(migration, units(migration).iter().take(number))),
            next: None,
        }
    }

    /// This unit is begun.
    pub(crate) fn begun(migration: &Migration, number: usize) -> Self {
        let next = units(migration).get(number).map(|unit| hash(migration, [unit]));
        Self { next, ..Self::before(migration, number) }
    }

    /// The row of its columns, in their order.
    pub(crate) fn to_sql(self) -> String {
        format!("{}, {}, {}, {}", self.version, self.done, OrNull(self.before), OrNull(self.next))
    }

    /// As older binaries write it.
    fn is_old(&self, migration: &Migration, unit: &Unit) -> bool {
        let mut hasher = SipHasher13::new();
        hasher.write(text(migration, &unit.range));
        self.before == Some(migration.checksum().cast_signed()) && self.next == Some(hasher.finish().cast_signed())
    }
}

impl Found {
    /// After it was written.
    pub(crate) fn new(mark: Mark) -> Self {
        Self { mark: Some(mark), is_about_this_schema: true }
    }

    /// A row to compare with.
    pub(crate) fn to_sql(self) -> String {
        self.mark.map_or_else(|| "(NULL, NULL, NULL, NULL)".to_owned(), |mark| format!("({})", mark.to_sql()))
    }

    /// How far the migration has come.
    pub(crate) fn progress(self, migration: &Migration) -> Progress {
        let Some(mark) = self.mark.filter(|_| self.is_about_this_schema) else { return Progress::Before(0) };
        let units = units(migration);
        let done = usize::try_from(mark.done).unwrap_or(usize::MAX);
        if done <= units.len() && mark.before == Mark::before(migration, done).before {
            return match mark.next {
                None => Progress::Before(done),
                next if next == Mark::begun(migration, done).next => Progress::In(done),
                Some(_) => Progress::InAnother(done),
            };
        }
        match units.get(done) {
            Some(unit) if mark.version == migration.version() && mark.is_old(migration, unit) => Progress::In(done),
            _ => Progress::Unknown,
        }
    }
}

impl Progress {
    /// The first unit that is not known to be done.
    pub(crate) fn first(self) -> usize {
        match self {
            Self::Before(number) | Self::In(number) | Self::InAnother(number) => number,
            Self::Unknown => 0,
        }
    }

    /// Whether a unit may be done, or half of it.
    pub(crate) fn is_in_doubt(self, number: usize) -> bool {
        self == Self::In(number) || self.is_anothers(number)
    }

    /// Whether what is found of a unit may have been made by another text.
    pub(crate) fn is_anothers(self, number: usize) -> bool {
        self == Self::Unknown || self == Self::InAnother(number)
    }
}

fn units(migration: &Migration) -> &[Unit] {
    migration.outside().map_or(&[], |outside| outside.units())
}

fn hash<'a>(migration: &Migration, units: impl IntoIterator<Item = &'a Unit>) -> i64 {
    let mut hasher = SipHasher13::new();
    for unit in units {
        let text = text(migration, &unit.range);
        hasher.write_usize(text.len());
        hasher.write(text);
    }
    hasher.finish().cast_signed()
}

fn text<'a>(migration: &'a Migration, range: &Range<usize>) -> &'a [u8] {
    migration.sql()[range.clone()].as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::MigrationSet;

    fn migration(sql: &str) -> Migration {
        let set = MigrationSet::new("tenant")
            .and_then(|set| set.with_migration("V1__x", || format!("-- migrate: no-transaction\n{sql}")));
        set.unwrap_or_else(|error| unreachable!("{error}")).migrations()[0].clone()
    }

    fn progress(mark: Mark, sql: &str) -> Progress {
        Found { mark: Some(mark), is_about_this_schema: true }.progress(&migration(sql))
    }

    #[test]
    fn an_edited_file_goes_on_behind_what_is_the_same() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        let (done, begun) = (Mark::before(&old, 1), Mark::begun(&old, 1));
        assert_eq!(progress(done, "SELECT 1; SELECT 2"), Progress::Before(1));
        assert_eq!(progress(begun, "SELECT 1; VACUUM a; SELECT 4"), Progress::In(1));
        assert_eq!(progress(begun, "SELECT 1; VACUUM b"), Progress::InAnother(1));
        assert_eq!(progress(begun, "SELECT 1"), Progress::InAnother(1));
        assert_eq!(progress(Mark::before(&old, 3), "SELECT 1; VACUUM a; SELECT 3"), Progress::Before(3));
    }

    #[test]
    fn what_is_not_the_same_is_not_known() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        for sql in ["SELECT 2; VACUUM a; SELECT 3", "SELECT 0; SELECT 1; VACUUM a", ""] {
            assert_eq!(progress(Mark::before(&old, 2), sql), Progress::Unknown, "{sql}");
        }
        assert_eq!(progress(Mark::before(&old, 0), "SELECT 2"), Progress::Before(0));
        let elsewhere = Found { mark: Some(Mark::before(&old, 2)), is_about_this_schema: false };
        assert_eq!(elsewhere.progress(&old), Progress::Before(0));
    }

    #[test]
    fn the_mark_of_an_older_binary_is_understood() {
        let ours = migration("VACUUM a; VACUUM b");
        let mut hasher = SipHasher13::new();
        hasher.write(b"VACUUM b");
        let next = Some(hasher.finish().cast_signed());
        let mark = Mark { version: 1, done: 1, before: Some(ours.checksum().cast_signed()), next };
        assert_eq!(Found { mark: Some(mark), is_about_this_schema: true }.progress(&ours), Progress::In(1));
        assert_eq!(progress(mark, "VACUUM b; VACUUM a"), Progress::Unknown);
    }
}
