//! Creates a tenant: the registration, the schema and every migration in one transaction if that is possible, and
//! otherwise under a hidden name until the last transaction.

use std::time::Duration;

use super::done::Stop;
use super::registration::change_registration;
use super::retry::Retries;
use super::unit::{execute, recover};
use crate::engine::{Commits, Engine};
use crate::names::{Member, SchemaName};
use crate::plan::{Origin, Policy, Unit};
use crate::report::{Error, Failure};
use crate::server::{Connection, TransientErrors, send};
use crate::store::{
    self, Claim, Owner, discard_unfinished, find_tenant, is_refusal, owner_of, tenant_claim, unfinished,
};

/// The way a tenant is created.
#[derive(Clone, Copy)]
pub(crate) struct Provisioning<'a> {
    pub(crate) engine: &'a Engine<'a>,
    /// Whether the commit waits for the disk.
    pub(crate) durable: bool,
    /// Whether the transaction inspects what it wrote.
    pub(crate) inspect: bool,
    /// Whether to wait for another session that holds the tenant's lock.
    pub(crate) wait_if_busy: bool,
    /// Counts retries.
    pub(crate) errors: &'a TransientErrors,
}

impl<'a> Provisioning<'a> {
    /// For one tenant, or the first of several, outside a run.
    pub(crate) fn single(engine: &'a Engine<'a>, errors: &'a TransientErrors) -> Self {
        Self { engine, durable: true, inspect: !engine.learnt().is_inspected(), wait_if_busy: true, errors }
    }

    /// Creates the tenant; `false` if another process had already created it.
    pub(crate) fn create(
        &self,
        connection: &mut Connection<'_>,
        member: &Member,
        id: Option<i64>,
    ) -> Result<bool, Error> {
        let unit = self.unit(member, id);
        // A spare is taken only when it is up to date.
        let is_shown = !member.is_spare();
        if is_shown && unit.parts().len() > 1 {
            return self.create_in_parts(connection, member, id);
        }
        match self.create_as(connection, &unit, member) {
            Err(Error::Failed(failure))
                if is_shown && Commits::may_help(unit.set, failure.sqlstate()) && unit.parts().len() > 1 =>
            {
                log::info!("creating tenant {member} in several transactions: {}", failure.message());
                self.create_in_parts(connection, member, id)
            }
            done => done,
        }
    }

    fn unit<'b>(&'b self, member: &'b Member, id: Option<i64>) -> Unit<'b> {
        let unit = Unit::new(self.engine, Owner::Tenant(member), Claim::default());
        let policy = Policy { durable: self.durable, inspect: self.inspect, ..unit.policy };
        Unit { origin: Origin::Created { id }, policy, ..unit }
    }

    /// Creates the tenant in several transactions; the last one gives it its name.
    fn create_in_parts(
        &self,
        connection: &mut Connection<'_>,
        member: &Member,
        id: Option<i64>,
    ) -> Result<bool, Error> {
        let commits = &self.engine.learnt().commits;
        loop {
            let level = commits.level();
            let hidden = Member::unfinished();
            let unit = Unit { rename_to: Some(member), ..self.unit(&hidden, id) };
            let created = self.create_as(connection, &unit, member);
            if !matches!(created, Ok(true)) {
                self.discard(connection, &hidden.schema);
            }
            // Start again with more commits: the failed attempt has left traces, for instance in sequences.
            if !matches!(&created, Err(Error::Failed(_))) || commits.level() == level {
                return created;
            }
        }
    }

    /// Continues creating a schema in several transactions; `false` if the tenant already exists.
    fn resume<'b>(
        &self,
        connection: &mut Connection<'_>,
        unit: &mut Unit<'b>,
        first: &Unit<'b>,
        member: &Member,
    ) -> Result<bool, Error> {
        let layout = self.engine.layout();
        if self.is_there(connection, member)? {
            return Ok(false);
        }
        if let Some(claim) = tenant_claim(&mut connection.client, layout, unit.schema())? {
            unit.origin = Origin::Exists;
            unit.applied = claim.digest.and_then(|digest| unit.set.position(digest)).unwrap_or_default();
            unit.claim = claim;
        } else {
            // The schema was never begun, or another run has dropped it: start from the beginning in either case.
            *unit = *first;
        }
        Ok(true)
    }

    /// Whether a tenant of this name is registered. It is an error if its schema is another tenant's.
    fn is_there(&self, connection: &mut Connection<'_>, member: &Member) -> Result<bool, Error> {
        let layout = self.engine.layout();
        if member.is_spare() || find_tenant(&mut connection.client, layout, &member.name)?.is_some() {
            return Ok(true);
        }
        match owner_of(&mut connection.client, layout, &member.schema)? {
            // Registered between the two questions.
            Some(owner) if owner == *member => Ok(true),
            Some(owner) => Err(Error::schema_taken(member, &owner)),
            None => Ok(false),
        }
    }

    /// If a schema cannot be dropped now, a later run drops it.
    fn discard(&self, connection: &mut Connection<'_>, hidden: &SchemaName) {
        let statements = discard_unfinished(self.engine.layout(), hidden, false);
        if let Err(refused) = send(&mut connection.client, self.engine.delivery(), &statements) {
            log::warn!("a later run drops schema {hidden}, which is not finished: {}", refused.error);
        }
    }

    fn create_as(&self, connection: &mut Connection<'_>, first: &Unit<'_>, member: &Member) -> Result<bool, Error> {
        let (mut unit, engine) = (*first, self.engine);
        let mut retries = Retries::new(self.errors);
        let mut polling = engine.polling();
        let mut is_again = false;
        engine.may_begin()?;
        loop {
            if engine.interrupt().is_raised() {
                return Err(Error::Interrupted);
            }
            if is_again && unit.rename_to.is_some() && !self.resume(connection, &mut unit, first, member)? {
                return Ok(false);
            }
            is_again = true;
            unit.policy.is_last_try = !retries.are_left();
            match execute(connection, &unit) {
                Ok(_) => {
                    if unit.policy.inspect {
                        engine.learnt().inspected();
                    }
                    return Ok(true);
                }
                // In the last of several transactions, the tenant's own name can be out of date.
                Err(Stop::Stale) if unit.rename_to.is_some() => polling.pause(&format!("tenant {member}"))?,
                Err(Stop::Stale) if self.is_there(connection, member)? => return Ok(false),
                // The tenant was forgotten again.
                Err(Stop::Stale) => polling.pause(&format!("tenant {member}"))?,
                Err(Stop::Busy) if !self.wait_if_busy => {
                    return Err(Error::Locked { what: format!("tenant {member}"), waited: Duration::ZERO });
                }
                Err(Stop::Busy | Stop::FleetBusy) => engine.wait(&mut polling, &format!("tenant {member}"))?,
                Err(Stop::Failed(failure)) if engine.interrupt().is_cause(failure.sqlstate()) => {
                    return Err(Error::Interrupted);
                }
                Err(Stop::Failed(failure)) if !engine.interrupt().is_raised() && retries.pause(&failure) => {
                    recover(connection, &failure)?;
                }
                Err(Stop::Failed(failure)) => return Err(of_tenant(&unit, *failure, member)),
            }
        }
    }
}

/// The failure of a tenant that is not created.
fn of_tenant(unit: &Unit<'_>, mut failure: Failure, member: &Member) -> Error {
    failure.is_new = unit.is_new_tenant() || unit.rename_to.is_some();
    if unit.rename_to.is_some() {
        // Nothing of the tenant stays, except its changes outside its schema.
        failure.tenant = Some(member.clone());
        let committed = std::mem::take(&mut failure.applied);
        failure.stay_elsewhere = unit.set.that_change_other_schemas(committed);
        failure.is_outside = false;
    }
    let is_duplicate_schema = failure.server().is_some_and(|error| error.sqlstate() == "42P06");
    if is_duplicate_schema && failure.migration().is_none() { Error::schema_exists(member) } else { failure.into() }
}

/// Drops the schemas of new tenants that were never finished because the process that created them died.
pub(crate) fn sweep(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<(), Error> {
    for hidden in unfinished(&mut connection.client, engine.layout())? {
        let statements = discard_unfinished(engine.layout(), &hidden, true);
        let Err(refused) = send(&mut connection.client, engine.delivery(), &statements) else {
            log::info!("dropped schema {hidden}, which an interrupted run had begun");
            continue;
        };
        let error = refused.error;
        if error.code().is_some_and(is_refusal) {
            log::debug!("schema {hidden} is being created");
        } else if error.as_db_error().is_some() {
            log::warn!("a later run drops schema {hidden}, which an interrupted run had begun: {error}");
        } else {
            return Err(Error::from_driver(format!("dropping schema {hidden}"), &error));
        }
    }
    Ok(())
}

/// Drops a spare schema and its registration, if it is still a spare.
pub(crate) fn drop_spare(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    spare: &SchemaName,
) -> Result<(), Error> {
    let (gone, statements) = store::drop_spare(engine.layout(), spare);
    // If a sign-up was faster, it is no longer a spare.
    change_registration(engine, connection, &Member::of(spare.clone()), &gone, &statements).map(|_| ())
}
