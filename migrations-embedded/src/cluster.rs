//! A cluster on disk: created by `initdb`, and recognised by its `PG_VERSION`.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use crate::Error;
use crate::account::Account;
use crate::programs::Programs;
use crate::untrusted;

const VERSION: &str = "PG_VERSION";
const PID: &str = "postmaster.pid";

/// How many bytes of either file are read.
const LONGEST: u64 = 16;

/// How many bytes of all of `postmaster.pid` are read.
const LONGEST_PID: u64 = 8 << 10;

/// The superuser of every cluster that this crate creates.
pub(crate) const SUPERUSER: &str = "postgres";

/// The arguments of `initdb` for every cluster. The mode of the socket's folder decides who can reach the socket; a TCP
/// port is open to every user of the machine.
#[rustfmt::skip]
pub(crate) const ARGUMENTS: [&str; 9] = [
    "--username", SUPERUSER,
    "--encoding", "UTF8",
    "--auth-local", "trust",
    "--auth-host", "scram-sha-256",
    "--no-instructions",
];

/// The cluster's time zone; without one, `initdb` compares the machine's clock with every known zone.
const TIME_ZONE: &str = "UTC";

/// Not every system has the first: macOS added it late.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Whether a new cluster is flushed to disk before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Yes,
    No,
}

/// Creates a cluster in `data`, a folder that does not exist yet. `lock` is held until `initdb` has ended.
pub(crate) fn create(
    programs: &Programs,
    account: &Account,
    data: &Path,
    flush: Flush,
    lock: &File,
) -> Result<(), Error> {
    let run = |locale| {
        let program = programs.initdb();
        lock.try_clone()
            .and_then(|lock| initdb(account.command(&program), data, flush, locale).stdin(lock).output())
            .map_err(|source| Error::Spawn { program, account: account.name().to_owned(), source })
    };
    let mut output = run(LOCALES[0])?;
    if !output.status.success() && said(&output).contains("invalid locale name") {
        output = run(LOCALES[1])?;
    }
    if output.status.success() {
        Ok(())
    } else if said(&output).contains("could not look up effective user ID") {
        Err(Error::NoPasswdEntry { uid: account.uid() })
    } else {
        Err(Error::Initdb { data: data.to_owned(), status: output.status, output: said(&output) })
    }
}

fn initdb(mut command: Command, data: &Path, flush: Flush, locale: &str) -> Command {
    command.env("TZ", TIME_ZONE).args(ARGUMENTS).args(["--locale", locale]).arg("--pgdata").arg(data);
    if flush == Flush::No {
        command.arg("--no-sync");
    }
    command
}

fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
    streams.concat().trim().to_owned()
}

/// The version in the cluster's `PG_VERSION` (`17`; before PostgreSQL 10 `9.6`); none where there is no such file.
pub(crate) fn version(data: &Path) -> Result<Option<String>, Error> {
    let path = data.join(VERSION);
    let bytes = match untrusted::read(&path, 0, LONGEST) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(Error::VersionFile { path, problem: source.to_string() }),
    };
    // Other content is not shown: it can come from a file that only root may read.
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        Ok(Some(text.to_owned()))
    } else {
        Err(Error::VersionFile { path, problem: "it holds something else than a version".to_owned() })
    }
}

/// The process id of the server that runs, or last ran, on the cluster.
pub(crate) fn postmaster(data: &Path) -> Option<u32> {
    let bytes = untrusted::read(&data.join(PID), 0, LONGEST).ok()?;
    let digits: Vec<u8> = bytes.into_iter().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Whether the server that runs on the cluster has begun to stop.
pub(crate) fn is_stopping(data: &Path) -> bool {
    let noted = untrusted::read(&data.join(PID), 0, LONGEST_PID).unwrap_or_default();
    String::from_utf8_lossy(&noted).lines().any(|line| line.trim() == "stopping")
}

/// Removes the `postmaster.pid` of a server that has ended. Its process id may belong to another process by now, and
/// then PostgreSQL does not start. The caller holds the folder's lock, and has found no process of the server.
pub(crate) fn remove_stale_pid(data: &Path, account: &Account) -> Result<(), Error> {
    let path = data.join(PID);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(());
    }
    log::info!("removing {}, left by a server that has ended", path.display());
    account.shell(r#"rm -f -- "$1""#, &[&path], None).map_err(Error::io("remove", &path))
}
