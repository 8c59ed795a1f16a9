//! The tenant stage: one message for each tenant, several workers, several runs, retries and budgets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use migrations_core::{Database, Event, OutcomeKind, RunOptions, State, TenantName};
use migrations_embedded::Server;
use migrations_testing::TestDatabase;

use crate::fixture::{
    AUTHOR, NOTES, TAGS, assert_registry_is_true, column, execute, exists, history, migrator, name, number, set,
    wait_until, with_tenants,
};
use crate::proxy::Proxy;

/// Takes a moment, so that runs overlap.
const SLOW: (&str, &str) = ("V2__slow", "SELECT pg_sleep(0.05); CREATE TABLE slow AS SELECT pg_backend_pid() AS pid");

/// Whether a migration of this database is in the middle of `pg_sleep`.
const ASLEEP: &str = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";

/// A fresh database with this many tenants.
fn fleet(tenants: usize) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    let names = (0..tenants).map(|number| name(&format!("tenant_{number:03}")));
    let report = migrator(&[NOTES]).run_with(test.database(), &RunOptions::new().create(names)).unwrap();
    assert_eq!(report.tenants.created, tenants);
    test
}

fn names(test: &TestDatabase) -> Vec<TenantName> {
    migrator(&[NOTES]).tenants(test.database()).unwrap().into_iter().map(|tenant| tenant.name).collect()
}

#[test]
fn a_tenant_costs_one_message() {
    let test = fleet(30);
    let proxy = Proxy::start(test.database(), Duration::ZERO);
    let newer = migrator(&[NOTES, AUTHOR, TAGS]).jobs(1).group(1);
    let all = names(&test);
    let cost = |tenants: &[TenantName]| {
        let before = proxy.round_trips();
        let options = RunOptions::new().only(tenants.iter().cloned());
        assert_eq!(newer.run_with(&proxy.database(), &options).unwrap().tenants.migrated, tenants.len());
        proxy.round_trips() - before
    };
    let (ten, twenty) = (cost(&all[..10]), cost(&all[10..]));
    assert_eq!(twenty - ten, 10, "ten tenants more are ten messages more");
    // The first tenant of a script is inspected before it is committed: a fingerprint and the dropped objects, before
    // and after; the newest number of an object, and the numbers of its own objects.
    assert_eq!(ten, 10 + 8 + 3, "and the plan, the server's limits, and the run's row");
}

/// Short migrations share their overhead: the guard, the registry's update and the commit.
#[test]
fn quick_tenants_share_a_transaction() {
    let test = fleet(60);
    let proxy = Proxy::start(test.database(), Duration::ZERO);
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1);
    let report = newer.run(&proxy.database()).unwrap();
    assert_eq!(report.tenants.migrated, 60);
    assert!(proxy.round_trips() < 60, "{}", proxy.round_trips());
    assert_registry_is_true(&test, &newer);
    assert!(newer.run(test.database()).unwrap().is_unchanged());
}

/// Rows, sequences, settings, notifications and handled errors can tell a shared transaction, or a second try, from the
/// first: migrations that are more than definitions are done alone.
#[test]
fn only_definitions_share_a_transaction() {
    let rows = ("V2__rows", "INSERT INTO notes VALUES (1, 'x')");
    for (step, is_shared) in [(AUTHOR, true), (rows, false)] {
        let test = fleet(30);
        assert_eq!(migrator(&[NOTES, step]).jobs(1).run(test.database()).unwrap().tenants.migrated, 30);
        let transactions = number(&test, "SELECT count(DISTINCT xmin::text) FROM migrations.tenants");
        assert_eq!(transactions < 30, is_shared, "{} in {transactions}", step.0);
    }
}

/// Statements that are quick enough one by one can be slow together.
#[test]
fn a_shared_transaction_that_takes_too_long_is_given_up() {
    const PAUSE: (&str, &str) = (
        "V2__pause",
        "CREATE FUNCTION pause() RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.06); RETURN NULL; END'",
    );
    const SLOW: (&str, &str) = (
        "V3__slow",
        "ALTER TABLE notes ADD COLUMN author text DEFAULT pause(); ALTER TABLE notes ADD COLUMN editor text DEFAULT pause()",
    );
    let names = ["t1", "t2", "t3", "t4", "t5", "t6"];
    let test = with_tenants(&migrator(&[NOTES, PAUSE]), &names);
    for name in names {
        execute(&test, &format!("INSERT INTO {name}.notes VALUES (1, 'x')"));
    }
    let report = migrator(&[NOTES, PAUSE, SLOW]).jobs(1).run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.retries), (6, 0), "{:?}", report.failures);
    assert_eq!(number(&test, "SELECT count(DISTINCT xmin::text) FROM migrations.tenants"), 6, "each is alone");
}

/// A shared transaction holds the locks of all of its tenants: a tenant that takes longer is left out of it.
#[test]
fn a_slow_tenant_holds_no_lock_of_another_one() {
    const PAUSE: (&str, &str) = (
        "V2__pause",
        "CREATE FUNCTION pause() RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END'",
    );
    const SLOW: (&str, &str) = ("V3__slow", "ALTER TABLE notes ADD COLUMN author text DEFAULT pause()");
    let names: Vec<String> = (0..40).map(|number| format!("tenant_{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let test = with_tenants(&migrator(&[NOTES, PAUSE]), &names);
    execute(&test, "INSERT INTO tenant_30.notes SELECT n, 'x' FROM generate_series(1, 10) AS n");
    let newer = migrator(&[NOTES, PAUSE, SLOW]).jobs(1);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        // A tenant that exceeds the statement timeout of a shared transaction is done alone.
        wait_until(&test, &format!("{ASLEEP} AND clock_timestamp() - xact_start > interval '1 second'"));
        let locked = column(
            &test,
            "SELECT DISTINCT n.nspname::text FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'tenant_%' AND l.granted",
        );
        assert_eq!(locked, ["tenant_30"]);
        let report = run.join().unwrap();
        assert_eq!((report.tenants.migrated, report.retries), (40, 0), "{:?}", report.failures);
    });
    assert_registry_is_true(&test, &newer);
}

#[test]
fn new_tenants_are_registered_in_the_order_they_were_named() {
    let test = fleet(40);
    let expected: Vec<_> = (0..40).map(|number| name(&format!("tenant_{number:03}"))).collect();
    assert_eq!(names(&test), expected);
}

#[test]
fn a_state_that_the_binary_does_not_know_is_looked_into_once_for_all_who_have_it() {
    let asked = |tenants: usize| {
        let test = fleet(tenants);
        assert_eq!(migrator(&[NOTES, AUTHOR]).run(test.database()).unwrap().tenants.migrated, tenants);
        let proxy = Proxy::start(test.database(), Duration::ZERO);
        let report = migrator(&[NOTES]).jobs(1).run(&proxy.database()).unwrap();
        assert_eq!(report.tenants.ahead, tenants);
        proxy.round_trips()
    };
    assert_eq!(asked(3), asked(12));
}

#[test]
fn two_runs_share_the_work_and_no_tenant_is_migrated_twice() {
    let test = fleet(40);
    let newer = migrator(&[NOTES, SLOW]).jobs(2);
    let reports: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| newer.run(test.database()).unwrap())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(reports.iter().all(migrations_core::Report::is_success));
    let migrated: Vec<_> = reports.iter().map(|report| report.tenants.migrated).collect();
    assert_eq!(migrated.iter().sum::<usize>(), 40);
    assert!(migrated.iter().all(|count| *count >= 5), "both took part: {migrated:?}");
    assert!(newer.status(test.database()).unwrap().tenants.iter().all(|tenant| tenant.schema.state == State::Current));
}

/// Two runs that go through one list in the same order meet at every tenant, and are no faster than one.
#[test]
fn two_runs_seldom_meet() {
    const TENANTS: usize = 120;
    let brief = ("V2__brief", "SELECT pg_sleep(0.002)");
    let names = || (0..TENANTS).map(|number| name(&format!("new_{number:03}")));
    for create in [false, true] {
        let test = if create { TestDatabase::new().unwrap() } else { fleet(TENANTS) };
        let count = |what: &str| {
            let query =
                "SELECT pg_stat_clear_snapshot()::text || $ FROM pg_stat_database WHERE datname = current_database()";
            let rows = column(&test, &query.replace('$', &format!("{what}::text")));
            rows[0].parse::<usize>().unwrap()
        };
        let (before, committed) = (count("xact_rollback"), count("xact_commit"));
        let options = RunOptions::new().create(names().filter(|_| create));
        let migrator = migrator(&[NOTES, brief]).jobs(1);
        let counts: Vec<_> = std::thread::scope(|scope| {
            let run = || migrator.run_with(test.database(), &options).unwrap().tenants;
            let runs: Vec<_> = (0..2).map(|_| scope.spawn(run)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let made = counts.iter().map(|tenants| tenants.created + tenants.migrated).sum::<usize>();
        assert_eq!(made, TENANTS, "each once");
        for tenants in &counts {
            assert_eq!(tenants.created + tenants.migrated + tenants.current, TENANTS, "who did not, found it done");
        }
        let start = Instant::now();
        while count("xact_commit") < committed + TENANTS {
            assert!(start.elapsed() < Duration::from_secs(10), "the server does not count");
        }
        let refused = count("xact_rollback") - before;
        assert!(refused < TENANTS / 2, "{refused} messages came to nothing");
    }
}

#[test]
fn a_tenant_that_an_older_binary_makes_meanwhile_is_migrated_too() {
    let test = with_tenants(&migrator(&[NOTES]), &["zero"]);
    let database = test.database().clone();
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1).on_event(move |event| {
        if matches!(event, Event::TenantCreated { tenant, .. } if tenant.as_str() == "acme") {
            assert!(migrator(&[NOTES]).get_or_create_tenant(&database, &name("globex")).unwrap().1);
        }
    });
    let report = newer.run_with(test.database(), &RunOptions::new().create(["acme", "globex"].map(name))).unwrap();
    assert_eq!((report.tenants.created, report.tenants.migrated), (1, 2), "{report:?}");
    assert!(!newer.is_pending(test.database()).unwrap());
}

#[test]
fn a_tenant_that_another_run_is_making_is_left_for_the_end() {
    let test = with_tenants(&migrator(&[NOTES]), &["zero"]);
    let mut other_run = test.client().unwrap();
    other_run.batch_execute("SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let options = RunOptions::new().create(["acme", "globex", "initech"].map(name));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator(&[NOTES]).jobs(1).run_with(test.database(), &options).unwrap());
        wait_until(&test, "SELECT FROM migrations.tenants HAVING count(*) >= 3");
        assert!(!exists(&test, "acme.notes"));
        other_run.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
        assert_eq!(run.join().unwrap().tenants.created, 3);
    });
}

#[test]
fn a_sign_up_does_not_wait_for_a_run() {
    let test = fleet(3);
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1).lock_timeout(Duration::from_mins(1));
    // In the middle of the run, with one tenant done.
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE tenant_001.notes IN ACCESS SHARE MODE").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        wait_until(&test, "SELECT FROM pg_locks WHERE relation = 'tenant_001.notes'::regclass AND NOT granted");
        let (_, created) = newer.get_or_create_tenant(test.database(), &name("acme")).unwrap();
        assert!(created && !run.is_finished(), "the sign-up came first");
        holder.batch_execute("COMMIT").unwrap();
        assert_eq!(run.join().unwrap().tenants.migrated, 3);
    });
}

#[test]
fn a_sign_up_waits_while_the_shared_set_changes() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let shared = [("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)"), ("V2__slow", "SELECT pg_sleep(1)")];
    let newer = crate::fixture::of(set("shared", &shared), set("tenant", &[NOTES]));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        wait_until(&test, ASLEEP);
        let told = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&told);
        let older = migrator(&[NOTES]).on_event(move |event| {
            if matches!(event, Event::Waiting { .. }) {
                *counter.lock().unwrap() += 1;
            }
        });
        let (_, created) = older.get_or_create_tenant(test.database(), &name("globex")).unwrap();
        assert_eq!(*told.lock().unwrap(), 1, "it is told once, however often it looks");
        let waited = number(
            &test,
            "SELECT count(*) FROM migrations.tenants t, migrations.sets s \
             WHERE t.schema_name = 'globex' AND s.name = 'shared' AND t.created_at >= s.migrated_at - interval '0.2 s'",
        );
        assert!(created && waited == 1);
        assert!(run.join().unwrap().is_success());
    });
}

#[test]
fn a_held_lock_is_tried_again_and_the_others_are_done_meanwhile() {
    let test = fleet(3);
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE tenant_000.notes IN ACCESS SHARE MODE").unwrap();
    let newer = migrator(&[NOTES, AUTHOR]).jobs(2).lock_timeout(Duration::from_secs(1));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        wait_until(&test, "SELECT FROM migrations.tenants WHERE version = 2 HAVING count(*) = 2");
        holder.batch_execute("COMMIT").unwrap();
        let report = run.join().unwrap();
        assert_eq!((report.tenants.migrated, report.tenants.failed), (3, 0));
        assert!(report.retries >= 1);
    });
}

#[test]
fn a_lost_connection_is_replaced_and_the_tenant_tried_again() {
    let test = fleet(2);
    let slow = ("V2__slow", "SELECT pg_sleep(0.5); CREATE TABLE slow ()");
    let newer = migrator(&[NOTES, slow]).jobs(1);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE application_name = 'migrate' AND datname = current_database() AND wait_event = 'PgSleep'";
        while number(&test, terminate) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let report = run.join().unwrap();
        assert_eq!((report.tenants.migrated, report.tenants.failed, report.retries), (2, 0, 1));
    });
}

#[test]
fn an_error_that_does_not_pass_is_not_tried_again() {
    let test = fleet(2);
    let report = migrator(&[NOTES, ("V2__bad", "SELECT nmae")]).run(test.database()).unwrap();
    assert_eq!((report.tenants.failed, report.retries), (2, 0));
}

#[test]
fn a_budget_of_failures_stops_the_run() {
    let bad =
        migrator(&[NOTES, ("V2__bad", "SELECT 1 / (CASE WHEN current_schema() > 'tenant_001' THEN 0 ELSE 1 END)")]);
    let test = fleet(8);
    let report = bad.clone().jobs(1).fail_fast().run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.failed, report.tenants.skipped), (2, 1, 5));
    assert!(!report.is_success());

    let report = bad.clone().jobs(1).max_failures(3).run(test.database()).unwrap();
    assert_eq!((report.tenants.current, report.tenants.failed, report.tenants.skipped), (2, 3, 3));

    // All failures are alike: one kind of failure.
    let report = bad.clone().jobs(1).max_distinct_failures(2).run(test.database()).unwrap();
    assert_eq!((report.tenants.failed, report.tenants.skipped), (6, 0));
    execute(&test, "DROP TABLE tenant_004.notes");
    let two = ("V2__bad", "ALTER TABLE notes ADD CHECK (id > 0); SELECT 1 / 0");
    let report = migrator(&[NOTES, two]).jobs(1).max_distinct_failures(2);
    let report = report.run_with(test.database(), &RunOptions::new().only(names(&test).split_off(2))).unwrap();
    assert_eq!((report.tenants.failed, report.tenants.skipped), (3, 3));
}

#[test]
fn a_group_is_one_transaction_and_is_split_when_one_of_it_fails() {
    let test = fleet(8);
    execute(&test, "INSERT INTO tenant_005.notes VALUES (1, 'full')");
    let check = ("V2__check", "ALTER TABLE notes ADD CHECK (body = '')");
    let report = migrator(&[NOTES, check]).jobs(1).group(4).run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.tenants.failed), (7, 1));
    assert_eq!(report.failures[0].tenant(), Some(&name("tenant_005")));
    let transactions = "SELECT count(DISTINCT xmin::text) FROM migrations.tenants WHERE version = 2 AND schema_name ";
    assert_eq!(
        number(&test, &format!("{transactions} < 'tenant_004'")),
        2,
        "the first one alone, which is inspected, then the rest of its group"
    );
    assert_eq!(
        number(&test, &format!("{transactions} >= 'tenant_004'")),
        3,
        "the second one, without the one that failed"
    );

    let test = TestDatabase::new().unwrap();
    let options = RunOptions::new().create((0..4).map(|number| name(&format!("new_{number}"))));
    let report = migrator(&[NOTES]).jobs(1).group(4).run_with(test.database(), &options).unwrap();
    assert_eq!(report.tenants.created, 4);
    assert_eq!(number(&test, "SELECT count(DISTINCT xmin::text) FROM migrations.tenants"), 2);
}

#[test]
fn a_connection_is_replaced_after_a_number_of_schemas() {
    let connections = |test: &TestDatabase| {
        let tables: Vec<_> = names(test).iter().map(|tenant| format!("SELECT pid FROM {tenant}.slow")).collect();
        number(test, &format!("SELECT count(DISTINCT pid) FROM ({}) AS _", tables.join(" UNION ALL ")))
    };
    let migrator = migrator(&[NOTES, SLOW]).jobs(1);

    // The registry and the shared set count too: they exist.
    let test = TestDatabase::new().unwrap();
    assert!(migrator.run(test.database()).unwrap().is_success());
    let create = RunOptions::new().create((0..7).map(|number| name(&format!("new_{number}"))));
    assert!(migrator.clone().schemas_per_connection(3).run_with(test.database(), &create).unwrap().is_success());
    assert_eq!(connections(&test), 3);

    // Four existing tenants count as one new tenant.
    let test = fleet(9);
    assert_eq!(migrator.group(1).schemas_per_connection(1).run(test.database()).unwrap().tenants.migrated, 9);
    assert_eq!(connections(&test), 3);
}

#[test]
fn more_tenants_than_a_page_are_all_migrated() {
    let test = TestDatabase::new().unwrap();
    let empty = crate::fixture::of(set("shared", &[]), set("tenant", &[]));
    let names = (0..2_300).map(|number| name(&format!("t{number}")));
    let report = empty.group(100).run_with(test.database(), &RunOptions::new().create(names)).unwrap();
    assert_eq!(report.tenants.created, 2_300);
    let newer = crate::fixture::of(set("shared", &[]), set("tenant", &[("V1__one", "SELECT 1")])).group(100);
    let report = newer.run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 2_300);
    assert!(report.outcomes.is_sorted_by_key(|outcome| outcome.tenant.as_str()[1..].parse::<u32>().unwrap()));
    assert!(report.outcomes.iter().all(|outcome| outcome.kind == OutcomeKind::Migrated));
}

#[test]
fn what_was_reported_survives_an_immediate_shutdown() {
    // Without the barrier, commits that do not wait for the disk are lost while the WAL writer sleeps.
    let mut server = Server::builder()
        .durable(true)
        .setting("wal_writer_delay", "10s")
        .setting("wal_writer_flush_after", "0")
        .start_throwaway()
        .unwrap();
    let database = Database::from_url(&server.url("postgres")).unwrap();
    let count = |database: &Database, version: i64| -> i64 {
        let query = format!("SELECT count(*) FROM migrations.tenants WHERE version = {version}");
        database.connect().unwrap().query_one(&query, &[]).unwrap().get(0)
    };
    let options = RunOptions::new().create((0..20).map(|number| name(&format!("tenant_{number:03}"))));
    let report = migrator(&[NOTES]).run_with(&database, &options).unwrap();
    assert_eq!(report.tenants.created, 20);
    server.restart().unwrap();
    assert_eq!(count(&database, 1), 20, "all that was reported is there");

    // Between a tenant's commit and the barrier: nothing is reported, and a rerun repairs it.
    let kill = Arc::new(Mutex::new(Some(server)));
    let killer = Arc::clone(&kill);
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1);
    let interrupted = newer.clone().on_event(move |event| {
        if let Event::TenantMigrated { progress, .. } = event
            && progress.done == 20
        {
            killer.lock().unwrap().as_mut().unwrap().kill_immediate().unwrap();
        }
    });
    let lost = interrupted.run(&database.clone().with_wait(Duration::ZERO));
    assert!(lost.is_err(), "not reported as done: {lost:?}");
    kill.lock().unwrap().as_mut().unwrap().restart().unwrap();
    let report = newer.run(&database).unwrap();
    assert_eq!(report.tenants.migrated + report.tenants.current, 20);
    assert_eq!(count(&database, 2), 20);
}

#[test]
fn a_server_with_little_room_for_locks_gets_fewer_workers_and_a_warning() {
    let server = Server::builder()
        .setting("max_connections", "10")
        .setting("max_locks_per_transaction", "10")
        .start_throwaway()
        .unwrap();
    let database = Database::from_url(&server.url("postgres")).unwrap();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&warnings);
    let migrator = migrator(&[NOTES, AUTHOR, TAGS]).jobs(4).on_event(move |event| {
        if let Event::Warning { text } = event {
            writer.lock().unwrap().push((*text).to_owned());
        }
    });
    let options = RunOptions::new().create((0..6).map(|number| name(&format!("t{number}"))));
    assert_eq!(migrator.run_with(&database, &options).unwrap().tenants.created, 6);
    let warnings = warnings.lock().unwrap();
    assert!(
        warnings[0].contains("going on with 2") && warnings[0].contains("max_locks_per_transaction"),
        "{warnings:?}"
    );
}

#[test]
fn a_foreign_key_into_a_shared_table_is_warned_of() {
    let test = fleet(4);
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&warnings);
    let key = ("V2__plan", "ALTER TABLE notes ADD COLUMN plan text REFERENCES plans");
    let own = ("V3__own", "ALTER TABLE notes ADD COLUMN parent bigint REFERENCES notes");
    let newer = migrator(&[NOTES, key, own]).jobs(2).on_event(move |event| {
        if let Event::Warning { text } = event {
            writer.lock().unwrap().push((*text).to_owned());
        }
    });
    // A run with one worker, or for a handful of tenants, does not queue.
    let few = RunOptions::new().only(["tenant_000", "tenant_001"].map(name));
    assert!(newer.run_with(test.database(), &few).unwrap().is_success());
    assert!(newer.clone().jobs(1).run(test.database()).unwrap().is_success());
    assert_eq!(warnings.lock().unwrap().len(), 0);

    let options = RunOptions::new().create((0..4).map(|number| name(&format!("new_{number}"))));
    assert!(newer.run_with(test.database(), &options).unwrap().is_success());
    let warnings = warnings.lock().unwrap();
    assert!(warnings.len() == 1 && warnings[0].starts_with("V2__plan refers to plans"), "{warnings:?}");
}

#[test]
fn a_report_knows_the_slowest_and_the_median() {
    let test = fleet(5);
    let slow = ("V2__slow", "SELECT pg_sleep(CASE current_schema() WHEN 'tenant_003' THEN 1 ELSE 0 END)");
    let report = migrator(&[NOTES, slow]).run(test.database()).unwrap();
    assert_eq!(report.slowest(1)[0].tenant, name("tenant_003"));
    assert!(report.slowest(1)[0].elapsed >= Duration::from_secs(1));
    assert!(report.median().unwrap() < report.slowest(1)[0].elapsed);
    assert_eq!(history(&test, "tenant_003"), ["1", "2"]);
    assert_eq!(column(&test, "SELECT outcome FROM migrations.runs ORDER BY id DESC LIMIT 1"), ["success"]);
}

#[test]
fn a_lock_that_is_never_let_go_is_a_failure_that_names_who_holds_it() {
    let test = fleet(2);
    let mut config = test.database().config().clone();
    let mut holder = config.application_name("checkout").connect(postgres::NoTls).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE tenant_000.notes IN ACCESS SHARE MODE").unwrap();
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let newer = migrator(&[NOTES, AUTHOR]).lock_timeout(Duration::from_millis(50));

    let report = newer.run(test.database()).unwrap();

    assert_eq!((report.tenants.migrated, report.tenants.failed), (1, 1));
    let failure = &report.failures[0];
    assert_eq!((failure.sqlstate(), failure.migration()), (Some("55P03"), Some("V2__author")));
    let [blocker] = failure.blockers() else { panic!("{failure}") };
    assert_eq!((blocker.pid, blocker.application.as_str()), (pid, "checkout"));
    assert_eq!(blocker.state, "idle in transaction");
    assert!(blocker.age >= Duration::from_millis(250), "{blocker}");
    let shown = failure.to_string();
    assert!(
        shown.contains(&format!("locked by: pid {pid} (\"checkout\", user postgres, idle in transaction) for ")),
        "{shown}"
    );
    assert_eq!(history(&test, "tenant_000"), ["1"]);
}
