//! What a repair found and corrected.

use std::fmt;

use crate::names::TenantName;
use crate::set::SetName;

/// What [`Migrator::repair`](crate::Migrator::repair) found, and what it corrected.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// What was found before anything was corrected; schemas with the same findings are one group.
    pub found: Vec<Diverged>,
    /// What was corrected, or would be in a dry run, schema by schema.
    pub repaired: Vec<Repaired>,
}

impl RepairReport {
    /// Whether everything that was asked for was done.
    pub fn is_success(&self) -> bool {
        self.repaired.iter().all(|repaired| !repaired.is_refused)
    }
}

/// Schemas that differ in the same way from what the binary and the registry say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diverged {
    /// The set that the schemas are compared with.
    pub set: SetName,
    /// Whether it is the shared set, and the schema the shared schema.
    pub is_shared: bool,
    /// The schemas, in the order of registration.
    pub schemas: Vec<DivergedSchema>,
    /// How they differ, in the order of versions.
    pub findings: Vec<Finding>,
}

/// A schema that differs, and whose it is.
///
/// It displays as the tenant's name, with the schema beside it where the two differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DivergedSchema {
    /// The tenant; `None` for the shared schema.
    pub tenant: Option<TenantName>,
    /// The schema.
    pub schema: String,
}

impl fmt::Display for DivergedSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.tenant.as_ref(), &self.schema, f)
    }
}

/// One difference between a schema and its set, or between a schema and the registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finding {
    /// A migration is recorded with another name or checksum.
    Changed {
        /// Its version.
        version: i64,
        /// The title that is recorded.
        recorded: String,
        /// The checksum that is recorded.
        recorded_checksum: u64,
        /// The title in the set.
        embedded: String,
        /// The checksum in the set.
        embedded_checksum: u64,
        /// The form of the embedded text that has the recorded checksum, if one was found.
        variant: Option<String>,
    },
    /// A migration is recorded that the set does not have.
    Unknown {
        /// Its version.
        version: i64,
        /// The title that is recorded.
        recorded: String,
        /// The checksum that is recorded.
        recorded_checksum: u64,
    },
    /// The set has a migration that is not recorded, although a later one is.
    Skipped {
        /// Its version.
        version: i64,
        /// The title in the set.
        embedded: String,
    },
    /// The tenant's schema holds tables and has no history table.
    Unrecorded,
    /// The history table cannot be read.
    Unreadable(String),
    /// The schema does not exist.
    Missing,
    /// The registry says something else than the history.
    Registry {
        /// The version in the registry.
        version: Option<i64>,
        /// The last version in the history.
        history: Option<i64>,
        /// Whether the registry's row is about the schema that has the name now.
        is_about_this_schema: bool,
    },
    /// A migration that runs outside a transaction was interrupted.
    Marked {
        /// Its version.
        version: i64,
    },
}

/// A schema that was corrected, or not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// The tenant; `None` for the shared schema.
    pub tenant: Option<TenantName>,
    /// The schema.
    pub schema: String,
    /// What was done, would be done in a dry run, or why nothing was done.
    pub text: String,
    /// Whether nothing was done.
    pub is_refused: bool,
}

/// It displays as whose schema it is, and what was done to it.
impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.tenant.as_ref(), &self.schema, f)?;
        write!(f, ": {}", self.text)
    }
}

/// The tenant, with the schema where it has another name; the schema, if there is no tenant.
fn show(tenant: Option<&TenantName>, schema: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match tenant {
        Some(tenant) if tenant.as_str() != schema => write!(f, "{tenant} (schema {schema})"),
        Some(tenant) => write!(f, "{tenant}"),
        None => f.write_str(schema),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { recorded, recorded_checksum, embedded, embedded_checksum, variant, .. } => {
                write!(f, "{embedded} was changed after it had been applied: ")?;
                if recorded != embedded {
                    write!(f, "it is recorded as {recorded}, ")?;
                }
                write!(f, "the recorded checksum is {recorded_checksum}, the embedded one is {embedded_checksum}; ")?;
                match variant.as_deref() {
                    Some("unchanged") => f.write_str("the text is the same, only the name differs"),
                    Some(variant) => {
                        write!(f, "only white space differs: the embedded text has the recorded checksum {variant}")
                    }
                    None => f.write_str("more than white space may differ"),
                }
            }
            Self::Unknown { recorded, recorded_checksum, .. } => {
                write!(f, "{recorded} (checksum {recorded_checksum}) is recorded, and the set does not have it")
            }
            Self::Skipped { embedded, .. } => write!(f, "{embedded} is not recorded, although a later version is"),
            Self::Unrecorded => f.write_str("it holds tables and has no history table"),
            Self::Unreadable(problem) => write!(f, "its history table cannot be read: {problem}"),
            Self::Missing => f.write_str("the schema does not exist"),
            Self::Registry { is_about_this_schema: false, .. } => {
                f.write_str("the registry's row was written for another schema of this name, which is gone")
            }
            Self::Registry { version, history, .. } if version == history => {
                f.write_str("the registry has another digest than its history")
            }
            Self::Registry { version, history, .. } => {
                let text = |version: &Option<i64>| version.map_or_else(|| "none".to_owned(), |it| it.to_string());
                write!(f, "the registry has version {}, the history {}", text(version), text(history))
            }
            Self::Marked { version } => {
                write!(f, "a run stopped in the middle of version {version}, which ran outside a transaction")
            }
        }
    }
}
