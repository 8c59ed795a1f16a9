//! Who may work on what: two levels of advisory locks, held for one transaction, tried and never waited for.
//!
//! The fleet key is taken exclusively while the registry or the shared set changes, and shared while a tenant does; every
//! tenant has a key of its own. A session that waits inside `pg_advisory_lock` holds a snapshot, for which
//! `CREATE INDEX CONCURRENTLY` waits in turn: so a lock is tried, and tried again from here after a pause.

use std::fmt::Write;
use std::time::{Duration, Instant};

use postgres::error::SqlState;

use crate::error::Error;
use crate::name::{SchemaName, TenantName};
use crate::sql::{Ident, Literal};

/// Somebody else holds the fleet key.
pub(crate) const FLEET_BUSY: &str = "MGB01";
/// Somebody else holds the tenant's key.
pub(crate) const TENANT_BUSY: &str = "MGB02";
/// What the plan was made from is not so any more.
pub(crate) const STALE: &str = "MGS01";
/// A migration changed what is not its tenant's.
pub(crate) const TRESPASS: &str = "MGI01";
/// A part of a migration was done outside of a transaction, in which it is to run.
pub(crate) const HALF_DONE: &str = "MGM01";
/// Others change what a migration's effects are compared with.
pub(crate) const OTHERS: &str = "MGI02";

/// Whether an error is that the guard did not let the message through.
pub(crate) fn is_refusal(code: &SqlState) -> bool {
    [FLEET_BUSY, TENANT_BUSY, STALE].contains(&code.code())
}

/// A lock that a message takes before anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock<'a> {
    /// Nobody else works on anything.
    Fleet,
    /// Nobody else works on this tenant, and nobody changes what all share.
    Tenant(&'a TenantName),
}

/// A block that takes the locks and checks that the plan still holds, or raises. `stale` is a condition in SQL.
pub(crate) fn guard(registry: &SchemaName, lock: Lock<'_>, stale: &str) -> String {
    guarded(registry, lock, stale, "", "")
}

/// The same block, which goes on with statements in `PL/pgSQL` when all is well.
pub(crate) fn guarded(registry: &SchemaName, lock: Lock<'_>, stale: &str, declare: &str, body: &str) -> String {
    let fleet = key(registry, "''");
    let (mut take, mut announced) = (String::new(), String::new());
    let mut raise_unless = |condition: String, message: &str, code: &str| {
        let _ = write!(
            take,
            "  IF NOT {condition} THEN\n    RAISE EXCEPTION '{message}' USING ERRCODE = '{code}';\n  END IF;\n"
        );
    };
    match lock {
        Lock::Fleet => {
            raise_unless(format!("pg_try_advisory_xact_lock({fleet})"), "another run is at work", FLEET_BUSY);
        }
        Lock::Tenant(name) => {
            let message = "another run changes what all tenants share";
            raise_unless(format!("pg_try_advisory_xact_lock_shared({fleet})"), message, FLEET_BUSY);
            announced = announcement(registry);
            let tenant = key(registry, &Literal(name.as_str()).to_string());
            let message = "another run is at work on this tenant";
            raise_unless(format!("pg_try_advisory_xact_lock({tenant})"), message, TENANT_BUSY);
        }
    }
    // Names are made of letters, digits and `_`: nothing in the block can hold the closing tag.
    format!(
        "DO $migrate$ {declare}BEGIN\n{announced}{take}  IF {stale} THEN\n    \
         RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '{STALE}';\n  END IF;\n{body}END $migrate$"
    )
}

/// Raises while somebody has announced that they want to change what all tenants share (`lease`). A registry that was made
/// by an older binary, and is not migrated yet, has no table for it.
fn announcement(registry: &SchemaName) -> String {
    let leases = format!("{}.leases", Ident(registry.as_str()));
    format!(
        "  IF to_regclass({}) IS NOT NULL THEN\n    \
         IF EXISTS (SELECT FROM {leases} WHERE name = 'shared' AND expires_at > clock_timestamp()) THEN\n      \
         RAISE EXCEPTION 'another run is about to change what all tenants share' USING ERRCODE = '{FLEET_BUSY}';\n    \
         END IF;\n  END IF;\n",
        Literal(&leases)
    )
}

/// The key of a tenant, given as an expression, or of the whole fleet for an empty name. The server works it out, so that a
/// statement can take the lock of a tenant whose name it has just read. Keys are per database.
pub(crate) fn key(registry: &SchemaName, tenant: &str) -> String {
    format!("hashtextextended('migrate ' || {} || ' ' || {tenant}, 0)", Literal(registry.as_str()))
}

/// Pauses between two tries, up to a deadline.
pub(crate) struct Polling {
    start: Instant,
    wait: Duration,
    pause: Duration,
}

impl Polling {
    /// The longest pause between two tries.
    const LONGEST: Duration = Duration::from_millis(250);

    pub(crate) fn new(wait: Duration) -> Self {
        Self { start: Instant::now(), wait, pause: Duration::from_millis(5) }
    }

    /// Whether this is the first time that there is something to wait for.
    pub(crate) fn is_first(&self) -> bool {
        self.pause == Duration::from_millis(5)
    }

    /// Sleeps for a moment, with jitter, so that many who wait do not come back together.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] when the deadline has passed.
    pub(crate) fn pause(&mut self, what: &str) -> Result<(), Error> {
        let waited = self.start.elapsed();
        if waited >= self.wait {
            return Err(Error::Locked { what: what.to_owned(), waited });
        }
        std::thread::sleep(self.pause.mul_f64(0.5 + fastrand::f64()).min(self.wait.saturating_sub(waited)));
        self.pause = (self.pause * 2).min(Self::LONGEST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_ends_at_its_deadline() {
        let mut polling = Polling::new(Duration::from_millis(20));
        let start = Instant::now();
        while polling.pause("tenant acme").is_ok() {
            assert!(start.elapsed() < Duration::from_secs(5));
        }
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
