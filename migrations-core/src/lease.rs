//! What one process at a time does for all, for a limited time: a row of the registry that expires by itself, since nothing
//! that outlives a transaction may be held in a session.

use std::time::Duration;

use postgres::Client;

use crate::error::Error;
use crate::lock;
use crate::registry::Layout;
use crate::sql::{BEGINNING, Literal};

/// How long a process that has died keeps the others away.
const TERM: Duration = Duration::from_secs(60);

/// The right to do something alone. It is renewed by taking it again.
pub(crate) struct Lease {
    name: &'static str,
    holder: String,
}

impl Lease {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, holder: format!("{:016x}", fastrand::u64(..)) }
    }

    /// Takes or renews the lease; `false` when another process has it.
    pub(crate) fn take(&self, client: &mut Client, layout: &Layout) -> Result<bool, Error> {
        let leases = layout.table("leases");
        let key = lock::key(&layout.registry, &Literal(&format!("lease {}", self.name)).to_string());
        let (name, holder) = (Literal(self.name), Literal(&self.holder));
        let message = format!(
            "{};
DO $migrate$ BEGIN
  IF NOT pg_try_advisory_xact_lock({key}) OR EXISTS (
    SELECT FROM {leases} WHERE name = {name} AND holder <> {holder} AND expires_at > clock_timestamp()
  ) THEN
    RAISE EXCEPTION 'another process has the lease' USING ERRCODE = '{busy}';
  END IF;
  DELETE FROM {leases} WHERE name = {name};
  INSERT INTO {leases} (name, holder, expires_at)
  VALUES ({name}, {holder}, clock_timestamp() + interval '{seconds} seconds');
END $migrate$",
            BEGINNING.join(";\n"),
            busy = lock::TENANT_BUSY,
            seconds = TERM.as_secs(),
        );
        match client.batch_execute(&message) {
            Ok(()) => Ok(true),
            Err(error) if error.code().is_some_and(|code| code.code() == lock::TENANT_BUSY) => Ok(false),
            Err(error) => Err(Error::from_driver(format!("taking the lease {}", self.name), &error)),
        }
    }

    /// Gives it back, for the next process not to wait until it expires.
    pub(crate) fn give_back(&self, client: &mut Client, layout: &Layout) {
        let leases = layout.table("leases");
        let (name, holder) = (Literal(self.name), Literal(&self.holder));
        let message = format!("DELETE FROM {leases} WHERE name = {name} AND holder = {holder}");
        if let Err(error) = client.batch_execute(&message) {
            log::debug!("the lease {} expires by itself: {error}", self.name);
        }
    }
}
