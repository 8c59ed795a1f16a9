//! The two sets by their names, so that they cannot be swapped.

use super::Migrator;
use crate::set::MigrationSet;

/// The two sets of a [`Migrator`], given by name: first the shared set, if there is one, then the tenants' set.
///
/// ```
/// use migrations_core::{MigrationSet, Migrator};
///
/// let shared = MigrationSet::new("shared")?.with_sql("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)")?;
/// let tenant = MigrationSet::new("tenant")?.with_sql("V1__notes", "CREATE TABLE notes (body text)")?;
/// let migrator = Migrator::builder().shared(shared).tenant(tenant).jobs(2);
/// assert_eq!(migrator.tenant_set().latest(), Some(1));
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before tenant()"]
pub struct MigratorBuilder {
    shared: MigrationSet,
}

impl MigratorBuilder {
    pub(super) fn new() -> Self {
        Self { shared: MigrationSet::empty("shared") }
    }

    /// The set of the tables that all tenants share. An application without such tables leaves it out.
    pub fn shared(mut self, set: MigrationSet) -> Self {
        self.shared = set;
        self
    }

    /// The set of the tables that every tenant has in a schema of its own; returns the migrator, with its defaults.
    #[must_use]
    pub fn tenant(self, set: MigrationSet) -> Migrator {
        Migrator::new(self.shared, set)
    }
}
