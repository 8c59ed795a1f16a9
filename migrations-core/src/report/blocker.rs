//! The sessions that hold the lock a migration did not get.

use std::fmt;
use std::time::Duration;

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
    /// Its state, as in `idle in transaction`.
    pub state: String,
    /// The start of its current or last statement.
    pub query: String,
    /// How long its transaction has been open.
    pub age: Duration,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, application, user, state, query, age } = self;
        let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "pid {pid} ({application:?}, user {user}, {state}) for {age:.1?}: {query}")
    }
}
