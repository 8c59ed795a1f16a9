//! The sessions that hold a lock that was not available.

use std::time::Duration;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};

use crate::report::Blocker;

/// Looks for them. The statement gave up its lock request when it failed, so these are the sessions that hold a lock
/// now.
pub(super) fn find(client: &mut Client, schema: &str, shared: &str) -> Vec<Blocker> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&shared, Type::TEXT)];
    // The answer would be welcome, but the failure is reported without it.
    let rows = client.query_typed(include_str!("blockers.sql"), &parameters).unwrap_or_default();
    let blocker = |row: &Row| Blocker {
        pid: row.get(0),
        application: row.get(1),
        user: row.get(2),
        state: row.get(3),
        query: row.get(4),
        age: Duration::from_millis(row.get::<_, i64>(5).unsigned_abs()),
    };
    rows.iter().map(blocker).collect()
}
