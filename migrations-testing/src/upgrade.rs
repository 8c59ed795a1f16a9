//! Whether a tenant that signs up today is the same as one that has existed from the beginning.

use std::collections::BTreeMap;
use std::fmt;

use migrations_core::{Migrator, RunOptions, SchemaContents, SchemaName, TenantName};
use postgres::{Client, Transaction};

use crate::elsewhere::off_runtime;
use crate::{Error, TestDatabase};

/// How many differences are shown.
const SHOWN: usize = 20;

/// How a tenant that was created by the whole set at once differs from one that was upgraded migration by migration.
///
/// Displays the differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Definitions of objects, and rows, that only the new tenant has.
    pub only_fresh: Vec<String>,
    /// Those that only the upgraded tenant has.
    pub only_upgraded: Vec<String>,
}

impl Difference {
    /// Compares a tenant that the migrator creates at once with one that it upgrades, one migration per run: the
    /// catalog with every definition, comment and privilege, and the rows.
    ///
    /// The whole shared set is applied before both. Everything that differs from schema to schema anyway is left out:
    /// columns that default to the time, to a random value or to a UUID, and the history table.
    ///
    /// # Errors
    ///
    /// As [`TestDatabase::new`], and when a migration fails.
    ///
    /// ```
    /// use migrations_core::{MigrationSet, Migrator};
    /// use migrations_testing::Difference;
    ///
    /// let migrator = Migrator::new(
    ///     MigrationSet::new("shared")?,
    ///     MigrationSet::new("tenant")?
    ///         .with_migration("V1__notes", || "CREATE TABLE notes (body text)".to_owned())?
    ///         .with_migration("V2__author", || "ALTER TABLE notes ADD COLUMN author text".to_owned())?,
    /// );
    /// let difference = Difference::between_fresh_and_upgraded(&migrator)?;
    /// assert!(difference.is_empty(), "{difference}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn between_fresh_and_upgraded(migrator: &Migrator) -> Result<Self, Error> {
        off_runtime(|| Self::compare(migrator))
    }

    fn compare(migrator: &Migrator) -> Result<Self, Error> {
        let name = |name: &str| name.parse::<TenantName>().map_err(migrations_core::Error::from);
        let (upgraded, fresh) = (name("upgraded_tenant")?, name("fresh_tenant")?);
        // The application's rule may want names of another kind.
        let migrator = &migrator.clone().schema_for(|tenant| tenant.as_str().parse());
        let test = TestDatabase::new()?;
        let set = migrator.tenant_set();
        for migration in set.migrations() {
            let then = migrator.clone().with_tenant_set(set.up_to(migration.version()));
            succeed(&then, &test, &upgraded)?;
        }
        succeed(migrator, &test, &upgraded)?;
        let (upgraded, _) = migrator.get_or_create_tenant(test.database(), &upgraded)?;
        let (fresh, _) = migrator.get_or_create_tenant(test.database(), &fresh)?;
        let mut client = test.client()?;
        let mut read = |schema| holdings(&mut client, schema).map_err(Error::Compare);
        Ok(Self::of(read(&fresh.schema)?, read(&upgraded.schema)?))
    }

    /// Whether the two are the same.
    ///
    /// ```
    /// assert!(migrations_testing::Difference::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.only_fresh.is_empty() && self.only_upgraded.is_empty()
    }

    fn of(fresh: Vec<String>, upgraded: Vec<String>) -> Self {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for line in fresh {
            *counts.entry(line).or_default() += 1;
        }
        for line in upgraded {
            *counts.entry(line).or_default() -= 1;
        }
        let mut difference = Self::default();
        for (line, count) in counts {
            let lines = if count > 0 { &mut difference.only_fresh } else { &mut difference.only_upgraded };
            (0..count.abs()).for_each(|_| lines.push(line.clone()));
        }
        difference
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("a new tenant is the same as an upgraded one");
        }
        f.write_str("a new tenant differs from one that was upgraded migration by migration")?;
        for (who, lines) in [("new", &self.only_fresh), ("upgraded", &self.only_upgraded)] {
            for line in lines.iter().take(SHOWN) {
                write!(f, "\n  only the {who} one: {line}")?;
            }
            if let Some(more @ 1..) = lines.len().checked_sub(SHOWN) {
                write!(f, "\n  only the {who} one: {more} more")?;
            }
        }
        Ok(())
    }
}

/// Creates the tenant or brings it up to date.
fn succeed(migrator: &Migrator, test: &TestDatabase, tenant: &TenantName) -> Result<(), Error> {
    let report = migrator
        .run_with(test.database(), &RunOptions::new().create([tenant.clone()]))
        .map_err(migrations_core::Error::from)?;
    match report.failures.first() {
        Some(failure) => Err(migrations_core::Error::from(failure.clone()).into()),
        None if report.is_success() => Ok(()),
        None => Err(Error::Unfinished),
    }
}

/// The content of a schema, without the schema's own name.
fn holdings(client: &mut Client, schema: &SchemaName) -> Result<Vec<String>, postgres::Error> {
    let mut lines = SchemaContents::read(client, schema.as_str())?.lines();
    let mut transaction = client.transaction()?;
    transaction.batch_execute("SET LOCAL search_path = pg_catalog")?;
    for query in row_queries(&mut transaction, schema)? {
        for row in transaction.query(&query, &[])? {
            lines.push(row.get::<_, String>(0));
        }
    }
    Ok(lines.into_iter().map(|line| line.replace(schema.as_str(), "tenant")).collect())
}

/// A query for the rows of every table, without the columns that differ from schema to schema.
fn row_queries(transaction: &mut Transaction<'_>, schema: &SchemaName) -> Result<Vec<String>, postgres::Error> {
    let tables = "
        SELECT format(
            'SELECT %L || (to_jsonb(r) - %L::text[])::text FROM %I.%I AS r',
            'row of ' || c.relname || ': ',
            ARRAY(
                SELECT a.attname::text
                FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = c.oid
                    AND pg_get_expr(d.adbin, d.adrelid) ~* 'now\\(|current_|timestamp\\(|timeofday|random|uuid_|uuidv'
            ),
            n.nspname, c.relname
        )
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'm') AND c.relispopulated
            AND c.relname <> 'refinery_schema_history'
        UNION ALL
        SELECT format('SELECT %L || last_value || %L || is_called FROM %I.%I', 'sequence ' || c.relname || ': ', ' ', n.nspname,
            c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind = 'S'";
    Ok(transaction.query(tables, &[&schema.as_str()])?.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_shown_once() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let difference = Difference::of(lines(&["a", "b", "b", "c"]), lines(&["a", "b", "d"]));
        assert_eq!(difference.only_fresh, ["b", "c"]);
        assert_eq!(difference.only_upgraded, ["d"]);
        assert!(!difference.is_empty() && difference.to_string().contains("only the upgraded one: d"));
        assert!(Difference::of(lines(&["a"]), lines(&["a"])).is_empty());
        let many = Difference::of(vec!["a".to_owned(); 25], Vec::new());
        assert!(many.to_string().ends_with("only the new one: 5 more"), "{many}");
    }
}
