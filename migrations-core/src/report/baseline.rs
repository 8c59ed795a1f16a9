//! What a baseline did, schema by schema.

use std::fmt;

use super::difference::SchemaDifference;
use crate::names::{NameError, SchemaName, TenantName};

/// How many migrations of each history a text shows.
const SHOWN: usize = 5;

/// What [`Migrator::baseline_tenants`](crate::Migrator::baseline_tenants) did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Baselines {
    /// Every schema that was named or found, in order.
    pub schemas: Vec<Baselined>,
}

impl Baselines {
    /// Whether every schema has the baseline now.
    pub fn is_success(&self) -> bool {
        self.schemas.iter().all(|schema| !matches!(schema.outcome, BaselineOutcome::Refused(_)))
    }
}

/// What a baseline did to one schema.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Baselined {
    /// The schema.
    pub schema: String,
    /// The tenant that it belongs to; `None` for the shared schema, and for a schema that is not a tenant's.
    pub tenant: Option<TenantName>,
    /// Whether the schema was compared with what the set makes, and is the same.
    pub is_proved: bool,
    /// What was done.
    pub outcome: BaselineOutcome,
}

/// The outcome of a baseline for one schema.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BaselineOutcome {
    /// These migrations are recorded as applied now.
    Recorded(Vec<String>),
    /// The history had said exactly this before.
    Unchanged,
    /// Nothing was written.
    Refused(BaselineRefusal),
}

/// Why no baseline was written for a schema.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BaselineRefusal {
    /// The schema does not exist.
    Missing,
    /// The schema is not registered as a tenant, and the baseline was not asked to register it.
    NotRegistered,
    /// No tenant of the name is registered, and the schema of the name is this tenant's.
    SchemaTaken {
        /// The tenant whose schema it is.
        owner: TenantName,
    },
    /// The schema's name is that of a tenant with another schema.
    NameTaken {
        /// The tenant's schema.
        schema: SchemaName,
    },
    /// No tenant can have the schema's name.
    Name(NameError),
    /// Its history cannot be read.
    Unreadable(String),
    /// Its history says something else.
    Other {
        /// The number of migrations at the beginning of both histories that are the same.
        same: usize,
        /// What the history says after them.
        recorded: Vec<String>,
        /// What the baseline would say after them.
        baseline: Vec<String>,
    },
    /// Its history is the beginning of the baseline, so these migrations are pending, and a run would apply them.
    Pending(Vec<String>),
    /// The schema is not what the migrations make.
    Different(SchemaDifference),
    /// What the migrations make could not be found out.
    Unproved(String),
    /// The history could not be written.
    Failed(String),
}

impl fmt::Display for BaselineRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the schema does not exist; check its name"),
            Self::NotRegistered => f.write_str(
                "the schema is not registered as a tenant; if it is one, let the baseline register it \
                 (Baseline::adopt)",
            ),
            Self::SchemaTaken { owner } => write!(
                f,
                "no tenant of this name is registered, and the schema is that of tenant {owner}; name that tenant"
            ),
            Self::NameTaken { schema } => write!(
                f,
                "the tenant of this name is registered with schema {schema}; to register this schema as another \
                 tenant, adopt it under another name (Migrator::adopt_tenant_in)"
            ),
            Self::Name(error) => write!(f, "{error}; rename the schema (ALTER SCHEMA … RENAME TO …)"),
            Self::Unreadable(problem) => write!(
                f,
                "its history table (refinery_schema_history) cannot be read: {problem}; compare it with that of \
                 another tenant, and repair it"
            ),
            Self::Other { same, recorded, baseline } => write!(
                f,
                "its history says something else{}: it has {}, the baseline {}; nothing was written. If the history is \
                 right, it needs no baseline; if it is wrong, correct it first (Migrator::repair)",
                match same {
                    0 => String::new(),
                    1 => " after the first migration".to_owned(),
                    more => format!(" after the first {more} migrations"),
                },
                list(recorded),
                list(baseline)
            ),
            Self::Pending(titles) => write!(
                f,
                "its history says that these migrations are pending: {}; a run applies them. If their changes are \
                 there already, let the baseline record them beside the history (Baseline::fake)",
                list(titles)
            ),
            Self::Different(difference) => write!(
                f,
                "the schema is not what the migrations make, so nothing was written:\n  {difference}\n  correct the \
                 schema, choose another version, or leave out the application's own objects (Baseline::ignore)"
            ),
            Self::Failed(problem) => f.write_str(problem),
            Self::Unproved(problem) => {
                write!(f, "it cannot be proved what the migrations make, so nothing was written: {problem}")
            }
        }
    }
}

fn list(titles: &[String]) -> String {
    let shown = titles.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match titles.len() {
        0 => "nothing".to_owned(),
        count if count > SHOWN => format!("{shown} and {} more", count - SHOWN),
        _ => shown,
    }
}
