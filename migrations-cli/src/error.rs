//! What can go wrong in a command, and the exit code for it.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::output::text::elapsed;

/// The exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The command line or the environment cannot be used; nothing was tried.
    Usage = 2,
    /// Something is pending, with `--check`.
    Pending = 3,
    /// SIGINT ended it.
    Interrupted = 130,
    /// SIGTERM ended it.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Core(#[from] migrations_core::Error),

    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] migrations_embedded::Error),

    #[cfg(feature = "embedded")]
    #[error(
        "no database is named: give --database-url or set DATABASE_URL, set libpq's PGHOST, PGUSER and PGDATABASE, or \
         use --embedded for a private server"
    )]
    NoDatabase,

    #[cfg(not(feature = "embedded"))]
    #[error(
        "no database is named: give --database-url or set DATABASE_URL, or set libpq's PGHOST, PGUSER and PGDATABASE"
    )]
    NoDatabase,

    #[cfg(feature = "embedded")]
    #[error("the platform names no folder for a user's data (is HOME set?); name one: --embedded=DIR")]
    NoDataFolder,

    #[error("{database} is not migrated after {}: {pending}", elapsed(*.waited))]
    StillPending { database: String, waited: Duration, pending: String },

    #[error("cannot listen for SIGINT and SIGTERM: {0}")]
    Signals(io::Error),

    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub(crate) fn exit(&self) -> Exit {
        use migrations_core::Error as Core;
        match self {
            Self::NoDatabase => Exit::Usage,
            #[cfg(feature = "embedded")]
            Self::NoDataFolder => Exit::Usage,
            // The command line and the environment alone show it.
            Self::Core(
                Core::Url { .. }
                | Core::NoDatabase
                | Core::Tls { .. }
                | Core::Name(_)
                | Core::NameInUse(..)
                | Core::Domain { .. },
            ) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
