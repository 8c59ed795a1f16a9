//! A new tenant: registered, its schema created and every migration applied, in one transaction.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::apply::{Outcome, Session};
use crate::error::Error;
use crate::lock::Polling;
use crate::name::TenantName;
use crate::plan::Claim;
use crate::retry::{Mishaps, Retries};
use crate::script::{Job, Origin, Owner};
use crate::set::MigrationSet;
use crate::settings::Settings;

/// How a tenant is provisioned.
#[derive(Clone, Copy)]
pub(crate) struct Provisioning<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) set: &'a MigrationSet,
    /// Whether the commit waits for the disk.
    pub(crate) durable: bool,
    /// Whether the transaction looks at what it wrote.
    pub(crate) inspect: bool,
    /// Whether somebody else who is at work on the tenant is waited for.
    pub(crate) is_patient: bool,
    /// Counts what was tried again.
    pub(crate) mishaps: &'a Mishaps,
}

impl<'a> Provisioning<'a> {
    /// For one tenant, or the first of some, outside of a run.
    pub(crate) fn single(settings: &'a Settings, set: &'a MigrationSet, mishaps: &'a Mishaps) -> Self {
        let inspect = !settings.inspected.load(Ordering::Relaxed);
        Self { settings, set, durable: true, inspect, is_patient: true, mishaps }
    }

    /// Makes the tenant; `false` when somebody else had made it before.
    pub(crate) fn create(&self, session: &mut Session<'_>, name: &TenantName, id: Option<i64>) -> Result<bool, Error> {
        let mut job = Job {
            origin: Origin::Created { id },
            durable: self.durable,
            inspect: self.inspect,
            ..Job::new(self.settings, self.set, Owner::Tenant(name), Claim::default())
        };
        let mut retries = Retries::new(self.mishaps);
        let mut polling = Polling::new(self.settings.lock_wait);
        loop {
            if self.settings.interrupt.is_raised() {
                return Err(Error::Interrupted);
            }
            job.is_last_try = !retries.are_left();
            match session.apply(&job) {
                Outcome::Done(_) => {
                    self.settings.inspected.fetch_or(job.inspect, Ordering::Relaxed);
                    return Ok(true);
                }
                Outcome::Stale => return Ok(false),
                Outcome::Busy if !self.is_patient => {
                    return Err(Error::Locked { what: format!("tenant {name}"), waited: Duration::ZERO });
                }
                Outcome::Busy | Outcome::FleetBusy => self.settings.wait(&mut polling, &format!("tenant {name}"))?,
                Outcome::Failed(failure) if self.settings.interrupt.is_cause(failure.sqlstate()) => {
                    return Err(Error::Interrupted);
                }
                Outcome::Failed(failure) if !self.settings.interrupt.is_raised() && retries.pause(&failure) => {
                    session.recover(&failure)?;
                }
                Outcome::Failed(failure) => {
                    let duplicate_schema = failure.server().is_some_and(|error| error.sqlstate() == "42P06");
                    return Err(if duplicate_schema && failure.migration().is_none() {
                        Error::SchemaExists(name.clone())
                    } else {
                        failure.into()
                    });
                }
            }
        }
    }
}
