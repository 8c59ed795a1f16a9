//! Every error, in one place: what failed, where, why, and what to do next.
//!
//! The texts are complete; a caller only adds layout. No text holds a password.

use std::time::Duration;

use super::cause::chain;
use super::connect_error::ConnectError;
use super::failure::Failure;
use super::server_error::ServerError;
use crate::names::{NameError, TenantName};
use crate::set::SetError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A migration set that cannot be used.
    #[error(transparent)]
    Set(#[from] SetError),

    /// A text is not a valid name.
    #[error(transparent)]
    Name(#[from] NameError),

    /// A connection string cannot be read. It is not repeated, since it can hold a password.
    #[error("the database URL cannot be used: {problem}; write it as postgres://user:password@host:5432/name")]
    Url {
        /// What is wrong with it.
        problem: String,
    },

    /// The environment names no database.
    #[error("no database is named: set DATABASE_URL, or libpq's PGHOST, PGUSER and PGDATABASE")]
    NoDatabase,

    /// TLS was asked for.
    #[error(
        "sslmode={sslmode} asks for TLS, which this release does not support; it does not silently fall back to an \
         unencrypted connection: use sslmode=disable or prefer on a network you trust, or a local tunnel that encrypts"
    )]
    Tls {
        /// The mode that was asked for.
        sslmode: String,
    },

    /// The server cannot be reached, or refuses the connection.
    #[error(transparent)]
    Connect(Box<ConnectError>),

    /// The server is gone for good, according to the program that started it.
    #[error(
        "cannot connect to {database}: {reason}\n   = help: fix the problem that its log reports, then run again; the \
         run continues with the remaining work"
    )]
    ServerGone {
        /// The database.
        database: String,
        /// Why the server has ended.
        reason: String,
    },

    /// The server refused one of the framework's own statements.
    #[error("{doing} failed\n{source}")]
    Server {
        /// What the framework was doing.
        doing: String,
        /// The server's answer.
        source: Box<ServerError>,
    },

    /// The connection was lost.
    #[error(
        "{doing} was cut off: {reason}; work that was not reported as done may or may not be committed; run again to \
         find out"
    )]
    Lost {
        /// What the framework was doing.
        doing: String,
        /// The message of the operating system or the driver.
        reason: String,
    },

    /// The run was interrupted.
    #[error(
        "interrupted: the running statements were cancelled at the server and rolled back; what was committed stays; \
         run again to continue with the rest"
    )]
    Interrupted,

    /// A schema could not be brought up to date.
    #[error(transparent)]
    Failed(Box<Failure>),

    /// An extension that the tenants' migrations need does not exist and could not be created.
    #[error(
        "extension {name}, which the tenants' migrations need, could not be created\n{place}\n{source}\n   = help: an \
         extension belongs to the database, and is created once, before the tenants; install it on the server, and let \
         a role with the right to do so (in most cases a superuser) run in this database: {statement}; then run again"
    )]
    Extension {
        /// Its name.
        name: String,
        /// Where a migration asks for it.
        place: String,
        /// The server's answer.
        source: Box<ServerError>,
        /// The statement that creates it.
        statement: String,
    },

    /// Another session held a lock for longer than this run waits.
    #[error(
        "{what} is still locked by another run after {waited:.1?}; find that run with: SELECT pid, \
         application_name, state, query FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory'"
    )]
    Locked {
        /// What is locked.
        what: String,
        /// How long it was waited for.
        waited: Duration,
    },

    /// With this setting, the server reads migrations differently from the way they were checked.
    #[error(
        "standard_conforming_strings is off, so a backslash in a string has another meaning than in the migrations \
         that were checked; turn it on for the database: ALTER DATABASE … RESET standard_conforming_strings (or for \
         the role, or in the server's configuration)"
    )]
    BackslashesEscape,

    /// No tenant of this name is registered.
    #[error("tenant {0} is not registered (Migrator::get_or_create_tenant creates it)")]
    UnknownTenant(TenantName),

    /// A schema of the tenant's name exists, but no tenant is registered for it.
    #[error(
        "schema {0} exists, but is not registered as a tenant; if it is one, adopt it (Migrator::adopt_tenant), which \
         registers it with the version in its history table"
    )]
    SchemaExists(TenantName),

    /// There is no schema to adopt.
    #[error("schema {0} does not exist; create the tenant instead (Migrator::get_or_create_tenant)")]
    NothingToAdopt(TenantName),

    /// The tenant's schema exists, so the tenant is not forgotten.
    #[error("schema {0} still exists; drop it first (DROP SCHEMA {0} CASCADE) if its data can really be deleted")]
    SchemaStillThere(TenantName),

    /// The name is the shared schema's or the registry's.
    #[error("tenant name {0} is reserved for the {1}; choose another name")]
    NameInUse(TenantName, &'static str),

    /// The shared schema and the registry's schema are the same.
    #[error(
        "the registry and the shared tables cannot be in the same schema ({0}), because each keeps a history table in \
         its own; change one of the two"
    )]
    OneSchema(String),

    /// The registry's own history says that it has tables that do not exist.
    #[error(
        "the registry in schema {schema} is damaged: {} is missing, although its history says that it was created; \
         restore the schema from a backup, or drop it (DROP SCHEMA {schema} CASCADE loses domains and metadata, but no \
         tenant's tables) and adopt the tenants again (Migrator::adopt_all)",
        missing.join(", ")
    )]
    RegistryDamaged {
        /// The registry's schema.
        schema: String,
        /// The tables.
        missing: Vec<String>,
    },

    /// Another tenant has the domain.
    #[error("domain {domain} belongs to tenant {tenant}; a domain names one tenant")]
    DomainTaken {
        /// The domain.
        domain: String,
        /// The tenant that has it.
        tenant: String,
    },

    /// The tenant set cannot use the warm pool.
    #[error(
        "the warm pool renames schemas, but these functions set a search_path that names their schema: {}; reset it in \
         a new migration (ALTER FUNCTION … RESET search_path), or do not use the pool",
        functions.join(", ")
    )]
    PoolRefused {
        /// The functions.
        functions: Vec<String>,
    },

    /// A text is not a domain.
    #[error("domain {domain:?} is not a host name; write it as in shop.example.com, without scheme, port or path")]
    Domain {
        /// The text.
        domain: String,
    },
}

impl Error {
    /// The server's SQLSTATE, if the server sent the error.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { source, .. } | Self::Extension { source, .. } => Some(source.sqlstate()),
            Self::Connect(error) => error.sqlstate(),
            Self::Failed(failure) => failure.sqlstate(),
            _ => None,
        }
    }

    /// Converts a driver error.
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
