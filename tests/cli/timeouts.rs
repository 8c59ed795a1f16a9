//! The timeouts, and which source wins.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{Ran, Site, assert_page, binary};

/// A site on which the creation of table `suppliers` takes this long.
fn with_a_slow_migration(pause: Duration) -> Site {
    let site = Site::with_tenants(&[]);
    site.execute(&format!(
        "CREATE FUNCTION slow_down() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
           PERFORM pg_sleep({}) FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%.suppliers';
         END $$;
         CREATE EVENT TRIGGER slow_down ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION slow_down()",
        pause.as_secs_f64()
    ));
    site
}

#[test]
fn a_statement_timeout_ends_a_migration_and_is_named() {
    let site = with_a_slow_migration(Duration::from_mins(2));
    let started = Instant::now();
    assert_page!("up_statement_timeout", site.page(&["up", "--create", "acme", "--statement-timeout", "200ms"]));
    assert!(started.elapsed() < Duration::from_mins(1), "it was not cancelled");

    let with = |variable: &str, args: &[&str]| {
        let mut command = site.command(&[&["up", "--create", "acme", "--format", "json"], args].concat());
        let ran = Ran::new(command.env("MIGRATE_STATEMENT_TIMEOUT", variable).output().unwrap());
        (ran.code, ran.json()["failures"][0].clone())
    };
    let (code, failure) = with("300ms", &[]);
    assert_eq!((code, &failure["sqlstate"]), (1, &json!("57014")), "{failure}");
    let text = failure["text"].as_str().unwrap();
    assert!(text.contains("300ms") && text.contains("now MIGRATE_STATEMENT_TIMEOUT limits it"), "{text}");
    // The command line comes first.
    let (_, failure) = with("2h", &["--statement-timeout", "250ms"]);
    let text = failure["text"].as_str().unwrap();
    assert!(text.contains("250ms") && text.contains("now --statement-timeout limits it"), "{text}");
}

#[test]
fn a_statement_timeout_of_zero_overrides_that_of_the_role() {
    let site = with_a_slow_migration(Duration::from_millis(600));
    let mut url = site.url();
    url.push_str("?options=-c%20statement_timeout%3D100ms");
    let run = |args: &[&str]| {
        let mut command = site.command(&[&["up", "--create", "acme", "--format", "json"], args].concat());
        Ran::new(command.env("DATABASE_URL", &url).output().unwrap())
    };
    let ran = run(&[]);
    assert_eq!((ran.code, &ran.json()["failures"][0]["sqlstate"]), (1, &json!("57014")), "{}", ran.stderr);
    run(&["--statement-timeout", "0s"]).succeeded();
}

#[test]
fn a_lock_timeout_of_the_environment_counts_unless_an_option_is_given() {
    let site = Site::with_tenants(&[]);
    let mut holder = site.test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let elapsed = |variable: &str, args: &[&str]| {
        let mut command = site.command(&[&["tenant", "create", "acme"], args].concat());
        let started = Instant::now();
        let ran = Ran::new(command.env("MIGRATE_LOCK_TIMEOUT", variable).output().unwrap());
        assert!(ran.code == 1 && ran.stderr.contains("55P03"), "{}", ran.stderr);
        started.elapsed()
    };
    // Six tries of an hour would not end, and of the default take 18 seconds.
    assert!(elapsed("20ms", &[]) < Duration::from_secs(18));
    assert!(elapsed("1h", &["--lock-timeout", "20ms"]) < Duration::from_secs(18));
}

/// A listener that takes no further connection: its queue is full of these.
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => queue.push(stream),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                return (listener, queue);
            }
        }
    }
}

#[test]
fn a_connect_timeout_ends_an_attempt_that_nobody_answers() {
    let (listener, _queue) = full_listener();
    let url = format!("postgres://app@{}/app", listener.local_addr().unwrap());
    let elapsed = |variable: &str, time: &str, args: &[&str]| {
        let mut command = binary(&[&["wait", "--timeout", "0s"], args].concat());
        let started = Instant::now();
        let ran = Ran::new(command.env("DATABASE_URL", &url).env(variable, time).output().unwrap());
        assert!(ran.code == 1 && ran.stderr.contains("timed out"), "{}", ran.stderr);
        started.elapsed()
    };
    // The default is ten seconds.
    let (at_least, less_than) = (Duration::from_secs(1), Duration::from_secs(8));
    for elapsed in [
        elapsed("PGCONNECT_TIMEOUT", "2", &[]),
        elapsed("MIGRATE_CONNECT_TIMEOUT", "1s", &[]),
        elapsed("MIGRATE_CONNECT_TIMEOUT", "1h", &["--connect-timeout", "1s"]),
    ] {
        assert!(elapsed >= at_least && elapsed < less_than, "{elapsed:?}");
    }
}

#[test]
fn the_log_says_each_timeout_and_its_source() {
    let site = Site::new();
    let timeouts = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = site.command(&[&["status", "-v"], args].concat());
        let told = Ran::new(command.envs(variables.iter().copied()).output().unwrap()).succeeded().stderr;
        told.lines().find_map(|line| line.split_once("timeouts: ")).expect(&told).1.to_owned()
    };
    let role_s = "statement as the role and the database have it (the default), lock 3s (the default)";
    assert_eq!(timeouts(&[], &[]), format!("connect 10s (the default), {role_s}"));
    let libpq_s = ("PGCONNECT_TIMEOUT", "7");
    assert_eq!(timeouts(&[libpq_s], &[]), format!("connect 7s (the variable PGCONNECT_TIMEOUT), {role_s}"));
    let ours = [libpq_s, ("MIGRATE_CONNECT_TIMEOUT", "8s"), ("MIGRATE_LOCK_TIMEOUT", "1m")];
    assert_eq!(
        timeouts(&ours, &["--statement-timeout", "0s"]),
        "connect 8s (MIGRATE_CONNECT_TIMEOUT), statement without a limit (--statement-timeout), \
         lock 1m (MIGRATE_LOCK_TIMEOUT)"
    );
    assert!(timeouts(&ours, &["--connect-timeout", "9s"]).starts_with("connect 9s (--connect-timeout), "));
}

#[test]
fn a_variable_that_is_no_duration_is_named() {
    let site = Site::new();
    for (name, value) in [
        ("MIGRATE_CONNECT_TIMEOUT", "30"),
        ("MIGRATE_STATEMENT_TIMEOUT", "soon"),
        ("MIGRATE_STATEMENT_TIMEOUT", "25days"),
        ("MIGRATE_LOCK_TIMEOUT", "0s"),
    ] {
        let mut command = site.command(&["up"]);
        let ran = Ran::new(command.env(name, value).output().unwrap());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let start = format!("error: the variable {name} cannot be used: invalid value '{value}': ");
        assert!(ran.stderr.starts_with(&start), "{}", ran.stderr);
    }
    let ran = Ran::new(binary(&["up", "--connect-timeout", "30"]).output().unwrap());
    assert!(ran.code == 2 && ran.stderr.contains("write it as in 30s or 2m"), "{}", ran.stderr);
}
