//! Options of one run, beyond bringing everything up to date.

use crate::names::TenantName;

/// Options of one run, beyond bringing everything up to date.
///
/// ```
/// use migrations_core::RunOptions;
///
/// let options = RunOptions::new().create(["acme".parse()?, "globex".parse()?]);
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    pub(crate) create: Vec<TenantName>,
    /// `None`: no limit.
    pub(crate) only: Option<Vec<TenantName>>,
    pub(crate) shared_only: bool,
    pub(crate) verify: bool,
}

impl RunOptions {
    /// A run that brings everything up to date.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers and provisions those of these tenants that do not exist yet, in schemas that
    /// [`Migrator::schema_for`](crate::Migrator::schema_for) names.
    #[must_use]
    pub fn create(mut self, names: impl IntoIterator<Item = TenantName>) -> Self {
        self.create.extend(names);
        self
    }

    /// Limits the tenant stage to these tenants, to those of earlier calls, and to those that [`create`](Self::create)
    /// names. An empty list adds none.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = TenantName>) -> Self {
        self.only.get_or_insert_default().extend(names);
        self
    }

    /// The tenants that the run is limited to; empty if it is not limited.
    pub(crate) fn limit(&self) -> &[TenantName] {
        match &self.only {
            // Only the tenants to create.
            Some(only) if only.is_empty() => &self.create,
            Some(only) => only,
            None => &[],
        }
    }

    /// Whether the run migrates no tenant.
    pub(crate) fn leaves_out_tenants(&self) -> bool {
        self.shared_only || self.only.as_ref().is_some_and(|only| only.is_empty() && self.create.is_empty())
    }

    /// Reads the history of every schema, and corrects the registry where it differs. (The newer binary corrects a
    /// schema that is ahead of this one.) This costs a query or two for each tenant, while a plan is one query for all.
    /// Use it for a database whose histories or registry somebody has changed by hand.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Skips the tenant stage.
    #[must_use]
    pub fn shared_only(mut self, shared_only: bool) -> Self {
        self.shared_only = shared_only;
        self
    }
}
