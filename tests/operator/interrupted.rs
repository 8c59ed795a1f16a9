//! A signal ends a run, but does not undo what was committed. Statements that have no time to finish are cancelled; the
//! time for it is proved in `tests/faults/signalled.rs`.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::site::{Ran, Site};

/// Creating schema `slow` takes forever; the work before it does not.
fn site_with_a_slow_tenant(body: &str) -> Site {
    let site = Site::with_tenants(&[]);
    site.execute(&format!(
        "CREATE FUNCTION slow_down() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
           IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'slow') THEN {body} END IF;
         END $$;
         CREATE EVENT TRIGGER slow_down ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION slow_down()"
    ));
    site
}

const ASLEEP: &str = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event = 'PgSleep' AND state = 'active'";

/// A run that has created tenant `fast` and is creating tenant `slow`.
fn run_that_is_stuck(site: &Site) -> Child {
    let up = ["up", "--grace", "0s", "--jobs", "1", "--create", "fast", "--create", "slow", "--create", "later"];
    let child = site.command(&up).spawn().unwrap();
    site.wait_until(ASLEEP, 1);
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_cancels_what_runs_and_reports_what_was_done() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let site = site_with_a_slow_tenant("PERFORM pg_sleep(600);");
        let child = run_that_is_stuck(&site);
        let start = Instant::now();
        signal(&child, name);
        let ran = Ran::new(child.wait_with_output().unwrap());

        assert!(start.elapsed() < Duration::from_secs(30), "it ends at once");
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("1 created, 2 skipped, of 3"), "{}", ran.stdout);
        assert!(ran.stdout.contains("fast"), "{}", ran.stdout);
        assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("57014"), "the cancelled tenant did not fail: {}", ran.stderr);
        site.wait_until(ASLEEP, 0);
        assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname IN ('slow', 'later')"), 0);
        assert_eq!(site.count("SELECT count(*) FROM migrations.runs WHERE outcome = 'failure' AND created = 1"), 1);

        site.execute("DROP EVENT TRIGGER slow_down");
        let again = site.run(&["up", "--create", "slow", "--create", "later", "--format", "json"]).succeeded();
        assert_eq!(again.json()["tenants"]["created"], 2);
    }
}

#[test]
fn a_run_that_is_done_when_the_signal_comes_is_written_down_as_done() {
    for name in ["INT", "TERM"] {
        let site = Site::with_tenants(&["acme"]);
        let mut holder = site.test.client().unwrap();
        holder.batch_execute("BEGIN; LOCK TABLE migrations.runs IN EXCLUSIVE MODE").unwrap();
        let child = site.command(&["up", "--create", "globex", "--format", "json"]).spawn().unwrap();
        let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'migrations.runs'::regclass AND NOT granted";
        site.wait_until(waits, 1);
        signal(&child, name);
        // Enough time for a cancellation to take effect, if one were sent.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(site.count(waits), 1, "the run's row is not written yet");
        holder.batch_execute("COMMIT").unwrap();
        let ran = Ran::new(child.wait_with_output().unwrap()).succeeded();
        assert_eq!(ran.json()["tenants"]["created"], 1);
        let last = "SELECT count(*) FROM (SELECT * FROM migrations.runs ORDER BY id DESC LIMIT 1) AS last \
                    WHERE last.outcome = 'success' AND last.created = 1";
        assert_eq!(site.count(last), 1);
    }
}

#[test]
fn an_interrupted_run_is_one_object_with_its_report_and_its_error() {
    let site = site_with_a_slow_tenant("PERFORM pg_sleep(600);");
    let up = ["up", "--grace", "0s", "--jobs", "1", "--create", "fast", "--create", "slow", "--format", "json"];
    let child = site.command(&up).spawn().unwrap();
    site.wait_until(ASLEEP, 1);
    signal(&child, "INT");
    let done = Ran::new(child.wait_with_output().unwrap()).json();
    assert_eq!((&done["tenants"]["created"], &done["tenants"]["skipped"]), (&1.into(), &1.into()), "{done}");
    assert!(done["error"]["message"].as_str().unwrap().starts_with("interrupted"), "{done}");
}

#[test]
fn a_second_signal_ends_at_once() {
    // The function ignores every cancellation.
    let stubborn = "FOR i IN 1..600 LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN
                    PERFORM set_config('application_name', 'stubborn', false); END; END LOOP;";
    let site = site_with_a_slow_tenant(stubborn);
    let mut child = run_that_is_stuck(&site);
    signal(&child, "INT");
    site.wait_until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stubborn'", 1);
    assert!(child.try_wait().unwrap().is_none(), "the statement ignores the cancellation");
    let start = Instant::now();
    signal(&child, "INT");
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{}{}", ran.stdout, ran.stderr);
    assert!(start.elapsed() < Duration::from_secs(5));
    site.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE wait_event = 'PgSleep' AND datname = current_database()",
    );
}

#[test]
fn a_signal_ends_the_wait_for_another_run() {
    let site = Site::with_tenants(&[]);
    let mut other = site.test.client().unwrap();
    other.batch_execute("SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let child = site.command(&["up", "--create", "acme", "--lock-wait", "10m", "--grace", "10m"]).spawn().unwrap();
    // The query leaves out the sessions of this test: the previous one may not have ended yet.
    let connected =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate' AND datname = current_database()
                     AND query LIKE '%pg_try_advisory_xact_lock%' AND query NOT LIKE '%pg_stat_activity%'";
    let start = Instant::now();
    while site.count(connected) == 0 {
        assert!(start.elapsed() < Duration::from_mins(1));
    }
    signal(&child, "TERM");
    let start = Instant::now();
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(143), "{}{}", ran.stdout, ran.stderr);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_signal_ends_a_sign_up_too() {
    let site = site_with_a_slow_tenant("PERFORM pg_sleep(600);");
    let child = site.command(&["tenant", "create", "fast", "slow", "--grace", "0s"]).spawn().unwrap();
    site.wait_until(ASLEEP, 1);
    signal(&child, "TERM");
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(143), "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("fast") && ran.stderr.starts_with("error: interrupted: "),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    site.wait_until(ASLEEP, 0);
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'slow'"), 0);
}
