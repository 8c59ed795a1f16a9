//! On a server that `DATABASE_URL` names, tests write into their own databases only, and the next process drops the
//! databases that a killed process leaves.

#![allow(clippy::unwrap_used, reason = "for tests only")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use migrations_core::{MigrationSet, Migrator};
use migrations_embedded::Server;
use migrations_testing::TestDatabase;
use postgres::{Client, NoTls};

fn databases(client: &mut Client) -> BTreeSet<String> {
    let rows = client.query("SELECT datname::text FROM pg_database", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn migrator() -> Migrator {
    let tenant = MigrationSet::new("tenant").unwrap();
    Migrator::new(
        MigrationSet::new("shared").unwrap(),
        tenant.with_migration("V1__notes", || "CREATE TABLE notes (body text)".to_owned()).unwrap(),
    )
}

/// A process for the tests below, with their `DATABASE_URL`: it creates a database, and obeys the order on its input.
#[test]
#[ignore = "a process for other tests, not a test"]
fn guest() {
    let test = TestDatabase::migrated(&migrator(), &["acme"]).unwrap();
    let name: String =
        Client::connect(test.url(), NoTls).unwrap().query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    assert_eq!(name, test.name());
    println!("guest: {name}");
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    match order.trim() {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        _ => drop(test),
    }
}

fn guest_process(url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "guest", "--ignored", "--nocapture"]).env("DATABASE_URL", url);
    command
}

fn run_guest(url: &str) -> Output {
    guest_process(url).stdin(Stdio::null()).output().unwrap()
}

/// A guest process with a database in use.
struct Guest {
    child: Child,
    orders: ChildStdin,
    name: String,
    // Kept open, so that the guest's output does not fail on a closed pipe.
    _said: BufReader<ChildStdout>,
}

impl Guest {
    fn start(url: &str) -> Self {
        let mut child =
            guest_process(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let name = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the guest is gone");
            if let Some((_, name)) = line.split_once("guest: ") {
                break name.trim().to_owned();
            }
        };
        Self { child, orders, name, _said: said }
    }

    fn end(&mut self, how: &str) {
        if how == "kill -9" {
            self.child.kill().unwrap();
        } else {
            writeln!(self.orders, "{how}").unwrap();
        }
        self.child.wait().unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server notices only a moment later that a client is gone.
fn wait_for_sessions_to_end(client: &mut Client, database: &str) {
    let started = Instant::now();
    let sessions = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = $1 OR pid <> pg_backend_pid() AND state = 'idle in transaction'";
    while client.query_one(sessions, &[&database]).unwrap().get::<_, i64>(0) > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "a session stays");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_url_that_names_a_database_anywhere_leads_to_the_tests_own() {
    let server = Server::throwaway().unwrap();
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.batch_execute("CREATE DATABASE prod").unwrap();
    let socket = server.socket_dir().display();
    for url in [
        format!("{}?dbname=prod", server.url("postgres")),
        format!("{}?d%62name=pr%6Fd", server.url("postgres")),
        format!("host={socket} user=postgres dbname=prod"),
        format!("postgres:///postgres?host={socket}&user=postgres&dbname=prod"),
    ] {
        let guest = run_guest(&url);
        assert!(guest.status.success(), "{url}: {}", String::from_utf8_lossy(&guest.stderr));
    }
    let mut prod = Client::connect(&server.url("prod"), NoTls).unwrap();
    let written = prod.query("SELECT 1 FROM pg_namespace WHERE nspname IN ('migrations', 'acme')", &[]).unwrap();
    assert!(written.is_empty(), "tests wrote into prod");
    let expected = ["postgres", "prod", "template0", "template1"].map(ToOwned::to_owned);
    assert_eq!(databases(&mut client), expected.into());
}

#[test]
fn a_password_with_a_slash_and_a_question_mark_is_a_password() {
    let server = Server::builder().tcp(true).start_throwaway().unwrap();
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.batch_execute("CREATE ROLE tester LOGIN CREATEDB PASSWORD 'a/b?c#d'").unwrap();
    let url = format!("postgres://tester:a/b?c#d@127.0.0.1:{}/postgres", server.port());
    let guest = run_guest(&url);
    assert!(guest.status.success(), "{}", String::from_utf8_lossy(&guest.stderr));
}

#[test]
fn what_a_killed_process_leaves_is_dropped_by_the_next_and_a_living_database_is_not() {
    let server = Server::throwaway().unwrap();
    let url = server.url("postgres");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let living = Guest::start(&url);
    for end in ["abort", "exit", "kill -9"] {
        let mut dying = Guest::start(&url);
        dying.end(end);
        assert!(databases(&mut client).contains(&dying.name), "{end}");
        let started = Instant::now();
        // Its sessions end a moment later; until then it counts as in use.
        while databases(&mut client).contains(&dying.name) {
            assert!(started.elapsed() < Duration::from_secs(20), "{end}: {} is never swept", dying.name);
            assert!(run_guest(&url).status.success());
        }
        assert!(databases(&mut client).contains(&living.name), "{end}: a living database was swept");
    }
    Client::connect(&server.url(&living.name), NoTls).unwrap().batch_execute("TABLE acme.notes").unwrap();
}

#[test]
fn a_database_that_is_not_marked_as_ours_is_never_swept() {
    let server = Server::throwaway().unwrap();
    let url = server.url("postgres");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let mut abandoned = Guest::start(&url);
    let mark = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
    let mark: String = client.query_one(mark, &[&abandoned.name]).unwrap().get(0);
    abandoned.end("kill -9");
    wait_for_sessions_to_end(&mut client, &abandoned.name);
    // A name without the mark, the mark without a test's name, and the mark of a lock in another database.
    let kept = ["test_1_0123abcd", "production", "test_2_0123abcd"];
    for name in kept {
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    }
    let elsewhere = mark.replace("postgres", "another");
    assert_ne!(elsewhere, mark);
    client.batch_execute(&format!("COMMENT ON DATABASE production IS '{}'", mark.replace('\'', "''"))).unwrap();
    client
        .batch_execute(&format!("COMMENT ON DATABASE test_2_0123abcd IS '{}'", elsewhere.replace('\'', "''")))
        .unwrap();

    assert!(run_guest(&url).status.success());
    let left = databases(&mut client);
    assert!(kept.iter().all(|name| left.contains(*name)), "{left:?}");
    assert!(!left.contains(&abandoned.name), "nothing was swept: {left:?}");
}

#[test]
fn a_living_test_database_can_be_a_template_and_be_dropped() {
    let server = Server::throwaway().unwrap();
    let url = server.url("postgres");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let living = Guest::start(&url);
    // The guest's own connections end a moment after it has dropped them.
    let started = Instant::now();
    while let Err(error) = client.batch_execute(&format!("CREATE DATABASE copy TEMPLATE {}", living.name)) {
        assert!(started.elapsed() < Duration::from_secs(20), "{error}");
    }
    client.batch_execute(&format!("DROP DATABASE {}", living.name)).unwrap();
}
