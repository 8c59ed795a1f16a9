//! Databases that exist: what is applied to them although no run has applied it, and what is wrong with what they say.

use super::Migrator;
use crate::engine::{Baseline, Repair, TenantSelection};
use crate::flows::{baseline, repair};
use crate::report::{Baselined, Baselines, Error, RepairReport};
use crate::server::Database;

impl Migrator {
    /// Records that the shared schema has these migrations, without running any: its history gets their rows, and the
    /// registry a row with them. If the history says exactly this already, nothing changes.
    ///
    /// ```no_run
    /// use migrations_core::{Baseline, Database, MigrationSet, Migrator};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// # let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// let done = migrator.baseline_shared(&Database::from_env()?, &Baseline::at(7).verify(true))?;
    /// println!("{:?}", done.outcome);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVersion`] if the set has no such version, and as [`run`](Self::run). A schema that cannot have
    /// the baseline is not an error: the [outcome](Baselined::outcome) says why.
    pub fn baseline_shared(&self, database: &Database, baseline: &Baseline) -> Result<Baselined, Error> {
        let engine = self.engine(database)?;
        let done = baseline::shared(&engine, &mut engine.connect()?, baseline);
        done.map_err(|error| engine.interrupted_or(error))
    }

    /// Records that tenants have these migrations, without running any, each tenant in a transaction of its own. A
    /// history that says exactly this already is left as it is; one that says something else is refused.
    ///
    /// The tenants' locks are taken one at a time, the shared schema is not touched, and one tenant that is refused
    /// does not stop the others. It costs one message for each tenant, and a few queries for every five hundred.
    ///
    /// ```no_run
    /// use migrations_core::{Baseline, Database, MigrationSet, Migrator, NamePattern, TenantSelection};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// # let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// let shops = TenantSelection::Matching(NamePattern::new("shop_*"));
    /// let done = migrator.baseline_tenants(&Database::from_env()?, &shops, &Baseline::at(7).adopt(true))?;
    /// assert!(done.is_success());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`baseline_shared`](Self::baseline_shared). What was recorded before the error stays.
    pub fn baseline_tenants(
        &self,
        database: &Database,
        tenants: &TenantSelection,
        baseline: &Baseline,
    ) -> Result<Baselines, Error> {
        let engine = self.engine(database)?;
        let done = baseline::tenants(&engine, &mut engine.connect()?, tenants, baseline);
        done.map_err(|error| engine.interrupted_or(error))
    }

    /// Explains every difference between the histories, the registry and the two sets, and corrects what `repair`
    /// names, each schema in a transaction of its own under its lock. It runs no migration.
    ///
    /// It reads every history, in a few queries for every five hundred tenants.
    ///
    /// ```no_run
    /// use migrations_core::{Database, MigrationSet, Migrator, Repair};
    ///
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// # let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
    /// let report = migrator.repair(&Database::from_env()?, &Repair::explain())?;
    /// for group in &report.found {
    ///     println!("{:?}: {:?}", group.schemas, group.findings);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVersion`] if a checksum is to be updated of a version that neither set has,
    /// [`Error::UnknownTenant`] if a tenant is named that is not registered, and as [`run`](Self::run). What was
    /// corrected before the error stays.
    pub fn repair(&self, database: &Database, repair: &Repair) -> Result<RepairReport, Error> {
        let engine = self.engine_for_any_set(database)?;
        repair::repair(&engine, &mut engine.connect()?, repair).map_err(|error| engine.interrupted_or(error))
    }
}
