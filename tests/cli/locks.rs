//! `up` while another session holds a lock.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{Ran, Site, assert_page};

#[test]
fn a_table_that_is_locked_is_tried_again() {
    let site = Site::with_tenants(&[]);
    let mut other = site.test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();

    let mut waiting = site.command(&["up", "--create", "acme", "--lock-timeout", "20ms"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut told, mut stderr) = (String::new(), BufReader::new(waiting.stderr.take().unwrap()));
    while !told.contains("retry 1 of ") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "not told: {told}");
    }
    other.batch_execute("ROLLBACK").unwrap();
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    let retries = ran.stdout.lines().find_map(|line| line.strip_prefix("retries  ")).expect(&ran.stdout);
    assert!((1..=5).contains(&retries.parse().unwrap()), "{}", ran.stdout);

    // If the lock is never released, the tenant fails.
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let started = Instant::now();
    let (code, done) = site.json(&["up", "--create", "globex", "--lock-timeout", "20ms"]);
    assert!(started.elapsed() < 6 * Duration::from_secs(3), "it took as long as without the option");
    assert_eq!((code, &done["failures"][0]["sqlstate"], &done["retries"]), (1, &json!("55P03"), &json!(5)), "{done}");
}

/// Takes the lock of tenant acme, in the registry's default schema, in the same way as every release.
const LOCK_ACME: &str = "SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))";

#[test]
fn who_waits_for_another_run_is_told_so() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA acme");
    site.run(&["tenant", "adopt", "acme"]).succeeded();
    let mut other_run = site.test.client().unwrap();
    other_run.batch_execute(LOCK_ACME).unwrap();

    let mut waiting = site.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(waiting.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("tenant acme is locked by another run; waiting\n") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "not told: {told}");
    }
    drop(other_run);
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    assert!(ran.stdout.contains("tenants  1 migrated\n"), "{}", ran.stdout);
}

#[test]
fn who_is_held_by_another_run_for_too_long_is_left_to_the_next_one() {
    let site = Site::with_tenants(&[]);
    site.adopt("acme", "");
    site.adopt("globex", "");
    let mut other_run = site.test.client().unwrap();
    other_run.batch_execute(LOCK_ACME).unwrap();

    let started = Instant::now();
    let (code, done) = site.json(&["up", "--lock-wait", "200ms"]);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(200) && waited < Duration::from_mins(1), "{waited:?}");
    let counts = ["migrated", "busy", "failed"].map(|key| done["tenants"][key].as_u64().unwrap());
    assert_eq!((code, counts), (1, [1, 1, 0]), "{done}");
    assert_page!("up_busy", site.page(&["up", "--lock-wait", "200ms"]));
    drop(other_run);
    assert_eq!(site.json(&["up"]).1["tenants"]["migrated"], json!(1));
}
