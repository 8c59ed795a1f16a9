//! Rows of the registry that hold for a limited time and expire by themselves, since nothing that outlives a transaction may be
//! held in a session: what one process at a time does for all, and what somebody is about to do.

use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::{ToSql, Type};

use crate::error::Error;
use crate::lock;
use crate::registry::Layout;
use crate::sql::{BEGINNING, Literal};

/// How long a process that has died keeps the others away.
const TERM: Duration = Duration::from_mins(1);

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

/// How long an announcement holds, and when it is written anew.
const HOLDS: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(2);

/// An announcement that somebody wants to change what all tenants share. The fleet key is tried and never waited for, so
/// those who come and go for tenants would keep it for ever between them: their guard looks for this row.
#[derive(Default)]
pub(crate) struct Announcement {
    holder: Option<String>,
    written: Option<Instant>,
}

impl Announcement {
    /// Writes the row, if it was not written a moment ago.
    pub(crate) fn make(&mut self, client: &mut Client, layout: &Layout) -> Result<(), Error> {
        if self.written.is_some_and(|written| written.elapsed() < RENEW) {
            return Ok(());
        }
        let holder = self.holder.get_or_insert_with(|| format!("{:032x}", fastrand::u128(..)));
        let query = format!(
            "INSERT INTO {} (name, holder, expires_at) \
             VALUES ('shared', $1, clock_timestamp() + $2::float8 * interval '1 second') \
             ON CONFLICT (name, holder) DO UPDATE SET expires_at = excluded.expires_at",
            layout.table("leases")
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&*holder, Type::TEXT), (&HOLDS.as_secs_f64(), Type::FLOAT8)];
        client.query_typed(&query, &parameters).map_err(|error| Error::from_driver("announcing a change", &error))?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// Takes the row back, and removes those that others left. Where that fails, it expires.
    pub(crate) fn withdraw(&mut self, client: &mut Client, layout: &Layout) {
        let Some(holder) = self.holder.take() else { return };
        let query = format!(
            "DELETE FROM {} WHERE name = 'shared' AND (holder = $1 OR expires_at < clock_timestamp())",
            layout.table("leases")
        );
        if let Err(error) = client.query_typed(&query, &[(&holder, Type::TEXT)]) {
            log::debug!("an announcement could not be taken back, and expires: {error}");
        }
    }
}
