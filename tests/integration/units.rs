//! The units of a `no-transaction` migration: each runs once, whatever else is in the file.

use std::time::Duration;

use migrations_core::{Reason, RunOptions};
use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, column, execute, exists, history, migrator, name, number, set, wait_until, with_tenants};

const HEAD: &str = "-- migrate: no-transaction\n";
const LOG: (&str, &str) = (
    "V1__log",
    "CREATE TABLE log (step text); CREATE TABLE notes (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0); \
     INSERT INTO notes SELECT generate_series(1, 100)",
);

/// A unit that runs until the test releases a lock, and a query that finds it waiting.
const HELD: &str = "INSERT INTO log SELECT 'slow' FROM pg_advisory_xact_lock(77);";
const IS_HELD: &str = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

fn steps(test: &TestDatabase, tenant: &str) -> Vec<String> {
    column(test, &format!("SELECT step FROM {tenant}.log ORDER BY step"))
}

/// Tenants that have the first migration; one of them failed in the second.
fn failed(units: &str) -> TestDatabase {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let report = migrator(&[LOG, ("V2__units", &format!("{HEAD}{units}"))]).run(test.database()).unwrap();
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    test
}

const KINDS: &str = "-- migrate: no-transaction
SET timezone = 'Asia/Tokyo';
INSERT INTO log VALUES (current_setting('timezone'));
ALTER TABLE notes ADD COLUMN author text;
CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_author ON notes (author);
UPDATE notes SET n = n + 1;
DO $$ BEGIN INSERT INTO log VALUES ('do'); END $$;
BEGIN; INSERT INTO log VALUES ('block'); UPDATE notes SET n = n + 10; COMMIT;
CREATE TEMP TABLE picked AS SELECT id FROM notes WHERE id <= 10;
DELETE FROM notes USING picked WHERE notes.id = picked.id;
CREATE INDEX CONCURRENTLY ON notes (n, id);
VACUUM (ANALYZE) notes;
CREATE INDEX plain ON notes (n);
DROP INDEX CONCURRENTLY IF EXISTS plain;
RESET timezone;
INSERT INTO log VALUES ('last');
";

#[test]
fn statements_of_every_kind_stand_in_one_file() {
    let test = with_tenants(&migrator(&[LOG]), &["older"]);
    let newer =
        migrator(&[LOG, ("V2__kinds", KINDS), ("V3__zone", "INSERT INTO log VALUES (current_setting('timezone'))")]);
    let zone = column(&test, "SELECT current_setting('timezone')").remove(0);
    let rehearsed = newer.rehearse(test.database(), &RunOptions::new()).unwrap().remove(0).messages;
    assert_eq!(rehearsed[0], "SET timezone = 'Asia/Tokyo'");
    assert_eq!(rehearsed.iter().filter(|message| message.starts_with("SET timezone")).count(), 1);
    assert!(rehearsed.iter().any(|message| message.starts_with("BEGIN;\nINSERT") && message.ends_with("COMMIT")));
    let report = newer.run_with(test.database(), &RunOptions::new().create([name("newer")])).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    for tenant in ["older", "newer"] {
        let mut expected = vec!["Asia/Tokyo".to_owned(), "block".into(), "do".into(), "last".into(), zone.clone()];
        expected.sort();
        let mut found = steps(&test, tenant);
        found.sort();
        assert_eq!(found, expected, "{tenant}");
        assert_eq!(number(&test, &format!("SELECT count(*) FROM {tenant}.notes WHERE n = 11 AND author IS NULL")), 90);
        assert!(exists(&test, &format!("{tenant}.notes_author")) && exists(&test, &format!("{tenant}.notes_n_id_idx")));
        assert!(!exists(&test, &format!("{tenant}.plain")));
    }
    assert!(newer.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn what_was_done_before_a_failure_is_not_done_again() {
    let units = "INSERT INTO log VALUES ('a'); CREATE INDEX CONCURRENTLY ON notes (n); INSERT INTO log VALUES (nmae);";
    let test = failed(units);
    assert_eq!(steps(&test, "acme"), ["a"]);
    let report = migrator(&[LOG, ("V2__units", &format!("{HEAD}{units}"))]).run(test.database()).unwrap();
    let failure = &report.failures[0];
    assert_eq!((failure.sqlstate(), failure.migration()), (Some("42703"), Some("V2__units")));
    assert_eq!(failure.excerpt().map(|at| (at.line(), at.column())), Some((2, 95)), "{failure}");
    // The file was never applied completely: it may be fixed after the statements that are done.
    let mended = format!("{HEAD}{}", units.replace("nmae", "'b'"));
    let report = migrator(&[LOG, ("V2__units", &mended)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(steps(&test, "acme"), ["a", "b"]);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_index WHERE indrelid = 'acme.notes'::regclass"), 2);
}

#[test]
fn the_place_of_an_error_in_a_block_is_found_also_where_the_server_gives_none() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let units = format!(
        "{HEAD}SET timezone = 'UTC';\nBEGIN;\nINSERT INTO log VALUES ('a');\n  INSERT INTO notes VALUES (7);\nCOMMIT"
    );
    let report = migrator(&[LOG, ("V2__units", &units)]).run(test.database()).unwrap();
    let failure = &report.failures[0];
    assert_eq!(failure.sqlstate(), Some("23505"));
    assert_eq!(failure.excerpt().map(|at| (at.line(), at.column())), Some((5, 3)), "{failure}");
    assert_eq!(steps(&test, "acme"), [""; 0], "the block is one transaction");
}

#[test]
fn a_file_that_was_edited_in_front_of_what_is_done_is_refused_with_a_way_out() {
    let test = failed("INSERT INTO log VALUES ('a'); INSERT INTO log VALUES (nmae);");
    let edited = format!("{HEAD}INSERT INTO log VALUES ('new'); INSERT INTO log VALUES ('a');");
    let edited = migrator(&[LOG, ("V2__units", &edited)]);
    let report = edited.run(test.database()).unwrap();
    assert!(matches!(report.failures[0].reason(), Reason::Refused(_)), "{:?}", report.failures);
    assert_eq!(steps(&test, "acme"), ["a"], "nothing was sent");
    let said = report.failures[0].to_string();
    let update = &said[said.find("UPDATE ").unwrap()..];
    execute(&test, &format!("DELETE FROM acme.log; {}", update.lines().next().unwrap()));
    assert!(edited.run(test.database()).unwrap().is_success());
    assert_eq!(steps(&test, "acme"), ["a", "new"]);
}

#[test]
fn a_file_that_is_safe_to_repeat_begins_again_when_it_was_edited() {
    let test = failed("INSERT INTO log VALUES ('a'); INSERT INTO log VALUES (nmae);");
    let edited = "-- migrate: no-transaction idempotent\nDELETE FROM log; INSERT INTO log VALUES ('b')";
    assert!(migrator(&[LOG, ("V2__units", edited)]).run(test.database()).unwrap().is_success());
    assert_eq!(steps(&test, "acme"), ["b"]);
}

#[test]
fn a_mark_of_a_schema_that_was_dropped_says_nothing_of_the_one_that_took_its_place() {
    let test = failed(HALF);
    execute(&test, "DROP SCHEMA acme CASCADE; CREATE SCHEMA acme");
    let mended = migrator(&[LOG, ("V2__units", &format!("{HEAD}{}", HALF.replace("nmae", "'b'")))]);
    // The schema may come from a dump in which the first statement is done.
    let mut said = String::new();
    for _ in 0..3 {
        said = mended.run(test.database()).unwrap().failures.remove(0).to_string();
        assert!(said.contains("the schema was replaced"), "{said}");
    }
    execute(&test, said[said.find("UPDATE ").unwrap()..].lines().next().unwrap());
    assert!(mended.run(test.database()).unwrap().is_success());
    assert_eq!(steps(&test, "acme"), ["a", "b"]);
}

const HALF: &str = "INSERT INTO log VALUES ('a'); INSERT INTO log VALUES (nmae);";

#[test]
fn a_directive_that_is_taken_out_of_a_half_done_file_is_missed() {
    let test = failed(HALF);
    let without = HALF.replace("nmae", "'b'");
    let newer = migrator(&[LOG, ("V2__units", &without)]);
    for _ in 0..2 {
        let failure = newer.run(test.database()).unwrap().failures.remove(0);
        assert_eq!(failure.sqlstate(), Some("MGM01"), "{failure}");
    }
    assert_eq!(steps(&test, "acme"), ["a"]);
    let back = migrator(&[LOG, ("V2__units", &format!("{HEAD}{without}"))]);
    assert!(back.run(test.database()).unwrap().is_success());
    assert_eq!(steps(&test, "acme"), ["a", "b"]);
}

#[test]
fn a_half_done_migration_goes_on_behind_one_that_is_put_in_front_of_it() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let half = format!("{HEAD}{HALF}");
    assert_eq!(migrator(&[LOG, ("V3__units", &half)]).run(test.database()).unwrap().failures.len(), 1);
    let whole = half.replace("nmae", "'b'");
    let outside = format!("{HEAD}INSERT INTO log VALUES ('in front')");
    let refused = migrator(&[LOG, ("V2__fix", &outside), ("V3__units", &whole)]).run(test.database()).unwrap();
    assert!(refused.failures[0].to_string().contains("must be finished first"), "{}", refused.failures[0]);
    let fixed = migrator(&[LOG, ("V2__fix", "INSERT INTO log VALUES ('in front')"), ("V3__units", &whole)]);
    let report = fixed.run(test.database()).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    assert_eq!(steps(&test, "acme"), ["a", "b", "in front"]);
    assert!(fixed.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn a_half_done_migration_is_remembered_by_a_release_without_it() {
    let test = failed(HALF);
    let whole = format!("{HEAD}{}", HALF.replace("nmae", "'b'"));
    let other = format!("{HEAD}INSERT INTO log VALUES ('other')");
    for refused in [
        ("V3__hotfix", "INSERT INTO log VALUES ('hotfix')"),
        ("V3__other", other.as_str()),
        // Another version, and no directive.
        ("V3__units", whole.strip_prefix(HEAD).unwrap()),
    ] {
        let failure = migrator(&[LOG, refused]).run(test.database()).unwrap().failures.remove(0);
        assert!(failure.to_string().contains("in the middle of version 2"), "{failure}");
    }
    assert_eq!(steps(&test, "acme"), ["a"]);
    let renumbered = migrator(&[LOG, ("V4__units", &whole), ("V5__other", &other)]);
    assert!(renumbered.run(test.database()).unwrap().is_success());
    assert_eq!(steps(&test, "acme"), ["a", "b", "other"]);
    assert_eq!(column(&test, "SELECT in_flight_version::text FROM migrations.tenants"), [""]);
}

#[test]
fn an_index_without_a_name_is_told_from_another_one_of_its_definition() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    execute(&test, "CREATE INDEX old ON acme.notes (n)");
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE acme.notes IN SHARE ROW EXCLUSIVE MODE").unwrap();
    let index = format!("{HEAD}CREATE INDEX CONCURRENTLY ON notes (n)");
    let newer = migrator(&[LOG, ("V2__index", &index)]).lock_timeout(Duration::from_millis(100));
    assert_eq!(newer.run(test.database()).unwrap().failures[0].sqlstate(), Some("55P03"));
    other.batch_execute("ROLLBACK").unwrap();
    assert!(newer.run(test.database()).unwrap().is_success());
    assert!(exists(&test, "acme.notes_n_idx") && exists(&test, "acme.old"));
}

#[test]
fn what_another_text_had_begun_is_in_doubt_wherever_it_stands_now() {
    let unit = "CREATE UNIQUE INDEX CONCURRENTLY notes_n ON notes (n);";
    let test = begun(unit);
    // As if it had been done just before a crash.
    execute(&test, "CREATE UNIQUE INDEX notes_n ON acme.notes (n)");
    let without = migrator(&[LOG, ("V2__units", &format!("{HEAD}INSERT INTO log VALUES ('new')"))]);
    let said = without.run(test.database()).unwrap().failures.remove(0).to_string();
    assert!(said.contains("no longer begins with"), "{said}");
    let edited = format!("{HEAD}INSERT INTO log VALUES ('new'); {unit}");
    let report = migrator(&[LOG, ("V2__units", &edited)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    assert_eq!(steps(&test, "acme"), ["new"]);
}

#[test]
fn a_session_is_shared_by_the_statements_that_need_it() {
    let table = (
        "V1__t",
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, n bigint); CREATE TABLE notes AS SELECT 1 AS n",
    );
    let test = with_tenants(&migrator(&[table]), &["older"]);
    let units = format!(
        "{HEAD}INSERT INTO t (n) VALUES (0); INSERT INTO t (n) VALUES (currval('t_id_seq'));
         DO $$ BEGIN CREATE TEMP TABLE notes AS SELECT * FROM notes; END $$; DELETE FROM notes; VACUUM t;
         CREATE TEMP TABLE sevens AS SELECT 7 AS n; BEGIN; INSERT INTO t (n) SELECT n FROM sevens; COMMIT; DROP TABLE sevens;
         SET a.b = 'set'; INSERT INTO t (n) VALUES (length(current_setting('a.b')))"
    );
    let newer = migrator(&[table, ("V2__units", &units)]);
    let report = newer.run_with(test.database(), &RunOptions::new().create([name("newer")])).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    for tenant in ["older", "newer"] {
        assert_eq!(column(&test, &format!("SELECT n::text FROM {tenant}.t ORDER BY id")), ["0", "2", "7", "3"]);
        assert_eq!(number(&test, &format!("SELECT count(*) FROM {tenant}.notes")), 1, "{tenant}");
    }
}

#[test]
fn a_setting_that_the_server_does_not_know_is_refused_wherever_it_stands() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let units = format!("{HEAD}INSERT INTO log VALUES ('a'); SET no_such_setting = 1");
    let failure = migrator(&[LOG, ("V2__units", &units)]).run(test.database()).unwrap().failures.remove(0);
    assert_eq!(failure.sqlstate(), Some("42704"), "{failure}");
}

/// The application may write to the tenant's row while a long unit runs.
#[test]
fn the_registrys_row_is_not_locked_while_a_unit_runs() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let units = format!("{HEAD}{HELD}");
    let migrator = migrator(&[LOG, ("V2__units", &units)]).lock_timeout(Duration::from_mins(1));
    let mut gate = test.client().unwrap();
    gate.batch_execute("SELECT pg_advisory_lock(77)").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.run(test.database()).unwrap());
        wait_until(&test, IS_HELD);
        execute(&test, "SET lock_timeout = '5s'; UPDATE migrations.tenants SET status = 'suspended'");
        gate.batch_execute("SELECT pg_advisory_unlock(77)").unwrap();
        assert!(run.join().unwrap().is_success());
    });
    assert_eq!(steps(&test, "acme"), ["slow"]);
}

#[test]
fn nothing_shared_is_changed_by_a_statement_that_runs_alone() {
    let shared = "CREATE TABLE plans (code text, n int); CREATE INDEX plans_n_idx ON plans (n); \
                  CREATE INDEX pg_thing ON plans (code)";
    let migrator =
        |tenant: &[(&str, &str)]| crate::fixture::of(set("shared", &[("V1__plans", shared)]), set("tenant", tenant));
    let relations = "SELECT relname || relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace \
                     AND relname NOT LIKE 'refinery%' ORDER BY 1";
    let block = "DO $$ BEGIN IF false THEN CREATE TEMP TABLE plans (n int); END IF; END $$";
    for units in [
        "CREATE TEMP TABLE plans_n AS SELECT 1 AS a; DROP INDEX CONCURRENTLY IF EXISTS plans_n_idx".to_owned(),
        "DROP INDEX CONCURRENTLY IF EXISTS pg_thing".to_owned(),
        format!("{block}; CREATE INDEX CONCURRENTLY foo ON plans (n)"),
        format!("{block}; VACUUM FULL plans"),
    ] {
        let test = with_tenants(&migrator(&[LOG]), &["acme"]);
        let before = column(&test, relations);
        let units = ("V2__units", &*format!("{HEAD}{units}"));
        let _ = migrator(&[LOG, units]).run(test.database()).unwrap();
        assert_eq!(column(&test, relations), before, "{}", units.1);
    }
    let long = format!("{HEAD}DROP INDEX CONCURRENTLY /*{}*/ public.plans_n_idx", "x".repeat(200_000));
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    for refused in [long.as_str(), "-- migrate: no-transaction\nVACUUM FULL public.plans"] {
        let run = migrator(&[LOG, ("V2__units", refused)]).run(test.database());
        assert!(run.unwrap_err().to_string().contains("changes schema public"));
    }
}

#[test]
fn a_setting_in_front_of_a_statement_has_the_rights_of_the_tenants_role() {
    let test = TestDatabase::new().unwrap();
    let role = format!("{}_tenants", test.name());
    execute(&test, &format!("CREATE ROLE {role}; GRANT CREATE, TEMPORARY ON DATABASE {} TO {role}", test.name()));
    let units =
        format!("{HEAD}INSERT INTO log VALUES (current_user); SET session_replication_role = replica; VACUUM notes;");
    let migrator = |tenant: &[(&str, &str)]| migrator(tenant).tenant_role(role.parse().unwrap());
    migrator(&[LOG]).get_or_create_tenant(test.database(), &name("acme")).unwrap();
    let failure = migrator(&[LOG, ("V2__units", &units)]).run(test.database()).unwrap().failures.remove(0);
    assert_eq!(failure.sqlstate(), Some("42501"), "only a superuser may set it: {failure}");
    assert_eq!(steps(&test, "acme"), [role.as_str()]);
    execute(&test, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

/// A run that loses the connection with the locks does not notice while its statement runs.
#[test]
fn a_unit_that_goes_on_without_its_lock_is_waited_for_and_not_done_twice() {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    let units = format!("{HEAD}{HELD} INSERT INTO log VALUES ('next')");
    let newer = || {
        let migrator = migrator(&[LOG, ("V2__units", &units)]).lock_timeout(Duration::from_mins(1));
        migrator.lock_wait(Duration::from_mins(1))
    };
    let mut gate = test.client().unwrap();
    gate.batch_execute("SELECT pg_advisory_lock(77)").unwrap();
    let (met, is_waiting) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| newer().run(test.database()));
        wait_until(&test, IS_HELD);
        let holder = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                      AND state = 'idle in transaction' AND application_name <> ''";
        execute(&test, holder);
        let second = scope.spawn(|| {
            let second = newer().on_event(move |event| {
                if matches!(event, migrations_core::Event::Waiting { .. }) {
                    let _ = met.send(());
                }
            });
            second.run(test.database()).unwrap()
        });
        is_waiting.recv_timeout(Duration::from_mins(1)).unwrap();
        gate.batch_execute("SELECT pg_advisory_unlock(77)").unwrap();
        let second = second.join().unwrap();
        assert!(second.is_success(), "{:?}", second.failures);
        assert!(first.join().unwrap().unwrap().is_success());
    });
    assert_eq!(steps(&test, "acme"), ["next", "slow"]);
}

#[test]
fn a_statement_that_turns_out_to_need_it_runs_alone_when_it_is_safe_to_repeat() {
    let parted = (
        "V1__parted",
        "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parted DEFAULT",
    );
    let test = with_tenants(&migrator(&[parted]), &["acme"]);
    let run =
        |head: &str| migrator(&[parted, ("V2__reindex", &format!("{head}REINDEX TABLE parted"))]).run(test.database());
    let refused = run(HEAD).unwrap();
    assert_eq!(refused.failures[0].sqlstate(), Some("25001"));
    assert!(refused.failures[0].to_string().contains("no-transaction idempotent"), "{}", refused.failures[0]);
    assert!(run("-- migrate: no-transaction idempotent\n").unwrap().is_success());
}

#[test]
fn an_index_that_is_there_satisfies_if_not_exists_when_it_is_valid() {
    let create = format!("{HEAD}CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n)");
    let newer = || migrator(&[LOG, ("V2__index", &create)]);
    let oid = "SELECT 'acme.notes_n'::regclass::oid::text";

    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    execute(&test, "CREATE INDEX notes_n ON acme.notes (n, id)");
    let before = column(&test, oid);
    assert!(newer().run(test.database()).unwrap().is_success());
    assert_eq!(column(&test, oid), before, "whoever made it");

    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    execute(
        &test,
        "CREATE INDEX notes_n ON acme.notes (n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'acme.notes_n'::regclass",
    );
    let before = column(&test, oid);
    assert!(newer().run(test.database()).unwrap().is_success());
    assert_ne!(column(&test, oid), before, "an invalid one is built again");
    assert_eq!(number(&test, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
}

/// A tenant after a crash at the beginning of a statement: the registry says what it said in the middle of building
/// this index, which another session delayed until the build was given up.
fn begun(unit: &str) -> TestDatabase {
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    execute(&test, "UPDATE acme.notes SET n = id");
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE acme.notes IN SHARE ROW EXCLUSIVE MODE").unwrap();
    let units = format!("{HEAD}{unit}");
    let migrator = migrator(&[LOG, ("V2__units", &units)]).lock_timeout(Duration::from_secs(1));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.run(test.database()).unwrap());
        wait_until(&test, "SELECT FROM migrations.tenants WHERE in_flight_text IS NOT NULL");
        execute(&test, "CREATE TABLE public.mark AS SELECT * FROM migrations.tenants");
        assert_eq!(run.join().unwrap().failures[0].sqlstate(), Some("55P03"));
    });
    other.batch_execute("ROLLBACK").unwrap();
    let cleared = "SELECT concat(in_flight_text) FROM migrations.tenants";
    assert_eq!(column(&test, cleared), [""], "a statement that is refused is not begun");
    execute(
        &test,
        "UPDATE migrations.tenants t SET in_flight_version = m.in_flight_version, in_flight_statement = m.in_flight_statement, \
         in_flight_file = m.in_flight_file, in_flight_text = m.in_flight_text FROM public.mark m; DROP TABLE public.mark",
    );
    test
}

#[test]
fn an_index_without_a_name_that_was_interrupted_is_found_by_its_definition() {
    let unit = "CREATE UNIQUE INDEX CONCURRENTLY ON notes (n) WHERE id > 5";
    let indexes = "SELECT concat_ws(' ', relname, indisvalid, c.oid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid \
                   WHERE indrelid = 'acme.notes'::regclass AND NOT indisprimary ORDER BY relname";
    for was_done in [false, true] {
        let test = begun(unit);
        execute(
            &test,
            "CREATE UNIQUE INDEX ON acme.notes (n) WHERE id > 5; CREATE UNIQUE INDEX other ON acme.notes (n) WHERE id > 6",
        );
        if !was_done {
            execute(&test, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'acme.notes_n_idx'::regclass");
        }
        let before = column(&test, indexes);
        assert!(migrator(&[LOG, ("V2__units", &format!("{HEAD}{unit}"))]).run(test.database()).unwrap().is_success());
        let after = column(&test, indexes);
        assert_eq!((before.len(), after.len()), (2, 2), "{after:?}");
        assert!(after[0].starts_with("notes_n_idx t"), "{after:?}");
        assert_eq!(before == after, was_done, "{before:?} {after:?}");
    }
}

#[test]
fn a_refused_build_leaves_no_invalid_index() {
    for name in ["notes_n", ""] {
        let test = failed(&format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON notes (n);"));
        assert_eq!(number(&test, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
        let instead = format!("{HEAD}CREATE INDEX IF NOT EXISTS notes_n ON notes (n);");
        assert!(migrator(&[LOG, ("V2__units", &instead)]).run(test.database()).unwrap().is_success());
        let plain = "SELECT count(*) FROM pg_index WHERE indexrelid = 'acme.notes_n'::regclass AND indisvalid AND NOT indisunique";
        assert_eq!(number(&test, plain), 1);
    }
}

#[test]
fn what_is_done_to_others_in_a_transaction_of_its_own_is_found_with_the_first_tenant() {
    let test = with_tenants(&migrator(&[LOG]), &["acme", "globex"]);
    let units = format!("{HEAD}INSERT INTO log VALUES ('a'); DO $$ BEGIN EXECUTE 'DROP TABLE public.plans'; END $$");
    let report = migrator(&[LOG, ("V2__units", &units)]).jobs(1).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("MGI01"), "{}", report.failures[0]);
    assert!(exists(&test, "public.plans"));
    let unqualified = format!("{HEAD}DROP TABLE IF EXISTS plans CASCADE; INSERT INTO log VALUES ('a')");
    let test = with_tenants(&migrator(&[LOG]), &["acme"]);
    assert!(migrator(&[LOG, ("V2__units", &unqualified)]).run(test.database()).unwrap().is_success());
    assert!(exists(&test, "public.plans"), "the name is the tenant's");
}

#[test]
fn the_shared_set_has_units_too() {
    let shared = |more: &str| {
        set("shared", &[("V1__plans", "CREATE TABLE plans (code text)"), ("V2__units", &format!("{HEAD}{more}"))])
    };
    let tenant = || set("tenant", &[NOTES]);
    let test = TestDatabase::new().unwrap();
    let bad =
        "INSERT INTO plans VALUES ('a'); CREATE INDEX CONCURRENTLY ON plans (code); INSERT INTO plans VALUES (nmae)";
    crate::fixture::of(shared(bad), tenant()).run(test.database()).unwrap_err();
    let good = crate::fixture::of(shared(&bad.replace("nmae", "'b'")), tenant());
    assert!(good.run(test.database()).unwrap().is_success());
    assert_eq!(column(&test, "SELECT code FROM plans ORDER BY code"), ["a", "b"]);
    assert_eq!(history(&test, "public"), ["1", "2"]);
}

#[test]
fn a_value_of_an_enumeration_is_used_in_the_file_that_adds_it() {
    let mood = ("V1__mood", "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE moods (mood mood)");
    for add in [
        "-- migrate: no-transaction\nALTER TYPE mood ADD VALUE 'bad'; INSERT INTO moods VALUES ('bad')",
        "BEGIN; ALTER TYPE mood ADD VALUE 'bad'; COMMIT; INSERT INTO moods VALUES ('bad')",
    ] {
        let test = with_tenants(&migrator(&[mood]), &["older"]);
        let newer = migrator(&[mood, ("V2__bad", add)]);
        let report = newer.run_with(test.database(), &RunOptions::new().create(["a", "b"].map(name))).unwrap();
        assert!(report.is_success(), "{:?}", report.failures);
        assert!(newer.get_or_create_tenant(test.database(), &name("newer")).unwrap().1);
        for tenant in ["older", "a", "b", "newer"] {
            assert_eq!(column(&test, &format!("SELECT mood::text FROM {tenant}.moods")), ["bad"], "{tenant}");
        }
    }
}

#[test]
fn what_ends_with_its_block_does_so_in_old_tenants_and_in_new_ones() {
    let table = ("V1__t", "CREATE TABLE t (zone text)");
    let test = with_tenants(&migrator(&[table]), &["older"]);
    let zone = "INSERT INTO t VALUES (current_setting('timezone'))";
    let units = format!(
        "{HEAD}BEGIN; SET LOCAL timezone = 'Asia/Tokyo'; {zone}; COMMIT; {zone};
         BEGIN; CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1; COMMIT; BEGIN; CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 2; COMMIT"
    );
    let newer = migrator(&[table, ("V2__units", &units)]);
    let report = newer.run_with(test.database(), &RunOptions::new().create([name("newer")])).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    let zones = |tenant: &str| column(&test, &format!("SELECT zone FROM {tenant}.t"));
    assert_eq!(zones("older"), zones("newer"));
    assert_eq!(zones("older")[0], "Asia/Tokyo");
    assert_ne!(zones("older")[1], "Asia/Tokyo");
}
