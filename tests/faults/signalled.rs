//! The runner is ended by SIGINT or SIGTERM.

use std::time::{Duration, Instant};

use postgres::Client;

use crate::dice::{Dice, Moments, rounds};
use crate::runner::{Runner, migrate, up};
use crate::site::{Copy, Site};

#[test]
fn a_rerun_after_a_signal_at_any_moment_leaves_every_tenant_whole() {
    let site = Site::new(50);
    let mut dice = Dice::new();
    let mut moments = Moments::before(site.undisturbed(), rounds(4));
    while let Some(moment) = moments.next(&mut dice) {
        let copy = site.copy();
        let mut runner = up(&copy.url(), &[]);
        std::thread::sleep(moment);
        let was_running = runner.is_running();
        let (signal, code) = if moments.hit().is_multiple_of(2) { ("INT", 130) } else { ("TERM", 143) };
        runner.signal(signal);
        let start = Instant::now();
        let ran = runner.finish();
        assert!(start.elapsed() < Duration::from_secs(20), "it ends at once");
        // Before the runner listens, a signal ends it like any process; after the last statement, the run is complete.
        let was_heard = was_running && ran.code == Some(code);
        moments.count(was_heard);
        if was_heard && ran.stdout.contains("\"tenants\"") {
            let report = ran.json();
            let migrated = report["tenants"]["migrated"].as_u64().unwrap();
            // The last tenant: the run that created the fleet has not migrated it either.
            let done = format!(
                "SELECT count(*) FROM (SELECT * FROM migrations.runs ORDER BY id DESC LIMIT 1) AS last \
                 WHERE last.outcome = 'failure' AND last.migrated = {migrated}"
            );
            assert_eq!(copy.number(&done), 1, "{report}");
            assert_eq!(report["tenants"]["busy"], 0, "{report}");
            // What is counted as done is done, and no statement of the ended runner still runs.
            let at_work =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                           AND application_name = 'migrate'";
            let start = Instant::now();
            while copy.number(at_work) > 0 {
                assert!(start.elapsed() < Duration::from_secs(10), "a statement goes on");
            }
        }
        copy.rerun_makes_it_whole();
    }
}

/// A run with one worker that waits in this tenant for a lock on a table, which the client holds.
fn run_that_waits(copy: &Copy<'_>, tenant: &str, arguments: &[&str]) -> (Runner, Client) {
    let mut holder = copy.client();
    holder.batch_execute(&format!("BEGIN; LOCK TABLE {tenant}.price_lists IN ACCESS EXCLUSIVE MODE")).unwrap();
    let runner = up(&copy.url(), &[&["--jobs", "1", "--group", "1", "--lock-timeout", "10m"], arguments].concat());
    wait_until(copy, WAITS, 1);
    (runner, holder)
}

/// The run's statements that wait for the lock on that table, and not for another one.
const WAITS: &str = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
                     WHERE relname = 'price_lists' AND NOT granted \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[track_caller]
fn wait_until(copy: &Copy<'_>, query: &str, count: i64) {
    let start = Instant::now();
    while copy.number(query) != count {
        assert!(start.elapsed() < Duration::from_mins(1), "never {count}: {query}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_statement_that_finishes_within_the_grace_is_reported_as_done_and_no_further_tenant_is_begun() {
    let site = Site::new(3);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let copy = site.copy();
        let (mut runner, mut holder) = run_that_waits(&copy, "tenant_00", &["--grace", "10m"]);
        runner.signal(signal);
        // Enough time for a cancellation to take effect, if one were sent.
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(copy.number(WAITS), 1, "the statement goes on");
        holder.batch_execute("ROLLBACK").unwrap();
        let ran = runner.finish();
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("a second signal ends the process at once"), "{}", ran.stderr);
        let report = ran.json();
        let tenants = &report["tenants"];
        assert_eq!([&tenants["migrated"], &tenants["skipped"], &tenants["failed"]], [1, 2, 0], "{report}");
        let done = "SELECT count(*) FROM migrations.tenants WHERE schema_name = 'tenant_00' AND version > 8";
        assert_eq!(copy.number(done), 1);
        copy.rerun_makes_it_whole();
    }
}

#[test]
fn a_statement_that_outlasts_the_grace_is_cancelled_after_it() {
    let site = Site::new(3);
    let copy = site.copy();
    let (mut runner, mut holder) = run_that_waits(&copy, "tenant_01", &["--grace", "1500ms"]);
    runner.signal("TERM");
    let start = Instant::now();
    let ran = runner.finish();
    let elapsed = start.elapsed();
    assert!((Duration::from_millis(1400)..Duration::from_secs(30)).contains(&elapsed), "{elapsed:?} {ran:?}");
    assert_eq!(ran.code, Some(143), "{}{}", ran.stdout, ran.stderr);
    let report = ran.json();
    let tenants = &report["tenants"];
    assert_eq!([&tenants["migrated"], &tenants["skipped"], &tenants["failed"]], [1, 2, 0], "{report}");
    wait_until(&copy, WAITS, 0);
    holder.batch_execute("ROLLBACK").unwrap();
    copy.rerun_makes_it_whole();
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace() {
    let site = Site::new(2);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let copy = site.copy();
        let (mut runner, mut holder) = run_that_waits(&copy, "tenant_00", &["--grace", "10m"]);
        runner.signal("TERM");
        // The first signal is handled: two at the same moment could be one.
        std::thread::sleep(Duration::from_millis(500));
        assert!(runner.is_running());
        runner.signal(signal);
        let start = Instant::now();
        let ran = runner.finish();
        assert!(start.elapsed() < Duration::from_secs(5), "it ends at once");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{}", ran.stderr);
        holder.batch_execute("ROLLBACK").unwrap();
        wait_until(&copy, WAITS, 0);
        copy.rerun_makes_it_whole();
    }
}

#[test]
fn sign_ups_from_the_command_line_begin_no_further_tenant() {
    let site = Site::new(1);
    let copy = site.copy();
    up(&copy.url(), &[]).finish().succeeded();
    let mut holder = copy.client();
    holder
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('migrate migrations acme', 0))")
        .unwrap();
    let mut runner = migrate(&copy.url(), &["tenant", "create", "acme", "globex", "--grace", "10m"]);
    let asks = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND query LIKE '%pg_try_advisory_xact_lock%' AND query NOT LIKE '%pg_stat_activity%'";
    wait_until(&copy, asks, 1);
    runner.signal("TERM");
    let start = Instant::now();
    let ran = runner.finish();
    assert!(start.elapsed() < Duration::from_secs(30), "a wait for a lock is no work that has begun");
    assert_eq!(ran.code, Some(143), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(copy.number("SELECT count(*) FROM pg_namespace WHERE nspname IN ('acme', 'globex')"), 0);
}
