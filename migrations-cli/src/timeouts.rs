//! The timeouts of a command, and which source wins: the command line, the environment, what the binary sets, the
//! default.

use std::time::Duration;

use migrations_core::{Database, Migrator};

use crate::args::{Global, duration, lock_timeout, statement_timeout};
use crate::error::Error;
use crate::variables::Variables;

/// The timeouts that the command line or the environment sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    connect: Option<Set>,
    statement: Option<Set>,
    lock: Option<Set>,
}

/// A timeout, and the option or the variable that sets it.
#[derive(Clone, Copy, Debug)]
struct Set {
    time: Duration,
    by: &'static str,
}

impl Timeouts {
    pub(crate) fn read(global: &Global, variables: &Variables) -> Result<Self, Error> {
        let find = |given: Option<Duration>, option, name, read: fn(&str) -> Result<Duration, String>| {
            if let Some(time) = given {
                return Ok(Some(Set { time, by: option }));
            }
            let Some(value) = variables.get(name) else { return Ok(None) };
            match read(&value) {
                Ok(time) => Ok(Some(Set { time, by: name })),
                Err(problem) => Err(Error::Variable { name, value, problem }),
            }
        };
        Ok(Self {
            connect: find(global.connect_timeout, "--connect-timeout", "MIGRATE_CONNECT_TIMEOUT", duration)?,
            statement: find(
                global.statement_timeout,
                "--statement-timeout",
                "MIGRATE_STATEMENT_TIMEOUT",
                statement_timeout,
            )?,
            lock: find(global.lock_timeout, "--lock-timeout", "MIGRATE_LOCK_TIMEOUT", lock_timeout)?,
        })
    }

    /// Sets the migrator's; what the binary has set stays for all others.
    pub(crate) fn adjust(&self, migrator: Migrator) -> Migrator {
        let migrator = match self.statement {
            Some(set) => migrator.statement_timeout(set.time),
            None => migrator,
        };
        match self.lock {
            Some(set) => migrator.lock_timeout(set.time),
            None => migrator,
        }
    }

    /// Sets the database's.
    pub(crate) fn adjust_database(&self, database: Database) -> Database {
        match self.connect {
            Some(set) => database.with_connect_timeout(set.time),
            None => database,
        }
    }

    /// The source of the statement timeout, if this process sets one.
    pub(crate) fn statement_timeout_by(&self) -> Option<&'static str> {
        self.statement.map(|set| set.by)
    }

    /// Says in the log which timeouts a command has, and where they come from.
    pub(crate) fn log(&self, migrator: &Migrator, database: &Database) {
        log::info!("timeouts: {}", self.text(migrator, database));
    }

    fn text(&self, migrator: &Migrator, database: &Database) -> String {
        let connect = database.config().get_connect_timeout().copied();
        let connect = match self.connect {
            Some(set) => set.to_string(),
            None => says(connect.unwrap_or_default(), database.connect_timeout_from().unwrap_or("the default")),
        };
        let statement = match (self.statement, migrator.get_statement_timeout()) {
            (Some(set), _) => set.to_string(),
            (None, Some(time)) => says(time, "the binary"),
            (None, None) => "as the role and the database have it (the default)".to_owned(),
        };
        let lock = match self.lock {
            Some(set) => set.to_string(),
            None if migrator.get_lock_timeout() == Migrator::DEFAULT_LOCK_TIMEOUT => {
                says(migrator.get_lock_timeout(), "the default")
            }
            None => says(migrator.get_lock_timeout(), "the binary"),
        };
        format!("connect {connect}, statement {statement}, lock {lock}")
    }
}

fn says(time: Duration, by: &str) -> String {
    if time.is_zero() {
        format!("without a limit ({by})")
    } else {
        format!("{} ({by})", humantime::format_duration(time))
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&says(self.time, self.by))
    }
}

#[cfg(test)]
mod tests {
    use migrations_core::{Error as Core, MigrationSet};

    use super::*;

    #[test]
    fn what_the_binary_sets_stays_unless_an_option_is_given() -> Result<(), Core> {
        let seconds = Duration::from_secs;
        let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?);
        let migrator = migrator.statement_timeout(seconds(7)).lock_timeout(seconds(8));
        let database = Database::from_url("postgres://app@db/app?connect_timeout=9")?;
        let says = |timeouts: Timeouts| {
            let (migrator, database) = (timeouts.adjust(migrator.clone()), timeouts.adjust_database(database.clone()));
            timeouts.text(&migrator, &database)
        };
        assert_eq!(says(Timeouts::default()), "connect 9s (the URL), statement 7s (the binary), lock 8s (the binary)");
        let set = |time| Some(Set { time: seconds(time), by: "--option" });
        let all = Timeouts { connect: set(1), statement: set(2), lock: set(4) };
        assert_eq!(says(all), "connect 1s (--option), statement 2s (--option), lock 4s (--option)");
        Ok(())
    }
}
