//! `dev reset`: an empty database, migrated.

use migrations_core::Migrator;

use crate::args::{Global, Reset, Up};
use crate::command::up;
use crate::embedded;
use crate::error::{Error, Exit};
use crate::output::Output;

pub(super) fn run(args: Reset, global: &Global, migrator: Migrator, output: &mut Output<'_>) -> Result<Exit, Error> {
    let server = embedded::folder(global)?.reset()?;
    embedded::describe(&server, output);
    let up = Up { create: args.create, ..Up::default() };
    let done = embedded::database(&server).and_then(|database| up::run(up, migrator, &database, output));
    let stopped = server.stop();
    let exit = done?;
    stopped?;
    Ok(exit)
}
