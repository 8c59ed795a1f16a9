//! What a baseline records, and for which tenants.

use crate::names::{NamePattern, TenantName};

/// A baseline: the migrations that a schema is declared to have, although no run has applied them.
///
/// ```
/// use migrations_core::{Baseline, NamePattern};
///
/// let baseline = Baseline::at(7).adopt(true).verify(true).ignore([NamePattern::new("_sqlx_*")]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a baseline does nothing before Migrator::baseline_shared or baseline_tenants"]
pub struct Baseline {
    /// `None`: no migration is applied.
    pub(crate) at: Option<i64>,
    pub(crate) fake: bool,
    pub(crate) adopt: bool,
    pub(crate) verify: bool,
    pub(crate) ignore: Vec<NamePattern>,
}

impl Baseline {
    /// Everything up to this version of the set is applied, and nothing after it.
    pub fn at(version: i64) -> Self {
        Self { at: Some(version), ..Self::at_nothing() }
    }

    /// Nothing is applied: a run applies the set from its first migration on, although the schema holds tables already.
    pub fn at_nothing() -> Self {
        Self { at: None, fake: false, adopt: false, verify: false, ignore: Vec::new() }
    }

    /// Whether to record pending migrations beside a history that ends before the version. Without it, such a history
    /// is refused: a run would apply those migrations.
    pub fn fake(self, fake: bool) -> Self {
        Self { fake, ..self }
    }

    /// Whether to register schemas that are not registered as tenants yet.
    pub fn adopt(self, adopt: bool) -> Self {
        Self { adopt, ..self }
    }

    /// Whether to compare every schema first with one that the migrations make, and to refuse one that differs. The
    /// migrations run in a schema for the purpose, which is gone afterwards.
    pub fn verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }

    /// Leaves objects with these names, and what belongs to tables with these names, out of the comparison.
    pub fn ignore(mut self, patterns: impl IntoIterator<Item = NamePattern>) -> Self {
        self.ignore.extend(patterns);
        self
    }
}

/// The schemas that a baseline is about.
///
/// ```
/// use migrations_core::{NamePattern, TenantSelection};
///
/// let shops = TenantSelection::Matching(NamePattern::new("shop_*"));
/// let two = TenantSelection::Named(vec!["acme".parse()?, "globex".parse()?]);
/// # Ok::<(), migrations_core::NameError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TenantSelection {
    /// These.
    Named(Vec<TenantName>),
    /// Every registered tenant with a name of this form; and every other schema with such a name, if the baseline
    /// registers schemas.
    Matching(NamePattern),
    /// Every registered tenant.
    All,
}
