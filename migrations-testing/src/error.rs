//! Why a test has no database.

/// Why a test has no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The throwaway server could not be started.
    #[error("no throwaway server for the tests: {0}")]
    Server(String),

    /// The database could not be reached or migrated.
    #[error(transparent)]
    Migrations(#[from] migrations_core::Error),

    /// The database could not be created.
    #[error("database {name} could not be created on {server}: {source}; the role needs CREATEDB")]
    Create {
        /// The database.
        name: String,
        /// The server.
        server: String,
        /// The server's answer.
        source: postgres::Error,
    },

    /// The connection string with the test's database in it leads to another database.
    #[error(
        "connecting to the test database {name} led to database {found}; nothing was written to it; a pooler before \
         the server has to pass on database names (PgBouncer: `* = host=…`, without dbname), or DATABASE_URL has to \
         name the server itself"
    )]
    Elsewhere {
        /// The requested database.
        name: String,
        /// The database of the connection.
        found: String,
    },

    /// A blocking client was asked for in an async test.
    #[error(
        "a blocking client cannot be used inside a tokio runtime; connect a client of your own, such as \
         tokio-postgres, to TestDatabase::url(), or use client() inside tokio::task::spawn_blocking"
    )]
    InsideRuntime,

    /// The system starts no thread.
    #[error("no thread could be started to prepare the database of a test: {0}; run fewer tests at the same time")]
    Thread(#[source] std::io::Error),

    /// The content of the two tenants could not be read.
    #[error("the content of the tenants could not be read: {0}")]
    Compare(#[source] postgres::Error),

    /// A run on a new database did not finish.
    #[error("the run on a new test database did not finish: another run is using that database")]
    Unfinished,
}
