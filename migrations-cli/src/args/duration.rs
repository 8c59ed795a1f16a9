//! Durations on the command line.

use std::time::Duration;

/// Reads a duration as in `30s` or `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as in 30s or 2m"))
}

/// Reads a duration that PostgreSQL accepts as its `lock_timeout`: whole milliseconds in an `int4`, where 0 means no
/// limit (<https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT>).
pub(super) fn lock_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    match i32::try_from(timeout.as_millis()) {
        Ok(0) => Err("without a limit, every other session queues behind the statement; give 1ms or more".to_owned()),
        Ok(_) => Ok(timeout),
        Err(_) => Err("PostgreSQL waits 24days at most".to_owned()),
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
        }
    }
}
