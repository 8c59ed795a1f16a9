//! The commands, a file for each: what it asks of the migrator, and what it shows.

mod baseline;
mod database;
#[cfg(feature = "embedded")]
mod dev;
mod import;
mod pool;
mod repair;
mod status;
mod tenant;
mod up;
mod wait;

use migrations_core::{Interrupt, Migrator};

use crate::args::{Baseline, Cli, Command};
use crate::database::Chosen;
use crate::error::{Error, Exit};
use crate::output::Output;
use crate::signals::{self, Received};
use crate::timeouts::Timeouts;
use crate::variables::Variables;

pub(crate) fn run(cli: Cli, migrator: Migrator, output: &mut Output<'_>) -> Result<Exit, Error> {
    let Cli { global, command } = cli;
    let variables = Variables::read(global.env_file.as_deref())?;
    let timeouts = Timeouts::read(&global, &variables)?;
    output.set_by(&timeouts);
    let migrator = timeouts.adjust(migrator);
    let interrupt = Interrupt::new();
    let migrator = migrator.interrupted_by(&interrupt);
    let migrator = match output.progress() {
        Some(progress) => migrator.on_event(move |event| progress.on(event)),
        None => migrator,
    };
    #[cfg(feature = "embedded")]
    if let Command::Dev(args) = command {
        return dev::run(args, &global, migrator, &interrupt, output);
    }
    let mut chosen = Chosen::open(&global, &variables, output)?;
    chosen.database = timeouts.adjust_database(chosen.database);
    timeouts.log(&migrator, &chosen.database);
    let database = &chosen.database;
    let received = if command.changes_something() {
        signals::listen(&interrupt, global.grace).map_err(Error::Signals)?
    } else {
        Received::default()
    };
    let done = match command {
        Command::Up(args) => up::run(args, migrator, database, output),
        Command::Status(args) => status::run(&args, &migrator, database, output),
        Command::Database(command) => database::run(&command, database, output),
        Command::Wait(args) => wait::run(&args, &migrator, database, output),
        Command::Tenant(command) => tenant::run(command, &migrator, database, output),
        Command::Baseline(Baseline::Shared(args)) => baseline::shared(&args.baseline, &migrator, database, output),
        Command::Repair(args) => repair::run(args, &migrator, database, output),
        Command::Import(args) => import::run(args, &migrator, database, output),
        Command::Pool(command) => pool::run(command, &migrator, database, output),
        // It has returned above, without another database.
        #[cfg(feature = "embedded")]
        Command::Dev(args) => dev::run(args, &global, migrator, &interrupt, output),
    };
    #[cfg(feature = "embedded")]
    let done = chosen.explain(done);
    let done = after_signals(&received, done, output);
    let closed = chosen.close();
    // The error of the command comes first; an error of closing matters only without one.
    let exit = done?;
    closed?;
    Ok(exit)
}

/// The exit code of a command that a signal may have ended.
fn after_signals(received: &Received, done: Result<Exit, Error>, output: &mut Output<'_>) -> Result<Exit, Error> {
    output.finish_progress();
    match (received.exit(), done) {
        // The signal arrived after all the work was done.
        (_, Ok(Exit::Done)) => Ok(Exit::Done),
        // The program that was run has seen the signal, too.
        #[cfg(feature = "embedded")]
        (_, Ok(exit @ Exit::Program(_))) => Ok(exit),
        (None, done) => done,
        (Some(exit), done) => {
            if let Err(error) = done {
                output.error(&error);
            }
            Ok(exit)
        }
    }
}
