//! `wait`: waits until the server accepts connections, or until nothing is pending.

use std::fmt::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use migrations_core::{Database, Error as Core, Migrator};
use serde::Serialize;

use crate::args::Wait;
use crate::error::{Error, Exit};
use crate::output::json::milliseconds;
use crate::output::text;
use crate::output::{Output, Paper, View};

/// The time between two checks whether anything is pending.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(
    args: &Wait,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let start = Instant::now();
    drop(database.wait(args.timeout)?);
    if args.migrated {
        until_migrated(start, args.timeout, migrator, database)?;
    }
    let waited_for = if args.migrated { "migrated" } else { "connections" };
    output.show(&Done { waited_for, elapsed_ms: milliseconds(start.elapsed()), database: database.to_string() })?;
    Ok(Exit::Done)
}

fn until_migrated(start: Instant, timeout: Duration, migrator: &Migrator, database: &Database) -> Result<(), Error> {
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        match migrator.is_pending(&database.clone().with_wait(left)) {
            Ok(false) => return Ok(()),
            Ok(true) => log::info!("{database} has pending migrations"),
            // The server may have been restarted; connecting again shows whether it comes back.
            Err(error @ Core::Lost { .. }) if !left.is_zero() => log::info!("{error}"),
            Err(error) => return Err(error.into()),
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(still_pending(start.elapsed(), migrator, database));
        }
        thread::sleep(PAUSE.min(left));
    }
}

/// The error after the timeout. One more query, in detail, says what is pending.
fn still_pending(waited: Duration, migrator: &Migrator, database: &Database) -> Error {
    let pending = match migrator.status(database) {
        Err(error) => format!("its state is unknown: {error}"),
        Ok(status) => {
            let tenants: Vec<String> = status
                .tenants
                .iter()
                .filter(|tenant| tenant.schema.is_pending())
                .map(|tenant| text::tenant(tenant.name.as_str(), tenant.schema_name.as_str()))
                .collect();
            let mut parts = Vec::new();
            for (name, schema) in [("registry", &status.registry), ("shared", &status.shared)] {
                if schema.is_pending() {
                    let version =
                        schema.version.map_or_else(|| "no version yet".to_owned(), |v| format!("version {v}"));
                    parts.push(format!("the {name} schema is {}, at {version}", schema.state));
                }
            }
            if !tenants.is_empty() {
                parts.push(format!("{} not current: {}", text::tenants(tenants.len()), text::names(tenants)));
            }
            if parts.is_empty() { "it is migrated now, after the timeout".to_owned() } else { parts.join("; ") }
        }
    };
    Error::StillPending { database: database.to_string(), waited, pending }
}

#[derive(Serialize)]
struct Done {
    waited_for: &'static str,
    elapsed_ms: u64,
    #[serde(skip)]
    database: String,
}

impl View for Done {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let what = if self.waited_for == "migrated" { "is migrated" } else { "accepts connections" };
        writeln!(page, "{} {what} ({})", self.database, text::elapsed(Duration::from_millis(self.elapsed_ms)))
    }
}
