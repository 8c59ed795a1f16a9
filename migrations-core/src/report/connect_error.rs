//! Why there is no connection, and whether waiting can help.

use std::fmt;
use std::time::Duration;

use postgres::error::{DbError, SqlState};

use super::cause::chain;

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectError {
    database: String,
    source: postgres::Error,
    waited: Option<Duration>,
    may_pass: bool,
}

impl ConnectError {
    /// `may_pass`: whether the same attempt can succeed a moment later.
    pub(crate) fn new(database: String, source: postgres::Error, may_pass: bool) -> Self {
        Self { database, source, waited: None, may_pass }
    }

    pub(crate) fn after(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// The server's SQLSTATE, if a server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.source.code().map(SqlState::code)
    }

    /// The server's message, if one answered.
    pub(crate) fn server(&self) -> Option<&DbError> {
        self.source.as_db_error()
    }

    /// The message of the server or of the operating system, in one line.
    pub(crate) fn reason(&self) -> String {
        match self.source.as_db_error() {
            Some(error) => format!("{}: {}", error.code().code(), error.message()),
            None => chain(&self.source),
        }
    }

    /// Whether the same attempt can succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        self.may_pass
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
            None if self.may_pass => "check host and port, and that the server is running",
            None if chain(&self.source).contains("password missing") => {
                "the server asks for a password: put it into the URL (postgres://user:password@host/name), or set PGPASSWORD \
                 where PGHOST and its kin name the server"
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
