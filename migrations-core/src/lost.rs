//! What it means that a connection is lost: the one definition, for whoever replaces it or tries again.

use postgres::Error as DriverError;
use postgres::error::SqlState;

/// Whether a server that answers with this SQLSTATE has gone, or ended the session: class 08 is about the connection
/// itself, and is what poolers answer with; then the shutdown of a server, its crash, and its start; then a session that
/// was idle for too long. Not 57P04: a database that was dropped does not come back.
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>)
pub(crate) fn is_lost_code(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || matches!(sqlstate, "57P01" | "57P02" | "57P03" | "57P05")
}

/// Whether what the driver says is that the connection is gone. What is no answer of the server's is about the connection.
pub(crate) fn is_lost(error: &DriverError) -> bool {
    error.is_closed() || error.code().map(SqlState::code).is_none_or(is_lost_code)
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
