//! What one migration leaves in the session does not reach the next migration or the next tenant.

use migrations_core::RunOptions;

use crate::fixture::{NOTES, column, execute, migrator, name, number, with_tenants};

/// A backfill with a temporary table, as it would be written for psql.
const STAGING: (&str, &str) = (
    "V2__backfill",
    "ALTER TABLE customers ADD COLUMN mail text;\n\
     CREATE TEMP TABLE IF NOT EXISTS staging AS SELECT id, 'boss@' || current_schema() || '.com' AS mail FROM customers;\n\
     UPDATE customers SET mail = staging.mail FROM staging WHERE staging.id = customers.id;",
);

const CUSTOMERS: (&str, &str) =
    ("V1__customers", "CREATE TABLE customers (id bigint PRIMARY KEY); INSERT INTO customers VALUES (1)");

#[test]
fn a_temporary_table_of_one_tenant_is_not_the_next_ones() {
    let test = with_tenants(&migrator(&[CUSTOMERS]), &["acme", "globex", "initech"]);
    let report = migrator(&[CUSTOMERS, STAGING]).jobs(1).run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 3, "{:?}", report.failures);
    for tenant in ["acme", "globex", "initech"] {
        assert_eq!(column(&test, &format!("SELECT mail FROM {tenant}.customers")), [format!("boss@{tenant}.com")]);
    }
}

#[test]
fn a_temporary_table_works_in_runs_groups_sign_ups_and_pools_alike() {
    let plain = STAGING.1.replace(" IF NOT EXISTS", "");
    let sets = [CUSTOMERS, (STAGING.0, plain.as_str())];
    let test = with_tenants(&migrator(&[CUSTOMERS]), &["a", "b", "c", "d", "e", "f"]);
    let report = migrator(&sets).jobs(1).group(3).run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.failed), (6, 0), "{:?}", report.failures);

    let database = test.database().clone().keep_connection();
    for tenant in ["g", "h"] {
        assert!(migrator(&sets).get_or_create_tenant(&database, &name(tenant)).unwrap().1);
    }
    assert_eq!(migrator(&sets).jobs(1).fill_pool(&database, 3).unwrap(), 3);
    let report =
        migrator(&sets).jobs(1).run_with(&database, &RunOptions::new().create([name("i"), name("j")])).unwrap();
    assert_eq!(report.tenants.created, 2, "{:?}", report.failures);
    for tenant in ["a", "f", "g", "h", "i", "j"] {
        assert_eq!(column(&test, &format!("SELECT mail FROM {tenant}.customers")), [format!("boss@{tenant}.com")]);
    }
}

#[test]
fn a_temporary_table_does_not_stand_in_front_of_a_later_migrations_table() {
    let hide = ("V2__hide", "CREATE TEMP TABLE notes AS SELECT 1 AS id");
    let change = ("V3__change", "DO $$ BEGIN ALTER TABLE notes ADD COLUMN author text; END $$");
    for group in [1, 2] {
        let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech", "umbrella"]);
        let report = migrator(&[NOTES, hide, change]).jobs(1).group(group).run(test.database()).unwrap();
        assert_eq!(report.tenants.migrated, 4, "{:?}", report.failures);
        let columns =
            "SELECT count(*) FROM pg_attribute WHERE attname = 'author' AND attrelid::regclass::text LIKE '%.notes'";
        assert_eq!(number(&test, columns), 4);
    }
}

/// What the migration after the leak sees of the session.
const SEEN: &str = "CREATE TABLE seen AS SELECT current_user::text AS role, session_user::text AS session, \
    current_setting('work_mem') AS mem, current_setting('statement_timeout') AS timeout, \
    coalesce(current_setting('app.tenant', true), '') AS custom, current_setting('search_path') AS path, \
    current_setting('session_replication_role') AS replication, \
    (SELECT count(*) FROM pg_prepared_statements) AS prepared, (SELECT count(*) FROM pg_cursors) AS cursors, \
    (SELECT count(*) FROM pg_listening_channels()) AS channels, \
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 2) AS locks, \
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS temporary";

const LEAKS: [&str; 13] = [
    "SET LOCAL SCHEMA 'public'",
    "SET LOCAL TIME ZONE 'Asia/Tokyo'; SET LOCAL work_mem = '77MB'",
    "SELECT set_config('work_mem', '77MB', NOT true)",
    "DO $$ BEGIN PERFORM set_config('statement_timeout', '77s', false); END $$",
    "DO $$ BEGIN SET work_mem = '77MB'; SET session_replication_role = replica; END $$",
    "DO $$ BEGIN PERFORM set_config('app.tenant', current_schema(), false); END $$",
    "DO $$ BEGIN SET ROLE pg_monitor; END $$",
    "DO $$ BEGIN EXECUTE 'SET search_path = pg_catalog'; END $$",
    "DO $$ BEGIN EXECUTE 'PREPARE leak AS SELECT 1'; END $$",
    "DO $$ BEGIN EXECUTE 'DECLARE leak CURSOR WITH HOLD FOR SELECT 1'; END $$",
    "DO $$ BEGIN EXECUTE 'LISTEN leak'; END $$",
    "SELECT pg_advisory_lock(7, 7)",
    "DO $$ BEGIN CREATE TEMP TABLE leak (); END $$",
];

#[test]
fn what_a_migration_leaves_in_the_session_reaches_nothing_behind_it() {
    let test = with_tenants(&migrator(&[]), &["clean", "a", "b", "c"]);
    let clean = [("V1__nothing", "SELECT 1"), ("V2__seen", SEEN)];
    assert!(migrator(&clean).run_with(test.database(), &RunOptions::new().only([name("clean")])).unwrap().is_success());
    let expected = column(&test, "SELECT replace(s::text, 'clean', '') FROM clean.seen s");
    for leak in LEAKS {
        for group in [1, 2] {
            let leaking = migrator(&[("V1__leak", leak), ("V2__seen", SEEN)]).jobs(1).group(group);
            let report = leaking.run_with(test.database(), &RunOptions::new().only(["a", "b", "c"].map(name))).unwrap();
            assert_eq!(report.tenants.migrated, 3, "{leak}: {:?}", report.failures);
            for tenant in ["a", "b", "c"] {
                let seen = column(&test, &format!("SELECT replace(s::text, '{tenant},', ',') FROM {tenant}.seen s"));
                assert_eq!(seen, expected.iter().map(|row| row.replace("clean,", ",")).collect::<Vec<_>>(), "{leak}");
                execute(
                    &test,
                    &format!(
                        "DROP TABLE {tenant}.seen; DELETE FROM {tenant}.refinery_schema_history; \
                         UPDATE migrations.tenants SET digest = NULL WHERE schema_name = '{tenant}'"
                    ),
                );
            }
        }
    }
}

#[test]
fn a_deferred_check_is_made_before_the_next_migration_as_it_is_stepwise() {
    let tree = (
        "V1__tree",
        "CREATE TABLE nodes (id bigint PRIMARY KEY, parent bigint REFERENCES nodes DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO nodes VALUES (2, 1), (1, NULL);",
    );
    let change = ("V2__change", "ALTER TABLE nodes ADD COLUMN title text");
    // The constraint is deferred again for the migration that relies on it.
    let more = ("V3__more", "INSERT INTO nodes VALUES (4, 3), (3, NULL)");
    let all = migrator(&[tree, change, more]);
    let test = with_tenants(&all, &["acme"]);
    assert_eq!(number(&test, "SELECT count(*) FROM acme.nodes"), 4);

    let orphan = ("V4__orphan", "INSERT INTO nodes VALUES (6, 5)");
    let last = ("V5__last", "CREATE TABLE last ()");
    let report = migrator(&[tree, change, more, orphan, last]).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("23503"), "{:?}", report.failures);
    assert_eq!(report.failures[0].migration(), Some("V4__orphan"));
    assert_eq!(number(&test, "SELECT count(*) FROM acme.nodes"), 4);
}

#[test]
fn a_sequence_of_one_migration_is_not_remembered_by_the_next() {
    let draw = ("V1__draw", "CREATE SEQUENCE numbers CACHE 10; SELECT nextval('numbers')");
    let last = ("V2__last", "SELECT lastval()");
    let test = with_tenants(&migrator(&[]), &["acme", "globex"]);
    let report = migrator(&[draw, last]).jobs(1).run(test.database()).unwrap();
    // The values in a fresh session.
    assert_eq!(report.failures.iter().filter_map(|f| f.sqlstate()).collect::<Vec<_>>(), ["55000", "55000"]);
}

#[test]
fn a_constraint_that_a_later_migration_creates_is_deferred_as_it_says() {
    let first = ("V1__first", "CREATE TABLE one (id int)");
    let tree = (
        "V2__tree",
        "CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node (id) DEFERRABLE INITIALLY DEFERRED, \
         place int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO node VALUES (1, 2, 1); INSERT INTO node VALUES (2, 1, 2);\
         UPDATE node SET place = 2 WHERE id = 1; UPDATE node SET place = 1 WHERE id = 2;",
    );
    let later = ("V3__later", "INSERT INTO node VALUES (3, 4, 3); INSERT INTO node VALUES (4, 3, 4);");
    let all = [first, tree, later];
    let test = with_tenants(&migrator(&[first]), &["old"]);
    assert!(migrator(&all).run(test.database()).unwrap().is_success());
    assert!(migrator(&all).get_or_create_tenant(test.database(), &name("new")).unwrap().1);
    assert_eq!(number(&test, "SELECT count(*) FROM new.node"), 4);
}

#[test]
fn what_a_migration_makes_in_pg_temp_is_its_own() {
    let helper = (
        "V2__helper",
        "CREATE FUNCTION pg_temp.twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 2 * a'; \
         CREATE TABLE pg_temp.work (id int); INSERT INTO pg_temp.work VALUES (pg_temp.twice(2)); \
         CREATE TABLE doubled AS SELECT id FROM work",
    );
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let report = migrator(&[NOTES, helper]).jobs(1).run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 2, "{:?}", report.failures);
    assert_eq!(column(&test, "SELECT id::text FROM globex.doubled"), ["4"]);
}

/// Neither is undone by a rollback: the tenants that come next over the same connection would fail for them.
#[test]
fn a_failed_transaction_leaves_neither_prepared_statements_nor_session_locks() {
    let step = "PREPARE p AS SELECT 1; SELECT pg_advisory_lock(4711); CREATE TABLE marker ()";
    let test = with_tenants(&migrator(&[NOTES]), &["t1", "t2", "t3", "t4", "t5"]);
    execute(&test, "CREATE TABLE t2.marker ()");
    let report = migrator(&[NOTES, ("V2__step", step)]).jobs(2).run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.failed), (4, 1), "{:?}", report.failures);
    let failure = &report.failures[0];
    assert_eq!((failure.tenant(), failure.sqlstate()), (Some(&name("t2")), Some("42P07")));
    assert_eq!(failure.excerpt().map(migrations_core::Excerpt::column), Some(55), "{failure}");
    execute(&test, "DROP TABLE t2.marker");
    assert!(migrator(&[NOTES, ("V2__step", step)]).run(test.database()).unwrap().is_success());
}
