//! Why a test has no database.

/// Why a test has no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no throwaway server.
    #[error("no throwaway server for the tests: {0}")]
    Server(String),

    /// The database could not be reached or migrated.
    #[error(transparent)]
    Migrations(#[from] migrations_core::Error),

    /// The database could not be made.
    #[error("database {name} could not be made on {server}: {source}; the role needs CREATEDB")]
    Create {
        /// The database.
        name: String,
        /// Where.
        server: String,
        /// What the server says.
        source: postgres::Error,
    },

    /// The connection string with the test's database in it leads to another one.
    #[error(
        "connecting to the test database {name} led to database {found}, to which nothing was written; a pooler in front of \
         the server has to pass on the names of databases (PgBouncer: `* = host=…`, without dbname), or DATABASE_URL has \
         to name the server itself"
    )]
    Elsewhere {
        /// The database that was asked for.
        name: String,
        /// Where the connection ended.
        found: String,
    },

    /// What two tenants hold could not be read.
    #[error("what the tenants hold could not be read: {0}")]
    Compare(#[source] postgres::Error),

    /// A run over an empty database left something undone.
    #[error("the migrations left tenants behind on a new database, which had none: another run is at work on it")]
    Unfinished,
}
