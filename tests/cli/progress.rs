//! What a user sees during a run.

#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

#[cfg(target_os = "linux")]
use crate::site::Ran;
use crate::site::Site;

/// Without a terminal, a short run writes nothing, a long run a line every five seconds, and stdout stays one object.
#[test]
fn a_long_run_counts_on_stderr_where_there_is_no_terminal() {
    let site = Site::with_tenants(&[]);
    site.adopt("bad", "CREATE TABLE suppliers (id bigint)");
    site.slow_down("t%", Duration::from_millis(1_800));
    let up = ["up", "--jobs", "1", "--create", "t1", "--create", "t2", "--create", "t3", "--create", "t4"];
    // Five tenants in less than ten seconds, of which the first fails at once.
    let ran = site.run(&[up.as_slice(), &["--format", "json"]].concat());
    assert_eq!((ran.code, &ran.json()["tenants"]["created"]), (1, &json!(4)), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("/5 tenants")).collect();
    let [line] = lines[..] else { panic!("not one line: {}", ran.stderr) };
    assert!(line.starts_with("3/5 tenants, 1 failed, about "), "{line}");
    assert!((1..=4).any(|seconds| line.ends_with(&format!("about {seconds} s left"))), "{line}");
    assert!(ran.stderr.find("/5 tenants") < ran.stderr.find("error: tenant bad"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b') && !ran.stderr.contains('\r'), "{}", ran.stderr);
}

/// Runs on a terminal that `script` (util-linux) creates, where stdout and stderr are the same stream.
#[cfg(target_os = "linux")]
fn on_terminal(site: &Site, args: &str) -> Ran {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command"]);
    command.arg(format!("'{}' {args}", env!("CARGO_BIN_EXE_migrate"))).arg("/dev/null");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("DATABASE_URL", site.url()).env("TERM", "xterm").stdin(Stdio::null());
    Ran::new(command.output().unwrap())
}

/// The escape sequence that erases the bar.
#[cfg(target_os = "linux")]
const ERASE: &str = "\x1b[2K";

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_a_bar_that_is_gone_in_the_end() {
    let site = Site::new();
    site.slow_down("t%", Duration::from_millis(300));
    let up = "up --jobs 1 --create t1 --create t2 --create t3 --create t4";
    let seen = on_terminal(&site, up).succeeded().stdout;
    assert!(seen.contains("] 1/4 tenants, ") && seen.contains(" s left"), "{seen:?}");
    let (_, after) = seen.rsplit_once("tenants, ").unwrap();
    let erased = after.find(ERASE).expect("the bar is erased");
    assert!(after.find("shared ").is_some_and(|report| erased < report), "{seen:?}");

    let again = on_terminal(&site, up).succeeded().stdout;
    assert!(again.contains("nothing to do") && !again.contains(ERASE), "{again:?}");
    for (option, name) in [("-v", "t5"), ("-q", "t6"), ("--format json", "t7")] {
        let seen = on_terminal(&site, &format!("{option} up --create {name}")).succeeded().stdout;
        assert!(seen.contains("created") && !seen.contains(ERASE), "{option}: {seen:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_line_has_a_line_of_its_own_beside_the_bar() {
    let site = Site::with_tenants(&[]);
    site.slow_down("t%", Duration::from_millis(500));
    let mut other = site.test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let ran = on_terminal(&site, "up --lock-timeout 20ms --create t1");
    let (before, _) = ran.stdout.split_once("retry 1 of ").expect("it is logged");
    let (_, between) = before.rsplit_once("0/1 tenants").expect("the bar was there");
    assert!(between.contains(ERASE), "{between:?}");
    assert_eq!(ran.code, 1);
}
