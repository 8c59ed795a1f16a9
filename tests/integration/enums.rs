//! One migration adds a value to an enumeration, and a later one uses it: before PostgreSQL 17 that needs a commit in
//! between.

use migrations_core::{Migrator, RunOptions};
use migrations_testing::TestDatabase;

use crate::fixture::{column, execute, exists, history, migrator, name, number, with_tenants};

const MOOD: (&str, &str) = (
    "V1__mood",
    "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE notes (id bigint, mood mood); \
     CREATE FUNCTION pinned() RETURNS text LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT current_schema()::text'",
);
const ADD: (&str, &str) = ("V2__add", "ALTER TYPE mood ADD VALUE 'bad'");
const USE: (&str, &str) =
    ("V3__use", "CREATE INDEX bad_idx ON notes (id) WHERE mood = 'bad'; INSERT INTO notes VALUES (1, 'bad')");
const LAST: (&str, &str) = ("V4__last", "CREATE TABLE last (id bigint)");

fn all() -> Migrator {
    migrator(&[MOOD, ADD, USE, LAST])
}

fn assert_whole(test: &TestDatabase, tenant: &str) {
    assert_eq!(history(test, tenant), ["1", "2", "3", "4"]);
    assert_eq!(column(test, &format!("SELECT mood::text FROM {tenant}.notes")), ["bad"]);
    assert_eq!(column(test, &format!("SELECT {tenant}.pinned()")), [tenant], "a pinned search_path names the tenant");
    assert_eq!(number(test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '\\_\\_spare\\_new%'"), 0);
    assert_eq!(number(test, "SELECT count(*) FROM migrations.leases"), 0);
}

#[test]
fn a_new_tenant_is_made_with_a_commit_between_a_value_and_its_use() {
    let test = TestDatabase::new().unwrap();
    let (tenant, created) = all().get_or_create_tenant(test.database(), &name("acme")).unwrap();
    assert!(created && tenant.version == Some(4) && tenant.status == "active");
    assert_whole(&test, "acme");
    let database = test.database().clone().keep_connection();
    let migrator = all();
    for tenant in ["globex", "initech"] {
        assert!(migrator.get_or_create_tenant(&database, &name(tenant)).unwrap().1);
        assert_whole(&test, tenant);
    }
    let names = || ["a", "b", "c", "d"].map(name);
    let report = all().jobs(2).group(2).run_with(test.database(), &RunOptions::new().create(names())).unwrap();
    assert_eq!((report.tenants.created, report.tenants.failed), (4, 0), "{:?}", report.failures);
    for tenant in ["a", "b", "c", "d"] {
        assert_whole(&test, tenant);
    }
    let order = column(&test, "SELECT schema_name::text FROM migrations.tenants ORDER BY id");
    assert_eq!(order, ["acme", "globex", "initech", "a", "b", "c", "d"]);
    assert!(all().run(test.database()).unwrap().is_unchanged());
}

#[test]
fn tenants_that_lack_both_the_value_and_its_use_are_migrated() {
    for group in [1, 2] {
        let test = with_tenants(&migrator(&[MOOD]), &["acme", "globex", "initech"]);
        let report = all().jobs(2).group(group).run(test.database()).unwrap();
        assert_eq!((report.tenants.migrated, report.tenants.failed), (3, 0), "{:?}", report.failures);
        for tenant in ["acme", "globex", "initech"] {
            assert_whole(&test, tenant);
        }
    }
}

#[test]
fn one_message_stays_the_rule_where_no_commit_is_needed() {
    let test = with_tenants(&migrator(&[MOOD, ADD, LAST]), &["acme"]);
    assert_eq!(number(&test, "SELECT count(DISTINCT xmin::text) FROM acme.refinery_schema_history"), 1);
}

#[test]
fn a_new_tenant_that_fails_behind_a_commit_leaves_nothing() {
    let test = with_tenants(&migrator(&[MOOD]), &[]);
    let bad = ("V4__bad", "SELECT 1 / 0");
    for _ in 0..2 {
        let error = migrator(&[MOOD, ADD, USE, bad]).get_or_create_tenant(test.database(), &name("acme")).unwrap_err();
        assert_eq!(error.sqlstate(), Some("22012"), "{error}");
        assert!(error.to_string().starts_with("tenant acme: V4__bad failed"), "{error}");
    }
    let same = ("V2__same", "ALTER TYPE mood ADD VALUE 'bad'; INSERT INTO notes VALUES (1, 'bad')");
    let both = migrator(&[MOOD, same]);
    if number(&test, "SELECT current_setting('server_version_num')::int8") < 170_000 {
        let error = both.get_or_create_tenant(test.database(), &name("acme")).unwrap_err();
        assert_eq!(error.sqlstate(), Some("55P04"), "{error}");
    }
    execute(&test, "CREATE SCHEMA acme");
    let error = all().get_or_create_tenant(test.database(), &name("acme")).unwrap_err();
    assert!(error.to_string().contains("is not registered"), "{error}");
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '\\_\\_spare%'"), 0);
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 0);
}

#[test]
fn what_a_crash_left_of_a_new_tenant_is_swept_and_what_is_being_made_is_not() {
    let test = with_tenants(&all(), &["acme"]);
    let leave = |schema: &str, lease: &str| {
        execute(
            &test,
            &format!(
                "CREATE SCHEMA {schema}; CREATE TABLE {schema}.notes (); \
                 INSERT INTO migrations.tenants (schema_name, status, version, digest) VALUES ('{schema}', 'unfinished', 1, 1); \
                 INSERT INTO migrations.leases VALUES ('unfinished', '{schema}', clock_timestamp() + interval '{lease}')"
            ),
        );
    };
    leave("__spare_new_0000000000000001", "-1 second");
    leave("__spare_new_0000000000000002", "1 hour");
    assert_eq!(all().tenants(test.database()).unwrap().len(), 1);
    let report = all().run(test.database()).unwrap();
    assert_eq!((report.tenants.total, report.tenants.migrated), (1, 0), "{:?}", report.failures);
    assert!(!exists(&test, "__spare_new_0000000000000001.notes"));
    assert!(exists(&test, "__spare_new_0000000000000002.notes"));
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 2);
    assert_eq!(all().pool(test.database()).unwrap().ready, 0);
}

#[test]
fn callers_at_once_make_one_tenant_in_parts() {
    let test = with_tenants(&migrator(&[MOOD]), &[]);
    let made: Vec<bool> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| all().get_or_create_tenant(test.database(), &name("acme")).unwrap().1))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|created| **created).count(), 1, "{made:?}");
    assert_whole(&test, "acme");
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '\\_\\_spare%'"), 0);
}

#[test]
fn a_check_that_is_deferred_by_its_definition_does_not_keep_a_new_tenant_from_being_made() {
    let tree = (
        "V1__tree",
        "CREATE TABLE nodes (id bigint PRIMARY KEY, parent bigint REFERENCES nodes DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO nodes VALUES (2, 1), (1, NULL);",
    );
    // The row was inserted by the same transaction, so its key is checked again.
    let fill = (
        "V2__fill",
        "ALTER TABLE nodes ADD COLUMN title text; UPDATE nodes SET title = 'x'; \
         ALTER TABLE nodes ALTER COLUMN title SET NOT NULL",
    );
    let test = with_tenants(&migrator(&[]), &["old"]);
    for set in [&[tree][..], &[tree, fill][..]] {
        assert!(migrator(set).run(test.database()).unwrap().is_success());
    }
    assert!(migrator(&[tree, fill]).get_or_create_tenant(test.database(), &name("acme")).unwrap().1);
    assert_eq!(column(&test, "SELECT title FROM acme.nodes"), ["x", "x"]);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '\\_\\_spare%'"), 0);
}

#[test]
fn what_cannot_be_swept_now_stops_no_run() {
    let test = with_tenants(&all(), &["acme"]);
    let schema = "__spare_new_0000000000000001";
    execute(
        &test,
        &format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.notes (); \
             INSERT INTO migrations.tenants (schema_name, status, version, digest) VALUES ('{schema}', 'unfinished', 1, 1)"
        ),
    );
    let mut dump = test.client().unwrap();
    dump.batch_execute(&format!("BEGIN; LOCK TABLE {schema}.notes IN ACCESS SHARE MODE")).unwrap();
    let (_, created) = all().get_or_create_tenant(test.database(), &name("globex")).unwrap();
    assert!(created && all().run(test.database()).unwrap().is_unchanged());
    assert!(exists(&test, &format!("{schema}.notes")));
    dump.batch_execute("ROLLBACK").unwrap();
    assert!(all().run(test.database()).unwrap().is_unchanged());
    assert!(!exists(&test, &format!("{schema}.notes")));
}

#[test]
fn a_new_tenant_that_fails_behind_a_commit_says_what_it_did_to_other_schemas() {
    let test = TestDatabase::new().unwrap();
    let other = ("V5__other", "-- migrate: allow-schema other\nCREATE SCHEMA IF NOT EXISTS other");
    let failing = ("V7__failing", "SELECT nmae");
    let add = ("V6__add", "-- migrate: no-transaction idempotent\nDO $$ BEGIN COMMIT; END $$");
    let failing = migrator(&[MOOD, ADD, USE, LAST, other, add, failing]);
    let said = failing.get_or_create_tenant(test.database(), &name("acme")).unwrap_err().to_string();
    assert!(said.contains("nothing is left of tenant acme") && said.contains("stays: V5__other"), "{said}");
    assert_eq!(
        number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('acme') OR nspname LIKE '\\_\\_spare%'"),
        0
    );
}
