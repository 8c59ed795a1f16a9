//! Where every schema stands, without changing any.

use std::fmt;

use crate::name::{NameError, TenantName};
use crate::sql::Ident;

/// Where the registry, the shared schema and every tenant stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The framework's own schema.
    pub registry: SchemaStatus,
    /// The shared schema.
    pub shared: SchemaStatus,
    /// Every tenant, in registration order.
    pub tenants: Vec<TenantStatus>,
    /// Rows of the registry that cannot be tenants.
    pub unusable: Vec<UnusableRow>,
}

/// A row of the registry whose schema has a name that no tenant can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnusableRow {
    /// The row's id.
    pub id: i64,
    /// The name of the schema.
    pub schema: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

/// Where one schema stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaStatus {
    /// The version of the last applied migration; `None` when none is.
    pub version: Option<i64>,
    /// The version of the set's last migration; `None` for an empty set.
    pub latest: Option<i64>,
    /// How the two compare.
    pub state: State,
    /// Titles of the migrations that a run would apply, in order.
    pub pending: Vec<String>,
    /// Why a run would not migrate it.
    pub problem: Option<String>,
}

/// Where one tenant stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantStatus {
    /// Its name.
    pub name: TenantName,
    /// Its status in the registry, as in `active`.
    pub status: String,
    /// Its schema.
    pub schema: SchemaStatus,
    /// The error of the last run that failed for it, in one line.
    pub last_error: Option<String>,
}

/// How a schema compares with its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// All migrations are applied.
    Current,
    /// Some are not.
    Behind,
    /// All are, and more that this binary does not know.
    Ahead,
    /// What is applied is not what the set says.
    Diverged,
    /// The schema does not exist.
    Missing,
}

impl Status {
    /// Whether a run would find something to do, or something wrong.
    pub fn is_pending(&self) -> bool {
        let schemas = [&self.registry, &self.shared];
        !self.unusable.is_empty()
            || schemas.into_iter().chain(self.tenants.iter().map(|tenant| &tenant.schema)).any(SchemaStatus::is_pending)
    }
}

impl SchemaStatus {
    /// Whether a run would find something to do here, or something wrong.
    pub fn is_pending(&self) -> bool {
        !matches!(self.state, State::Current | State::Ahead)
    }
}

impl UnusableRow {
    pub(crate) fn new(table: &str, id: i64, schema: String, error: &NameError) -> Self {
        let problem = format!(
            "the registry has schema {schema:?}, which is not migrated: {error}; rename it (ALTER SCHEMA {} RENAME TO …; \
             UPDATE {table} SET schema_name = … WHERE id = {id}), or, if it is no tenant, take it out \
             (DELETE FROM {table} WHERE id = {id})",
            Ident(&schema),
        );
        Self { id, schema, problem }
    }
}

impl State {
    /// The state's name, as in `current`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Diverged => "diverged",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
