//! Why one schema was not brought up to date.

use std::fmt;

use super::blocker::Blocker;
use super::server_error::ServerError;
use crate::names::{Member, SchemaName, TenantName};
use crate::set::Excerpt;
use crate::set::SetName;

/// One schema that could not be migrated: which schema, which place in which migration, why, and what to do.
///
/// The transaction that failed was rolled back, so a tenant is as it was before the run. The exception is
/// `no-transaction` migrations, which commit by themselves: [`applied`](Self::applied) then names what was committed
/// before the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(crate) set: SetName,
    pub(crate) tenant: Option<Member>,
    pub(crate) migration: Option<String>,
    pub(crate) excerpt: Option<Excerpt>,
    pub(crate) reason: Reason,
    pub(crate) blockers: Vec<Blocker>,
    /// Titles of the migrations that the run had committed before.
    pub(crate) applied: Vec<String>,
    /// Titles of the migrations whose changes to other schemas stay, when a new tenant was rolled back.
    pub(crate) stay_elsewhere: Vec<String>,
    /// Whether a `no-transaction` migration failed; its statements commit one by one.
    pub(crate) is_outside: bool,
    /// Whether the tenant was to be created.
    pub(crate) is_new: bool,
    /// Whether the migration is applied to other tenants.
    pub(crate) is_applied_elsewhere: bool,
}

/// Why a schema was not migrated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The server refused a statement.
    Server(ServerError),
    /// The connection was lost; the next run finds out whether the transaction was committed.
    ConnectionLost(String),
    /// The applied migrations differ from the set.
    Diverged(Divergence),
    /// The registered schema does not exist.
    SchemaMissing,
    /// The framework itself refuses to migrate the schema.
    Refused(String),
    /// The history table cannot be read as a refinery history.
    History(String),
    /// The tenant's schema holds tables and has no history table: the first migration would run over them.
    Unrecorded,
}

/// How a schema's history differs from the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Divergence {
    /// A migration was changed after it was applied.
    Changed {
        /// Title of the migration in the database.
        applied: String,
        /// Its checksum in the database.
        applied_checksum: u64,
        /// Title of the migration in the binary.
        known: String,
        /// Its checksum in the binary.
        known_checksum: u64,
    },
    /// A migration was applied that the binary does not have, although it has later ones.
    Unknown {
        /// Title of the migration.
        applied: String,
    },
    /// The binary has a migration below the last applied one that was never applied.
    Skipped {
        /// Title of the migration.
        known: String,
        /// The later version that is applied.
        above: i64,
    },
}

impl Failure {
    /// A failure without a place in a migration.
    pub(crate) fn new(set: SetName, tenant: Option<Member>, reason: Reason) -> Self {
        Self {
            set,
            tenant,
            migration: None,
            excerpt: None,
            reason,
            blockers: Vec::new(),
            applied: Vec::new(),
            stay_elsewhere: Vec::new(),
            is_outside: false,
            is_new: false,
            is_applied_elsewhere: false,
        }
    }

    /// The set the schema belongs to.
    pub fn set(&self) -> &SetName {
        &self.set
    }

    /// The tenant; `None` for the shared set and the registry.
    pub fn tenant(&self) -> Option<&TenantName> {
        self.tenant.as_ref().map(|member| &member.name)
    }

    /// The tenant's schema; `None` for the shared set and the registry.
    pub fn schema(&self) -> Option<&SchemaName> {
        self.tenant.as_ref().map(|member| &member.schema)
    }

    /// The migration that failed, as in `V7__add_notes`, if one is to blame.
    pub fn migration(&self) -> Option<&str> {
        self.migration.as_deref()
    }

    /// The place in the migration, if it is known.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.excerpt.as_ref()
    }

    /// The reason.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The sessions that held locks on the schema's tables, if the failure is about a lock that was not available.
    pub fn blockers(&self) -> &[Blocker] {
        &self.blockers
    }

    /// Titles of the migrations that the run applied to the schema before it failed and that stay applied. Empty unless
    /// commits were needed between the migrations, as for `no-transaction` migrations: all others commit together.
    pub fn applied(&self) -> &[String] {
        &self.applied
    }

    /// Whether changes of the run may remain in the schema.
    pub(crate) fn left_something(&self) -> bool {
        self.is_outside || !self.applied.is_empty() || !self.stay_elsewhere.is_empty()
    }

    /// The schema, as in `tenant acme`.
    pub(crate) fn subject(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenant {tenant}"),
            None => format!("{} set", self.set),
        }
    }

    /// The server's error, if the server refused a statement.
    pub fn server(&self) -> Option<&ServerError> {
        match &self.reason {
            Reason::Server(error) => Some(error),
            _ => None,
        }
    }

    /// The server's SQLSTATE, if the server refused a statement.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(ServerError::sqlstate)
    }

    /// The reason in one line.
    pub fn message(&self) -> String {
        match &self.reason {
            Reason::Server(error) => error.message().to_owned(),
            reason => reason.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.subject())?;
        match &self.migration {
            Some(migration) => write!(f, "{migration} failed")?,
            None => write!(f, "not migrated")?,
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        write!(f, "\n{}", Lines(&self.reason))?;
        for blocker in &self.blockers {
            write!(f, "\n   = locked by: {blocker}")?;
        }
        if matches!(self.reason, Reason::Server(_)) {
            write!(f, "\n   = note: {}; {}", self.state(), self.next_step())?;
        } else if !self.applied.is_empty() {
            write!(f, "\n   = note: {}", self.state())?;
        }
        Ok(())
    }
}

impl Failure {
    /// The state of the schema now.
    fn state(&self) -> String {
        let schema = match &self.tenant {
            Some(tenant) => format!("tenant {tenant}"),
            None => format!("the {} schema", self.set),
        };
        match (self.applied.as_slice(), self.is_outside) {
            ([], _) if !self.stay_elsewhere.is_empty() => format!(
                "nothing is left of {schema}; but what these migrations changed in other schemas stays: {}",
                self.stay_elsewhere.join(", ")
            ),
            ([], false) if self.is_new => format!("{schema} was not created, and nothing of it is left"),
            ([], false) => format!("{schema} is as it was before the run"),
            ([], true) => format!(
                "the migration runs outside a transaction: those of its statements that succeeded stay applied in \
                 {schema}"
            ),
            (applied, false) => {
                format!("what was committed before it stays applied to {schema}: {}", applied.join(", "))
            }
            (applied, true) => format!(
                "what was committed before it stays applied to {schema}: {}; so do those statements of the migration \
                 that succeeded, because it runs outside a transaction",
                applied.join(", ")
            ),
        }
    }

    fn next_step(&self) -> &'static str {
        // A lock, a missing privilege or a full server is not a problem of the file.
        let is_about_the_file =
            !matches!(self.sqlstate(), Some("55P03" | "40P01" | "42501" | "57014" | "53100" | "53200" | "53300"));
        let is_about_applied = self.is_applied_elsewhere && self.migration.is_some() && is_about_the_file;
        match (is_about_applied, self.left_something()) {
            (true, _) => {
                "the migration is applied to other tenants, so leave its file as it is: fix the difference in this \
                 schema, or restore what the migration needs (a shared table by a new migration of the shared set), \
                 and run again"
            }
            (false, true) => "fix the cause and run again: the run continues from there",
            (false, false) => "fix the cause and run again",
        }
    }
}

impl std::error::Error for Failure {}

/// Writes the reason as the lines under an excerpt.
struct Lines<'a>(&'a Reason);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reason::Server(error) => error.fmt(f),
            other => write!(f, "   = {other}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(f, "{}: {}", error.sqlstate(), error.message()),
            Self::ConnectionLost(reason) => {
                write!(f, "the connection was lost ({reason}); run again to find out what was committed")
            }
            Self::Diverged(divergence) => divergence.fmt(f),
            Self::Refused(problem) => f.write_str(problem),
            Self::SchemaMissing => f.write_str(
                "its schema does not exist: it was dropped or renamed behind the registry's back; restore it and run \
                 again, or remove the tenant from the registry (Migrator::forget_tenant)",
            ),
            Self::Unrecorded => f.write_str(
                "its schema holds tables but has no history table (refinery_schema_history), so nothing says which \
                 migrations they come from, and a run would apply the first one over them; record what is applied as a \
                 baseline (Migrator::baseline_tenants), or that nothing is (Baseline::at_nothing), and run again",
            ),
            Self::History(problem) => write!(
                f,
                "its history table (refinery_schema_history) cannot be read: {problem}; compare it with that of \
                 another tenant, and repair it"
            ),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { applied, applied_checksum, known, known_checksum } => write!(
                f,
                "{known} was changed after it had been applied: the database has {applied} with checksum \
                 {applied_checksum}, the binary has checksum {known_checksum}; restore the file as it was, and put the \
                 change into a new migration; if both texts mean the same, record the new checksum (Migrator::repair)"
            ),
            Self::Unknown { applied } => write!(
                f,
                "{applied} is applied, but the binary does not have it, although it has later migrations; restore the \
                 file"
            ),
            Self::Skipped { known, above } => write!(
                f,
                "{known} was never applied, but the later version {above} is; if no schema has it yet, give it a \
                 version above all applied ones; if other schemas have it, this history is incomplete: restore it, or \
                 insert the migration's row if its changes are there"
            ),
        }
    }
}
