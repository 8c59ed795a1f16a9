//! Rows that are valid for a limited time and expire on their own, since a session must not hold anything beyond a
//! transaction: work that one process does for all, and what a process is about to do.

use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::{ToSql, Type};

use super::layout::{BEGINNING, Layout};
use super::lock::{codes, named_key};
use crate::names::Literal;
use crate::report::Error;
use crate::server::{Delivery, send};

/// How long a process that has died blocks the others.
const TERM: Duration = Duration::from_mins(1);

/// The right to do something alone. Taking it again renews it.
pub(crate) struct Lease {
    name: &'static str,
    holder: String,
}

impl Lease {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, holder: format!("{:016x}", fastrand::u64(..)) }
    }

    /// Takes or renews the lease; `false` if another process has it.
    pub(crate) fn take(&self, client: &mut Client, delivery: Delivery, layout: &Layout) -> Result<bool, Error> {
        let take = layout.sql(
            include_str!("sql/take_lease.sql"),
            &[
                ("key", &named_key(layout, "lease", &Literal(self.name).to_string())),
                ("name", &Literal(self.name)),
                ("holder", &Literal(&self.holder)),
                ("seconds", &TERM.as_secs()),
                ("busy", &codes::TENANT_BUSY),
            ],
        );
        match send(client, delivery, &[&BEGINNING[..], &[&take]].concat()) {
            Ok(()) => Ok(true),
            Err(refused) if refused.error.code().is_some_and(|code| code.code() == codes::TENANT_BUSY) => Ok(false),
            Err(refused) => Err(Error::from_driver(format!("taking the lease {}", self.name), &refused.error)),
        }
    }

    /// Gives it back, so that the next process does not have to wait until it expires.
    pub(crate) fn give_back(&self, client: &mut Client, layout: &Layout) {
        let message = layout.sql(
            include_str!("sql/give_back_lease.sql"),
            &[("name", &Literal(self.name)), ("holder", &Literal(&self.holder))],
        );
        if let Err(error) = client.batch_execute(&message) {
            log::debug!("the lease {} was not given back and will expire: {error}", self.name);
        }
    }
}

/// How long an announcement is valid.
const HOLDS: Duration = Duration::from_secs(5);
/// The time after which it is written again.
const RENEW: Duration = Duration::from_secs(2);

/// An announcement that this process wants to change the registry or the shared schema. It only tries to take the fleet
/// key and never waits for it, so the processes that migrate tenants could together hold the key for ever: their guard
/// looks for this row.
#[derive(Default)]
pub(crate) struct Announcement {
    holder: Option<String>,
    written: Option<Instant>,
}

impl Announcement {
    /// Writes the row, unless it was written a moment ago.
    pub(crate) fn make(&mut self, client: &mut Client, layout: &Layout) -> Result<(), Error> {
        if self.written.is_some_and(|written| written.elapsed() < RENEW) {
            return Ok(());
        }
        let holder = self.holder.get_or_insert_with(|| format!("{:032x}", fastrand::u128(..)));
        let query = layout.sql(include_str!("sql/announce.sql"), &[]);
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&*holder, Type::TEXT), (&HOLDS.as_secs_f64(), Type::FLOAT8)];
        client.query_typed(&query, &parameters).map_err(|error| Error::from_driver("announcing a change", &error))?;
        self.written = Some(Instant::now());
        Ok(())
    }

    /// Deletes the row, and those that other processes left. If that fails, the row expires.
    pub(crate) fn withdraw(&mut self, client: &mut Client, layout: &Layout) {
        let Some(holder) = self.holder.take() else { return };
        let query = layout.sql(include_str!("sql/withdraw.sql"), &[]);
        if let Err(error) = client.query_typed(&query, &[(&holder, Type::TEXT)]) {
            log::debug!("an announcement could not be deleted and will expire: {error}");
        }
    }
}
