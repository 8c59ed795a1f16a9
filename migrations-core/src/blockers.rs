//! Who holds the lock that a migration did not get.

use std::fmt;
use std::time::Duration;

use postgres::Client;
use postgres::types::Type;

/// A session that holds locks on tables of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocker {
    /// Its process on the server, for `pg_terminate_backend`.
    pub pid: i32,
    /// Its application name.
    pub application: String,
    /// Its role.
    pub user: String,
    /// What it does, as in `idle in transaction`.
    pub state: String,
    /// The start of its current or last statement.
    pub query: String,
    /// How long its transaction has been open.
    pub age: Duration,
}

/// Sessions with locks on tables of the schema or of the shared one, the oldest transaction first.
const HOLDERS: &str = "\
SELECT a.pid, a.application_name, a.usename::text, coalesce(a.state, ''), left(a.query, 200),
       (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000::numeric)::int8
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND a.usename IS NOT NULL
    AND a.pid IN (
        SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND c.relnamespace IN (to_regnamespace(quote_ident($1))::oid, to_regnamespace(quote_ident($2))::oid)
            AND c.relkind IN ('r', 'p', 'm', 'S')
    )
ORDER BY a.xact_start LIMIT 5";

/// Looks for them. The lock was given up when the statement failed, so this is who holds one now.
pub(crate) fn find(client: &mut Client, schema: &str, shared: &str) -> Vec<Blocker> {
    let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&shared, Type::TEXT)];
    // An answer would be welcome; the failure stands without it.
    let rows = client.query_typed(HOLDERS, &parameters).unwrap_or_default();
    let blocker = |row: &postgres::Row| Blocker {
        pid: row.get(0),
        application: row.get(1),
        user: row.get(2),
        state: row.get(3),
        query: row.get(4),
        age: Duration::from_millis(row.get::<_, i64>(5).unsigned_abs()),
    };
    rows.iter().map(blocker).collect()
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, application, user, state, query, age } = self;
        let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "pid {pid} ({application:?}, user {user}, {state}) for {age:.1?}: {query}")
    }
}
