//! What can go wrong in a command, and the exit code for it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::output::text::elapsed;

/// The exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Done,
    /// Something failed.
    Failed,
    /// The command line or the environment cannot be used; nothing was tried.
    Usage,
    /// Something is pending, with `--check`.
    Pending,
    /// SIGINT ended it.
    Interrupted,
    /// SIGTERM ended it.
    Terminated,
    /// The exit code of the program that it ran.
    #[cfg(feature = "embedded")]
    Program(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Pending => 3,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            #[cfg(feature = "embedded")]
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The exit codes of a shell for a program that does not exist, and for one that cannot be run.
#[cfg(feature = "embedded")]
const NOT_FOUND: u8 = 127;
#[cfg(feature = "embedded")]
const NOT_RUN: u8 = 126;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Core(#[from] migrations_core::Error),

    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] migrations_embedded::Error),

    #[cfg(feature = "embedded")]
    #[error(
        "no database is named: give --database-url or set DATABASE_URL, set PGSERVICE, libpq's PGHOST, PGUSER and \
         PGDATABASE, or the POSTGRES_* or DB_* variables, in the environment or in the file of --env-file; or use \
         --embedded for a private server"
    )]
    NoDatabase,

    #[cfg(not(feature = "embedded"))]
    #[error(
        "no database is named: give --database-url or set DATABASE_URL, set PGSERVICE, libpq's PGHOST, PGUSER and \
         PGDATABASE, or the POSTGRES_* or DB_* variables, in the environment or in the file of --env-file"
    )]
    NoDatabase,

    #[error("the file {} of --env-file cannot be used: {problem}", file.display())]
    EnvFile { file: PathBuf, problem: String },

    #[error("the variable {name} cannot be used: invalid value '{value}': {problem}")]
    Variable { name: &'static str, value: String, problem: String },

    #[error(
        "database {database} is not dropped: stdin is not a terminal, so nobody can confirm it; give --yes to drop it \
         without a question"
    )]
    Unattended { database: String },

    #[error("database {database} is not dropped: its name was not typed")]
    NotConfirmed { database: String },

    #[error("cannot read the answer: {0}")]
    Input(io::Error),

    #[cfg(feature = "embedded")]
    #[error("the platform names no folder for a user's data (is HOME set?); name one: --embedded=DIR")]
    NoDataFolder,

    #[cfg(feature = "embedded")]
    #[error("{error}\n   = note: {reason}")]
    ServerEndedMeanwhile { error: Box<Error>, reason: String },

    #[cfg(feature = "embedded")]
    #[error("{0}")]
    ServerEnded(String),

    #[cfg(feature = "embedded")]
    #[error("cannot run {name:?}: {source}")]
    Program { name: String, source: io::Error },

    #[error("{database} is not migrated after {}: {pending}", elapsed(*.waited))]
    StillPending { database: String, waited: Duration, pending: String },

    #[error("cannot read {}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },

    #[error("cannot listen for SIGINT and SIGTERM: {0}")]
    Signals(io::Error),

    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub(crate) fn exit(&self) -> Exit {
        use migrations_core::Error as Core;
        match self {
            Self::NoDatabase
            | Self::EnvFile { .. }
            | Self::File { .. }
            | Self::Variable { .. }
            | Self::Unattended { .. } => Exit::Usage,
            #[cfg(feature = "embedded")]
            Self::NoDataFolder => Exit::Usage,
            #[cfg(feature = "embedded")]
            Self::ServerEndedMeanwhile { error, .. } => error.exit(),
            #[cfg(feature = "embedded")]
            Self::Program { source, .. } => {
                Exit::Program(if source.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN })
            }
            // The command line and the environment alone show it.
            Self::Core(
                Core::Url { .. }
                | Core::Parameter { .. }
                | Core::NotDropped { .. }
                | Core::NoDatabase
                | Core::Tls { .. }
                | Core::TlsSetting { .. }
                | Core::Name(_)
                | Core::UnknownTool { .. }
                | Core::Mapping { .. }
                | Core::NameInUse(..)
                | Core::SchemaInUse { .. }
                | Core::Domain { .. },
            ) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
