//! A database that refinery created, and one that differs from the binary.

use migrations_core::{Divergence, Error, MigrationSet, Reason, State};
use migrations_testing::TestDatabase;
use postgres::NoTls;
use refinery::Runner;

use crate::fixture::{AUTHOR, NOTES, TAGS, column, execute, history, migrator, name, set, with_tenants};

/// Applies the set to a schema as an application with plain refinery does.
fn refinery(test: &TestDatabase, schema: &str, set: &MigrationSet) {
    let mut config = test.database().config().clone();
    config.options(&format!("-c search_path={schema}"));
    let mut client = config.connect(NoTls).unwrap();
    let migrations: Vec<_> = set
        .migrations()
        .iter()
        .map(|migration| refinery::Migration::unapplied(migration.title(), migration.sql()).unwrap())
        .collect();
    Runner::new(&migrations).run(&mut client).unwrap();
}

/// The rows as they are, including the time.
fn rows(test: &TestDatabase, schema: &str) -> Vec<String> {
    column(test, &format!("SELECT h::text FROM {schema}.refinery_schema_history h ORDER BY version"))
}

#[test]
fn a_history_made_by_plain_refinery_is_taken_over_without_change() {
    let old = migrator(&[NOTES, AUTHOR]);
    let test = TestDatabase::new().unwrap();
    execute(&test, "CREATE SCHEMA acme");
    refinery(&test, "public", old.shared_set());
    refinery(&test, "acme", old.tenant_set());
    let before = [rows(&test, "public"), rows(&test, "acme")];

    let migrator = migrator(&[NOTES, AUTHOR, TAGS]);
    migrator.adopt_tenant(test.database(), &name("acme")).unwrap();
    let report = migrator.run(test.database()).unwrap();

    assert!(report.is_success() && report.shared.applied.is_empty());
    assert_eq!(report.tenants.migrated, 1);
    assert_eq!(rows(&test, "public"), before[0]);
    assert_eq!(rows(&test, "acme")[..2], before[1]);
    assert_eq!(history(&test, "acme"), ["1", "2", "3"]);
    // And back: refinery finds its table as it would have created it.
    refinery(&test, "acme", &set("tenant", &[NOTES, AUTHOR, TAGS, ("V4__x", "CREATE TABLE x ()")]));
    assert_eq!(history(&test, "acme"), ["1", "2", "3", "4"]);
}

#[test]
fn a_history_of_refinery_with_four_byte_versions_is_taken_over() {
    let migrator = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&migrator, &["acme"]);
    // The row of a refinery without `int8-versions`, its default, for V1__notes: its hash covers a version of four
    // bytes.
    execute(
        &test,
        "ALTER TABLE acme.refinery_schema_history ALTER version TYPE int4; \
         UPDATE acme.refinery_schema_history SET checksum = '4625645460466194898' WHERE version = 1; \
         UPDATE migrations.tenants SET digest = NULL",
    );
    let report = migrator.run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn a_changed_migration_is_reported_with_both_checksums_and_left_alone() {
    let old = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&old, &["acme"]);
    let before = rows(&test, "acme");
    let changed = migrator(&[NOTES, ("V2__author", "ALTER TABLE notes ADD COLUMN author varchar(80)"), TAGS]);

    let report = changed.run(test.database()).unwrap();

    let Reason::Diverged(Divergence::Changed { applied_checksum, known_checksum, .. }) = report.failures[0].reason()
    else {
        panic!("{}", report.failures[0])
    };
    assert_eq!(*applied_checksum, old.tenant_set().migrations()[1].checksum());
    assert_eq!(*known_checksum, changed.tenant_set().migrations()[1].checksum());
    assert_eq!(rows(&test, "acme"), before);
    let status = changed.status(test.database()).unwrap();
    assert_eq!(status.tenants[0].schema.state, State::Diverged);
    let problem = status.tenants[0].schema.problem.clone().unwrap();
    assert!(problem.contains(&applied_checksum.to_string()) && problem.contains(&known_checksum.to_string()));
    crate::fixture::assert_text(
        "a_changed_migration_is_reported_with_both_checksums_and_left_alone",
        &report.failures[0].to_string(),
    );
}

#[test]
fn a_history_that_cannot_be_read_is_one_tenants_problem() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech", "hooli"]);
    execute(
        &test,
        "DROP TABLE acme.refinery_schema_history, globex.refinery_schema_history;
         CREATE TABLE acme.refinery_schema_history (id int);
         CREATE VIEW globex.refinery_schema_history AS
         SELECT 1 / (SELECT count(*) FROM globex.notes) AS version, 'notes' AS name, '1' AS checksum;
         UPDATE migrations.tenants SET digest = NULL",
    );
    let newer = migrator(&[NOTES, AUTHOR]);
    let states: Vec<_> =
        newer.status(test.database()).unwrap().tenants.iter().map(|tenant| tenant.schema.state).collect();
    assert_eq!(states, [State::Diverged, State::Diverged, State::Behind, State::Behind]);
    let report = newer.run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.failed), (2, 2));
    let reasons: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert!(reasons[0].contains("version") && reasons[1].contains("division by zero"), "{reasons:?}");

    // A server that cannot answer at the moment says nothing about the schema.
    let mut busy = test.client().unwrap();
    busy.batch_execute("BEGIN; LOCK TABLE initech.refinery_schema_history").unwrap();
    execute(&test, "UPDATE migrations.tenants SET digest = NULL");
    let mut config = test.database().config().clone();
    config.options("-c lock_timeout=50ms");
    let hurried = migrations_core::Database::from_config(config).unwrap();
    assert_eq!(newer.status(&hurried).unwrap_err().sqlstate(), Some("55P03"));
}

#[test]
fn a_changed_shared_migration_stops_the_run() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let changed = crate::fixture::of(
        set("shared", &[("V1__plans", "CREATE TABLE plans (code varchar(9) PRIMARY KEY)")]),
        set("tenant", &[NOTES, AUTHOR]),
    );
    let error = changed.run(test.database()).unwrap_err();
    assert!(
        matches!(&error.error, Error::Failed(failure) if matches!(failure.reason(), Reason::Diverged(_))),
        "{error}"
    );
    assert_eq!(history(&test, "acme"), ["1"]);
}

#[test]
fn a_database_ahead_of_the_binary_is_left_alone_and_reported() {
    let new = migrator(&[NOTES, AUTHOR, TAGS]);
    let test = with_tenants(&new, &["acme", "globex"]);
    let before = rows(&test, "acme");
    let old = migrator(&[NOTES]);

    let report = old.run(test.database()).unwrap();

    assert!(report.is_success() && report.is_unchanged());
    assert_eq!(report.tenants.ahead, 2);
    assert_eq!(rows(&test, "acme"), before);
    let status = old.status(test.database()).unwrap();
    assert_eq!((status.tenants[0].schema.state, status.tenants[0].schema.version), (State::Ahead, Some(3)));
    assert!(!status.is_pending());
    assert!(!old.is_pending(test.database()).unwrap());
    let (tenant, created) = old.get_or_create_tenant(test.database(), &name("acme")).unwrap();
    assert_eq!((tenant.version, created), (Some(3), false));
    assert!(new.run(test.database()).unwrap().is_unchanged(), "the newer one finds nothing to do");
}

#[test]
fn a_schema_that_was_restored_is_migrated_from_what_it_really_holds() {
    let migrator = migrator(&[NOTES, AUTHOR, TAGS]);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    // Last week's dump: another schema of the same name, with two of three migrations.
    execute(
        &test,
        "DROP TABLE acme.tags; DELETE FROM acme.refinery_schema_history WHERE version = 3; \
         ALTER SCHEMA acme RENAME TO dump; CREATE SCHEMA acme; ALTER TABLE dump.notes SET SCHEMA acme; \
         ALTER TABLE dump.refinery_schema_history SET SCHEMA acme; DROP SCHEMA dump",
    );
    assert_eq!(migrator.status(test.database()).unwrap().tenants[0].schema.pending, ["V3__tags"]);
    let report = migrator.run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.current), (1, 1));
    assert_eq!(history(&test, "acme"), ["1", "2", "3"]);
}
