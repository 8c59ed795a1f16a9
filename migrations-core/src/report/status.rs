//! Where every schema stands. Nothing here changes a schema.

use std::fmt;

use super::error::Error;
use crate::names::{SchemaName, TenantName};

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

/// A row of the registry with a name that no tenant can have, or a schema that no tenant can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnusableRow {
    /// The row's id.
    pub id: i64,
    /// The name of the schema.
    pub schema: String,
    /// The problem, and what to do.
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
    /// The name of its schema.
    pub schema_name: SchemaName,
    /// Its status in the registry, as in `active`.
    pub status: String,
    /// Where its schema stands.
    pub schema: SchemaStatus,
    /// The error of the last failed run, in one line.
    pub last_error: Option<String>,
}

/// How a schema compares with its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// All migrations are applied.
    Current,
    /// Some migrations are not applied.
    Behind,
    /// All migrations are applied, and more that this binary does not know.
    Ahead,
    /// The applied migrations differ from the set.
    Diverged,
    /// The schema does not exist.
    Missing,
}

impl Status {
    /// Whether a run would change or report anything.
    pub fn is_pending(&self) -> bool {
        let schemas = [&self.registry, &self.shared];
        !self.unusable.is_empty()
            || schemas.into_iter().chain(self.tenants.iter().map(|tenant| &tenant.schema)).any(SchemaStatus::is_pending)
    }
}

impl SchemaStatus {
    /// Whether a run would change or report anything here.
    pub fn is_pending(&self) -> bool {
        !matches!(self.state, State::Current | State::Ahead)
    }
}

impl UnusableRow {
    pub(crate) fn new(table: &str, id: i64, schema: String, error: &Error) -> Self {
        let problem = format!(
            "the registry names schema {schema:?}, which is not migrated: {error}; correct the row (UPDATE {table} SET \
             tenant_name = …, schema_name = … WHERE id = {id}), or, if it is not a tenant, remove it (DELETE FROM {table} \
             WHERE id = {id})"
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
