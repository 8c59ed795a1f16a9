//! Statements outside a transaction mean the same in an old tenant and in a new one, and use the same settings.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use migrations_core::Migrator;
use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, column, execute, exists, history, migrator, name, number, with_tenants};

/// An old tenant, upgraded, and a new one, by the same migrator.
fn old_and_new(before: &[(&str, &str)], after: (&str, &str)) -> TestDatabase {
    let test = with_tenants(&migrator(before), &["older"]);
    upgraded(test, &migrator(&[before, &[after]].concat()))
}

fn upgraded(test: TestDatabase, newer: &Migrator) -> TestDatabase {
    let report = newer.run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert!(newer.get_or_create_tenant(test.database(), &name("newer")).unwrap().1);
    assert!(newer.run(test.database()).unwrap().is_unchanged());
    assert_eq!(history(&test, "older"), history(&test, "newer"));
    test
}

/// The rows of a query about a schema, without the schema's name.
fn of(test: &TestDatabase, schema: &str, query: &str) -> Vec<String> {
    let rows = column(test, &query.replace("%schema%", schema));
    rows.iter().map(|row| row.replace(schema, "")).collect()
}

const NORM: (&str, &str) = (
    "V1__norm",
    "CREATE TABLE notes (id bigint PRIMARY KEY, body text); \
     CREATE FUNCTION norm(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT pg_catalog.upper(t) $$",
);

#[test]
fn a_function_in_an_index_is_the_tenants_own_in_old_tenants_and_in_new_ones() {
    let test = with_tenants(&migrator(&[NORM]), &["older"]);
    let public = "CREATE FUNCTION public.norm(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT t $$";
    execute(&test, public);
    let index =
        "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY ni ON notes (norm(body)) WHERE norm(body) <> '';";
    let test = upgraded(test, &migrator(&[NORM, ("V2__index", index)]));
    let definition = "SELECT pg_get_indexdef('%schema%.ni'::regclass)";
    assert_eq!(of(&test, "older", definition), of(&test, "newer", definition));
    assert!(column(&test, "SELECT pg_get_indexdef('older.ni'::regclass)")[0].contains("older.norm"));
}

const TWO: (&str, &str) =
    ("V1__two", "CREATE TABLE notes (id bigint PRIMARY KEY, body text); CREATE TABLE tags (name text PRIMARY KEY)");

#[test]
fn every_form_of_vacuum_and_analyze_reaches_every_table_it_names() {
    let sql = "-- migrate: no-transaction\nVACUUM notes, tags;\nVACUUM ANALYZE tags;\nVACUUM FULL FREEZE notes;\n\
                VACUUM (ANALYZE, FULL) notes (id, body), \"tags\";\nANALYZE VERBOSE tags, notes (body);\n\
                ANALYZE (VERBOSE) tags;\nanalyse notes;\nREINDEX (VERBOSE) TABLE CONCURRENTLY tags;";
    let test = old_and_new(&[TWO], ("V2__vacuum", sql));
    assert_eq!(
        number(
            &test,
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'older'::regnamespace AND reltuples = 0 \
                       AND relname IN ('notes', 'tags')"
        ),
        2,
        "both were looked at"
    );
}

#[test]
fn a_form_that_cannot_be_read_is_refused_and_not_garbled() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let run = |statement: &str| {
        let sql = format!("-- migrate: no-transaction\n{statement};");
        migrator(&[NOTES, ("V2__a", &sql)]).run(test.database())
    };
    let failure = run("REINDEX TABLE CONCURRENTLY ONLY notes").unwrap().failures.remove(0);
    assert_eq!(failure.sqlstate(), Some("42601"), "{failure}");
    assert!(failure.excerpt().is_some());
    for statement in ["DROP INDEX CONCURRENTLY a, b", "VACUUM notes tags"] {
        assert!(run(statement).unwrap_err().to_string().contains("its form is not understood"), "{statement}");
    }
    assert_eq!(history(&test, "acme"), ["1"]);
}

const PARTS: (&str, &str) = (
    "V1__parts",
    "CREATE TABLE events (id bigint, day date) PARTITION BY RANGE (day); \
     CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
     CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')",
);
const DETACH: (&str, &str) =
    ("V2__detach", "-- migrate: no-transaction\nALTER TABLE events DETACH PARTITION events_old CONCURRENTLY;");
const PARTITIONS: &str =
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '%schema%.events'::regclass";
const CHECKS: &str =
    "SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '%schema%.events_old'::regclass";

#[test]
fn a_partition_is_detached_concurrently_in_old_tenants_and_new_ones_alike() {
    let test = old_and_new(&[PARTS], DETACH);
    for tenant in ["older", "newer"] {
        assert_eq!(of(&test, tenant, PARTITIONS), [".events_new"]);
    }
    assert_eq!(of(&test, "older", CHECKS), of(&test, "newer", CHECKS));
}

#[test]
fn a_detach_that_was_cut_off_is_finished_by_the_next_run() {
    for pending in [true, false] {
        let test = with_tenants(&migrator(&[PARTS]), &["older"]);
        execute(&test, "UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 0");
        // The state that a session leaves if it ends while it waits in its second transaction, or after it.
        execute(
            &test,
            if pending {
                "UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'older.events_old'::regclass"
            } else {
                "ALTER TABLE older.events DETACH PARTITION older.events_old"
            },
        );
        let report = migrator(&[PARTS, DETACH]).run(test.database()).unwrap();
        assert!(report.is_success(), "{:?}", report.failures);
        assert_eq!(of(&test, "older", PARTITIONS), [".events_new"]);
    }
}

#[test]
fn a_lock_timeout_reaches_a_statement_outside_a_transaction() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let index = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_idx ON notes (body);";
    let newer = migrator(&[NOTES, ("V2__index", index)]).lock_timeout(Duration::from_millis(50));
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE acme.notes").unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = sender.send(newer.run(test.database()));
        });
        let report = receiver.recv_timeout(Duration::from_secs(30));
        holder.batch_execute("ROLLBACK").unwrap();
        let report = report.expect("the run waits for the lock for ever").unwrap();
        assert_eq!(report.failures[0].sqlstate(), Some("55P03"));
        assert!(!report.failures[0].blockers().is_empty(), "it says who holds the lock");
    });
    assert!(newer.run(test.database()).unwrap().is_success());
}

#[test]
fn a_statement_timeout_reaches_a_statement_outside_a_transaction_and_one_inside() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    for slow in [
        "SELECT pg_sleep(60)",
        "-- migrate: no-transaction idempotent\nDO $$ BEGIN PERFORM pg_sleep(60); COMMIT; END $$;",
    ] {
        let newer = migrator(&[NOTES, ("V2__slow", slow)]).statement_timeout(Duration::from_millis(150));
        let started = Instant::now();
        let report = newer.run(test.database()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(50), "it was not cancelled: {slow}");
        assert_eq!(report.failures.len(), 2, "{slow}");
        for failure in &report.failures {
            assert_eq!(failure.sqlstate(), Some("57014"), "{failure}");
            let says = "150ms, the statement_timeout that Migrator::statement_timeout sets";
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }
}

const BATCHES: (&str, &str) = (
    "V1__batches",
    "CREATE TABLE notes (id bigint PRIMARY KEY, body text); INSERT INTO notes SELECT n, 'x' FROM generate_series(1, 30) n; \
     CREATE PROCEDURE fill(size int) LANGUAGE plpgsql AS $$ BEGIN LOOP \
     UPDATE notes SET body = 'filled' WHERE id IN (SELECT id FROM notes WHERE body = 'x' LIMIT size); \
     EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$",
);
const FILL: (&str, &str) = ("V2__fill", "-- migrate: no-transaction idempotent\nCALL fill(7);");
const LATER: (&str, &str) = ("V3__later", "ALTER TABLE notes ALTER COLUMN body SET NOT NULL");

#[test]
fn a_procedure_that_commits_can_be_called_for_old_tenants_and_new_ones() {
    let test = with_tenants(&migrator(&[BATCHES]), &["older"]);
    let test = upgraded(test, &migrator(&[BATCHES, FILL, LATER]));
    for tenant in ["older", "newer"] {
        assert_eq!(
            number(&test, &format!("SELECT count(*) FROM {tenant}.notes WHERE body = 'filled'")),
            30,
            "{tenant}"
        );
        assert!(exists(&test, &format!("{tenant}.notes")));
    }
    let report = migrator(&[BATCHES, FILL, LATER])
        .run_with(test.database(), &migrations_core::RunOptions::new().create(["a", "b", "c"].map(name)))
        .unwrap();
    assert_eq!(report.tenants.created, 3, "{:?}", report.failures);
    assert_eq!(number(&test, "SELECT count(*) FROM c.notes WHERE body = 'filled'"), 30);
}

#[test]
fn a_procedure_that_commits_and_is_not_declared_repeatable_is_refused_with_the_word_for_it() {
    let test = with_tenants(&migrator(&[BATCHES]), &["acme"]);
    let fill = ("V2__fill", "-- migrate: no-transaction\nCALL fill(7);");
    let report = migrator(&[BATCHES, fill]).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("2D000"));
    assert!(report.failures[0].to_string().contains("-- migrate: no-transaction idempotent"), "{}", report.failures[0]);
    assert_eq!(number(&test, "SELECT count(*) FROM acme.notes WHERE body = 'filled'"), 0, "nothing of it stays");
}

#[test]
fn a_first_migration_that_calls_a_procedure_is_run_for_a_new_tenant_too() {
    let shared = "CREATE TABLE calls (n int); CREATE PROCEDURE public.count_call() LANGUAGE plpgsql AS \
                  $$ BEGIN INSERT INTO public.calls VALUES (1); COMMIT; END $$";
    let call = "-- migrate: no-transaction idempotent\nCALL count_call();";
    let migrator = crate::fixture::of(
        crate::fixture::set("shared", &[("V1__calls", shared)]),
        crate::fixture::set("tenant", &[("V1__call", call), NOTES_2]),
    );
    let test = with_tenants(&migrator, &["acme"]);
    assert_eq!(history(&test, "acme"), ["1", "2"]);
    assert_eq!(number(&test, "SELECT count(*) FROM calls"), 1);
}

const NOTES_2: (&str, &str) = ("V2__notes", "CREATE TABLE notes (id bigint PRIMARY KEY)");

#[test]
fn a_procedure_that_a_killed_run_left_on_the_server_is_waited_for() {
    let test = with_tenants(&migrator(&[BATCHES]), &["acme"]);
    // The lock that such a session holds.
    let mut orphan = test.client().unwrap();
    let key = "hashtextextended('migrate migrations call acme', 0)";
    orphan.batch_execute(&format!("SELECT pg_advisory_lock({key})")).unwrap();
    let hasty = migrator(&[BATCHES, FILL]).lock_wait(std::time::Duration::from_millis(200));
    let report = hasty.run(test.database()).unwrap();
    assert_eq!((report.tenants.busy, report.tenants.migrated), (1, 0), "{:?}", report.failures);
    drop(orphan);
    assert!(migrator(&[BATCHES, FILL]).run(test.database()).unwrap().is_success());
    assert_eq!(number(&test, "SELECT count(*) FROM acme.notes WHERE body = 'filled'"), 30);
}

#[test]
fn the_shared_set_may_set_a_path_of_its_own_until_the_end_of_the_file() {
    let shared = |index: &str| {
        crate::fixture::set(
            "shared",
            &[
                (
                    "V1__before",
                    "CREATE SCHEMA other; CREATE TABLE a (n int); SET search_path = other; CREATE TABLE b (n int)",
                ),
                ("V2__after", "CREATE TABLE c (n int)"),
                ("V3__dump", "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.d (n int)"),
                ("V4__outside", index),
            ],
        )
    };
    let index = "-- migrate: no-transaction\nSET search_path = other; CREATE INDEX CONCURRENTLY b_n ON b (n); INSERT INTO b VALUES (1)";
    let test = TestDatabase::new().unwrap();
    let migrator = crate::fixture::of(shared(index), crate::fixture::set("tenant", &[NOTES]));
    assert!(migrator.run(test.database()).unwrap().is_success());
    for table in ["public.a", "other.b", "public.c", "public.d", "other.b_n"] {
        assert!(exists(&test, table), "{table}");
    }
    assert_eq!(number(&test, "SELECT count(*) FROM other.b"), 1);
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
}
