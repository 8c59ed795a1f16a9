//! Small sets, runtimes of both kinds, and questions to a database.

use std::time::{Duration, Instant};

use migrations_core::{MigrationSet, Migrator, RunOptions, TenantName};
use migrations_testing::TestDatabase;
use tokio::runtime::{Builder, Runtime};

/// More than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A migrator whose tenants have one table with this many columns, each added by a migration of its own.
pub(crate) fn columns(columns: usize) -> Migrator {
    let notes = MigrationSet::new("tenant").unwrap().with_sql("V1__notes", "CREATE TABLE notes (c1 int)").unwrap();
    of((2..=columns).fold(notes, |set, number| {
        let sql = format!("ALTER TABLE notes ADD COLUMN c{number} int");
        set.with_migration(&format!("V{number}__c{number}"), || sql).unwrap()
    }))
}

/// A migrator with this tenant set.
pub(crate) fn of(tenant: MigrationSet) -> Migrator {
    let shared = MigrationSet::new("shared").unwrap().with_sql("V1__plans", "CREATE TABLE plans (code text)").unwrap();
    Migrator::new(shared, tenant)
}

pub(crate) fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

/// A database with this many tenants, which have one column.
pub(crate) fn fleet(tenants: usize) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    let names = (0..tenants).map(|number| name(&format!("tenant_{number:02}")));
    assert!(columns(1).run_with(test.database(), &RunOptions::new().create(names)).unwrap().is_success());
    test
}

pub(crate) fn on_one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn on_several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One number.
pub(crate) fn number(test: &TestDatabase, query: &str) -> i64 {
    test.client().unwrap().query_one(query, &[]).unwrap().get(0)
}

#[track_caller]
pub(crate) fn wait_until(test: &TestDatabase, query: &str, count: i64) {
    let (mut client, start) = (test.client().unwrap(), Instant::now());
    while client.query_one(query, &[]).unwrap().get::<_, i64>(0) != count {
        assert!(start.elapsed() < PATIENCE, "never {count}: {query}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The framework's sessions, without the one that asks.
pub(crate) const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                                   AND application_name = 'migrate' AND pid <> pg_backend_pid()";

/// The framework's statements that wait for a lock on a table.
pub(crate) const WAITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                                AND application_name = 'migrate' AND wait_event_type = 'Lock'";

/// Every tenant's columns are those of its history, and each history has no gap. Returns how many columns each has.
#[track_caller]
pub(crate) fn whole_tenants(test: &TestDatabase) -> Vec<i64> {
    let mut client = test.client().unwrap();
    let tenants = client.query("SELECT schema_name::text FROM migrations.tenants ORDER BY id", &[]).unwrap();
    let one = |row: &postgres::Row| {
        let tenant: String = row.get(0);
        let history =
            format!("SELECT count(*), coalesce(max(version), 0)::bigint FROM {tenant}.refinery_schema_history");
        let columns = format!(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = '{tenant}.notes'::regclass AND attnum > 0 \
             AND NOT attisdropped"
        );
        let history = client.query_one(&history, &[]).unwrap();
        let columns: i64 = client.query_one(&columns, &[]).unwrap().get(0);
        assert_eq!([history.get::<_, i64>(0), history.get(1)], [columns; 2], "{tenant}");
        columns
    };
    tenants.iter().map(one).collect()
}
