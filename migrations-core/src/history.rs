//! refinery's history table: what was really applied to a schema, and how that compares with a set.
//!
//! The table, its rows and the rules of comparison are refinery's, so that an application which used refinery before can
//! change over, and back, without touching its database. What is pending is computed by refinery's own `Runner`, against
//! a connection that answers from memory.

use postgres::Client;
use postgres::types::Type;
use refinery::{Migration as Recorded, Runner};
use refinery_core::Migrate;
use refinery_core::traits::sync::{Query, Transaction};
use time::OffsetDateTime;

use crate::error::Error;
use crate::failure::Divergence;
use crate::set::{Digest, Migration, MigrationSet};
use crate::sql::{Ident, Literal};

/// refinery's name for the table.
pub(crate) const TABLE: &str = "refinery_schema_history";

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) checksum: u64,
}

/// Where a schema stands in its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Exactly the first so many migrations are applied.
    Applied(usize),
    /// All are applied, and more that the set does not know.
    Ahead { version: i64 },
    /// What is applied is not what the set says.
    Diverged(Divergence),
    /// The history table cannot be read.
    Unreadable(String),
    /// The schema does not exist.
    Missing,
}

/// The table, narrower than refinery makes it: refinery reads it just as well, and a row that cannot outgrow a page needs
/// no TOAST table with an index, two relations less a tenant.
pub(crate) fn create_table(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {}.{TABLE} (version int8 PRIMARY KEY, name varchar(255), applied_on varchar(64), \
         checksum varchar(32))",
        Ident(schema)
    )
}

/// Records a migration. The moment is the server's, in the form that refinery reads (RFC 3339).
pub(crate) fn insert(schema: &str, migration: &Migration) -> String {
    format!(
        "INSERT INTO {}.{TABLE} (version, name, applied_on, checksum) VALUES ({}, {}, \
         to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '{}')",
        Ident(schema),
        migration.version(),
        Literal(migration.name()),
        migration.checksum()
    )
}

/// Reads a schema's history. `Err` is a problem with the table itself.
pub(crate) fn read(client: &mut Client, schema: &str) -> Result<Result<Vec<Row>, String>, Error> {
    let doing = || format!("reading the history of schema {schema}");
    let table = format!("{}.{TABLE}", Ident(schema));
    let exists: bool = client
        .query_typed("SELECT to_regclass($1) IS NOT NULL", &[(&table, Type::TEXT)])
        .map_err(|error| Error::from_driver(doing(), &error))?
        .first()
        .is_some_and(|row| row.get(0));
    if !exists {
        return Ok(Ok(Vec::new()));
    }
    let query = format!("SELECT version::int8, name::text, checksum::text FROM {table} ORDER BY version");
    match client.query_typed(&query, &[]) {
        Ok(rows) => Ok(rows.iter().map(row).collect()),
        Err(error) => match Error::from_driver(doing(), &error) {
            // A table that lacks a column, holds another type, is damaged or somebody else's: this schema's problem, not
            // the run's. The classes are those of Appendix A of PostgreSQL's documentation.
            Error::Server { source, .. } if matches!(source.sqlstate().get(..2), Some("42" | "22" | "XX")) => {
                Ok(Err(source.message().to_owned()))
            }
            other => Err(other),
        },
    }
}

fn row(row: &postgres::Row) -> Result<Row, String> {
    let version: Option<i64> = row.get(0);
    let name: Option<String> = row.get(1);
    let checksum: Option<String> = row.get(2);
    let (Some(version), Some(name), Some(checksum)) = (version, name, checksum) else {
        return Err("a row holds a null".to_owned());
    };
    let checksum =
        checksum.parse().map_err(|_| format!("version {version} has {checksum:?} for a checksum, not a number"))?;
    Ok(Row { version, name, checksum })
}

/// Where a schema with this history stands, and the digest of the history.
pub(crate) fn compare(set: &MigrationSet, history: &[Row]) -> (Standing, Digest) {
    let history: Vec<Row> = history.iter().map(|row| with_wide_checksum(set, row)).collect();
    let digest = history.iter().fold(Digest::EMPTY, |digest, row| digest.then(row.version, row.checksum));
    // refinery would only say that the rest is pending, and log as if it applied it.
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

/// A refinery that is built without `int8-versions`, its default, hashes the version as four bytes. Its rows are as good
/// as ours when the rest is the same.
fn with_wide_checksum(set: &MigrationSet, row: &Row) -> Row {
    let same = set.migrations().iter().find(|migration| {
        migration.version() == row.version
            && migration.name() == row.name
            && migration.checksum_int4() == Some(row.checksum)
    });
    Row { checksum: same.map_or(row.checksum, Migration::checksum), ..row.clone() }
}

/// What refinery would apply on top of this history.
fn pending(set: &MigrationSet, applied: &[Row]) -> Result<Vec<Recorded>, Divergence> {
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

fn divergence(set: &MigrationSet, applied: &[Row], kind: &refinery::error::Kind) -> Divergence {
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
        // The others are about names and versions, which the set has checked, and about a connection, which is ours.
        other => Divergence::Unknown { applied: other.to_string() },
    }
}

/// A connection that answers refinery's question for the history, and lets the statements pass: their order and their
/// text are what refinery's report holds.
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

    fn rows(set: &MigrationSet) -> Vec<Row> {
        let row = |m: &Migration| Row { version: m.version(), name: m.name().to_owned(), checksum: m.checksum() };
        set.migrations().iter().map(row).collect()
    }

    fn standing(set: &MigrationSet, history: &[Row]) -> Standing {
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

        let beyond = [all[0].clone(), Row { version: 9, name: "z".into(), checksum: 9 }];
        assert_eq!(
            standing(&ours, &beyond),
            Standing::Diverged(Divergence::Skipped { known: "V2__b".into(), above: 9 })
        );
    }

    #[test]
    fn checksums_over_four_byte_versions_are_taken_for_the_same() {
        let ours = set(&["V1__a", "V20260131120000__b"]);
        let narrow =
            Row { checksum: ours.migrations()[0].checksum_int4().unwrap_or_default(), ..rows(&ours)[0].clone() };
        assert_ne!(narrow.checksum, ours.migrations()[0].checksum());
        let (found, digest) = compare(&ours, &[narrow]);
        assert_eq!((found, digest), (Standing::Applied(1), ours.digest_at(1)));
    }
}
