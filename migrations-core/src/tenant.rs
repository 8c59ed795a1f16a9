//! A tenant as the registry knows it.

use std::time::SystemTime;

use crate::name::TenantName;

/// A registered tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tenant {
    /// Its number, which is also its place in the order of runs.
    pub id: i64,
    /// Its name, which is also the name of its schema.
    pub name: TenantName,
    /// A name for people.
    pub display_name: Option<String>,
    /// Whatever the application keeps about it, as JSON text.
    pub metadata: String,
    /// `active`, or what the application makes of it.
    pub status: String,
    /// The version of the last migration applied to it.
    pub version: Option<i64>,
    /// When it was registered.
    pub created_at: SystemTime,
    /// When it was last migrated.
    pub migrated_at: Option<SystemTime>,
    /// The error of the last run that failed for it, in one line.
    pub last_error: Option<String>,
    /// The host names that lead to it, the primary one first.
    pub domains: Vec<Domain>,
}

/// A host name that leads to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Domain {
    /// The host name, in lower case.
    pub host: String,
    /// Whether it is the tenant's primary one.
    pub is_primary: bool,
}
