//! A run that is limited, stopped or interrupted reports what it did, and does no more than it was told to.

use std::time::{Duration, Instant};

use migrations_core::{Database, Error, Event, Interrupt, Report, RunOptions};
use migrations_testing::TestDatabase;

use crate::fixture::{
    AUTHOR, NOTES, TAGS, column, exists, history, migrator, name, number, set, wait_until, with_tenants,
};

#[test]
fn a_run_that_is_limited_to_no_tenant_touches_none() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let newer = migrator(&[NOTES, AUTHOR]);
    let none = RunOptions::new().only([]);
    let report = newer.run_with(test.database(), &none).unwrap();
    assert!(report.is_unchanged() && newer.rehearse(test.database(), &none).unwrap().is_empty());
    assert_eq!(history(&test, "acme"), ["1"]);

    // No tenants except those that are created.
    let report = newer.run_with(test.database(), &none.create([name("initech")])).unwrap();
    assert_eq!((report.tenants.total, report.tenants.created, report.tenants.migrated), (1, 1, 0));
    assert_eq!(history(&test, "globex"), ["1"]);
}

#[test]
fn a_lock_timeout_of_zero_does_not_wait() {
    for timeout in [Duration::ZERO, Duration::from_micros(10)] {
        let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
        let mut holder = test.client().unwrap();
        holder.batch_execute("BEGIN; LOCK TABLE acme.notes IN ACCESS SHARE MODE").unwrap();
        let newer = migrator(&[NOTES, AUTHOR]).lock_timeout(timeout);
        let started = Instant::now();
        let report = std::thread::scope(|scope| {
            let run = scope.spawn(|| newer.run(test.database()).unwrap());
            while !run.is_finished() && started.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(run.is_finished() || holder.batch_execute("ROLLBACK").is_err(), "it waited");
            run.join().unwrap()
        });
        assert_eq!(report.failures[0].sqlstate(), Some("55P03"), "{timeout:?}");
    }
}

#[test]
fn a_tenant_that_fails_behind_a_committed_step_says_what_stays() {
    let index = ("V2__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_body_idx ON notes (body)");
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let newer = migrator(&[NOTES, index, TAGS, ("V4__bad", "SELECT nothing")]);
    let report = newer.run(test.database()).unwrap();

    let [failure] = &report.failures[..] else { panic!("{:?}", report.failures) };
    assert_eq!((failure.migration(), failure.applied()), (Some("V4__bad"), &["V2__index".to_owned()][..]));
    assert_eq!(history(&test, "acme"), ["1", "2"]);
    assert!(!exists(&test, "acme.tags"), "V3 and V4 are one transaction");
    assert!(!report.is_unchanged());
    let told = failure.to_string();
    let note = "note: what was committed before it stays applied to tenant acme: V2__index";
    assert!(told.contains(note) && told.contains("continues from there"), "{told}");

    // Inside a migration outside a transaction.
    let broken = ("V3__broken", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY other_idx ON nothing (body)");
    let report = migrator(&[NOTES, index, broken]).run(test.database()).unwrap();
    let told = report.failures[0].to_string();
    assert!(told.contains("runs outside a transaction") && !report.is_unchanged(), "{told}");

    // One transaction is all or nothing.
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let report = migrator(&[NOTES, TAGS, ("V4__bad", "SELECT nothing")]).run(test.database()).unwrap();
    assert!(report.is_unchanged() && report.failures[0].applied().is_empty());
    assert!(report.failures[0].to_string().contains("is as it was before the run"), "{}", report.failures[0]);
}

#[test]
fn an_interrupt_from_code_ends_a_run_with_its_report() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech"]);
    let interrupt = Interrupt::new();
    let raise = interrupt.clone();
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1).interrupted_by(&interrupt).on_event(move |event| {
        if let Event::TenantMigrated { .. } = event {
            raise.raise();
        }
    });
    let stopped = newer.run(test.database()).unwrap_err();
    assert!(matches!(stopped.error, Error::Interrupted) && stopped.is_durable, "{stopped:?}");
    let tenants = stopped.report.tenants;
    assert_eq!((tenants.migrated, tenants.skipped, tenants.failed, tenants.total), (1, 2, 0, 3));
    assert_eq!(column(&test, "SELECT outcome FROM migrations.runs ORDER BY id DESC LIMIT 1"), ["failure"]);
    assert!(matches!(newer.get_or_create_tenant(test.database(), &name("hooli")), Err(Error::Interrupted)));

    let report = migrator(&[NOTES, AUTHOR]).run(test.database()).unwrap();
    assert_eq!((report.tenants.current, report.tenants.migrated), (1, 2));
}

#[test]
fn a_drain_begins_nothing_and_lets_what_has_begun_finish() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech"]);
    let interrupt = Interrupt::new();
    let slow = ("V2__slow", "SELECT pg_sleep(1)");
    let newer = migrator(&[NOTES, slow]).jobs(1).interrupted_by(&interrupt);
    let stopped = std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()));
        let asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        wait_until(&test, asleep);
        interrupt.drain(Duration::from_hours(1));
        run.join().unwrap().unwrap_err()
    });
    assert!(matches!(stopped.error, Error::Interrupted) && stopped.is_durable, "{stopped:?}");
    let tenants = stopped.report.tenants;
    assert_eq!((tenants.migrated, tenants.skipped, tenants.failed, tenants.total), (1, 2, 0, 3));
    assert!(interrupt.is_draining() && !interrupt.is_raised());

    assert!(matches!(newer.get_or_create_tenant(test.database(), &name("hooli")), Err(Error::Interrupted)));
    assert!(matches!(newer.fill_pool(test.database(), 1), Err(Error::Interrupted)));
    assert_eq!(newer.tenants(test.database()).unwrap().len(), 3, "reading goes on");
    let report = migrator(&[NOTES, slow]).run(test.database()).unwrap();
    assert_eq!((report.tenants.current, report.tenants.migrated), (1, 2));
}

#[test]
fn a_drain_ends_the_wait_for_a_server() {
    let interrupt = Interrupt::new();
    let nowhere = Database::from_url("postgres://nobody@127.0.0.1:1/none").unwrap().with_wait(Duration::from_hours(1));
    let waiting = migrator(&[NOTES]).interrupted_by(&interrupt);
    let start = Instant::now();
    let stopped = std::thread::scope(|scope| {
        let run = scope.spawn(|| waiting.run(&nowhere));
        interrupt.drain(Duration::from_hours(1));
        run.join().unwrap().unwrap_err()
    });
    assert!(matches!(stopped.error, Error::Interrupted), "{stopped}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_interrupt_cancels_a_statement_of_the_shared_set() {
    let test = TestDatabase::new().unwrap();
    let interrupt = Interrupt::new();
    let shared = set("shared", &[("V1__slow", "SELECT pg_sleep(600)")]);
    let slow = crate::fixture::of(shared, set("tenant", &[NOTES])).interrupted_by(&interrupt);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| slow.run(test.database()));
        let asleep =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
        let started = Instant::now();
        while number(&test, asleep) == 0 {
            assert!(started.elapsed() < Duration::from_mins(1));
        }
        interrupt.raise();
        let stopped = run.join().unwrap().unwrap_err();
        assert!(matches!(stopped.error, Error::Interrupted), "{stopped}");
        assert!(stopped.report.is_unchanged());
    });
    assert!(!exists(&test, "public.refinery_schema_history"));
}

#[test]
fn an_error_keeps_the_report_and_becomes_the_error_alone() {
    let test = TestDatabase::new().unwrap();
    let options = RunOptions::new().only([name("nobody")]);
    let run = || migrator(&[NOTES]).run_with(test.database(), &options);
    let stopped = run().unwrap_err();
    assert!(matches!(stopped.error, Error::UnknownTenant(_)));
    assert_eq!(stopped.report.shared.applied, ["V1__plans"]);

    let propagated = || -> Result<Report, Error> { Ok(run()?) };
    assert!(matches!(propagated(), Err(Error::UnknownTenant(_))));
}

#[test]
fn an_interrupt_cancels_a_statement_outside_a_transaction_and_begins_no_other() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE acme.notes IN ROW EXCLUSIVE MODE").unwrap();
    let index = (
        "V2__index",
        "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a_idx ON notes (body);\n\
         CREATE INDEX CONCURRENTLY b_idx ON notes (body);",
    );
    let interrupt = Interrupt::new();
    let newer = migrator(&[NOTES, index, TAGS]).lock_timeout(Duration::from_mins(5)).interrupted_by(&interrupt);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()));
        let building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%CONCURRENTLY a_idx%' \
                        AND wait_event_type = 'Lock' AND datname = current_database()";
        let started = Instant::now();
        while number(&test, building) == 0 {
            assert!(started.elapsed() < Duration::from_mins(1));
        }
        interrupt.raise();
        // The lock is never released: only a cancelled build ends.
        let stopped = run.join().unwrap().unwrap_err();
        assert!(matches!(stopped.error, Error::Interrupted), "{stopped}");
        assert_eq!(number(&test, building), 0);
    });
    holder.batch_execute("ROLLBACK").unwrap();
    assert!(!exists(&test, "acme.b_idx") && !exists(&test, "acme.tags"));
    assert!(migrator(&[NOTES, index, TAGS]).run(test.database()).unwrap().is_success());
    assert!(exists(&test, "acme.b_idx") && exists(&test, "acme.tags"));
}
