//! A process that wants to change the shared schema announces it, and succeeds while other processes migrate tenants.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use migrations_core::{Migrator, RunOptions};

use crate::fixture::{NOTES, execute, migrator, name, number, set, with_tenants};

/// A migrator whose shared set has this many migrations, and whose tenants take 20 ms each.
fn shared(migrations: usize) -> Migrator {
    let titles: Vec<_> = (1..=migrations).map(|version| format!("V{version}__step")).collect();
    let steps: Vec<_> = titles.iter().map(|title| (title.as_str(), "SELECT 1")).collect();
    let slow = ("V1__slow", "CREATE TABLE notes (id bigint); SELECT pg_sleep(0.02)");
    crate::fixture::of(set("shared", &steps), set("tenant", &[slow]))
}

#[test]
fn a_shared_migration_gets_through_beside_tenants_that_come_in_all_the_time() {
    let test = with_tenants(&shared(1), &["acme"]);
    let (is_over, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let database = test.database().clone().keep_connection();
                let migrator = shared(1);
                while !is_over.load(Ordering::SeqCst) {
                    let number = made.fetch_add(1, Ordering::SeqCst);
                    migrator.get_or_create_tenant(&database, &name(&format!("tenant_{number}"))).unwrap();
                }
            });
        }
        let mut late = Vec::new();
        for migrations in 2..12 {
            // All of them are running.
            let before = made.load(Ordering::SeqCst);
            while made.load(Ordering::SeqCst) < before + 4 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let taker = shared(migrations).lock_wait(Duration::from_secs(4));
            let outcome = taker.run_with(test.database(), &RunOptions::new().shared_only(true));
            late.extend(outcome.err().map(|error| error.to_string()));
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(late.is_empty(), "{} of 10 did not get through: {late:?}", late.len());
    });
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.leases"), 0, "nothing is announced any more");
}

fn announced(seconds: i32) -> Duration {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    execute(
        &test,
        &format!("INSERT INTO migrations.leases VALUES ('shared', 'dead', clock_timestamp() + interval '{seconds} s')"),
    );
    let start = Instant::now();
    assert!(migrator(&[NOTES]).get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
    start.elapsed()
}

#[test]
fn who_dies_behind_an_announcement_keeps_tenants_waiting_no_longer_than_it_lasts() {
    assert!(announced(2) >= Duration::from_millis(1_900), "an announcement is heeded");
    assert!(announced(-1) < Duration::from_millis(1_900), "one that has expired says nothing");
}
