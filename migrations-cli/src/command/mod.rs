//! The commands, a file for each: what it asks of the migrator, and what it shows.

mod pool;
mod status;
mod tenant;
mod up;
mod wait;

use migrations_core::{Interrupt, Migrator};

use crate::args::{Cli, Command};
use crate::database::Chosen;
use crate::error::{Error, Exit};
use crate::output::Output;
use crate::signals::{self, Received};

pub(crate) fn run(cli: Cli, migrator: Migrator, output: &mut Output<'_>) -> Result<Exit, Error> {
    let Cli { global, command } = cli;
    let chosen = Chosen::open(&global, output)?;
    let database = &chosen.database;
    let interrupt = Interrupt::new();
    let received = if command.changes_something() {
        signals::listen(&interrupt).map_err(Error::Signals)?
    } else {
        Received::default()
    };
    let migrator = migrator.interrupted_by(&interrupt);
    let migrator = match output.progress() {
        Some(progress) => migrator.on_event(move |event| progress.on(event)),
        None => migrator,
    };
    let done = match command {
        Command::Up(args) => up::run(args, migrator, database, output),
        Command::Status(args) => status::run(&args, &migrator, database, output),
        Command::Wait(args) => wait::run(&args, &migrator, database, output),
        Command::Tenant(command) => tenant::run(command, &migrator, database, output),
        Command::Pool(command) => pool::run(command, &migrator, database, output),
    };
    output.finish_progress();
    let done = match (received.exit(), done) {
        // The signal arrived after all the work was done.
        (_, Ok(Exit::Done)) => Ok(Exit::Done),
        (None, done) => done,
        (Some(exit), done) => {
            if let Err(error) = done {
                output.error(&error);
            }
            Ok(exit)
        }
    };
    let closed = chosen.close();
    // The error of the command comes first; an error of closing matters only without one.
    let exit = done?;
    closed?;
    Ok(exit)
}
