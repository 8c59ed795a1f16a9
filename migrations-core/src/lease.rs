//! An announcement that somebody wants to change what all tenants share.
//!
//! The fleet key is tried and never waited for, so those who come and go for tenants would keep it for ever between them.
//! Whoever wants all of it writes a row that their guard looks for. A row holds for a few seconds and is written anew while
//! it is needed, so a process that dies behind it keeps nobody waiting for longer.

use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::{ToSql, Type};

use crate::error::Error;
use crate::registry::Layout;

/// How long an announcement holds, and when it is written anew.
const HOLDS: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(2);

/// An announcement, once it is made.
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
