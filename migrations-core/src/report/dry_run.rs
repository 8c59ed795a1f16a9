//! What a run would send.

use crate::names::{SchemaName, TenantName};
use crate::set::SetName;

/// What a run would send for one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rehearsal {
    /// The set.
    pub set: SetName,
    /// The tenant; `None` for the registry, the shared set, and extensions that the tenant set needs.
    pub tenant: Option<TenantName>,
    /// The tenant's schema; `None` where there is no tenant.
    pub schema: Option<SchemaName>,
    /// Titles of the migrations, in order; for an extension, `extension` and its name.
    pub migrations: Vec<String>,
    /// The messages, in order. Each is one transaction, or one statement of a `no-transaction` migration, which runs
    /// outside a transaction. The mark and the history row that a run writes around such a statement are left out,
    /// because they go through a second connection: read the messages after such a statement, but do not send them by
    /// hand.
    pub messages: Vec<String>,
}
