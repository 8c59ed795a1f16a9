//! What a repair corrects.

use crate::names::TenantName;

/// What to correct in histories and in the registry. Without anything to correct, a repair only explains.
///
/// ```
/// use migrations_core::Repair;
///
/// let everything = Repair::explain();
/// let edited = Repair::explain().update_checksums([7, 9]).dry_run(true);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a repair does nothing before Migrator::repair"]
pub struct Repair {
    pub(crate) update: Update,
    pub(crate) unapply: Option<(i64, TenantName)>,
    pub(crate) rebuild_registry: bool,
    pub(crate) clear_mark: Option<TenantName>,
    pub(crate) clear_shared_mark: bool,
    pub(crate) dry_run: bool,
}

/// The versions whose checksums are updated.
#[derive(Clone, Debug)]
pub(crate) enum Update {
    All,
    These(Vec<i64>),
}

impl Update {
    /// The versions that are named.
    pub(crate) fn named(&self) -> &[i64] {
        match self {
            Self::All => &[],
            Self::These(versions) => versions,
        }
    }

    /// Whether the checksum of this version is to be updated.
    pub(crate) fn is_about(&self, version: i64) -> bool {
        matches!(self, Self::All) || self.named().contains(&version)
    }

    fn is_about_nothing(&self) -> bool {
        matches!(self, Self::These(versions) if versions.is_empty())
    }
}

impl Repair {
    /// Explains every difference, and corrects nothing.
    pub fn explain() -> Self {
        Self {
            update: Update::These(Vec::new()),
            unapply: None,
            rebuild_registry: false,
            clear_mark: None,
            clear_shared_mark: false,
            dry_run: false,
        }
    }

    /// Writes the names and the checksums of the set into histories that have others for these versions. The files were
    /// edited, and mean the same. No versions, no corrections.
    pub fn update_checksums(self, versions: impl IntoIterator<Item = i64>) -> Self {
        Self { update: Update::These(versions.into_iter().collect()), ..self }
    }

    /// The same for every version of the two sets.
    pub fn update_all_checksums(self) -> Self {
        Self { update: Update::All, ..self }
    }

    /// Removes a version from a tenant's history: its changes were undone, or are not the set's. It is the last one
    /// that the history and the set share, or one that the set does not have.
    pub fn mark_unapplied(self, version: i64, tenant: TenantName) -> Self {
        Self { unapply: Some((version, tenant)), ..self }
    }

    /// Writes what the histories say into the registry: version, digest and schema of every tenant.
    pub fn rebuild_registry(self) -> Self {
        Self { rebuild_registry: true, ..self }
    }

    /// Decides what an interrupted statement has done to this tenant, from the index that it was building.
    pub fn clear_mark(self, tenant: TenantName) -> Self {
        Self { clear_mark: Some(tenant), ..self }
    }

    /// The same for the shared schema.
    pub fn clear_shared_mark(self) -> Self {
        Self { clear_shared_mark: true, ..self }
    }

    /// Whether it only reads.
    pub(crate) fn changes_nothing(&self) -> bool {
        let updates = !self.update.is_about_nothing();
        let clears = self.clear_shared_mark || self.clear_mark.is_some();
        self.dry_run || !(updates || clears || self.unapply.is_some() || self.rebuild_registry)
    }

    /// Whether to say only what would be corrected.
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }
}
