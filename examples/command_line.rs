//! A command line of your own over your own two sets.
//!
//! ```sh
//! cargo run --example command_line -- --embedded=target/command_line up --create acme
//! ```
//!
//! The folder is named, since the server of this project has the database of the reference sets.

use std::process::ExitCode;

use migrations_cli::App;
use migrations_core::{Error, MigrationSet, Migrator};

fn migrator() -> Result<Migrator, Error> {
    Ok(Migrator::new(
        MigrationSet::new("shared")?
            .with_migration("V1__plans", || "CREATE TABLE plans (code text PRIMARY KEY)".to_owned())?,
        MigrationSet::new("tenant")?.with_migration("V1__notes", || {
            "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL)".to_owned()
        })?,
    ))
}

fn main() -> ExitCode {
    App::new(migrator()).version(env!("CARGO_PKG_VERSION")).run()
}
