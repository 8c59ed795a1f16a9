//! `dev`: migrates the server, and runs a command with it, or waits.

use std::fmt::{self, Write};
use std::process::Command;
use std::thread;
use std::time::Duration;

use migrations_core::Migrator;
use migrations_embedded::DevServer;
use serde::Serialize;

use super::program;
use crate::args::{Dev, Global};
use crate::command::up;
use crate::embedded;
use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View};
use crate::signals::Received;

/// The pause between two looks at the server and the signals.
const INTERVAL: Duration = Duration::from_millis(50);

/// The variables of libpq that lead to another server, or ask of this one what it does not have.
pub(super) const REMOVED: [&str; 24] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGPASSFILE",
    "PGOPTIONS",
    "PGTARGETSESSIONATTRS",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGCHANNELBINDING",
    "PGGSSENCMODE",
    "PGMINPROTOCOLVERSION",
    "PGMAXPROTOCOLVERSION",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLKEY",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLKEYLOGFILE",
];

pub(super) fn run(
    args: Dev,
    global: &Global,
    migrator: &Migrator,
    received: &Received,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let server = embedded::open(global, output)?;
    let done = with_server(args, migrator, &server, received, output);
    let stopped = server.stop();
    let exit = done?;
    stopped?;
    Ok(exit)
}

fn with_server(
    args: Dev,
    migrator: &Migrator,
    server: &DevServer,
    received: &Received,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    match up::run_aside(args.create, migrator, &embedded::database(server)?, output)? {
        Exit::Done => {}
        failed => return Ok(failed),
    }
    let Some((name, rest)) = args.run.split_first() else {
        output.show(&Serving { url: server.url() })?;
        if server.is_owned() {
            output.note("the server runs until Ctrl-C or SIGTERM");
        }
        return wait(server, received);
    };
    let mut command = Command::new(name);
    command.args(rest).envs(server.variables());
    for name in REMOVED {
        command.env_remove(name);
    }
    let liveness = server.liveness();
    let mut is_told = false;
    program::run(
        &mut command,
        || received.exit(),
        || {
            if let Some(reason) = liveness.gone().filter(|_| !is_told) {
                is_told = true;
                output.warning(&reason);
            }
        },
    )
}

/// Waits for a signal, or for the server's end.
fn wait(server: &DevServer, received: &Received) -> Result<Exit, Error> {
    let liveness = server.liveness();
    loop {
        if let Some(exit) = received.exit() {
            return Ok(exit);
        }
        if let Some(reason) = liveness.gone() {
            return Err(Error::ServerEnded(reason));
        }
        thread::sleep(INTERVAL);
    }
}

#[derive(Serialize)]
struct Serving {
    url: String,
}

impl View for Serving {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        writeln!(page, "{}", self.url)
    }
}
