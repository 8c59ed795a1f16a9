//! A database on a throwaway server, a copy of a project's files, and the commands of a guide.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use migrations_embedded::Server;
use postgres::{Client, NoTls};
use serde_json::Value;
use tempfile::TempDir;

/// Ends with the process.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::builder().tcp(true).start_throwaway().unwrap());

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// The tenants of every test; the last one is behind until the test says otherwise.
pub(crate) const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// A project that uses another tool.
pub(crate) struct Site {
    folder: TempDir,
    database: String,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }
}

impl Site {
    /// A fresh database, and a copy of the files below `source`.
    pub(crate) fn new(source: &str) -> Self {
        let database = format!("site_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(&SERVER.url("postgres"), NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {database}")).unwrap();
        let site = Self { folder: TempDir::new().unwrap(), database };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source), site.folder.path());
        site
    }

    pub(crate) fn url(&self) -> String {
        SERVER.tcp_url(&self.database).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&SERVER.url(&self.database), NoTls).unwrap()
    }

    /// A connection whose `search_path` is this schema, which is created if it does not exist.
    pub(crate) fn client_in(&self, schema: &str) -> Client {
        let mut client = self.client();
        client.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}")).unwrap();
        client
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A shell script in the project's folder, with the database in `DATABASE_URL` and `migrate` in the path.
    pub(crate) fn sh(&self, script: &str) -> Ran {
        let binary = Path::new(env!("CARGO_BIN_EXE_migrate")).parent().unwrap();
        let mut paths = vec![binary.to_owned()];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path());
        command.env("PATH", std::env::join_paths(paths).unwrap()).env("DATABASE_URL", self.url());
        Ran::new(&command.output().unwrap())
    }

    pub(crate) fn json(&self, script: &str) -> (i32, Value) {
        let ran = self.sh(&format!("{script} --format json"));
        let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        (ran.code, value)
    }

    /// Runs every `sh` block of a guide, and checks that every file of its `files` blocks is there.
    #[track_caller]
    pub(crate) fn follow(&self, guide: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(guide);
        let text = fs::read_to_string(&path).unwrap();
        let (mut scripts, mut files) = (0, 0);
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, body) = block.split_once('\n').unwrap();
            match language {
                "sh" => {
                    scripts += 1;
                    let ran = self.sh(body);
                    assert_eq!(ran.code, 0, "{guide}: {body}\n{}{}", ran.stdout, ran.stderr);
                }
                "files" => {
                    for file in body.lines() {
                        files += 1;
                        let found = self.sh("find . -type f").stdout;
                        assert!(self.path(file.trim()).exists(), "{guide}: no {file} in\n{found}");
                    }
                }
                _ => {}
            }
        }
        assert!(scripts >= 3 && files >= 2, "{guide} is read: {scripts}, {files}");
    }

    /// All rows of a tool's table in these schemas, as text.
    pub(crate) fn rows(&self, table: &str, schemas: &[&str]) -> Vec<String> {
        let mut client = self.client();
        let mut all = Vec::new();
        for schema in schemas {
            let query = format!("SELECT '{schema} ' || t::text FROM {schema}.{table} t ORDER BY 1");
            all.extend(client.query(&query, &[]).unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        assert!(!all.is_empty());
        all
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.client().batch_execute(sql).unwrap();
    }

    /// Nothing is pending, and a tenant that is created now has the same relations as one that the tool created.
    #[track_caller]
    pub(crate) fn is_taken_over(&self, tables: &str) {
        let ran = self.sh("migrate status --check");
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        self.sh("migrate tenant create umbrella").succeeded();
        let relations = |schema: &str| {
            let query = "SELECT c.relname || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relnamespace = $1::text::regnamespace AND c.relname <> ALL ($2::text[]) ORDER BY 1";
            let others: Vec<&str> = tables.split(' ').chain(["refinery_schema_history"]).collect();
            let rows = self.client().query(query, &[&schema, &others]).unwrap();
            let own = |name: &String| !others.iter().any(|other| name.starts_with(&format!("{other}_")));
            rows.iter().map(|row| row.get::<_, String>(0)).filter(own).collect::<Vec<_>>()
        };
        assert!(relations("acme").len() > 3);
        assert_eq!(relations("umbrella"), relations("acme"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The outcome of an import of one schema.
pub(crate) fn outcome<'a>(import: &'a Value, schema: &str) -> (&'a str, &'a str) {
    let schemas = import["sets"].as_array().unwrap().iter().flat_map(|set| set["schemas"].as_array().unwrap());
    let found = schemas.into_iter().find(|one| one["schema"] == schema).unwrap_or_else(|| panic!("{schema}: {import}"));
    (found["outcome"].as_str().unwrap(), found["problem"].as_str().unwrap_or_default())
}

/// The Python that has Django.
pub(crate) fn python() -> String {
    std::env::var("OTHER_TOOLS_PYTHON").expect("OTHER_TOOLS_PYTHON is set by ci/other-tools")
}
