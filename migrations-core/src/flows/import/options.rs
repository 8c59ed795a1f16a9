//! Options of an import.

use super::rules::{MapRule, from_lines};
use crate::report::Error;

/// Options of an import.
///
/// ```
/// use migrations_core::ImportOptions;
///
/// let options = ImportOptions::new().map("*=1".parse()?).dry_run(true);
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    pub(super) table: Option<String>,
    pub(super) tenants: TenantSchemas,
    pub(super) rules: Vec<MapRule>,
    pub(super) dry_run: bool,
}

/// The schemas that are tenants', among those that have a history of the tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantSchemas {
    /// All of them, except the shared schema.
    #[default]
    WithHistory,
    /// Only those that are registered.
    Registered,
    /// Only those whose names match this pattern of SQL's `LIKE`.
    Like(String),
}

impl ImportOptions {
    /// An import of all histories of the tool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the tool's histories from tables of this name.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// Limits the import to some of the tenants' schemas.
    #[must_use]
    pub fn tenants(mut self, which: TenantSchemas) -> Self {
        self.tenants = which;
        self
    }

    /// Adds a rule of the mapping. Of several that match a migration, the longest counts, and then the last.
    #[must_use]
    pub fn map(mut self, rule: MapRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds the rules of a text with one in each line. Empty lines and lines that begin with `#` are skipped.
    ///
    /// ```
    /// use migrations_core::ImportOptions;
    ///
    /// let options = ImportOptions::new().map_lines("# the first release\nshop.0001_initial = 1\n")?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a line is not a rule.
    pub fn map_lines(mut self, text: &str) -> Result<Self, Error> {
        self.rules.extend(from_lines(text)?);
        Ok(self)
    }

    /// Writes nothing.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }
}
