//! `dev psql`: psql on the project's database.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use migrations_embedded::{DevServer, client_program};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::program;
use crate::args::{Global, Psql};
use crate::embedded;
use crate::error::{Error, Exit};
use crate::output::Output;

pub(super) fn run(args: &Psql, global: &Global, output: &mut Output<'_>) -> Result<Exit, Error> {
    let [_interrupted, terminated] = [SIGINT, SIGTERM].map(|signal| {
        let received = Arc::new(AtomicBool::new(false));
        flag::register(signal, Arc::clone(&received)).map(|_| received).map_err(Error::Signals)
    });
    let terminated = terminated?;
    let server = embedded::open(global, output)?;
    let received = || terminated.load(Ordering::SeqCst).then_some(Exit::Terminated);
    let done = program::run(&mut psql(args, &server), received, || {});
    let stopped = server.stop();
    let exit = done?;
    stopped?;
    Ok(exit)
}

/// Through the socket: there, `-U postgres` needs no password.
fn psql(args: &Psql, server: &DevServer) -> Command {
    let mut command = Command::new(client_program("psql").unwrap_or_else(|| "psql".into()));
    command.args(&args.args).envs(server.variables()).env("PGHOST", server.socket_dir());
    for name in super::serve::REMOVED {
        command.env_remove(name);
    }
    command
}
