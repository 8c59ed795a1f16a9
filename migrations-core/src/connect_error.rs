//! Why there is no connection, and whether waiting helps.

use std::fmt;
use std::time::Duration;

use postgres::error::{DbError, SqlState};

use crate::cause::chain;
use crate::lost::is_lost_code;

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectError {
    database: String,
    source: postgres::Error,
    waited: Option<Duration>,
}

impl ConnectError {
    pub(crate) fn new(database: String, source: postgres::Error) -> Self {
        Self { database, source, waited: None }
    }

    pub(crate) fn after(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// The server's SQLSTATE, where a server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.source.code().map(SqlState::code)
    }

    /// What the server says, where one answered.
    pub(crate) fn server(&self) -> Option<&DbError> {
        self.source.as_db_error()
    }

    /// What the server or the operating system says, in one line.
    pub(crate) fn reason(&self) -> String {
        match self.source.as_db_error() {
            Some(error) => format!("{}: {}", error.code().code(), error.message()),
            None => chain(&self.source),
        }
    }

    /// Whether the same attempt can succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        if let Some(code) = self.source.code() {
            // Starting up, shutting down, or full; or a pooler that does not reach it.
            return is_lost_code(code.code()) || code == &SqlState::TOO_MANY_CONNECTIONS;
        }
        // Nobody listens yet, or the name is not known yet. Anything else is about us: a missing password, say.
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&self.source);
        while let Some(error) = source {
            if error.is::<std::io::Error>() {
                return true;
            }
            source = error.source();
        }
        self.source.is_closed()
    }

    fn advice(&self) -> &'static str {
        match self.source.code() {
            Some(code)
                if code == &SqlState::INVALID_PASSWORD || code == &SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
            {
                "check the user and the password"
            }
            Some(code) if code == &SqlState::INVALID_CATALOG_NAME => {
                "create the database first: CREATE DATABASE is not part of a migration"
            }
            Some(code) if code == &SqlState::TOO_MANY_CONNECTIONS => {
                "the server has no connection left; close some, or raise max_connections"
            }
            Some(_) => "the server refuses this connection",
            None if self.may_pass() => {
                "check host and port, and that the server runs; `up --wait 1m` waits longer for it"
            }
            None => "check the connection string",
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.database)?;
        if let Some(waited) = self.waited.filter(|waited| *waited > Duration::from_secs(1)) {
            write!(f, ", tried for {waited:.1?}")?;
        }
        write!(f, "\n   = {}\n   = help: {}", self.reason(), self.advice())
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
