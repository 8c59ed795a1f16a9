//! The process between this one and the server, which ends the server when this process has ended, in whatever way.
//!
//! It is a small shell script rather than `PR_SET_PDEATHSIG`: it works on Linux and macOS alike, from any thread,
//! without `unsafe`, and it can clean up and shut a kept server down in an orderly way. It runs in a process group of
//! its own, so Ctrl-C on the terminal reaches the owner and not the server; it holds none of the owner's standard
//! streams, so their readers do not wait for it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::account::{Account, SHELL};

const SCRIPT: &str = include_str!("supervisor.sh");

/// The pause between two checks for the server's end.
const INTERVAL: Duration = Duration::from_millis(2);

/// How the server is shut down once its owner has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// PostgreSQL's immediate shutdown: for data that is thrown away.
    Immediate,
    /// PostgreSQL's fast shutdown: clients are disconnected, everything is written to disk.
    Fast,
}

impl AtEnd {
    fn signal(self) -> &'static str {
        match self {
            Self::Immediate => "QUIT",
            Self::Fast => "INT",
        }
    }
}

/// What the supervisor starts, and how it ends.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) at_end: AtEnd,
    pub(crate) data: PathBuf,
    /// Removed once the owner has ended.
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

/// A supervisor with its server.
#[derive(Debug)]
pub(crate) struct Supervisor {
    child: Child,
    /// Open as long as the server is needed.
    pipe: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts the server; `locks` are held until its last process has ended.
    pub(crate) fn start(launch: &Launch, account: &Account, locks: [Option<&File>; 2]) -> Result<Self, Error> {
        let spawn = || {
            let [first, second] = locks;
            account
                .command(Path::new(SHELL))
                .args(["-c", SCRIPT, "supervisor", launch.at_end.signal()])
                .args([&launch.data, &launch.folder, &launch.log, &launch.postgres])
                .args(&launch.arguments)
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(handle(first)?)
                .stderr(handle(second)?)
                .spawn()
        };
        let mut child = spawn().map_err(|source| Error::Spawn {
            program: SHELL.into(),
            account: account.name().to_owned(),
            source,
        })?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// How the server ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Does what the owner's death would do, and waits for it. Whether the server has ended within `patience`.
    pub(crate) fn end(&mut self, patience: Duration) -> io::Result<bool> {
        self.pipe = None;
        self.wait(patience)
    }

    /// Ends the server at once, as a crash does, and leaves its files as they are. Whether it has ended within
    /// `patience`.
    pub(crate) fn crash(&mut self, patience: Duration) -> io::Result<bool> {
        if let Some(pipe) = &mut self.pipe {
            // When the server has already ended, nothing reads the pipe.
            if self.child.try_wait()?.is_none() {
                pipe.write_all(b"QUIT\n")?;
            }
        }
        self.wait(patience)
    }

    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        let started = Instant::now();
        while self.ended()?.is_none() {
            if started.elapsed() > patience {
                return Ok(false);
            }
            thread::sleep(INTERVAL);
        }
        Ok(true)
    }
}

fn handle(lock: Option<&File>) -> io::Result<Stdio> {
    lock.map_or_else(|| Ok(Stdio::null()), |lock| lock.try_clone().map(Stdio::from))
}
