//! What one run is to do beyond bringing everything up to date.

use crate::name::TenantName;

/// What one run is to do beyond bringing everything up to date.
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
    /// `None` is no limit.
    pub(crate) only: Option<Vec<TenantName>>,
    pub(crate) shared_only: bool,
    pub(crate) verify: bool,
}

impl RunOptions {
    /// A run that brings everything up to date.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers and provisions these tenants, where they are not yet.
    #[must_use]
    pub fn create(mut self, names: impl IntoIterator<Item = TenantName>) -> Self {
        self.create.extend(names);
        self
    }

    /// Limits the tenant stage to these tenants, those before them, and those that [`create`](Self::create) names. With an
    /// empty list there are no others.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = TenantName>) -> Self {
        self.only.get_or_insert_default().extend(names);
        self
    }

    /// The tenants that the run is limited to; empty where it is not.
    pub(crate) fn limit(&self) -> &[TenantName] {
        match &self.only {
            // Only those that are created.
            Some(only) if only.is_empty() => &self.create,
            Some(only) => only,
            None => &[],
        }
    }

    /// Whether there is no tenant that the run is about.
    pub(crate) fn leaves_out_tenants(&self) -> bool {
        self.shared_only || self.only.as_ref().is_some_and(|only| only.is_empty() && self.create.is_empty())
    }

    /// Reads the history of every schema, and puts right what the registry says of it (of one that is ahead of
    /// this binary, the newer binary does). A query or two a tenant, where a
    /// plan is one query for all: for a database in which somebody has changed a history or the registry by hand.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Leaves out the tenant stage.
    #[must_use]
    pub fn shared_only(mut self, shared_only: bool) -> Self {
        self.shared_only = shared_only;
        self
    }
}
