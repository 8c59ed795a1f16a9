//! The mark of a migration that runs outside a transaction. It tells a run after a crash what to expect.
//!
//! A mark says how many units are done, and whether the next one was begun. It carries a hash of the units that are
//! done: a number alone would mean other units after the file was edited. If those units are unchanged, an edited file
//! continues where it stopped.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::names::OrNull;
use crate::set::hash_text;
use crate::set::{Migration, Unit};

/// A mark as the registry stores it. Older binaries mark only units that were begun, with the checksum of the whole
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: i64,
    /// The number of units that are done.
    pub(crate) done: i64,
    /// A hash of the units that are done. `None` if the schema was replaced since.
    pub(crate) before: Option<i64>,
    /// A hash of the next unit, if it was begun.
    pub(crate) next: Option<i64>,
}

/// A special hash: another text may have done a part of the next unit.
const IN_DOUBT: i64 = 1;

/// The content of the registry's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) mark: Option<Mark>,
    /// Whether the mark is about the existing schema, and not about one that was dropped.
    pub(crate) is_about_this_schema: bool,
}

/// How far an interrupted run got in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Everything before this unit is done, and nothing from it on.
    Before(usize),
    /// Everything before this unit is done; the unit itself was begun.
    In(usize),
    /// Everything before this unit is done; then something else was begun, and the file was edited since.
    Doubt(usize),
    /// The mark does not say.
    Unknown(Unknown),
}

/// Why a mark does not say what is done of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The file does not begin with the units that were done.
    Edited,
    /// The mark is about a schema of that name that no longer exists.
    Replaced,
    /// The mark belongs to another migration, which is not finished.
    AnotherMigrations,
}

impl Mark {
    /// A mark that everything before this unit is done.
    pub(crate) fn before(migration: &Migration, number: usize) -> Self {
        Self {
            version: migration.version(),
            done: i64::try_from(number).unwrap_or(i64::MAX),
            before: migration.outside().and_then(|outside| outside.hash_before(number)),
            next: None,
        }
    }

    /// A mark that this unit was begun, with the equal indexes that existed already.
    pub(crate) fn begun(migration: &Migration, number: usize, beside: &[&str]) -> Self {
        let unit = units(migration).get(number);
        let next = unit.map(|unit| {
            let mut hasher = SipHasher13::new();
            hash_text(&mut hasher, &migration.sql()[unit.range.clone()]);
            for index in beside {
                hash_text(&mut hasher, index);
            }
            hasher.finish().cast_signed()
        });
        Self { next, ..Self::before(migration, number) }
    }

    /// A mark that everything before this unit is done, and any part of the rest may be.
    pub(crate) fn in_doubt(migration: &Migration, number: usize) -> Self {
        Self { next: Some(IN_DOUBT), ..Self::before(migration, number) }
    }

    /// The row of its columns, in order.
    pub(crate) fn to_sql(self) -> String {
        format!("{}, {}, {}, {}", self.version, self.done, OrNull(self.before), OrNull(self.next))
    }

    /// The form that older binaries write.
    fn is_old(&self, migration: &Migration, unit: &Unit) -> bool {
        let mut hasher = SipHasher13::new();
        hasher.write(migration.sql()[unit.range.clone()].as_bytes());
        self.version == migration.version()
            && self.before == Some(migration.checksum().cast_signed())
            && self.next == Some(hasher.finish().cast_signed())
    }
}

impl Marked {
    /// The state after it was written.
    pub(crate) fn new(mark: Mark) -> Self {
        Self { mark: Some(mark), is_about_this_schema: true }
    }

    /// The row to compare with.
    pub(crate) fn to_sql(self) -> String {
        self.mark.map_or_else(|| "(NULL, NULL, NULL, NULL)".to_owned(), |mark| format!("({})", mark.to_sql()))
    }

    /// How far a migration has got.
    pub(crate) fn reached(self, migration: &Migration) -> Reached {
        let Some(mark) = self.mark else { return Reached::Before(0) };
        if !self.is_about_this_schema || mark.before.is_none() && mark.next.is_none() {
            return Reached::Unknown(Unknown::Replaced);
        }
        let units = units(migration);
        let done = usize::try_from(mark.done).unwrap_or(usize::MAX);
        let is_same_so_far = done <= units.len() && mark.before == Mark::before(migration, done).before;
        let begun = || (done..units.len()).find(|&number| mark.next == Mark::begun(migration, number, &[]).next);
        if mark.version != migration.version() {
            // A file that was renamed to another version has the same text.
            let is_this_one = is_same_so_far && (done > 0 || mark.next.is_none() || begun().is_some());
            if !is_this_one {
                return Reached::Unknown(Unknown::AnotherMigrations);
            }
        }
        if is_same_so_far {
            return match (mark.next, begun()) {
                (None, _) => Reached::Before(done),
                (Some(_), Some(number)) if number == done => Reached::In(done),
                (Some(IN_DOUBT), _) | (Some(_), Some(_)) => Reached::Doubt(done),
                // The hash of an unnamed index also covers the indexes that existed, so it may be the same text.
                (Some(_), None) if units.get(done).is_some_and(Unit::makes_an_unnamed_index) => Reached::Doubt(done),
                (Some(_), None) => Reached::Unknown(Unknown::Edited),
            };
        }
        match units.get(done) {
            Some(unit) if mark.is_old(migration, unit) => Reached::In(done),
            _ => Reached::Unknown(Unknown::Edited),
        }
    }
}

impl Reached {
    /// The first unit that is not known to be done.
    pub(crate) fn first(self) -> usize {
        match self {
            Self::Before(number) | Self::In(number) | Self::Doubt(number) => number,
            Self::Unknown(_) => 0,
        }
    }

    /// Whether a unit may be done, wholly or in part.
    pub(crate) fn is_in_doubt(self, number: usize) -> bool {
        self == Self::In(number) || self.is_anothers(number)
    }

    /// Whether another text may have created what is found of a unit.
    pub(crate) fn is_anothers(self, number: usize) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Doubt(first) => number >= first,
            Self::Before(_) | Self::In(_) => false,
        }
    }

    /// The mark to write when everything before a unit is done.
    pub(crate) fn mark_before(self, migration: &Migration, number: usize) -> Mark {
        if self.is_anothers(number) { Mark::in_doubt(migration, number) } else { Mark::before(migration, number) }
    }
}

fn units(migration: &Migration) -> &[Unit] {
    migration.outside().map_or(&[], |outside| outside.units())
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

    fn reached(mark: Mark, sql: &str) -> Reached {
        Marked::new(mark).reached(&migration(sql))
    }

    #[test]
    fn an_edited_file_goes_on_behind_what_is_the_same() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        let (done, begun) = (Mark::before(&old, 1), Mark::begun(&old, 1, &[]));
        assert_eq!(reached(done, "SELECT 1; SELECT 2"), Reached::Before(1));
        assert_eq!(reached(begun, "SELECT 1; VACUUM a; SELECT 4"), Reached::In(1));
        assert_eq!(reached(begun, "SELECT 1; SELECT 2; VACUUM a"), Reached::Doubt(1), "it stands elsewhere");
        assert_eq!(
            reached(begun, "SELECT 1; VACUUM b"),
            Reached::Unknown(Unknown::Edited),
            "what it left is not known"
        );
        assert_eq!(reached(begun, "SELECT 1"), Reached::Unknown(Unknown::Edited));
        assert_eq!(reached(Mark::in_doubt(&old, 1), "SELECT 1; VACUUM b"), Reached::Doubt(1));
        let elsewhere = |mark: Mark| Mark { version: 7, ..mark };
        assert_eq!(reached(elsewhere(done), "SELECT 1; SELECT 2"), Reached::Before(1));
        assert_eq!(reached(elsewhere(Mark::begun(&old, 0, &[])), "SELECT 1"), Reached::In(0));
        let another = Reached::Unknown(Unknown::AnotherMigrations);
        assert_eq!(reached(elsewhere(Mark::begun(&old, 0, &[])), "SELECT 2"), another);
        assert_eq!(reached(Mark::before(&old, 3), "SELECT 1; VACUUM a; SELECT 3"), Reached::Before(3));
    }

    #[test]
    fn what_is_not_the_same_is_not_known() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        for sql in ["SELECT 2; VACUUM a; SELECT 3", "SELECT 0; SELECT 1; VACUUM a", ""] {
            assert_eq!(reached(Mark::before(&old, 2), sql), Reached::Unknown(Unknown::Edited), "{sql}");
        }
        assert_eq!(reached(Mark::before(&old, 0), "SELECT 2"), Reached::Before(0));
        let elsewhere = Marked { mark: Some(Mark::before(&old, 2)), is_about_this_schema: false };
        assert_eq!(elsewhere.reached(&old), Reached::Unknown(Unknown::Replaced));
        let another = Mark { version: 7, ..Mark::before(&migration("SELECT 2"), 1) };
        assert_eq!(Marked::new(another).reached(&old), Reached::Unknown(Unknown::AnotherMigrations));
    }

    #[test]
    fn the_mark_of_an_older_binary_is_understood() {
        let ours = migration("VACUUM a; VACUUM b");
        let mut hasher = SipHasher13::new();
        hasher.write(b"VACUUM b");
        let next = Some(hasher.finish().cast_signed());
        let mark = Mark { version: 1, done: 1, before: Some(ours.checksum().cast_signed()), next };
        assert_eq!(reached(mark, "VACUUM a; VACUUM b"), Reached::In(1));
        assert_eq!(reached(mark, "VACUUM b; VACUUM a"), Reached::Unknown(Unknown::Edited));
    }
}
