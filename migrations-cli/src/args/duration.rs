//! Durations on the command line.

use std::time::Duration;

/// Reads a duration as in `30s` or `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as in 30s or 2m"))
}

/// Reads a duration that PostgreSQL accepts as its `lock_timeout`: whole milliseconds in an `int4`, where 0 means no
/// limit (<https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT>).
pub(crate) fn lock_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    match i32::try_from(timeout.as_millis()) {
        Ok(0) => Err("without a limit, every other session queues behind the statement; give 1ms or more".to_owned()),
        Ok(_) => Ok(timeout),
        Err(_) => Err("PostgreSQL waits 24days at most".to_owned()),
    }
}

/// Reads a duration that PostgreSQL accepts as its `statement_timeout`: whole milliseconds in an `int4`, where 0 means
/// no limit.
pub(crate) fn statement_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    match i32::try_from(timeout.as_millis()) {
        Ok(0) if !timeout.is_zero() => Err("the shortest timeout is 1ms; 0s means no limit".to_owned()),
        Ok(_) => Ok(timeout),
        Err(_) => Err("PostgreSQL's longest timeout is 24days; 0s means no limit".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_timeout_is_one_that_postgresql_accepts() {
        for (text, milliseconds) in
            [("1ms", Ok(1)), ("24days", Ok(2_073_600_000)), ("999us", Err(())), ("25days", Err(()))]
        {
            assert_eq!(lock_timeout(text).map(|timeout| timeout.as_millis()).map_err(drop), milliseconds, "{text}");
            let statement = statement_timeout(text).map(|timeout| timeout.as_millis()).map_err(drop);
            assert_eq!(statement, milliseconds, "{text}");
        }
    }

    #[test]
    fn a_statement_timeout_of_zero_is_no_limit_and_a_lock_timeout_of_zero_is_refused() {
        assert_eq!(statement_timeout("0s"), Ok(Duration::ZERO));
        assert!(lock_timeout("0s").is_err());
    }
}
