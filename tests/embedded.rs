//! The binary with a private server of its own: what it says when the server dies, and how it begins anew.

#![cfg(unix)]
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use tempfile::TempDir;

/// More than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder that the server's user can get to, whoever runs the tests.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    home
}

fn migrate(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    command.arg(format!("--embedded={}", folder.display())).args(args);
    for name in ["DATABASE_URL", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

/// The server of a folder: its process, and a superuser's connection to the application's database.
fn server(folder: &Path) -> (i32, Client) {
    let started = Instant::now();
    loop {
        let file = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = file.lines().collect();
        let connection = fs::read_to_string(folder.join("connection")).unwrap_or_default();
        let database = connection.lines().find_map(|line| line.strip_prefix("database="));
        if let ([pid, _, _, port, socket, ..], Some(database)) = (&lines[..], database) {
            let mut config = Config::new();
            config.host_path(PathBuf::from(socket)).port(port.parse().unwrap()).user("postgres").dbname(database);
            if let Ok(client) = config.connect(NoTls) {
                return (pid.parse().unwrap(), client);
            }
        }
        assert!(started.elapsed() < PATIENCE, "no server has started: {file}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_whose_private_server_dies_ends_at_once_with_the_end_of_its_log() {
    let home = home();
    let folder = home.path().join("server");
    let names: Vec<String> = (0..300).map(|number| format!("tenant_{number}")).collect();
    let mut args = vec!["up"];
    args.extend(names.iter().flat_map(|name| ["--create", name.as_str()]));
    let run =
        migrate(&folder, &args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    let (pid, mut client) = server(&folder);
    let started = Instant::now();
    let created = r"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant\_%'";
    while client.query_one(created, &[]).unwrap().get::<_, i64>(0) < 3 {
        assert!(started.elapsed() < PATIENCE, "no tenant was created");
    }
    let killed = Instant::now();
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();

    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(killed.elapsed() < Duration::from_secs(20), "it took {:?}: {said}", killed.elapsed());
    assert!(said.contains(&format!("the private server (process {pid}) has ended; its log ends with:")), "{said}");
    assert!(said.contains("database system is ready to accept connections"), "{said}");
    assert!(!said.contains("check host and port"), "{said}");

    // What was done stays done, and the next run has a server again.
    succeeded(&migrate(&folder, &["up"]).output().unwrap());
}

#[test]
fn a_reset_begins_anew_and_says_what_it_removed() {
    let home = home();
    let folder = home.path().join("server");
    succeeded(&migrate(&folder, &["up", "--create", "acme"]).output().unwrap());
    let said = succeeded(&migrate(&folder, &["--reset", "up", "--create", "globex"]).output().unwrap());
    assert!(said.contains(&format!("removed {}\n", folder.join("data").display())), "{said}");
    let listed = migrate(&folder, &["tenant", "list"]).output().unwrap();
    succeeded(&listed);
    let listed = text(&listed.stdout);
    assert!(listed.contains("globex") && !listed.contains("acme"), "{listed}");
}

#[test]
fn a_reset_of_anything_but_a_private_server_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    let output = command.args(["up", "--reset"]).env("DATABASE_URL", "postgres://postgres@127.0.0.1:1/app").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--reset is for the private server of --embedded"));
}
