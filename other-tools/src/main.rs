//! The command line of an application that joins from another tool: its sets are the folders `migrations-shared` and
//! `migrations-tenant` below the current one. An application embeds them with `include_dir!` instead.

use std::process::ExitCode;
use std::{fs, io};

use migrations_cli::App;
use migrations_core::{Error, MigrationSet, Migrator};

fn main() -> ExitCode {
    App::new(migrator()).name("migrate").run()
}

fn migrator() -> Result<Migrator, Error> {
    Ok(Migrator::new(set("shared")?, set("tenant")?))
}

fn set(name: &str) -> Result<MigrationSet, Error> {
    let files = files(&format!("migrations-{name}")).unwrap_or_else(|error| {
        eprintln!("error: cannot read migrations-{name}: {error}");
        std::process::exit(2)
    });
    let mut set = MigrationSet::new(name)?;
    for (title, text) in files {
        set = set.with_sql(&title, text)?;
    }
    Ok(set)
}

/// The titles and texts of a folder's files; none if there is no such folder.
fn files(folder: &str) -> io::Result<Vec<(String, String)>> {
    if !fs::exists(folder)? {
        return Ok(Vec::new());
    }
    let file = |entry: io::Result<fs::DirEntry>| {
        let path = entry?.path();
        let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((title, fs::read_to_string(path)?))
    };
    fs::read_dir(folder)?.map(file).collect()
}
