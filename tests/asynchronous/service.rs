//! The axum example: migrates, signs up over HTTP, and ends by a signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use migrations_testing::TestDatabase;

use crate::site::{PATIENCE, SESSIONS, WAITS, number, wait_until};

#[path = "../../examples/axum.rs"]
mod example;

/// The next tests run this in a process of its own.
#[test]
#[ignore = "a process for other tests, not a test"]
fn guest() {
    example::main().unwrap();
}

/// The example in a process. It is killed when this is dropped.
pub(crate) struct Service {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Service {
    pub(crate) fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "service::guest", "--ignored", "--nocapture"]);
        command.env("DATABASE_URL", url).env("ADDRESS", "127.0.0.1:0").env_remove("RUST_BACKTRACE");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The address that it listens on, once it does.
    pub(crate) fn address(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some((_, address)) = line.split_once("listening on ") {
                return address.trim().to_owned();
            }
        }
    }

    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code and the rest of what it printed.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.process.wait().unwrap().code(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request; the answer is read from what this returns.
pub(crate) fn send(address: &str, tenant: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("PUT /tenants/{tenant} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

pub(crate) fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_service_migrates_signs_up_and_ends_by_sigterm() {
    let test = TestDatabase::new().unwrap();
    let mut service = Service::start(test.url());
    let address = service.address();
    let refused = "400 Bad Request";
    for (tenant, status) in [("acme", "201 Created"), ("acme", "200 OK"), ("No%20Name", refused), ("acme%0A", refused)]
    {
        let answer = answer(send(&address, tenant));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants WHERE schema_name = 'acme'"), 1);
    service.terminate();
    let (code, rest) = service.finish();
    assert!(code == Some(0) && rest.contains("stopped"), "{code:?} {rest}");
    wait_until(&test, SESSIONS, 0);
}

#[test]
fn a_sign_up_that_has_begun_is_finished_before_the_service_ends() {
    let test = TestDatabase::new().unwrap();
    let mut service = Service::start(test.url());
    let address = service.address();
    let mut holder = test.client().unwrap();
    // A tenant's row cannot be written, but it can be read.
    holder.batch_execute("BEGIN; LOCK TABLE migrations.tenants IN SHARE MODE").unwrap();
    let begun = send(&address, "acme");
    wait_until(&test, WAITS, 1);
    service.terminate();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(number(&test, WAITS), 1, "it goes on");
    holder.batch_execute("ROLLBACK").unwrap();
    let answer = answer(begun);
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert_eq!(service.finish().0, Some(0));
}

#[test]
fn a_sign_up_whose_client_hangs_up_is_cancelled() {
    let test = TestDatabase::new().unwrap();
    let mut service = Service::start(test.url());
    let address = service.address();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE migrations.tenants IN SHARE MODE").unwrap();
    let begun = send(&address, "acme");
    wait_until(&test, WAITS, 1);
    drop(begun);
    wait_until(&test, WAITS, 0);
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'acme'"), 0);
    service.terminate();
    assert_eq!(service.finish().0, Some(0));
}
