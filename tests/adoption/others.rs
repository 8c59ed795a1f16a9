//! What belongs to another tenant, what another session changes or holds, and what an interrupt ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use migrations_core::{
    Baseline, BaselineOutcome, Error, Event, ImportOptions, ImportOutcome, Interrupt, NamePattern, Repair,
    TenantSelection, Tool,
};
use migrations_testing::TestDatabase;
use postgres::Client;

use crate::site::{
    AUTHOR, NOTES, TAGS, baseline, column, execute, history, live, migrator, name, named, number, refusal,
};

const ALL: [(&str, &str); 3] = [NOTES, AUTHOR, TAGS];

/// The history of sqlx for the first migration of the tenant set, in a schema.
fn sqlx(test: &TestDatabase, schema: &str) {
    execute(
        test,
        &format!(
            "CREATE TABLE {schema}._sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL,
               installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL,
               execution_time bigint NOT NULL);
             INSERT INTO {schema}._sqlx_migrations
             VALUES (1, 'notes', now(), true, sha384(convert_to($text${}$text$, 'UTF8')), 1)",
            NOTES.1
        ),
    );
}

/// The number of histories in schema `acme`.
const HISTORIES: &str =
    "SELECT count(*) FROM pg_tables WHERE tablename = 'refinery_schema_history' AND schemaname = 'acme'";

/// Waits until this many sessions of the database wait for a lock.
fn wait_for_waiting(test: &TestDatabase, sessions: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
    let start = Instant::now();
    while number(test, waiting) < sessions {
        assert!(start.elapsed() < Duration::from_secs(20), "nobody waits for a lock");
    }
}

/// A call that waits for what another session holds, until the interrupt is raised.
fn interrupted<T: Send + 'static>(
    test: &TestDatabase,
    interrupt: &Interrupt,
    held: &str,
    call: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let mut other = test.client().unwrap();
    other.batch_execute(&format!("BEGIN; {held}")).unwrap();
    std::thread::scope(|scope: &Scope<'_, '_>| {
        let call = scope.spawn(call);
        wait_for_waiting(test, 1);
        interrupt.raise();
        call.join().unwrap()
    })
}

/// Registers tenant `acme` with another schema, in a transaction that is open still.
fn registering(test: &TestDatabase) -> Client {
    let mut other = test.client().unwrap();
    other
        .batch_execute("BEGIN; INSERT INTO migrations.tenants (schema_name, tenant_name) VALUES ('t_42', 'acme')")
        .unwrap();
    other
}

#[test]
fn the_schema_of_another_tenant_gets_no_baseline_under_its_own_name() {
    let test = live(&[], &[]);
    migrator(&[NOTES]).get_or_create_tenant_in(test.database(), &name("globex"), &"taken".parse().unwrap()).unwrap();
    let at = Baseline::at(3).fake(true);
    for at in [at.clone(), at.adopt(true)] {
        let done = baseline(&migrator(&ALL), &test, "taken", &at);
        assert!(refusal(&done).contains("the schema is that of tenant globex"), "{done:?}");
        assert_eq!(done.tenant, None);
    }
    assert_eq!(history(&test, "taken").len(), 1);
    let done = baseline(&migrator(&ALL), &test, "globex", &Baseline::at(3).fake(true));
    assert!(matches!(done.outcome, BaselineOutcome::Recorded(_)) && done.schema == "taken", "{done:?}");
}

#[test]
fn a_schema_with_the_name_of_a_tenant_that_has_another_one_is_not_registered() {
    let test = live(&["acme", "t_42"], &[NOTES]);
    let migrator = migrator(&[NOTES]);
    migrator.adopt_tenant_in(test.database(), &name("acme"), &"t_42".parse().unwrap()).unwrap();
    for verify in [false, true] {
        let at = Baseline::at(1).adopt(true).verify(verify);
        let pattern = TenantSelection::Matching(NamePattern::new("acme*"));
        let done = migrator.baseline_tenants(test.database(), &pattern, &at).unwrap();
        assert_eq!(done.schemas.len(), 2, "{done:?}");
        assert_eq!((done.schemas[0].schema.as_str(), done.schemas[1].schema.as_str()), ("t_42", "acme"));
        let told = refusal(&done.schemas[1]);
        assert!(told.contains("the tenant of this name is registered with schema t_42"), "{told}");
    }
    sqlx(&test, "acme");
    let import = migrator.import(test.database(), Tool::Sqlx, &ImportOptions::new()).unwrap();
    assert!(!import.is_success(), "{import:?}");
    assert_eq!(number(&test, HISTORIES), 0);
}

#[test]
fn a_name_that_is_taken_while_a_baseline_registers_it_is_refused() {
    let test = live(&["acme", "t_42"], &[NOTES]);
    let migrator = migrator(&[NOTES]).lock_timeout(Duration::from_mins(1));
    assert!(migrator.run(test.database()).unwrap().is_success());
    let mut other = registering(&test);
    let done = std::thread::scope(|scope| {
        let call = scope.spawn(|| baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true)));
        wait_for_waiting(&test, 1);
        other.batch_execute("COMMIT").unwrap();
        call.join().unwrap()
    });
    assert!(refusal(&done).contains("registered with schema t_42"), "{done:?}");
    assert_eq!(number(&test, HISTORIES), 0);
}

#[test]
fn a_name_that_is_taken_while_an_import_registers_it_is_refused() {
    let test = live(&["acme", "t_42"], &[NOTES]);
    let migrator = migrator(&[NOTES]).lock_timeout(Duration::from_mins(1));
    assert!(migrator.run(test.database()).unwrap().is_success());
    sqlx(&test, "acme");
    let mut other = registering(&test);
    let done = std::thread::scope(|scope| {
        let call = scope.spawn(|| migrator.import(test.database(), Tool::Sqlx, &ImportOptions::new()).unwrap());
        wait_for_waiting(&test, 1);
        other.batch_execute("COMMIT").unwrap();
        call.join().unwrap()
    });
    let ImportOutcome::Refused(refusal) = &done.schemas().next().unwrap().outcome else { panic!("{done:?}") };
    assert!(refusal.to_string().contains("tenant acme is registered with schema t_42"), "{refusal}");
    assert_eq!(column(&test, "SELECT schema_name::text FROM migrations.tenants"), ["t_42"]);
}

#[test]
fn no_tenant_is_begun_after_a_drain() {
    let test = live(&["acme", "globex"], &[NOTES]);
    let names = named(&["acme", "globex"]);
    let first = Baseline::at(1).adopt(true);
    assert!(migrator(&ALL).baseline_tenants(test.database(), &names, &first).unwrap().is_success());
    let edited = [("V1__notes", "SELECT 1"), AUTHOR, TAGS];
    let drained = |interrupt: &Interrupt, call: &(dyn Fn() -> Option<Error> + Sync)| {
        let mut other = test.client().unwrap();
        other.batch_execute("BEGIN; LOCK TABLE acme.refinery_schema_history IN SHARE MODE").unwrap();
        std::thread::scope(|scope| {
            let call = scope.spawn(call);
            wait_for_waiting(&test, 1);
            interrupt.drain(Duration::from_mins(5));
            other.batch_execute("ROLLBACK").unwrap();
            call.join().unwrap()
        })
    };
    let with = |tenant: &[(&str, &str)], interrupt: &Interrupt| {
        migrator(tenant).interrupted_by(interrupt).lock_timeout(Duration::from_mins(1))
    };

    let interrupt = Interrupt::new();
    let (ours, at) = (with(&ALL, &interrupt), Baseline::at(2).fake(true));
    let done = drained(&interrupt, &|| ours.baseline_tenants(test.database(), &names, &at).err());
    assert!(matches!(done, Some(Error::Interrupted)), "{done:?}");
    assert_eq!((history(&test, "acme").len(), history(&test, "globex").len()), (2, 1));

    let interrupt = Interrupt::new();
    let ours = with(&edited, &interrupt);
    let updated = Repair::explain().update_checksums([1]);
    let done = drained(&interrupt, &|| ours.repair(test.database(), &updated).err());
    assert!(matches!(done, Some(Error::Interrupted)), "{done:?}");
    let left = migrator(&edited).repair(test.database(), &updated).unwrap().repaired;
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_history_that_another_session_has_for_itself_is_waited_for_no_longer_than_other_locks() {
    let test = live(&["acme"], &[NOTES]);
    let (waits, is_waiting) = std::sync::mpsc::channel();
    let migrator = migrator(&ALL).lock_timeout(Duration::from_millis(200)).on_event(move |event| {
        if matches!(event, Event::Waiting { .. }) {
            waits.send(()).unwrap();
        }
    });
    baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true));
    let (mut run, mut other) = (test.client().unwrap(), test.client().unwrap());
    run.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let done = std::thread::scope(|scope| {
        let call = scope.spawn(|| baseline(&migrator, &test, "acme", &Baseline::at(2).fake(true)));
        // It has read the history, and waits for the tenant's lock.
        is_waiting.recv_timeout(Duration::from_mins(1)).unwrap();
        other.batch_execute("BEGIN; LOCK TABLE acme.refinery_schema_history").unwrap();
        run.batch_execute("ROLLBACK").unwrap();
        // It ends while the other session still has the table.
        let start = Instant::now();
        while !call.is_finished() && start.elapsed() < Duration::from_mins(1) {
            std::thread::yield_now();
        }
        other.batch_execute("ROLLBACK").unwrap();
        call.join().unwrap()
    });
    assert!(refusal(&done).contains("lock timeout"), "{done:?}");
    assert_eq!(history(&test, "acme").len(), 1);
}

#[test]
fn an_interrupt_is_no_refusal() {
    let test = live(&["acme"], &[NOTES]);
    baseline(&migrator(&ALL), &test, "acme", &Baseline::at(1).adopt(true));
    let edited = [("V1__notes", "SELECT 1"), AUTHOR, TAGS];
    let with = |tenant: &[(&str, &str)], interrupt: &Interrupt| {
        migrator(tenant).interrupted_by(interrupt).lock_timeout(Duration::from_mins(1))
    };
    let (reading, writing) =
        ("LOCK TABLE acme.refinery_schema_history", "LOCK TABLE acme.refinery_schema_history IN SHARE MODE");

    for held in [reading, writing] {
        let interrupt = Interrupt::new();
        let (ours, at) = (with(&ALL, &interrupt), Baseline::at(2).fake(true));
        let call = || ours.baseline_tenants(test.database(), &named(&["acme"]), &at);
        let done = interrupted(&test, &interrupt, held, call);
        assert!(matches!(done, Err(Error::Interrupted)), "{held}: {done:?}");

        let interrupt = Interrupt::new();
        let ours = with(&edited, &interrupt);
        let call = || ours.repair(test.database(), &Repair::explain().update_checksums([1]));
        let done = interrupted(&test, &interrupt, held, call);
        assert!(matches!(done, Err(Error::Interrupted)), "{held}: {done:?}");
    }
    sqlx(&test, "acme");
    for held in [reading, "LOCK TABLE acme._sqlx_migrations"] {
        let interrupt = Interrupt::new();
        let ours = with(&ALL, &interrupt);
        let call = || ours.import(test.database(), Tool::Sqlx, &ImportOptions::new());
        let done = interrupted(&test, &interrupt, held, call);
        assert!(matches!(done, Err(Error::Interrupted)), "{held}: {done:?}");
    }
    assert_eq!(history(&test, "acme").len(), 1);
}

#[test]
fn a_schema_that_changes_after_it_was_compared_is_compared_again() {
    let test = live(&["acme"], &[NOTES]);
    let migrator = migrator(&[NOTES]);
    assert!(migrator.run(test.database()).unwrap().is_success());
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let waits = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&waits);
    let migrator = migrator.on_event(move |event| {
        if matches!(event, Event::Waiting { what: "tenant acme" }) {
            told.store(true, Ordering::SeqCst);
        }
    });
    let done = std::thread::scope(|scope| {
        let call = scope.spawn(|| baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true).verify(true)));
        let start = Instant::now();
        while !waits.load(Ordering::SeqCst) {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not wait for the tenant's lock");
            std::thread::sleep(Duration::from_millis(10));
        }
        execute(
            &test,
            "ALTER TABLE acme.notes DROP COLUMN body; INSERT INTO migrations.tenants (schema_name) VALUES ('acme')",
        );
        other.batch_execute("ROLLBACK").unwrap();
        call.join().unwrap()
    });
    assert!(refusal(&done).contains("column notes.body"), "{done:?}");
    assert!(!done.is_proved, "{done:?}");
}
