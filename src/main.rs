//! The command line over the reference sets.

use std::process::ExitCode;

use migrations_core::{Error, Migrator};

fn main() -> ExitCode {
    migrations_cli::run(migrator())
}

fn migrator() -> Result<Migrator, Error> {
    Ok(Migrator::new(migrations_shared::set()?, migrations_tenant::set()?))
}
