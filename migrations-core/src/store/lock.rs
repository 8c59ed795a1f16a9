//! Advisory locks on two levels, held for one transaction, tried and never waited for; and the guard that takes them or
//! raises.
//!
//! The fleet key is taken exclusively to change the registry or the shared schema, and shared to change a tenant; every
//! tenant has a key of its own. A session that waits inside `pg_advisory_lock` holds a snapshot, for which
//! `CREATE INDEX CONCURRENTLY` waits in turn. So a lock is only tried, and the client tries again after a pause.

use postgres::error::SqlState;

use super::layout::Layout;
use crate::names::{Literal, TenantName};

/// SQLSTATEs that the framework's own statements raise.
pub(crate) mod codes {
    /// Another run holds the fleet key.
    pub(crate) const FLEET_BUSY: &str = "MGB01";
    /// Another run holds the tenant's key.
    pub(crate) const TENANT_BUSY: &str = "MGB02";
    /// The state that the plan was made from has changed.
    pub(crate) const STALE: &str = "MGS01";
    /// A migration changed something outside its tenant.
    pub(crate) const ISOLATION: &str = "MGI01";
    /// Other sessions change the state that a migration's effects are compared with.
    pub(crate) const OTHERS: &str = "MGI02";
    /// A transaction that several tenants share takes too long.
    pub(crate) const TOO_LONG: &str = "MGT01";
    /// A part of a migration was done outside a transaction, but the migration is to run in one.
    pub(crate) const HALF_DONE: &str = "MGM01";
}

/// Whether the error means that the guard did not let the transaction pass.
pub(crate) fn is_refusal(code: &SqlState) -> bool {
    [codes::FLEET_BUSY, codes::TENANT_BUSY, codes::STALE].contains(&code.code())
}

/// A lock that a transaction takes before anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock<'a> {
    /// No other session changes anything.
    Fleet,
    /// No other session changes this tenant, the registry or the shared schema.
    Tenant(&'a TenantName),
}

/// A block that takes the locks and checks that the plan still holds, or raises. `stale` is a condition in SQL.
pub(crate) fn guard(layout: &Layout, lock: Lock<'_>, stale: &str) -> String {
    guard_with(layout, lock, stale, "", "")
}

/// The same block with declarations; it continues with `PL/pgSQL` statements when it has the locks.
pub(crate) fn guard_with(layout: &Layout, lock: Lock<'_>, stale: &str, declare: &str, body: &str) -> String {
    // Names consist of letters, digits and `_`, so nothing in the block can contain the closing tag.
    let (stale, fleet) = (stale.trim_end(), lock_key(layout, "''"));
    match lock {
        Lock::Fleet => layout.sql(
            include_str!("sql/guard_fleet.sql"),
            &[
                ("fleet", &fleet),
                ("fleet_busy", &codes::FLEET_BUSY),
                ("out_of_date", &codes::STALE),
                ("stale", &stale),
                ("declare", &declare),
                ("body", &body),
            ],
        ),
        Lock::Tenant(name) => layout.sql(
            include_str!("sql/guard_tenant.sql"),
            &[
                ("leases_name", &Literal(&layout.table("leases"))),
                ("fleet", &fleet),
                ("tenant", &lock_key(layout, &Literal(name.as_str()).to_string())),
                ("fleet_busy", &codes::FLEET_BUSY),
                ("tenant_busy", &codes::TENANT_BUSY),
                ("out_of_date", &codes::STALE),
                ("stale", &stale),
                ("declare", &declare),
                ("body", &body),
            ],
        ),
    }
}

/// The key of a tenant, given as an expression, or of the whole fleet for an empty name. The server computes it, so a
/// statement can lock a tenant whose name it has just read. Keys are per database.
pub(crate) fn lock_key(layout: &Layout, tenant: &str) -> String {
    format!("hashtextextended('migrate ' || {} || ' ' || {tenant}, 0)", Literal(layout.registry.as_str()))
}
