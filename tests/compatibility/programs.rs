//! PostgreSQL's own clients: `psql` applies a file as its author would, and `pg_dump` shows the result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a program: in Debian's folder of the newest installed server, or found by `PATH`.
fn program(name: &str) -> PathBuf {
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = folders.map(|folder| folder.path().join("bin").join(name)).filter(|path| path.exists());
    let version =
        |path: &PathBuf| path.components().filter_map(|part| part.as_os_str().to_str()?.parse::<u32>().ok()).max();
    installed.max_by_key(version).unwrap_or_else(|| PathBuf::from(name))
}

/// Whether both programs are installed and support a server of this version. Prints a note if not.
pub(crate) fn are_there(server: u32) -> bool {
    let version = |name: &str| -> Option<u32> {
        let output = Command::new(program(name)).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split(' ').find_map(|word| word.split('.').next()?.parse().ok())
    };
    let are_usable = ["psql", "pg_dump"].iter().all(|name| version(name).is_some_and(|version| version >= server));
    if !are_usable {
        eprintln!(
            "SKIPPED: psql and pg_dump of version {server} or later are not installed (Debian: postgresql-client)"
        );
    }
    are_usable
}

/// Runs a program and returns what it prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{command:?}\n{}", text(output.stderr));
    text(output.stdout)
}

/// Applies a file with this search path, without a transaction around it.
pub(crate) fn psql(url: &str, path: &str, file: &Path) {
    let mut command = Command::new(program("psql"));
    command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=on", "--dbname", url, "--file"]).arg(file);
    output(command.env("PGOPTIONS", format!("-c search_path={path}")));
}

/// A dump of a schema without the framework's table.
pub(crate) fn dump(url: &str, schema: &str) -> String {
    let mut command = Command::new(program("pg_dump"));
    command.args(["--schema-only", "--no-owner", "--dbname", url, "--schema", schema]);
    let text = output(command.args(["--exclude-table", &format!("{schema}.refinery_schema_history")]));
    // These lines have a random token in every dump.
    let lines = text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}
