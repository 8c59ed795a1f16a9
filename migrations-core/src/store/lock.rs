//! Advisory locks on two levels, held for one transaction, tried and never waited for; and the guard that takes them or
//! raises.
//!
//! The fleet key is taken exclusively to change the registry or the shared schema, and shared to change a tenant; every
//! tenant has a key of its own. A session that waits inside `pg_advisory_lock` holds a snapshot, for which
//! `CREATE INDEX CONCURRENTLY` waits in turn. So a lock is only tried, and the client tries again after a pause.

use postgres::error::SqlState;

use super::layout::Layout;
use crate::names::{Literal, SchemaName};

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
    /// No other session changes the tenant in this schema, the registry or the shared schema.
    Tenant(&'a SchemaName),
}

/// A block that takes the locks and checks that the plan still holds, or raises. `stale` is a condition in SQL.
pub(crate) fn guard(layout: &Layout, lock: Lock<'_>, stale: &str) -> String {
    guard_with(layout, lock, stale, "", "")
}

/// The same block with declarations; it continues with `PL/pgSQL` statements when it has the locks.
pub(crate) fn guard_with(layout: &Layout, lock: Lock<'_>, stale: &str, declare: &str, body: &str) -> String {
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
        Lock::Tenant(schema) => layout.sql(
            include_str!("sql/guard_tenant.sql"),
            &[
                ("leases_name", &Literal(&layout.table("leases"))),
                ("fleet", &fleet),
                ("tenant", &lock_key(layout, &Literal(schema.as_str()).to_string())),
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

/// The key of a tenant's schema, given as an expression, or of the whole fleet for an empty name. The server computes it,
/// so a statement can lock a schema whose name it has just read. Keys are per database.
pub(crate) fn lock_key(layout: &Layout, schema: &str) -> String {
    key(layout, "", schema)
}

/// The key of something else that has a name, given as an expression.
pub(crate) fn named_key(layout: &Layout, what: &str, name: &str) -> String {
    key(layout, &format!("{what} "), name)
}

/// Older binaries compute the same keys for the names that they know, which hold no blanks. In other names, blanks are
/// doubled: a schema called `unit acme` has another key than the units of schema `acme`.
fn key(layout: &Layout, what: &str, name: &str) -> String {
    let registry = Literal(layout.registry.as_str());
    format!(
        "hashtextextended('migrate ' || replace({registry}, ' ', '  ') || ' {what}' || replace({name}, ' ', '  '), 0)"
    )
}
