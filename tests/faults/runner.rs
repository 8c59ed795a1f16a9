//! The real `migrate` binary, in a process that can be killed.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No run of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running `migrate up`. It is killed when this is dropped.
pub(crate) struct Runner {
    child: Child,
    stdout: File,
    stderr: File,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `migrate up` on this database, with four workers unless `arguments` say otherwise.
pub(crate) fn up(url: &str, arguments: &[&str]) -> Runner {
    let jobs: &[&str] = if arguments.contains(&"--jobs") { &[] } else { &["--jobs", "4"] };
    migrate(url, &[&["--format", "json", "up"], jobs, arguments].concat())
}

/// Starts `migrate` on this database.
pub(crate) fn migrate(url: &str, arguments: &[&str]) -> Runner {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PG") || name.starts_with("RUST_") || name == "NO_COLOR" {
            command.env_remove(name.as_ref());
        }
    }
    let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.env("DATABASE_URL", url).args(arguments).stdin(Stdio::null());
    command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    Runner { child: command.spawn().unwrap(), stdout, stderr }
}

impl Runner {
    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills it with SIGKILL; returns whether it still ran.
    pub(crate) fn kill(mut self) -> bool {
        let was_running = self.is_running();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        was_running
    }

    /// Sends it a signal, if it still runs.
    pub(crate) fn signal(&mut self, name: &str) {
        if self.is_running() {
            let pid = self.child.id().to_string();
            assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Ran {
        let start = Instant::now();
        while self.is_running() {
            assert!(start.elapsed() < PATIENCE, "the run hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().unwrap().code();
        Ran { code, stdout: text(&mut self.stdout), stderr: text(&mut self.stderr) }
    }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    /// Its report, if it succeeded.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.json()
    }

    /// The object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}
