//! A fresh database, and the binary on it.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use migrations_testing::TestDatabase;
use serde_json::Value;

/// The result of a run of the binary.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self { code: output.status.code(), stdout, stderr }
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

pub(crate) struct Site {
    pub(crate) test: TestDatabase,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self { test: TestDatabase::new().unwrap() }
    }

    /// A site that is migrated and has these tenants.
    pub(crate) fn with_tenants(names: &[&str]) -> Self {
        let site = Self::new();
        let create = names.iter().flat_map(|name| ["--create", name]);
        site.run(&["up"].into_iter().chain(create).collect::<Vec<_>>()).succeeded();
        site
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
        for name in ["RUST_LOG", "RUST_BACKTRACE", "TERM", "COLUMNS"] {
            command.env_remove(name);
        }
        command.args(args).env("DATABASE_URL", self.test.url()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.test.client().unwrap().batch_execute(sql).unwrap();
    }

    pub(crate) fn count(&self, query: &str) -> i64 {
        self.test.client().unwrap().query_one(query, &[]).unwrap().get(0)
    }

    /// Waits until a query returns this count.
    pub(crate) fn wait_until(&self, query: &str, count: i64) {
        let start = Instant::now();
        while self.count(query) != count {
            assert!(start.elapsed() < Duration::from_mins(1), "never {count}: {query}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
