//! `database …`: the database itself, with a file for each command.

mod create;
mod drop;

use migrations_core::Database;

use crate::args::DatabaseCommand;
use crate::error::{Error, Exit};
use crate::output::Output;

pub(crate) fn run(command: &DatabaseCommand, database: &Database, output: &mut Output<'_>) -> Result<Exit, Error> {
    match command {
        DatabaseCommand::Create(args) => create::run(args, database, output)?,
        DatabaseCommand::Drop(args) => drop::run(args, database, output)?,
    }
    Ok(Exit::Done)
}

/// The name of the database.
fn name(database: &Database) -> &str {
    let config = database.config();
    config.get_dbname().or(config.get_user()).unwrap_or_default()
}
