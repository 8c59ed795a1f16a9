//! Small sets to migrate with, and questions to a database.

use std::time::{Duration, Instant};

use migrations_core::{MigrationSet, Migrator, TenantName};
use migrations_testing::TestDatabase;

use crate::DELIVERY;

/// A set of these migrations: title and SQL.
pub(crate) fn set(name: &str, migrations: &[(&str, &str)]) -> MigrationSet {
    migrations.iter().fold(MigrationSet::new(name).unwrap(), |set, (title, sql)| {
        set.with_migration(title, || (*sql).to_owned()).unwrap()
    })
}

/// A migrator for these sets.
pub(crate) fn of(shared: MigrationSet, tenant: MigrationSet) -> Migrator {
    Migrator::builder().shared(shared).tenant(tenant).delivery(DELIVERY)
}

/// Compares a text with its snapshot, which is the same for every delivery.
#[track_caller]
pub(crate) fn assert_text(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A migrator with one shared table and these tenant migrations.
pub(crate) fn migrator(tenant: &[(&str, &str)]) -> Migrator {
    of(set("shared", &[("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)")]), set("tenant", tenant))
}

/// One table.
pub(crate) const NOTES: (&str, &str) = ("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL)");
/// A column on it.
pub(crate) const AUTHOR: (&str, &str) = ("V2__author", "ALTER TABLE notes ADD COLUMN author text");
/// A second table.
pub(crate) const TAGS: (&str, &str) = ("V3__tags", "CREATE TABLE tags (name text PRIMARY KEY)");

/// A valid tenant name.
pub(crate) fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

/// A fresh database with these tenants.
pub(crate) fn with_tenants(migrator: &Migrator, tenants: &[&str]) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    for tenant in tenants {
        migrator.get_or_create_tenant(test.database(), &name(tenant)).unwrap();
    }
    test
}

/// The first column of every row, as text.
pub(crate) fn column(test: &TestDatabase, query: &str) -> Vec<String> {
    let rows = test.client().unwrap().query(query, &[]).unwrap();
    rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
}

/// One number.
pub(crate) fn number(test: &TestDatabase, query: &str) -> i64 {
    test.client().unwrap().query_one(query, &[]).unwrap().get(0)
}

/// Waits until a query returns a row.
#[track_caller]
pub(crate) fn wait_until(test: &TestDatabase, found: &str) {
    let (mut client, start) = (test.client().unwrap(), Instant::now());
    while client.query(found, &[]).unwrap().is_empty() {
        assert!(start.elapsed() < Duration::from_mins(1), "never: {found}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs statements.
pub(crate) fn execute(test: &TestDatabase, sql: &str) {
    test.client().unwrap().batch_execute(sql).unwrap();
}

/// The versions in a schema's history table.
pub(crate) fn history(test: &TestDatabase, schema: &str) -> Vec<String> {
    column(test, &format!("SELECT version::text FROM {schema}.refinery_schema_history h ORDER BY h.version"))
}

/// Whether a relation exists.
pub(crate) fn exists(test: &TestDatabase, relation: &str) -> bool {
    number(test, &format!("SELECT count(*) FROM (SELECT to_regclass('{relation}') AS oid) AS r WHERE oid IS NOT NULL"))
        == 1
}

/// Checks that every registry row says what its schema's history says.
pub(crate) fn assert_registry_is_true(test: &TestDatabase, migrator: &Migrator) {
    let status = migrator.status(test.database()).unwrap();
    for tenant in &status.tenants {
        let last = history(test, tenant.name.as_str()).last().cloned();
        assert_eq!(tenant.schema.version.map(|version| version.to_string()), last, "tenant {}", tenant.name);
    }
}
