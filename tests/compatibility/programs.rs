//! PostgreSQL's own clients: `psql` applies a file as its author would, `pg_dump` says what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a program is: in the folder of the newest server that Debian has installed, or on the path.
fn program(name: &str) -> PathBuf {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = folders.map(|folder| folder.path().join("bin").join(name)).filter(|path| path.exists());
    let version =
        |path: &PathBuf| path.components().filter_map(|part| part.as_os_str().to_str()?.parse::<u32>().ok()).max();
    installed.max_by_key(version).unwrap_or_else(|| PathBuf::from(name))
}

/// Whether both are there and know a server of this version; says so where not.
pub(crate) fn are_there(server: u32) -> bool {
    let version = |name: &str| -> Option<u32> {
        let output = Command::new(program(name)).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split(' ').find_map(|word| word.split('.').next()?.parse().ok())
    };
    let know_it = ["psql", "pg_dump"].iter().all(|name| version(name).is_some_and(|version| version >= server));
    if !know_it {
        eprintln!(
            "SKIPPED: psql and pg_dump of version {server} or later are not installed (Debian: postgresql-client)"
        );
    }
    know_it
}

/// Runs a program and returns what it prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{command:?}\n{}", text(output.stderr));
    text(output.stdout)
}

/// Applies a file with this search path, every statement by itself.
pub(crate) fn psql(url: &str, path: &str, file: &Path) {
    let mut command = Command::new(program("psql"));
    command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=on", "--dbname", url, "--file"]).arg(file);
    output(command.env("PGOPTIONS", format!("-c search_path={path}")));
}

/// What is in a schema, without what the framework keeps there.
pub(crate) fn dump(url: &str, schema: &str) -> String {
    let mut command = Command::new(program("pg_dump"));
    command.args(["--schema-only", "--no-owner", "--dbname", url, "--schema", schema]);
    let text = output(command.args(["--exclude-table", &format!("{schema}.refinery_schema_history")]));
    // A token of its own in every dump.
    let lines = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}
