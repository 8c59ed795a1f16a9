//! What is noted of a migration that runs outside a transaction, so that a run after a crash knows what it finds.
//!
//! A mark says how many units are done, and whether the next one was begun. It carries a hash of what is done: a number
//! alone would mean other units once the file was edited. Behind what is the same, an edited file goes on where it was.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::running_hash::write;
use crate::set::{Migration, Unit};
use crate::sql::OrNull;

/// A mark as the registry has it. Older binaries mark only what was begun, with the checksum of the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: i64,
    /// So many units are done.
    pub(crate) done: i64,
    /// A hash of these. `None` when the schema was replaced since.
    pub(crate) before: Option<i64>,
    /// A hash of the next one, when it was begun.
    pub(crate) next: Option<i64>,
}

/// In the place of a hash: what comes next may be done in part, by another text.
const IN_DOUBT: i64 = 1;

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
    /// What is before this unit is done; something else was begun behind it, and the file was edited since.
    Doubt(usize),
    /// The mark does not tell.
    Unknown(Unknown),
}

/// Why a mark does not tell what is done of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// What was done is not what the file begins with.
    Edited,
    /// It is about a schema of that name that is not there any more.
    Replaced,
    /// It is another migration's, which is not finished.
    AnotherMigrations,
}

impl Mark {
    /// What comes before this unit is done.
    pub(crate) fn before(migration: &Migration, number: usize) -> Self {
        Self {
            version: migration.version(),
            done: i64::try_from(number).unwrap_or(i64::MAX),
            before: migration.outside().and_then(|outside| outside.hash_before(number)),
            next: None,
        }
    }

    /// This unit is begun; beside it there are such indexes already.
    pub(crate) fn begun(migration: &Migration, number: usize, beside: &[&str]) -> Self {
        let unit = units(migration).get(number);
        let next = unit.map(|unit| {
            let mut hasher = SipHasher13::new();
            write(&mut hasher, &migration.sql()[unit.range.clone()]);
            for index in beside {
                write(&mut hasher, index);
            }
            hasher.finish().cast_signed()
        });
        Self { next, ..Self::before(migration, number) }
    }

    /// What comes before this unit is done; of the rest anything may be.
    pub(crate) fn in_doubt(migration: &Migration, number: usize) -> Self {
        Self { next: Some(IN_DOUBT), ..Self::before(migration, number) }
    }

    /// The row of its columns, in their order.
    pub(crate) fn to_sql(self) -> String {
        format!("{}, {}, {}, {}", self.version, self.done, OrNull(self.before), OrNull(self.next))
    }

    /// As older binaries write it.
    fn is_old(&self, migration: &Migration, unit: &Unit) -> bool {
        let mut hasher = SipHasher13::new();
        hasher.write(migration.sql()[unit.range.clone()].as_bytes());
        self.version == migration.version()
            && self.before == Some(migration.checksum().cast_signed())
            && self.next == Some(hasher.finish().cast_signed())
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

    /// How far a migration has come.
    pub(crate) fn progress(self, migration: &Migration) -> Progress {
        let Some(mark) = self.mark else { return Progress::Before(0) };
        if !self.is_about_this_schema || mark.before.is_none() && mark.next.is_none() {
            return Progress::Unknown(Unknown::Replaced);
        }
        let units = units(migration);
        let done = usize::try_from(mark.done).unwrap_or(usize::MAX);
        let is_same_so_far = done <= units.len() && mark.before == Mark::before(migration, done).before;
        let begun = || (done..units.len()).find(|&number| mark.next == Mark::begun(migration, number, &[]).next);
        if mark.version != migration.version() {
            // A file that was given another version has the same text.
            let is_this_one = is_same_so_far && (done > 0 || mark.next.is_none() || begun().is_some());
            if !is_this_one {
                return Progress::Unknown(Unknown::AnotherMigrations);
            }
        }
        if is_same_so_far {
            return match (mark.next, begun()) {
                (None, _) => Progress::Before(done),
                (Some(_), Some(number)) if number == done => Progress::In(done),
                (Some(IN_DOUBT), _) | (Some(_), Some(_)) => Progress::Doubt(done),
                // What an index without a name is told by is looked at with it.
                (Some(_), None) if units.get(done).is_some_and(Unit::makes_an_unnamed_index) => Progress::Doubt(done),
                (Some(_), None) => Progress::Unknown(Unknown::Edited),
            };
        }
        match units.get(done) {
            Some(unit) if mark.is_old(migration, unit) => Progress::In(done),
            _ => Progress::Unknown(Unknown::Edited),
        }
    }
}

impl Progress {
    /// The first unit that is not known to be done.
    pub(crate) fn first(self) -> usize {
        match self {
            Self::Before(number) | Self::In(number) | Self::Doubt(number) => number,
            Self::Unknown(_) => 0,
        }
    }

    /// Whether a unit may be done, or half of it.
    pub(crate) fn is_in_doubt(self, number: usize) -> bool {
        self == Self::In(number) || self.is_anothers(number)
    }

    /// Whether what is found of a unit may have been made by another text.
    pub(crate) fn is_anothers(self, number: usize) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Doubt(first) => number >= first,
            Self::Before(_) | Self::In(_) => false,
        }
    }

    /// What to note when everything before a unit is done.
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

    fn progress(mark: Mark, sql: &str) -> Progress {
        Found::new(mark).progress(&migration(sql))
    }

    #[test]
    fn an_edited_file_goes_on_behind_what_is_the_same() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        let (done, begun) = (Mark::before(&old, 1), Mark::begun(&old, 1, &[]));
        assert_eq!(progress(done, "SELECT 1; SELECT 2"), Progress::Before(1));
        assert_eq!(progress(begun, "SELECT 1; VACUUM a; SELECT 4"), Progress::In(1));
        assert_eq!(progress(begun, "SELECT 1; SELECT 2; VACUUM a"), Progress::Doubt(1), "it stands elsewhere");
        assert_eq!(
            progress(begun, "SELECT 1; VACUUM b"),
            Progress::Unknown(Unknown::Edited),
            "what it left is not known"
        );
        assert_eq!(progress(begun, "SELECT 1"), Progress::Unknown(Unknown::Edited));
        assert_eq!(progress(Mark::in_doubt(&old, 1), "SELECT 1; VACUUM b"), Progress::Doubt(1));
        let elsewhere = |mark: Mark| Mark { version: 7, ..mark };
        assert_eq!(progress(elsewhere(done), "SELECT 1; SELECT 2"), Progress::Before(1));
        assert_eq!(progress(elsewhere(Mark::begun(&old, 0, &[])), "SELECT 1"), Progress::In(0));
        let another = Progress::Unknown(Unknown::AnotherMigrations);
        assert_eq!(progress(elsewhere(Mark::begun(&old, 0, &[])), "SELECT 2"), another);
        assert_eq!(progress(Mark::before(&old, 3), "SELECT 1; VACUUM a; SELECT 3"), Progress::Before(3));
    }

    #[test]
    fn what_is_not_the_same_is_not_known() {
        let old = migration("SELECT 1; VACUUM a; SELECT 3");
        for sql in ["SELECT 2; VACUUM a; SELECT 3", "SELECT 0; SELECT 1; VACUUM a", ""] {
            assert_eq!(progress(Mark::before(&old, 2), sql), Progress::Unknown(Unknown::Edited), "{sql}");
        }
        assert_eq!(progress(Mark::before(&old, 0), "SELECT 2"), Progress::Before(0));
        let elsewhere = Found { mark: Some(Mark::before(&old, 2)), is_about_this_schema: false };
        assert_eq!(elsewhere.progress(&old), Progress::Unknown(Unknown::Replaced));
        let another = Mark { version: 7, ..Mark::before(&migration("SELECT 2"), 1) };
        assert_eq!(Found::new(another).progress(&old), Progress::Unknown(Unknown::AnotherMigrations));
    }

    #[test]
    fn the_mark_of_an_older_binary_is_understood() {
        let ours = migration("VACUUM a; VACUUM b");
        let mut hasher = SipHasher13::new();
        hasher.write(b"VACUUM b");
        let next = Some(hasher.finish().cast_signed());
        let mark = Mark { version: 1, done: 1, before: Some(ours.checksum().cast_signed()), next };
        assert_eq!(progress(mark, "VACUUM a; VACUUM b"), Progress::In(1));
        assert_eq!(progress(mark, "VACUUM b; VACUUM a"), Progress::Unknown(Unknown::Edited));
    }
}
