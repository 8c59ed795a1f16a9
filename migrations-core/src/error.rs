//! Everything that can go wrong, in one place: what, where, why, and what next.
//!
//! The texts are complete; a caller adds layout and nothing else. No text holds a password.

use std::time::Duration;

use crate::cause::chain;
use crate::connect_error::ConnectError;
use crate::failure::Failure;
use crate::lost::is_lost_code;
use crate::name::{NameError, TenantName};
use crate::server_error::ServerError;
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

    /// The server is gone, as whoever started it says.
    #[error(
        "cannot connect to {database}: {reason}\n   = help: fix what its log complains about, then run again, which continues with what is left"
    )]
    ServerGone {
        /// The database.
        database: String,
        /// What is known of the server's end.
        reason: String,
    },

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

    /// The run was interrupted.
    #[error(
        "interrupted: the statements that were running were cancelled at the server and rolled back; what is done stays done; run `up` again, which continues with the rest"
    )]
    Interrupted,

    /// A schema could not be brought to where it should be.
    #[error(transparent)]
    Failed(Box<Failure>),

    /// An extension that tenants' migrations ask for is not there, and could not be created.
    #[error(
        "extension {name}, which the tenants' migrations ask for, could not be created\n{place}\n{source}\n   = help: it is the database's, and created once, before the tenants; have it installed on the server, and let a role that may (a superuser, in most cases) run in this database: {statement}; then run again"
    )]
    Extension {
        /// Its name.
        name: String,
        /// Where a migration asks for it.
        place: String,
        /// What the server says.
        source: Box<ServerError>,
        /// The statement that creates it.
        statement: String,
    },

    /// Somebody else holds a lock for longer than the run may wait.
    #[error(
        "{what} is locked by another run, and still was after {waited:.1?}; look for it with: SELECT pid, application_name, state, query FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory'"
    )]
    Locked {
        /// What is locked.
        what: String,
        /// How long it was waited for.
        waited: Duration,
    },

    /// With this setting, a server reads migrations otherwise than they were checked.
    #[error(
        "standard_conforming_strings is off, with which a backslash in a string means something else than in the migrations that were checked; set it on for the database: ALTER DATABASE … RESET standard_conforming_strings (or for the role, or in the server's configuration)"
    )]
    BackslashesEscape,

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

    /// The registry's own history says that it has tables which are not there.
    #[error(
        "the registry in schema {schema} is damaged: {} is missing, although its history says it was made; restore the schema from a backup, or drop it (DROP SCHEMA {schema} CASCADE: domains and metadata are lost with it, no tenant's tables) and register the tenants again with `tenant adopt --all`",
        missing.join(", ")
    )]
    RegistryDamaged {
        /// The registry's schema.
        schema: String,
        /// The tables.
        missing: Vec<String>,
    },

    /// A domain that another tenant has.
    #[error("domain {domain} belongs to tenant {tenant}; a domain names one tenant")]
    DomainTaken {
        /// The domain.
        domain: String,
        /// Who has it.
        tenant: String,
    },

    /// The tenant set cannot use the warm pool.
    #[error("the warm pool renames schemas, and these functions have a search_path of their own that names theirs: {}; reset it in a new migration (ALTER FUNCTION … RESET search_path), or do without the pool", functions.join(", "))]
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
            Self::Server { source, .. } | Self::Extension { source, .. } => Some(source.sqlstate()),
            Self::Connect(error) => error.sqlstate(),
            Self::Failed(failure) => failure.sqlstate(),
            _ => None,
        }
    }

    /// Whether the connection is gone.
    pub(crate) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Lost { .. }) || self.sqlstate().is_some_and(is_lost_code)
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
