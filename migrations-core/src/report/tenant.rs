//! A tenant as the registry knows it.

use std::time::SystemTime;

use crate::names::{SchemaName, TenantName};

/// A registered tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenant {
    /// Its number, which is also its place in the order of a run.
    pub id: i64,
    /// Its name.
    pub name: TenantName,
    /// The name of its schema.
    pub schema: SchemaName,
    /// A name for people.
    pub display_name: Option<String>,
    /// The application's own data about the tenant, as JSON text.
    pub metadata: String,
    /// `active`, or a status that the application has set.
    pub status: String,
    /// The version of the last migration applied to it.
    pub version: Option<i64>,
    /// When it was registered.
    pub created_at: SystemTime,
    /// When it was last migrated.
    pub migrated_at: Option<SystemTime>,
    /// The error of the last failed run, in one line.
    pub last_error: Option<String>,
    /// Its host names, the primary one first.
    pub domains: Vec<Domain>,
}

/// A host name of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// The host name, in lower case.
    pub host: String,
    /// Whether it is the tenant's primary one.
    pub is_primary: bool,
}
