//! The binary, on a fresh database.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use migrations_testing::TestDatabase;
use serde_json::Value;

pub(crate) const PASSWORD: &str = "s3cret";

/// Port 1 is reserved, and nothing listens there.
pub(crate) const NOBODY_LISTENS: &str = "postgres://app:s3cret@127.0.0.1:1/app";

pub(crate) const SHARED: [&str; 6] = [
    "V1__create_users",
    "V2__create_currencies",
    "V3__create_plans",
    "V4__create_memberships",
    "V5__create_feature_flags",
    "V6__create_invitations",
];

/// The result of a run of the binary.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        let ran = Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(PASSWORD), "a password: {text}");
            assert!(!text.contains("panicked"), "a panic: {text}");
        }
        ran
    }

    /// The one object on stdout.
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout));
        assert!(value.is_object() && self.stdout.ends_with("}\n"), "{}", self.stdout);
        value
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// The whole result, as a snapshot.
    pub(crate) fn page(&self) -> String {
        let section =
            |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{text}") };
        format!("{}{}--- exit code {}\n", section("stdout", &self.stdout), section("stderr", &self.stderr), self.code)
    }
}

/// The binary, in an environment that names no database and has no settings for the output.
pub(crate) fn binary(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let others = ["DATABASE_URL", "RUST_LOG", "RUST_BACKTRACE", "NO_COLOR", "COLUMNS", "TERM"];
        let prefixes = ["PG", "POSTGRES_", "DB_", "MIGRATE_", "CLICOLOR"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) || others.contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Ran {
    Ran::new(binary(args).output().unwrap())
}

/// A fresh database, and the binary on it.
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

    /// The database's URL, with a password if it had none: the test server accepts any.
    pub(crate) fn url(&self) -> String {
        let url = self.test.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        match rest.split_once('@') {
            Some((user, rest)) if !user.contains(':') => format!("{scheme}://{user}:{PASSWORD}@{rest}"),
            _ => url.to_owned(),
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary(args);
        command.env("DATABASE_URL", self.url());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// Runs with `--format json`.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let ran = self.run(&[args, &["--format", "json"]].concat());
        (ran.code, ran.json())
    }

    /// Runs, and returns the whole result as a snapshot, without the name of the database, which differs in every run.
    pub(crate) fn page(&self, args: &[&str]) -> String {
        self.run(args).page().replace(&self.test.database().to_string(), "[database]")
    }

    /// Delays the creation of this schema; a `%` stands for any text.
    pub(crate) fn slow_down(&self, schema: &str, pause: Duration) {
        self.execute(&format!(
            "CREATE FUNCTION slow_down() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM pg_sleep({}) FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '{schema}';
             END $$;
             CREATE EVENT TRIGGER slow_down ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA')
               EXECUTE FUNCTION slow_down()",
            pause.as_secs_f64()
        ));
    }

    /// Creates a schema, runs `sql` in it, and registers it as a tenant, with no migration applied.
    pub(crate) fn adopt(&self, schema: &str, sql: &str) {
        self.execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {sql}"));
        self.run(&["tenant", "adopt", schema]).succeeded();
        if !sql.is_empty() {
            self.run(&["tenant", "baseline", schema, "--at", "none"]).succeeded();
        }
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.test.client().unwrap().batch_execute(sql).unwrap();
    }

    pub(crate) fn count(&self, query: &str) -> i64 {
        self.test.client().unwrap().query_one(query, &[]).unwrap().get(0)
    }
}

/// Compares with a snapshot, without times and timestamps.
macro_rules! assert_page {
    ($name:literal, $page:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "YYYY-MM-DDThh:mm:ssZ"),
                (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
                (r"\(os error \d+\)", "(os error [number])"),
                (r"(OUTCOME) +TIME\b", "$1  TIME"),
                (r"(created|migrated|current|ahead|busy|failed) +\d+(\.\d+)? m?s\b", "$1  [time]"),
                (r"\d+(\.\d+)? m?s\b", "[time]"),
                (r"tried for \d+(\.\d+)?s\b", "tried for [time]"),
            ],
            omit_expression => true,
        }, { insta::assert_snapshot!($name, $page) });
    };
}

pub(crate) use assert_page;

/// The keys of an object.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
