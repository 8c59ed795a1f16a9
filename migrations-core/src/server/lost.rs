//! The one definition of a lost connection, for all code that replaces a connection or tries again.

use std::error::Error as StdError;
use std::io;

use postgres::Error as DriverError;
use postgres::error::SqlState;

use crate::report::{Error, Failure, Reason};

/// Whether this SQLSTATE means that the server is gone or has ended the session. Class 08 is about the connection
/// itself, and poolers answer with it. The others are a server's shutdown, crash and start, and the end of a session
/// that was idle for too long. Not 57P04: a database that was dropped does not come back.
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>)
pub(crate) fn is_lost_code(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || matches!(sqlstate, "57P01" | "57P02" | "57P03" | "57P05")
}

/// Whether the driver says that the connection is gone. An error that the server did not send is about the connection.
pub(crate) fn is_lost(error: &DriverError) -> bool {
    error.is_closed() || error.code().map(SqlState::code).is_none_or(is_lost_code)
}

/// Whether a schema failed because the connection is gone. The driver notices late, and the server may have reported it
/// first.
pub(crate) fn is_lost_failure(failure: &Failure) -> bool {
    match failure.reason() {
        Reason::Server(error) => is_lost_code(error.sqlstate()),
        Reason::ConnectionLost(_) => true,
        _ => false,
    }
}

impl Error {
    /// Whether the connection is gone.
    pub(crate) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Lost { .. }) || self.sqlstate().is_some_and(is_lost_code)
    }
}

/// Whether another attempt to connect can succeed a moment later.
pub(super) fn may_pass(error: &DriverError) -> bool {
    if let Some(code) = error.code() {
        // The server is starting, shutting down or full; or a pooler cannot reach it.
        return is_lost_code(code.code()) || code == &SqlState::TOO_MANY_CONNECTIONS;
    }
    // Nothing listens yet, or the name does not resolve yet. Any other error is the client's, such as a missing
    // password.
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<io::Error>() {
            return true;
        }
        source = error.source();
    }
    error.is_closed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pooler_and_a_server_that_goes_down_say_is_a_lost_connection() {
        for lost in ["08000", "08003", "08006", "08P01", "57P01", "57P02", "57P03", "57P05"] {
            assert!(is_lost_code(lost), "{lost}");
        }
        for other in ["57014", "57P04", "42P01", "55P03", "53300", "25P02"] {
            assert!(!is_lost_code(other), "{other}");
        }
    }
}
