//! A new tenant: registered, its schema created and every migration applied, in one transaction where that is possible, and
//! under a hidden name until the last one where it is not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::apply::{Outcome, Session};
use crate::error::Error;
use crate::lock;
use crate::lock::Polling;
use crate::name::{TenantName, is_unfinished_sql};
use crate::plan::{self, Claim};
use crate::registry;
use crate::retry::{Mishaps, Retries};
use crate::script::{Job, Origin, Owner};
use crate::set::MigrationSet;
use crate::settings::{Commits, Settings};
use crate::sql::{BEGINNING, Ident, Literal};
use crate::stage;
use crate::unfinished;

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
        let job = self.job(name, id);
        // A spare is not taken before it is up to date.
        let is_shown = !name.is_spare();
        if is_shown && job.steps().len() > 1 {
            return self.create_in_parts(session, name, id);
        }
        match self.create_as(session, &job, name) {
            Err(Error::Failed(failure))
                if is_shown && Commits::may_help(self.set, failure.sqlstate()) && job.steps().len() > 1 =>
            {
                log::info!("tenant {name} is made in several transactions: {}", failure.message());
                self.create_in_parts(session, name, id)
            }
            done => done,
        }
    }

    fn job<'b>(&'b self, name: &'b TenantName, id: Option<i64>) -> Job<'b> {
        Job {
            origin: Origin::Created { id },
            durable: self.durable,
            inspect: self.inspect,
            ..Job::new(self.settings, self.set, Owner::Tenant(name), Claim::default())
        }
    }

    /// Makes the tenant in several transactions, of which the last one shows it.
    fn create_in_parts(&self, session: &mut Session<'_>, name: &TenantName, id: Option<i64>) -> Result<bool, Error> {
        loop {
            let level = self.settings.commits.level();
            let hidden = TenantName::for_unfinished(fastrand::u64(..));
            let made = self.create_as(session, &Job { rename_to: Some(name), ..self.job(&hidden, id) }, name);
            if !matches!(made, Ok(true)) {
                self.discard(session, &hidden);
            }
            // Anew, with more commits: what was tried has left its traces, in sequences for one.
            if !matches!(&made, Err(Error::Failed(_))) || self.settings.commits.level() == level {
                return made;
            }
        }
    }

    /// Goes on where a schema stands that is made in several transactions; `false` when the tenant is there.
    fn resume<'b>(
        &self,
        session: &mut Session<'_>,
        job: &mut Job<'b>,
        first: &Job<'b>,
        name: &TenantName,
    ) -> Result<bool, Error> {
        let layout = &self.settings.layout;
        if registry::find(&mut session.client, layout, name)?.is_some() {
            return Ok(false);
        }
        if let Some(claim) = plan::unfinished_claim(&mut session.client, layout, job.schema())? {
            job.origin = Origin::Exists;
            job.applied = claim.digest.and_then(|digest| self.set.position(digest)).unwrap_or_default();
            job.claim = claim;
        } else {
            // It was never begun, or a sweep has taken it: from the beginning, in either case.
            *job = *first;
        }
        Ok(true)
    }

    /// What cannot be dropped now is swept by a later run.
    fn discard(&self, session: &mut Session<'_>, hidden: &TenantName) {
        let message =
            format!("{};\n{}", BEGINNING.join(";\n"), unfinished::discard(&self.settings.layout, hidden, false));
        if let Err(error) = session.client.batch_execute(&message) {
            log::warn!("schema {hidden}, which is not finished, is dropped by a later run: {error}");
        }
    }

    fn create_as(&self, session: &mut Session<'_>, first: &Job<'_>, name: &TenantName) -> Result<bool, Error> {
        let mut job = *first;
        let mut retries = Retries::new(self.mishaps);
        let mut polling = Polling::new(self.settings.lock_wait);
        let mut is_again = false;
        loop {
            if self.settings.interrupt.is_raised() {
                return Err(Error::Interrupted);
            }
            if is_again && job.rename_to.is_some() && !self.resume(session, &mut job, first, name)? {
                return Ok(false);
            }
            is_again = true;
            job.is_last_try = !retries.are_left();
            match session.apply(&job) {
                // In the last of several transactions, the tenant's own name can be what is out of date.
                Outcome::Stale if job.rename_to.is_some() => polling.pause(&format!("tenant {name}"))?,
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
                Outcome::Failed(mut failure) => {
                    if job.rename_to.is_some() {
                        // Nothing of it stays, but what was not its own.
                        failure.tenant = Some(name.clone());
                        let committed = std::mem::take(&mut failure.applied);
                        failure.stay_elsewhere = self.set.that_change_other_schemas(committed);
                        failure.is_outside = false;
                    }
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

/// Drops the schemas of new tenants that were never finished, because whoever made them died.
pub(crate) fn sweep(session: &mut Session<'_>, settings: &Settings) -> Result<(), Error> {
    let query = format!(
        "SELECT schema_name::text FROM {} WHERE {}",
        settings.layout.table("tenants"),
        is_unfinished_sql("schema_name")
    );
    let doing = "looking for new tenants that were never finished";
    let rows = session.client.query_typed(&query, &[]).map_err(|error| Error::from_driver(doing, &error))?;
    for row in &rows {
        let Ok(hidden) = row.get::<_, &str>(0).parse::<TenantName>() else { continue };
        let message = format!("{};\n{}", BEGINNING.join(";\n"), unfinished::discard(&settings.layout, &hidden, true));
        match session.client.batch_execute(&message) {
            Ok(()) => log::info!("schema {hidden}, which a run that was cut off had begun, is dropped"),
            Err(error) if error.code().is_some_and(lock::is_refusal) => log::debug!("schema {hidden} is being made"),
            Err(error) if error.as_db_error().is_some() => {
                log::warn!(
                    "schema {hidden}, which a run that was cut off had begun, is dropped by a later run: {error}"
                );
            }
            Err(error) => return Err(Error::from_driver(format!("dropping schema {hidden}"), &error)),
        }
    }
    Ok(())
}

/// Drops a spare schema and its registration, when it still is one.
pub(crate) fn drop_spare(session: &mut Session<'_>, settings: &Settings, spare: &TenantName) -> Result<(), Error> {
    let literal = Literal(spare.as_str());
    let tenants = settings.layout.table("tenants");
    let gone = format!("NOT EXISTS (SELECT FROM {tenants} WHERE schema_name = {literal})");
    let sql = format!(
        "DROP SCHEMA IF EXISTS {} CASCADE;\nDELETE FROM {tenants} WHERE schema_name = {literal}",
        Ident(spare.as_str())
    );
    // When a sign-up was faster, it is not a spare any more.
    stage::locked(session, settings, spare, &gone, &sql).map(|_| ())
}
