//! Several tenants in one transaction: one guard and one update of the registry for all of them.

use std::time::Duration;

use super::layout::Layout;
use super::lock::{codes, lock_key};
use crate::names::{Literal, OrNull, SchemaName, fill};
use crate::set::{Digest, MigrationSet};

/// A tenant's schema and its oid.
pub(crate) type Planned<'a> = (&'a SchemaName, u32);

/// A block that takes the locks of these tenants, or raises. It also raises if one of them is no longer in this state,
/// or has a migration that is half done. The registry is current when tenants are migrated together.
pub(crate) fn guard_tenants(layout: &Layout, tenants: &[Planned<'_>], digest: Option<Digest>) -> String {
    layout.sql(
        include_str!("sql/guard_tenants.sql"),
        &[
            ("fleet", &lock_key(layout, "''")),
            ("tenant", &lock_key(layout, "name")),
            ("names", &names(tenants)),
            ("oids", &oids(tenants)),
            ("digest", &OrNull(digest.map(Digest::to_sql))),
            ("count", &tenants.len()),
            ("fleet_busy", &codes::FLEET_BUSY),
            ("tenant_busy", &codes::TENANT_BUSY),
            ("out_of_date", &codes::STALE),
            ("half_done", &codes::HALF_DONE),
        ],
    )
}

/// Raises when the transaction has taken this long.
pub(crate) fn unless_too_long(limit: Duration) -> String {
    fill(
        include_str!("sql/unless_too_long.sql"),
        &[("milliseconds", &limit.as_millis()), ("too_long", &codes::TOO_LONG)],
    )
}

/// Writes their rows: the whole set is applied.
pub(crate) fn record_tenants(layout: &Layout, set: &MigrationSet, tenants: &[Planned<'_>]) -> String {
    layout.sql(
        include_str!("sql/record_tenants.sql"),
        &[
            ("version", &OrNull(set.latest())),
            ("digest", &set.digest().to_sql()),
            ("names", &names(tenants)),
            ("oids", &oids(tenants)),
        ],
    )
}

fn names(tenants: &[Planned<'_>]) -> String {
    array(tenants.iter().map(|(name, _)| Literal(name.as_str()).to_string()), "name")
}

fn oids(tenants: &[Planned<'_>]) -> String {
    array(tenants.iter().map(|(_, oid)| oid.to_string()), "oid")
}

fn array(values: impl Iterator<Item = String>, of: &str) -> String {
    format!("ARRAY[{}]::{of}[]", values.collect::<Vec<_>>().join(", "))
}
