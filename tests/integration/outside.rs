//! Migrations that run outside a transaction.

use std::time::Duration;

use migrations_core::{Baseline, MigrationSet, State, TenantSelection};
use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, TAGS, column, execute, exists, history, migrator, name, number, set, with_tenants};

const INDEX: (&str, &str) = (
    "V2__index",
    "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_body_idx ON notes (body);\n\
     CREATE INDEX CONCURRENTLY notes_upper_idx ON notes (upper(body));",
);

fn is_valid(test: &TestDatabase, index: &str) -> bool {
    number(test, &format!("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('{index}') AND indisvalid"))
        == 1
}

#[test]
fn an_index_is_built_concurrently_between_its_neighbours() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let report = migrator(&[NOTES, INDEX, TAGS]).run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 2, "{:?}", report.failures);
    for tenant in ["acme", "globex"] {
        assert_eq!(history(&test, tenant), ["1", "2", "3"]);
        assert!(is_valid(&test, &format!("{tenant}.notes_body_idx")) && exists(&test, &format!("{tenant}.tags")));
    }
    assert_eq!(column(&test, "SELECT in_flight_version::text FROM migrations.tenants"), ["", ""]);
}

#[test]
fn a_new_schema_gets_the_same_in_one_transaction() {
    let test = with_tenants(&migrator(&[NOTES, INDEX, TAGS]), &["acme"]);
    assert!(is_valid(&test, "acme.notes_upper_idx"));
    assert_eq!(number(&test, "SELECT count(DISTINCT xmin::text) FROM acme.refinery_schema_history"), 1);
}

/// A tenant after a crash: the first index done, the second one begun.
fn crashed() -> TestDatabase {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(
        &test,
        "CREATE INDEX notes_body_idx ON acme.notes (body); CREATE INDEX notes_upper_idx ON acme.notes (upper(body)); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'acme.notes_upper_idx'::regclass; \
         UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 1",
    );
    test
}

#[test]
fn a_run_after_a_crash_removes_the_invalid_index_and_finishes() {
    let test = crashed();
    let report = migrator(&[NOTES, INDEX]).run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert!(is_valid(&test, "acme.notes_body_idx") && is_valid(&test, "acme.notes_upper_idx"));
    assert_eq!(history(&test, "acme"), ["1", "2"]);
}

#[test]
fn a_run_after_a_crash_behind_the_last_statement_takes_it_as_done() {
    let test = crashed();
    execute(&test, "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'acme.notes_upper_idx'::regclass");
    let before = column(&test, "SELECT 'acme.notes_upper_idx'::regclass::oid::text");
    assert!(migrator(&[NOTES, INDEX]).run(test.database()).unwrap().is_success());
    assert_eq!(column(&test, "SELECT 'acme.notes_upper_idx'::regclass::oid::text"), before);
}

#[test]
fn an_index_of_that_name_that_is_not_ours_is_not_taken_for_ours() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(&test, "CREATE INDEX notes_body_idx ON acme.notes (id)");
    for _ in 0..2 {
        let report = migrator(&[NOTES, INDEX]).run(test.database()).unwrap();
        let failure = &report.failures[0];
        assert_eq!(failure.sqlstate(), Some("42P07"));
        assert_eq!(failure.excerpt().map(|at| (at.line(), at.column())), Some((2, 1)));
        assert_eq!(history(&test, "acme"), ["1"]);
    }
}

#[test]
fn a_position_outside_a_transaction_is_found_too() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let bad = ("V2__bad", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i\n  ON notes (nmae);");
    let report = migrator(&[NOTES, bad]).run(test.database()).unwrap();
    let failure = &report.failures[0];
    assert_eq!(failure.migration(), Some("V2__bad"));
    assert_eq!(failure.sqlstate(), Some("42703"));
}

#[test]
fn the_shared_set_can_build_an_index_concurrently_while_others_wait() {
    let shared = |more: &[(&str, &str)]| {
        let mut all = vec![("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)")];
        all.extend(more);
        set("shared", &all)
    };
    let tenant = || MigrationSet::new("tenant").unwrap();
    let test = with_tenants(&crate::fixture::of(shared(&[]), tenant()), &["acme"]);
    let index =
        ("V2__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY plans_idx ON plans (upper(code));");
    let newer = crate::fixture::of(shared(&[index]), tenant()).lock_wait(Duration::from_secs(30));

    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| newer.run(test.database()).unwrap())).collect();
        let applied: usize = runs.into_iter().map(|run| run.join().unwrap().shared.applied.len()).sum();
        assert_eq!(applied, 1, "one of them built it");
    });
    assert!(is_valid(&test, "public.plans_idx"));
    assert_eq!(newer.status(test.database()).unwrap().shared.state, State::Current);
}

#[test]
fn a_set_that_begins_outside_a_transaction_makes_its_history_table_first() {
    let index = ("V1__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_body_idx ON notes (body)");
    let migrator = migrator(&[index]);
    let test = TestDatabase::new().unwrap();
    execute(&test, "CREATE SCHEMA acme; CREATE TABLE acme.notes (body text)");
    let (acme, nothing) = (TenantSelection::Named(vec![name("acme")]), Baseline::at_nothing().adopt(true));
    assert!(migrator.baseline_tenants(test.database(), &acme, &nothing).unwrap().is_success());
    let report = migrator.run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 1, "{:?}", report.failures);
    assert_eq!(history(&test, "acme"), ["1"]);
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn a_new_tenant_has_nothing_to_vacuum() {
    let vacuum = ("V2__vacuum", "-- migrate: no-transaction\nVACUUM (ANALYZE) notes;\nANALYZE notes");
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let newer = migrator(&[NOTES, vacuum]);
    assert!(newer.get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
    assert_eq!(newer.run(test.database()).unwrap().tenants.migrated, 1);
    assert_eq!(history(&test, "acme"), history(&test, "globex"));
}
