//! Small sets, a database that another tool migrated, and questions to it.

use migrations_core::{Baseline, BaselineOutcome, Baselined, MigrationSet, Migrator, TenantName, TenantSelection};
use migrations_testing::TestDatabase;

pub(crate) const NOTES: (&str, &str) = ("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL)");
pub(crate) const AUTHOR: (&str, &str) = ("V2__author", "ALTER TABLE notes ADD COLUMN author text DEFAULT 'nobody'");
pub(crate) const TAGS: (&str, &str) = ("V3__tags", "CREATE TABLE tags (name text PRIMARY KEY)");
pub(crate) const PLANS: (&str, &str) = ("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)");
pub(crate) const PRICES: (&str, &str) = ("V2__prices", "ALTER TABLE plans ADD COLUMN price numeric");

/// A migrator for these sets.
pub(crate) fn of(shared: &[(&str, &str)], tenant: &[(&str, &str)]) -> Migrator {
    let set = |name: &str, migrations: &[(&str, &str)]| {
        migrations.iter().fold(MigrationSet::new(name).unwrap(), |set, (title, sql)| set.with_sql(title, *sql).unwrap())
    };
    Migrator::builder().shared(set("shared", shared)).tenant(set("tenant", tenant))
}

/// A migrator with one shared table and these tenant migrations.
pub(crate) fn migrator(tenant: &[(&str, &str)]) -> Migrator {
    of(&[PLANS], tenant)
}

/// A database with these schemas, to which somebody has applied these migrations without a history.
pub(crate) fn live(schemas: &[&str], migrations: &[(&str, &str)]) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    for schema in schemas {
        let sql = migrations.iter().map(|(_, sql)| *sql).collect::<Vec<_>>().join(";\n");
        execute(&test, &format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {sql}"));
    }
    test
}

pub(crate) fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

pub(crate) fn named(names: &[&str]) -> TenantSelection {
    TenantSelection::Named(names.iter().map(|tenant| name(tenant)).collect())
}

pub(crate) fn execute(test: &TestDatabase, sql: &str) {
    test.client().unwrap().batch_execute(sql).unwrap();
}

pub(crate) fn column(test: &TestDatabase, query: &str) -> Vec<String> {
    let rows = test.client().unwrap().query(query, &[]).unwrap();
    rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
}

pub(crate) fn number(test: &TestDatabase, query: &str) -> i64 {
    test.client().unwrap().query_one(query, &[]).unwrap().get(0)
}

/// The rows of a schema's history without their times.
pub(crate) fn history(test: &TestDatabase, schema: &str) -> Vec<String> {
    column(
        test,
        &format!("SELECT 'V' || version || '__' || name FROM {schema}.refinery_schema_history ORDER BY version"),
    )
}

/// The baseline of one tenant.
pub(crate) fn baseline(migrator: &Migrator, test: &TestDatabase, tenant: &str, baseline: &Baseline) -> Baselined {
    let mut done = migrator.baseline_tenants(test.database(), &named(&[tenant]), baseline).unwrap().schemas;
    assert_eq!(done.len(), 1, "{done:?}");
    done.remove(0)
}

/// Why a baseline was refused.
#[track_caller]
pub(crate) fn refusal(done: &Baselined) -> String {
    match &done.outcome {
        BaselineOutcome::Refused(refusal) => refusal.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

/// The titles that were recorded.
#[track_caller]
pub(crate) fn recorded(done: &Baselined) -> Vec<String> {
    match &done.outcome {
        BaselineOutcome::Recorded(titles) => titles.clone(),
        other => panic!("not recorded: {other:?}"),
    }
}
