//! What a run that was interrupted in a `no-transaction` migration left, and how the next run continues.

use std::time::{Duration, Instant};

use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, column, execute, exists, history, migrator, number, with_tenants};

const HEAD: &str = "-- migrate: no-transaction\n";
const A: &str = "CREATE INDEX CONCURRENTLY notes_a_idx ON notes (body);\n";

fn oid(test: &TestDatabase, index: &str) -> Vec<String> {
    column(test, &format!("SELECT to_regclass('{index}')::oid::text"))
}

/// Runs a second migration that creates its first index and fails in its second statement.
fn cut_off_behind_a() -> TestDatabase {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let first = format!("{HEAD}{A}CREATE INDEX CONCURRENTLY notes_b_idx ON notes (nmae);");
    let report = migrator(&[NOTES, ("V2__index", &first)]).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("42703"));
    assert!(exists(&test, "acme.notes_a_idx"));
    test
}

#[test]
fn a_statement_that_was_put_in_front_of_a_failed_one_is_not_skipped() {
    let test = cut_off_behind_a();
    let before = oid(&test, "acme.notes_a_idx");
    let sql = format!(
        "{HEAD}CREATE INDEX CONCURRENTLY notes_x_idx ON notes (id, body);\n{A}\
         CREATE INDEX CONCURRENTLY notes_b_idx ON notes (id DESC);"
    );
    let report = migrator(&[NOTES, ("V2__index", &sql)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert!(exists(&test, "acme.notes_x_idx") && exists(&test, "acme.notes_b_idx"));
    assert_eq!(oid(&test, "acme.notes_a_idx"), before, "it was done, and is not built again");
    let marks = "SELECT concat(in_flight_version, in_flight_statement, in_flight_file, in_flight_text) \
                 FROM migrations.tenants";
    assert_eq!(column(&test, marks), [""], "the mark is cleared whole");
}

#[test]
fn an_index_that_an_earlier_text_made_otherwise_is_not_taken_for_the_new_one() {
    let test = cut_off_behind_a();
    let sql = format!("{HEAD}CREATE INDEX CONCURRENTLY notes_a_idx ON notes (id) WHERE id > 7;");
    for _ in 0..2 {
        let report = migrator(&[NOTES, ("V2__index", &sql)]).run(test.database()).unwrap();
        assert_eq!(report.failures[0].sqlstate(), Some("42P07"));
        assert_eq!(history(&test, "acme"), ["1"]);
    }
}

/// Near its end, the build of an index has released the table's lock and is not committed yet.
#[test]
fn a_statement_that_is_left_on_the_server_is_waited_for_also_without_a_lock() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(
        &test,
        "CREATE INDEX notes_a_idx ON acme.notes (body); \
         UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 0",
    );
    let sql = format!("{HEAD}DROP INDEX CONCURRENTLY notes_a_idx;");
    std::thread::scope(|scope| {
        let mut orphan = test.client().unwrap();
        let slow = scope.spawn(move || {
            orphan.batch_execute("CREATE TABLE \"acme\".left_over AS SELECT FROM pg_sleep(3)").unwrap();
            Instant::now()
        });
        let mut client = test.client().unwrap();
        let is_there = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE \"acme\".left%'";
        while client.query_one(is_there, &[]).unwrap().get::<_, i64>(0) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(migrator(&[NOTES, ("V2__index", &sql)]).run(test.database()).unwrap().is_success());
        let done = Instant::now();
        assert!(slow.join().unwrap() <= done, "the run did not wait");
    });
}

#[test]
fn what_an_interrupted_reindex_left_is_removed_and_nothing_else() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(
        &test,
        "CREATE TABLE acme.tags (name text); CREATE INDEX notes_body_idx ON acme.notes (body); \
         CREATE INDEX notes_body_idx_ccnew ON acme.notes (body); CREATE INDEX notes_body_idx_ccnew1 ON acme.notes (body); \
         CREATE INDEX notes_pkey_ccold ON acme.notes (id); \
         CREATE INDEX somebodys_ccnew ON acme.notes (body); CREATE INDEX tags_idx_ccnew ON acme.tags (name); \
         CREATE INDEX notes_body_idx_ccnew2 ON acme.notes (body); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ '_cc(new1?|old)$'; \
         UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 0",
    );
    let sql = format!("{HEAD}REINDEX TABLE CONCURRENTLY notes;");
    let report = migrator(&[NOTES, ("V2__reindex", &sql)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    let left = "SELECT relname::text FROM pg_class WHERE relname LIKE '%\\_cc%' ORDER BY 1";
    assert_eq!(column(&test, left), ["notes_body_idx_ccnew2", "somebodys_ccnew", "tags_idx_ccnew"]);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 2, "those of others");
}

#[test]
fn what_is_left_of_one_reindexed_index_is_removed() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(
        &test,
        "CREATE INDEX notes_body_idx_ccnew ON acme.notes (body); CREATE INDEX notes_pkey_ccnew ON acme.notes (id); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ '_ccnew$'; \
         UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 0",
    );
    let sql = format!("{HEAD}REINDEX INDEX CONCURRENTLY notes_pkey;");
    let report = migrator(&[NOTES, ("V2__reindex", &sql)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    let left = "SELECT relname::text FROM pg_class WHERE relname LIKE '%\\_cc%' ORDER BY 1";
    assert_eq!(column(&test, left), ["notes_body_idx_ccnew"]);
}

/// Two sessions change one row of the catalog, as the end of an interrupted build and the next attempt do.
#[test]
fn a_race_for_a_row_of_the_catalog_is_tried_again() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let newer = migrator(&[NOTES, ("V2__grant", "GRANT UPDATE ON notes TO public")]);
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; GRANT SELECT ON acme.notes TO public").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        let is_blocked = "SELECT count(*) FROM pg_stat_activity WHERE pg_blocking_pids(pid) <> '{}'";
        while number(&test, is_blocked) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        other.batch_execute("COMMIT").unwrap();
        let report = run.join().unwrap();
        assert!(report.is_success(), "{:?}", report.failures);
    });
}
