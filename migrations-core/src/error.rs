//! Everything that can go wrong, in one place: what, where, why, and what next.
//!
//! The texts are complete; a caller adds layout and nothing else. No text holds a password.

use std::fmt;
use std::time::Duration;

use postgres::error::{DbError, ErrorPosition, SqlState};

use crate::database::chain;
use crate::failure::Failure;
use crate::name::{NameError, TenantName};
use crate::set::SetError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A migration set that cannot be used.
    #[error(transparent)]
    Set(#[from] SetError),

    /// A text that is not a name.
    #[error(transparent)]
    Name(#[from] NameError),

    /// A connection string that cannot be read. It is not repeated, since it can hold a password.
    #[error("the database URL cannot be used: {problem}; it looks like postgres://user:password@host:5432/name")]
    Url {
        /// What is wrong with it.
        problem: String,
    },

    /// The environment names no database.
    #[error("no database is named: set DATABASE_URL, or libpq's PGHOST, PGUSER and PGDATABASE")]
    NoDatabase,

    /// TLS was asked for.
    #[error(
        "sslmode={sslmode} asks for TLS, which this release does not have; it does not fall back to an unencrypted connection by itself: use sslmode=disable or prefer over a network you trust, or a local tunnel that encrypts"
    )]
    Tls {
        /// The mode that was asked for.
        sslmode: String,
    },

    /// The server cannot be reached, or refuses the connection.
    #[error(transparent)]
    Connect(Box<ConnectError>),

    /// The server refused a statement of the framework's own.
    #[error("{doing} failed\n{source}")]
    Server {
        /// What was being done.
        doing: String,
        /// What the server says.
        source: Box<ServerError>,
    },

    /// The connection was lost.
    #[error(
        "{doing} was cut off: {reason}; what was not reported as done may or may not be: run again, which finds out"
    )]
    Lost {
        /// What was being done.
        doing: String,
        /// What the operating system or the driver says.
        reason: String,
    },

    /// A schema could not be brought to where it should be.
    #[error(transparent)]
    Failed(Box<Failure>),

    /// Somebody else holds a lock for longer than the run may wait.
    #[error("{what} is locked by another run, and still was after {}; look for it with: SELECT pid, application_name, state, query FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory'", seconds(*.waited))]
    Locked {
        /// What is locked.
        what: String,
        /// How long it was waited for.
        waited: Duration,
    },

    /// No tenant of this name is registered.
    #[error("tenant {0} is not registered; `tenant list` shows those that are, `tenant create {0}` makes it")]
    UnknownTenant(TenantName),

    /// A schema of the tenant's name exists, but no tenant is registered for it.
    #[error(
        "schema {0} exists, but is not registered as a tenant; if it is one, `tenant adopt {0}` registers it with what its history table says"
    )]
    SchemaExists(TenantName),

    /// There is no schema to adopt.
    #[error("schema {0} does not exist; `tenant create {0}` makes it")]
    NothingToAdopt(TenantName),

    /// The tenant's schema is there, so it is not forgotten.
    #[error("schema {0} still exists; drop it first (DROP SCHEMA {0} CASCADE) if its data is really to go")]
    SchemaStillThere(TenantName),

    /// The name is that of the shared schema or of the registry's.
    #[error("tenant name {0} is the schema of the {1}; choose another name")]
    NameInUse(TenantName, &'static str),

    /// The shared schema and the registry's are the same.
    #[error(
        "the registry and the shared tables cannot have one schema ({0}), since each keeps its history in its own; change one of the two"
    )]
    OneSchema(String),

    /// A domain that another tenant has.
    #[error("domain {domain} belongs to tenant {tenant}; a domain names one tenant")]
    DomainTaken {
        /// The domain.
        domain: String,
        /// Who has it.
        tenant: String,
    },

    /// The tenant set cannot use the warm pool.
    #[error("the warm pool renames schemas, and these functions have a search_path of their own that names theirs: {}; leave it out of CREATE FUNCTION, or do without the pool", functions.join(", "))]
    PoolRefused {
        /// The functions.
        functions: Vec<String>,
    },

    /// A text that is not a domain.
    #[error("domain {domain:?} is not a host name; write it as in shop.example.com, without scheme, port or path")]
    Domain {
        /// The text.
        domain: String,
    },
}

impl Error {
    /// The server's SQLSTATE, where the error is one of the server's.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { source, .. } => Some(source.sqlstate()),
            Self::Connect(error) => error.sqlstate(),
            Self::Failed(failure) => failure.sqlstate(),
            _ => None,
        }
    }

    /// Makes an error of what the driver says.
    pub(crate) fn from_driver(doing: impl Into<String>, error: &postgres::Error) -> Self {
        let doing = doing.into();
        match error.as_db_error() {
            Some(found) => Self::Server { doing, source: Box::new(ServerError::new(found)) },
            None => Self::Lost { doing, reason: chain(error) },
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Box::new(error))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<Box<Failure>> for Error {
    fn from(failure: Box<Failure>) -> Self {
        Self::Failed(failure)
    }
}

/// What the server says of a statement it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    sqlstate: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    advice: Option<&'static str>,
}

impl ServerError {
    pub(crate) fn new(error: &DbError) -> Self {
        // An error inside a function has its position in the function's text, which the context names.
        let inner = match error.position() {
            Some(ErrorPosition::Internal { query, .. }) => Some(format!("in: {query}")),
            _ => None,
        };
        let context = match (error.where_(), inner) {
            (Some(place), Some(inner)) => Some(format!("{place}\n{inner}")),
            (place, inner) => place.map(str::to_owned).or(inner),
        };
        Self {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context,
            advice: advice(error.code()),
        }
    }

    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The detail.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The server's hint.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Where it happened inside functions.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }
}

/// What to do, where the server's own hint does not say it.
fn advice(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::LOCK_NOT_AVAILABLE => "another session holds a lock on the table; run again when it is done",
        SqlState::QUERY_CANCELED => {
            "statement_timeout, or somebody cancelled it; raise it with SET LOCAL in the migration"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the role what it lacks, or connect as one that has it (a migrating role needs CREATE on the database)"
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "the server is a standby, or default_transaction_read_only is on; connect to the primary, read-write"
        }
        SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE => {
            "a new tenant gets all migrations in one transaction, in which a value added to an enumeration cannot be \
             used before PostgreSQL 17: make a new type instead, or use text with a CHECK"
        }
        SqlState::OUT_OF_MEMORY => "raise max_locks_per_transaction, or run with fewer jobs",
        SqlState::DISK_FULL => "free some space on the server; nothing of this schema was changed",
        SqlState::ACTIVE_SQL_TRANSACTION => {
            "put the statement into a file of its own with `-- migrate: no-transaction` on top"
        }
        _ => return None,
    })
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "   = {}: {}", self.sqlstate, self.message)?;
        let lines = [
            ("detail", self.detail.as_deref()),
            ("hint", self.hint.as_deref()),
            ("context", self.context.as_deref()),
            ("help", self.advice),
        ];
        for (name, text) in lines {
            if let Some(text) = text {
                write!(f, "\n   = {name}: {}", text.replace('\n', "\n     "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectError {
    database: String,
    source: postgres::Error,
    waited: Option<Duration>,
}

impl ConnectError {
    pub(crate) fn new(database: String, source: postgres::Error) -> Self {
        Self { database, source, waited: None }
    }

    pub(crate) fn after(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// The server's SQLSTATE, where a server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.source.code().map(SqlState::code)
    }

    /// What the server or the operating system says, in one line.
    pub(crate) fn reason(&self) -> String {
        match self.source.as_db_error() {
            Some(error) => format!("{}: {}", error.code().code(), error.message()),
            None => chain(&self.source),
        }
    }

    /// Whether the same attempt can succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        if let Some(code) = self.source.code() {
            // Starting up, shutting down, or full.
            return code == &SqlState::CANNOT_CONNECT_NOW
                || code == &SqlState::TOO_MANY_CONNECTIONS
                || code == &SqlState::ADMIN_SHUTDOWN
                || code == &SqlState::CRASH_SHUTDOWN;
        }
        // Nobody listens yet, or the name is not known yet. Anything else is about us: a missing password, say.
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&self.source);
        while let Some(error) = source {
            if error.is::<std::io::Error>() {
                return true;
            }
            source = error.source();
        }
        self.source.is_closed()
    }

    fn advice(&self) -> &'static str {
        match self.source.code() {
            Some(code)
                if code == &SqlState::INVALID_PASSWORD || code == &SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
            {
                "check the user and the password"
            }
            Some(code) if code == &SqlState::INVALID_CATALOG_NAME => {
                "create the database first: CREATE DATABASE is not part of a migration"
            }
            Some(code) if code == &SqlState::TOO_MANY_CONNECTIONS => {
                "the server has no connection left; close some, or raise max_connections"
            }
            Some(_) => "the server refuses this connection",
            None if self.may_pass() => {
                "check host and port, and that the server runs; `up --wait 1m` waits longer for it"
            }
            None => "check the connection string",
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.database)?;
        if let Some(waited) = self.waited.filter(|waited| *waited > Duration::from_secs(1)) {
            write!(f, ", tried for {}", seconds(waited))?;
        }
        write!(f, "\n   = {}\n   = help: {}", self.reason(), self.advice())
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A duration for people.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
