//! `wait`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{NOBODY_LISTENS, Ran, Site, assert_page, run};

#[test]
fn wait_ends_when_another_process_has_migrated() {
    let site = Site::new();
    assert_page!("wait_in_vain", site.page(&["wait", "--migrated", "--timeout", "0s"]));
    let mut waiting = site.command(&["wait", "--migrated", "--timeout", "1m", "--format", "json"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    site.run(&["up"]).succeeded();
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    assert_eq!(ran.json()["waited_for"], json!("migrated"));
}

#[test]
fn wait_gives_up_on_a_server_that_is_not_there() {
    let started = Instant::now();
    let ran = run(&["--database-url", NOBODY_LISTENS, "wait", "--timeout", "2s", "--format", "json"]);
    assert!(started.elapsed() >= Duration::from_secs(2));
    let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(ran.code, 1);
    assert!(message.starts_with("cannot connect to database app at 127.0.0.1:1 as app, tried for 2."), "{message}");
}
