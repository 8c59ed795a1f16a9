//! A program that runs in the foreground, in the place of this process.

use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Exit};

/// The pause between two looks at the program.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs the program to its end. The first signal that `received` reports is passed on; `meanwhile` is called often.
pub(super) fn run(
    command: &mut Command,
    received: impl Fn() -> Option<Exit>,
    mut meanwhile: impl FnMut(),
) -> Result<Exit, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|source| Error::Program { name: name.clone(), source })?;
    let mut is_passed_on = false;
    loop {
        let ended = child.try_wait().map_err(|source| Error::Program { name: name.clone(), source })?;
        if let Some(status) = ended {
            return Ok(Exit::Program(code(status)));
        }
        if let Some(exit) = received().filter(|_| !is_passed_on) {
            is_passed_on = true;
            pass_on(exit, &child);
        }
        meanwhile();
        thread::sleep(INTERVAL);
    }
}

/// A terminal sends Ctrl-C to the program, too; a second one could end it before it has cleaned up.
fn pass_on(exit: Exit, child: &Child) {
    let signal = match exit {
        Exit::Interrupted if io::stdin().is_terminal() => return,
        Exit::Interrupted => Signal::INT,
        _ => Signal::TERM,
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It may have ended by itself; the next look finds out.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// The exit code that a shell reports.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
