//! Every error, in one place: what failed, where, why, and what to do next.
//!
//! The texts are complete; a caller only adds layout. No text holds a password.

use std::time::Duration;

use super::cause::chain;
use super::connect_error::ConnectError;
use super::failure::Failure;
use super::server_error::ServerError;
use crate::names::{Ident, Member, NameError, SchemaName, TenantName};
use crate::set::{SetError, SetName};

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

    /// A parameter of the connection cannot be used. No text that can be a password is repeated.
    #[error("the connection parameter {keyword}, from {origin}, cannot be used: {problem}")]
    Parameter {
        /// libpq's keyword for it.
        keyword: String,
        /// The source that names it: the URL, a variable, a file.
        origin: String,
        /// Why it cannot be used, and what to do.
        problem: String,
    },

    /// The environment names no database.
    #[error(
        "no database is named: set DATABASE_URL; or PGSERVICE, the name of a service in a service file; or libpq's \
         PGHOST, PGUSER and PGDATABASE; or POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB; or \
         DB_HOST, DB_USER, DB_PASSWORD and DB_NAME"
    )]
    NoDatabase,

    /// The environment names no database, and the project's development server cannot be used either.
    #[error("no database is named: set DATABASE_URL; the development server cannot be used instead: {reason}")]
    NoServer {
        /// Why not.
        reason: String,
    },

    /// The database is one that comes with the server, or a template.
    #[error(
        "database {database} is not dropped, because it is one of the server's own or a template for new databases; \
         name the application's database"
    )]
    NotDropped {
        /// Its name.
        database: String,
    },

    /// TLS was asked for, and this build has none.
    #[error(
        "sslmode={sslmode} asks for TLS, which this build does not have: build it with the feature `tls` of \
         migrations-core, or set Database::with_connector; it does not silently fall back to an unencrypted connection"
    )]
    Tls {
        /// The mode that was asked for.
        sslmode: String,
    },

    /// A parameter of TLS cannot be used: a file is missing, or two parameters contradict each other.
    #[error("{setting} cannot be used: {problem}")]
    TlsSetting {
        /// The parameter with its value, as libpq names it.
        setting: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// A blocking call inside a tokio runtime. Nothing was done.
    #[error(
        "a blocking call was made inside a tokio runtime, where it would stop the other tasks of its thread; call \
         AsyncMigrator instead (Migrator::into_async, feature `tokio` of migrations-core), or make the call inside \
         tokio::task::spawn_blocking"
    )]
    InsideRuntime,

    /// The system starts no thread for a call of the async API. Nothing was done.
    #[error(
        "no thread could be started for the call: {reason}; the process has reached a limit of threads or memory; make \
         fewer calls at the same time, or raise the limit"
    )]
    NoThread {
        /// The message of the operating system.
        reason: String,
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
        "interrupted: no further work was begun, and statements that still ran were cancelled at the server and rolled \
         back; what was committed stays; run again to continue with the rest"
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

    /// The schema for the tenant exists, but no tenant is registered for it.
    #[error(
        "schema {schema} exists, but is not registered as a tenant; if it is one, adopt it ({}), which registers it \
         with the version in its history table",
        adoption(tenant, schema)
    )]
    SchemaExists {
        /// The tenant that was to be created.
        tenant: TenantName,
        /// The schema.
        schema: SchemaName,
    },

    /// There is no schema to adopt.
    #[error("schema {schema} does not exist; create the tenant instead (Migrator::get_or_create_tenant)")]
    NothingToAdopt {
        /// The tenant that was to be registered.
        tenant: TenantName,
        /// The schema.
        schema: SchemaName,
    },

    /// The tenant's schema exists, so the tenant is not forgotten.
    #[error(
        "schema {schema}{} still exists; drop it first (DROP SCHEMA {} CASCADE) if its data can really be deleted",
        of_tenant(tenant, schema),
        Ident(&schema.to_string())
    )]
    SchemaStillThere {
        /// The tenant.
        tenant: TenantName,
        /// The schema.
        schema: SchemaName,
    },

    /// No tenant can have this name, or a schema of this name.
    #[error("tenant name {0} is reserved for the {1}; choose another name")]
    NameInUse(TenantName, &'static str),

    /// The schema for the tenant cannot be a tenant's.
    #[error("schema {schema}, for tenant {tenant}, is reserved for the {used_by}; choose another schema")]
    SchemaInUse {
        /// The tenant that was to be created or adopted.
        tenant: TenantName,
        /// The schema.
        schema: SchemaName,
        /// What has it.
        used_by: &'static str,
    },

    /// The rule for the schemas of new tenants has none for this tenant.
    #[error(
        "no schema for tenant {tenant}: {source}; name its schema (Migrator::get_or_create_tenant_in), or set the rule \
         for new tenants (Migrator::schema_for)"
    )]
    NoSchema {
        /// The tenant.
        tenant: TenantName,
        /// What the rule says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The schema for a new tenant belongs to another tenant.
    #[error(
        "schema {schema}, for tenant {tenant}, belongs to tenant {owner}; give tenant {tenant} another schema \
         (Migrator::schema_for sets the rule for new tenants)"
    )]
    SchemaTaken {
        /// The tenant that was to be created or adopted.
        tenant: TenantName,
        /// The schema.
        schema: SchemaName,
        /// The tenant that has it.
        owner: TenantName,
    },

    /// The tenant is registered with another schema than the caller names.
    #[error(
        "tenant {tenant} is registered with schema {registered}, not {asked}; leave out the schema to use the \
         registered one, or choose another name for a new tenant"
    )]
    OtherSchema {
        /// The tenant.
        tenant: TenantName,
        /// The schema that the registry has.
        registered: SchemaName,
        /// The schema that was asked for.
        asked: SchemaName,
    },

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

    /// Most tenants do not have the binary's migrations, so a new tenant would be like none of the others.
    #[error(
        "tenant {tenant} was not created: the migrations that the other tenants have are not this binary's ({diverged} \
         of the last {of} differ, for instance {example}), so it would be like none of them; run the binary whose \
         migrations they have, or correct their histories (Migrator::repair); Migrator::allow_divergence \
         creates it all the same"
    )]
    FleetDiverged {
        /// The tenant that was to be created.
        tenant: TenantName,
        /// The number of tenants that have other migrations.
        diverged: usize,
        /// The number of tenants that were looked at: those that were registered last.
        of: usize,
        /// One that has other migrations.
        example: String,
    },
    /// A set has no migration of this version.
    #[error("the {set} set has no migration with version {version}; {}", nearest_versions(.nearest))]
    UnknownVersion {
        /// The set.
        set: SetName,
        /// The version.
        version: i64,
        /// Titles of the migrations before and after it.
        nearest: Vec<String>,
    },
    /// No migration tool has this name.
    #[error(
        "{name:?} is no migration tool whose histories can be imported; those are refinery, sqlx, diesel, sea-orm, \
         django, flyway and golang-migrate"
    )]
    UnknownTool {
        /// The name.
        name: String,
    },

    /// No schema has a history of the tool.
    #[error(
        "no schema has a table {table} with a history of {tool}, so there is nothing to import; check the database, \
         and name the table if the tool keeps its history under another name (ImportOptions::table)"
    )]
    NoHistory {
        /// The tool.
        tool: String,
        /// The table.
        table: String,
    },

    /// A mapping of another tool's migrations cannot be used.
    #[error(
        "mapping {rule:?} {problem}; write FOREIGN=VERSION, where FOREIGN is the other tool's version or name, or its \
         beginning and *, and VERSION a version of the set, several with commas, or - for no counterpart; shared: or \
         tenant: before it limits it to one set"
    )]
    Mapping {
        /// The mapping.
        rule: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A text is not a domain.
    #[error("domain {domain:?} is not a host name; write it as in shop.example.com, without scheme, port or path")]
    Domain {
        /// The text.
        domain: String,
    },
}

fn nearest_versions(titles: &[String]) -> String {
    match titles {
        [] => "the set is empty".to_owned(),
        titles => format!("the nearest ones are {}", titles.join(" and ")),
    }
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

/// The call that adopts the schema as this tenant.
fn adoption(tenant: &TenantName, schema: &SchemaName) -> &'static str {
    if tenant.as_str() == schema.as_str() { "Migrator::adopt_tenant" } else { "Migrator::adopt_tenant_in" }
}

/// The tenant's name after its schema's, if the two differ.
fn of_tenant(tenant: &TenantName, schema: &SchemaName) -> String {
    if tenant.as_str() == schema.as_str() { String::new() } else { format!(", of tenant {tenant},") }
}

impl Error {
    pub(crate) fn schema_exists(Member { name, schema }: &Member) -> Self {
        Self::SchemaExists { tenant: name.clone(), schema: schema.clone() }
    }

    pub(crate) fn nothing_to_adopt(Member { name, schema }: &Member) -> Self {
        Self::NothingToAdopt { tenant: name.clone(), schema: schema.clone() }
    }

    pub(crate) fn schema_still_there(Member { name, schema }: &Member) -> Self {
        Self::SchemaStillThere { tenant: name.clone(), schema: schema.clone() }
    }

    pub(crate) fn schema_taken(Member { name, schema }: &Member, owner: &Member) -> Self {
        Self::SchemaTaken { tenant: name.clone(), schema: schema.clone(), owner: owner.name.clone() }
    }

    pub(crate) fn other_schema(registered: &Member, asked: &SchemaName) -> Self {
        let Member { name, schema } = registered.clone();
        Self::OtherSchema { tenant: name, registered: schema, asked: asked.clone() }
    }

    pub(crate) fn in_use(member: &Member, used_by: &'static str) -> Self {
        let Member { name, schema } = member.clone();
        if member.is_one_name() {
            Self::NameInUse(name, used_by)
        } else {
            Self::SchemaInUse { tenant: name, schema, used_by }
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
