//! `dev …`: the project's private server, with a file for each command.

mod program;
mod psql;
mod reset;
mod serve;
mod upgrade;
mod url;

use migrations_core::{Interrupt, Migrator};

use crate::args::{Dev, DevCommand, Global};
use crate::error::{Error, Exit};
use crate::output::Output;
use crate::signals;

pub(crate) fn run(
    args: Dev,
    global: &Global,
    migrator: Migrator,
    interrupt: &Interrupt,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    match args.command {
        Some(DevCommand::Url(_)) => url::run(global, output),
        // Ctrl-C in psql ends a query, and neither psql nor this process.
        Some(DevCommand::Psql(args)) => psql::run(&args, global, output),
        Some(DevCommand::Upgrade(args)) => upgrade::run(&args, global, output),
        Some(DevCommand::Reset(args)) => {
            let received = signals::listen(interrupt, global.grace).map_err(Error::Signals)?;
            let done = reset::run(args, global, migrator, output);
            super::after_signals(&received, done, output)
        }
        None => {
            let received = signals::listen(interrupt, global.grace).map_err(Error::Signals)?;
            let done = serve::run(args, global, &migrator, &received, output);
            super::after_signals(&received, done, output)
        }
    }
}
