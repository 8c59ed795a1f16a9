//! A second process uses the server of the first, and is told when that ends.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::site::{Site, connect, soon, stderr, stdout, succeeded};

/// The server's process and its end, as a joiner is told.
const ENDED: &str = "which had started it, has ended or stopped it";

#[test]
fn a_command_beside_dev_uses_its_server_at_once() {
    let site = Site::new();
    let dev = site.dev(&["--create", "acme"]);
    let started = Instant::now();
    let status = succeeded(site.run(&["status", "--format", "json"]));
    assert!(started.elapsed() < Duration::from_secs(20), "it waited for the folder");
    assert!(stdout(&status).contains("\"acme\""), "{}", stdout(&status));
    let joined = format!("joined the private server of process {} (migrate)", dev.id());
    assert!(stderr(&status).starts_with(&joined), "{}", stderr(&status));

    // Another `dev` runs its command with the same URL, and its end leaves the server alone.
    let second = succeeded(site.run(&["dev", "--", "sh", "-c", "echo $DATABASE_URL"]));
    assert_eq!(stdout(&second).trim_end(), dev.first_line);
    connect(&dev.first_line).batch_execute("SELECT 1").unwrap();
}

#[test]
fn two_runs_at_once_share_a_server() {
    let site = Site::empty();
    let up = |name: &str| {
        let mut command = site.command(&["up", "--create", name]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for round in 0..3 {
        let outputs: Vec<Output> = [format!("a{round}"), format!("b{round}")]
            .map(|name| up(&name))
            .map(|child| child.wait_with_output().unwrap())
            .into();
        assert!(outputs.iter().any(|output| output.status.success()), "{}", stderr(&outputs[0]));
        for output in &outputs {
            let said = stderr(output);
            assert!(output.status.success() || said.contains(ENDED), "round {round}: {said}");
        }
    }
    assert!(site.is_at_rest());
}

#[test]
fn a_joiner_is_told_that_the_owner_has_ended() {
    let site = Site::new();
    let mut dev = site.dev(&[]);
    let names: Vec<String> = (0..400).map(|number| format!("tenant_{number}")).collect();
    let mut args = vec!["up"];
    args.extend(names.iter().flat_map(|name| ["--create", name.as_str()]));
    let joiner = site.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut client = connect(&dev.first_line);
    let created = r"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant\_%'";
    assert!(soon(|| client.query_one(created, &[]).unwrap().get::<_, i64>(0) > 2));

    dev.signal("TERM");
    let output = joiner.wait_with_output().unwrap();
    assert_eq!(dev.code(), Some(143));
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("because process {} (migrate), {ENDED}", dev.id())), "{said}");

    // What was done stays done, and the next run continues.
    succeeded(site.run(&["up"]));
}

#[test]
fn a_joined_dev_ends_with_the_owner_and_says_so() {
    let site = Site::new();
    let mut dev = site.dev(&[]);
    let mut joined = site.dev(&[]);
    dev.signal("INT");
    dev.code();
    assert_eq!(joined.code(), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut joined.child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains(ENDED), "{said}");
}

#[test]
fn a_command_that_starts_while_the_owner_ends_takes_its_place() {
    let site = Site::new();
    for round in 0..4 {
        let mut dev = site.dev(&[]);
        let status = site.command(&["status"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        dev.signal("TERM");
        let output = status.wait_with_output().unwrap();
        dev.code();
        let said = stderr(&output);
        assert!(output.status.success() || said.contains(ENDED), "round {round}: {said}");
    }
}
