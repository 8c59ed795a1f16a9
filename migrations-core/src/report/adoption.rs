//! Existing schemas that were registered as tenants.

use super::status::SchemaStatus;
use super::tenant::Tenant;

/// A schema that was registered as a tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adoption {
    /// The tenant.
    pub tenant: Tenant,
    /// The result, according to its history.
    pub schema: SchemaStatus,
}

/// What [`Migrator::adopt_all`](crate::Migrator::adopt_all) did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Adoptions {
    /// The schemas that were registered.
    pub adopted: Vec<Adoption>,
    /// Schemas with a history that were left alone, each with the reason.
    pub left: Vec<(String, String)>,
}
