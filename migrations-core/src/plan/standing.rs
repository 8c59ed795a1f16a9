//! Where a schema stands in its set, according to its digest, or to its history and refinery's own rules.
//!
//! A digest of the set is a position in the set, and the history is not needed. An unknown digest is looked up once, in
//! the history of the first schema that has it. A schema that was recreated or restored without the registry's
//! knowledge is looked up on its own. refinery's own `Runner` computes the pending migrations, over a connection that
//! answers from memory.

use std::collections::HashMap;

use refinery::{Migration as Recorded, Runner};
use refinery_core::Migrate;
use refinery_core::traits::sync::{Query, Transaction};
use time::OffsetDateTime;

use crate::report::Divergence;
use crate::set::{Digest, Migration, MigrationSet};
use crate::store::{Claim, HistoryRow};

/// Where a schema stands in its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Exactly this many of the first migrations are applied.
    Applied(usize),
    /// All migrations are applied, and more that the set does not know.
    Ahead { version: i64 },
    /// The applied migrations differ from the set.
    Diverged(Divergence),
    /// The history table cannot be read.
    Unreadable(String),
    /// A tenant's schema that has no history table and holds tables: the first migration would run over them.
    Unrecorded,
    /// The schema does not exist.
    Missing,
}

/// The positions of a set, and the known positions of other digests.
pub(crate) struct Positions<'a> {
    set: &'a MigrationSet,
    /// Whether these are tenants' schemas, in which nothing but the set creates tables.
    are_tenants: bool,
    foreign: HashMap<Digest, Standing>,
}

impl<'a> Positions<'a> {
    pub(crate) fn new(set: &'a MigrationSet) -> Self {
        Self { set, are_tenants: false, foreign: HashMap::new() }
    }

    /// The positions of tenants' schemas. One that holds tables and has no history is not migrated.
    pub(crate) fn of_tenants(set: &'a MigrationSet) -> Self {
        Self { are_tenants: true, ..Self::new(set) }
    }

    /// Whether a schema without a history must not hold tables.
    pub(crate) fn are_tenants(&self) -> bool {
        self.are_tenants
    }

    /// Where a schema stands, if that is known without its history.
    pub(crate) fn known(&self, claim: &Claim) -> Option<Standing> {
        if claim.oid.is_none() {
            return Some(Standing::Missing);
        }
        let digest = believed(claim)?;
        match self.set.position(digest) {
            Some(applied) => Some(Standing::Applied(applied)),
            None => self.foreign.get(&digest).cloned(),
        }
    }

    /// Where a schema with this history stands; `Err` is a problem with the table itself.
    pub(crate) fn learn(&mut self, claim: &Claim, history: Result<Vec<HistoryRow>, String>) -> Standing {
        let history = match history {
            Ok(history) => history,
            Err(problem) => return Standing::Unreadable(problem),
        };
        let (standing, digest) = compare(self.set, &history);
        // Only a row whose digest matches its history says something about other schemas with the same digest.
        if believed(claim) == Some(digest) {
            self.foreign.insert(digest, standing.clone());
        }
        standing
    }
}

/// The digest of a claim, if the claim is about the existing schema.
fn believed(claim: &Claim) -> Option<Digest> {
    claim.digest.filter(|_| claim.is_about_this_schema())
}

/// Where a schema with this history stands, and the digest of the history.
pub(crate) fn compare(set: &MigrationSet, history: &[HistoryRow]) -> (Standing, Digest) {
    let history: Vec<HistoryRow> = history.iter().map(|row| accepted(set, row)).collect();
    let digest = history.iter().fold(Digest::EMPTY, |digest, row| digest.then(row.version, row.checksum));
    // refinery would only say that the rest is pending, and log as if it applied them.
    if let Some(applied) = set.position(digest) {
        return (Standing::Applied(applied), digest);
    }
    let latest = set.latest().unwrap_or(i64::MIN);
    let (known, beyond) = history.split_at(history.partition_point(|row| row.version <= latest));
    let standing = match pending(set, known) {
        Err(divergence) => Standing::Diverged(divergence),
        Ok(pending) => match (beyond.last(), pending.first()) {
            (None, _) => Standing::Applied(set.migrations().len() - pending.len()),
            (Some(last), None) => Standing::Ahead { version: last.version },
            (Some(last), Some(first)) => {
                Standing::Diverged(Divergence::Skipped { known: first.to_string(), above: last.version })
            }
        },
    };
    (standing, digest)
}

/// A refinery that is built without `int8-versions`, as by default, hashes the version as four bytes. Its rows are as
/// good as ours if everything else is the same.
pub(crate) fn accepted(set: &MigrationSet, row: &HistoryRow) -> HistoryRow {
    let same = set.migrations().iter().find(|migration| {
        migration.version() == row.version
            && migration.name() == row.name
            && migration.checksum_int4() == Some(row.checksum)
    });
    HistoryRow { checksum: same.map_or(row.checksum, Migration::checksum), ..row.clone() }
}

/// The migrations that refinery would apply on top of this history.
fn pending(set: &MigrationSet, applied: &[HistoryRow]) -> Result<Vec<Recorded>, Divergence> {
    let known: Vec<Recorded> = set.migrations().iter().map(|migration| migration.recorded().clone()).collect();
    let mut recorder = Recorder {
        applied: applied
            .iter()
            .map(|row| Recorded::applied(row.version, row.name.clone(), OffsetDateTime::UNIX_EPOCH, row.checksum))
            .collect(),
    };
    let runner = Runner::new(&known).set_grouped(true);
    match runner.run(&mut recorder) {
        Ok(report) => Ok(report.applied_migrations().clone()),
        Err(error) => Err(divergence(set, applied, error.kind())),
    }
}

fn divergence(set: &MigrationSet, applied: &[HistoryRow], kind: &refinery::error::Kind) -> Divergence {
    use refinery::error::Kind;

    match kind {
        Kind::DivergentVersion(applied, known) => Divergence::Changed {
            applied: applied.to_string(),
            applied_checksum: applied.checksum(),
            known: known.to_string(),
            known_checksum: known.checksum(),
        },
        Kind::MissingVersion(missing) if set.migrations().iter().any(|m| m.version() == missing.version()) => {
            Divergence::Skipped { known: missing.to_string(), above: applied.last().map_or(0, |row| row.version) }
        }
        Kind::MissingVersion(missing) => Divergence::Unknown { applied: missing.to_string() },
        // The other errors are about names and versions, which the set has checked, and about a connection, which is
        // our own.
        other => Divergence::Unknown { applied: other.to_string() },
    }
}

/// A connection that returns the history when refinery asks for it, and accepts the statements without running them:
/// refinery's report holds their order and their text.
struct Recorder {
    applied: Vec<Recorded>,
}

impl Transaction for Recorder {
    type Error = std::convert::Infallible;

    fn execute<'a, T: Iterator<Item = &'a str>>(&mut self, queries: T) -> Result<usize, Self::Error> {
        Ok(queries.count())
    }
}

impl Query<Vec<Recorded>> for Recorder {
    fn query(&mut self, _query: &str) -> Result<Vec<Recorded>, Self::Error> {
        Ok(self.applied.clone())
    }
}

impl Migrate for Recorder {}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(titles: &[&str]) -> MigrationSet {
        titles.iter().fold(MigrationSet::new("tenant").unwrap_or_else(|_| unreachable!()), |set, title| {
            set.with_migration(title, || format!("SELECT '{title}'")).unwrap_or_else(|_| unreachable!())
        })
    }

    fn rows(set: &MigrationSet) -> Vec<HistoryRow> {
        let row =
            |m: &Migration| HistoryRow { version: m.version(), name: m.name().to_owned(), checksum: m.checksum() };
        set.migrations().iter().map(row).collect()
    }

    fn standing(set: &MigrationSet, history: &[HistoryRow]) -> Standing {
        compare(set, history).0
    }

    #[test]
    fn a_history_is_a_position_in_the_set() {
        let ours = set(&["V1__a", "V2__b", "V3__c"]);
        let all = rows(&ours);
        for applied in 0..=3 {
            let (found, digest) = compare(&ours, &all[..applied]);
            assert_eq!((found, ours.position(digest)), (Standing::Applied(applied), Some(applied)));
        }
    }

    #[test]
    fn a_history_that_goes_on_is_ahead() {
        let newer = set(&["V1__a", "V2__b", "V3__c"]);
        assert_eq!(standing(&set(&["V1__a", "V2__b"]), &rows(&newer)), Standing::Ahead { version: 3 });
    }

    #[test]
    fn every_way_to_differ_is_told_apart() {
        let ours = set(&["V1__a", "V2__b", "V3__c"]);
        let all = rows(&ours);

        let mut changed = all.clone();
        changed[1].checksum ^= 1;
        assert!(matches!(
            standing(&ours, &changed),
            Standing::Diverged(Divergence::Changed { applied_checksum, known_checksum, .. })
                if applied_checksum ^ known_checksum == 1
        ));

        let skipped = [all[0].clone(), all[2].clone()];
        assert_eq!(
            standing(&ours, &skipped),
            Standing::Diverged(Divergence::Skipped { known: "V2__b".into(), above: 3 })
        );
        assert_eq!(
            standing(&set(&["V1__a", "V3__c"]), &all),
            Standing::Diverged(Divergence::Unknown { applied: "V2__b".into() })
        );

        let beyond = [all[0].clone(), HistoryRow { version: 9, name: "z".into(), checksum: 9 }];
        assert_eq!(
            standing(&ours, &beyond),
            Standing::Diverged(Divergence::Skipped { known: "V2__b".into(), above: 9 })
        );
    }

    #[test]
    fn checksums_over_four_byte_versions_are_taken_for_the_same() {
        let ours = set(&["V1__a", "V20260131120000__b"]);
        let narrow =
            HistoryRow { checksum: ours.migrations()[0].checksum_int4().unwrap_or_default(), ..rows(&ours)[0].clone() };
        assert_ne!(narrow.checksum, ours.migrations()[0].checksum());
        let (found, digest) = compare(&ours, &[narrow]);
        assert_eq!((found, digest), (Standing::Applied(1), ours.digest_at(1)));
    }
}
