//! `pool …`: spare schemas for sign-ups, with a file for each command.

mod drain;
mod fill;
mod status;

use migrations_core::{Database, Migrator};

use crate::args::Pool;
use crate::error::{Error, Exit};
use crate::output::Output;

pub(crate) fn run(
    command: Pool,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    match command {
        Pool::Fill(args) => fill::run(&args, migrator, database, output)?,
        Pool::Status(_) => status::run(migrator, database, output)?,
        Pool::Drain(_) => drain::run(migrator, database, output)?,
    }
    Ok(Exit::Done)
}

/// `1 spare schema`, `2 spare schemas`.
fn spares(count: usize) -> String {
    if count == 1 { "1 spare schema".to_owned() } else { format!("{count} spare schemas") }
}
