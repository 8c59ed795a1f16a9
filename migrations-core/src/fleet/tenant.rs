//! One tenant: created, or migrated with retries.

use super::Fleet;
use super::canary::Start;
use super::lock::lock;
use super::worker::Worker;
use crate::execute::{Done, Provisioning, Retries, Stop, drop_spare, execute, failure, recover, standing};
use crate::names::{Member, SchemaName};
use crate::plan::{Origin, Standing, Unit};
use crate::report::{Error, Failure, Reason};
use crate::set::Migration;
use crate::store::{Claim, Owner, TenantClaim};

impl Fleet<'_> {
    /// The unit of work for a tenant.
    pub(super) fn unit<'u>(&'u self, member: &'u Member, claim: Claim, origin: Origin) -> Unit<'u> {
        let mut unit = Unit::new(self.engine, Owner::Tenant(member), claim);
        unit.origin = origin;
        unit.policy.durable = self.durable;
        unit
    }
}

impl Worker<'_, '_, '_> {
    /// Where a tenant stands.
    pub(super) fn standing(&mut self, schema: &SchemaName, claim: &Claim) -> Result<Standing, Error> {
        let positions = &mut self.positions;
        self.connection.ask(&self.fleet.tally.errors, |client| standing(client, positions, schema.as_str(), claim))
    }

    /// Creates one tenant. An error is about the connection, not about the tenant.
    pub(super) fn create(&mut self, member: &Member, id: i64) -> Result<Done, Error> {
        let fleet = self.fleet;
        let apart = fleet.engine.sets.tenant.migrations().iter().any(Migration::is_apart_for_a_new_schema);
        let _turn = apart.then(|| fleet.turns.take());
        let inspection = fleet.canary.enter(Start::New);
        let provisioning = Provisioning {
            engine: fleet.engine,
            durable: fleet.durable,
            inspect: inspection.is_some(),
            wait_if_busy: false,
            errors: &fleet.tally.errors,
        };
        Ok(match provisioning.create(self.connection, member, Some(id)) {
            Ok(true) => {
                if let Some(inspection) = inspection {
                    inspection.pass();
                }
                Done::Created
            }
            Ok(false) => {
                lock(&fleet.queue).meet();
                Done::Current
            }
            Err(Error::Locked { .. }) => {
                lock(&fleet.queue).meet();
                Stop::Busy.into()
            }
            Err(Error::Failed(failure)) => {
                recover(self.connection, &failure)?;
                Stop::Failed(failure).into()
            }
            Err(Error::Interrupted) => Done::Interrupted,
            Err(error @ (Error::Connect(_) | Error::ServerGone { .. })) => return Err(error),
            Err(error) => Stop::from(fleet.failure(Some(member), Reason::Refused(error.to_string()))).into(),
        })
    }

    /// Migrates one tenant to the end of the set, trying again after transient errors.
    pub(super) fn migrate(&mut self, claim: &TenantClaim) -> Result<Done, Error> {
        let (fleet, mut claim) = (self.fleet, claim.clone());
        let (engine, set) = (fleet.engine, fleet.engine.sets.tenant);
        let mut polling = engine.polling();
        let mut retries = Retries::new(&fleet.tally.errors);
        let mut was_stale = false;
        // The migrations that commit by themselves and that an earlier attempt has applied.
        let mut start = None;
        loop {
            if engine.interrupt().is_raised() {
                return Ok(Done::Interrupted);
            }
            let standing = self.standing(&claim.member.schema, &claim.claim)?;
            let mut unit = fleet.unit(&claim.member, claim.claim, Origin::Exists);
            unit.policy.is_last_try = !retries.are_left();
            let fail = |reason| Ok(Stop::from(failure(&unit, reason)).into());
            unit.applied = match standing {
                Standing::Applied(all) if all == set.migrations().len() && claim.claim.is_current(set) => {
                    return Ok(Done::Current);
                }
                Standing::Applied(applied) => applied,
                Standing::Ahead { version } => return Ok(Done::Ahead(version)),
                Standing::Missing => return fail(Reason::SchemaMissing),
                Standing::Diverged(divergence) => return fail(Reason::Diverged(divergence)),
                Standing::Unreadable(problem) => return fail(Reason::History(problem)),
                Standing::Unrecorded => return fail(Reason::Unrecorded),
            };
            let start = *start.get_or_insert(unit.applied);
            match self.execute(&mut unit) {
                Ok(0) => return Ok(Done::Current),
                Ok(applied) => return Ok(Done::Applied(applied)),
                Err(Stop::Busy) => {
                    lock(&fleet.queue).meet();
                    return Ok(Stop::Busy.into());
                }
                Err(Stop::FleetBusy) => {
                    if engine.wait(&mut polling, "the shared schema").is_err() {
                        return Ok(Stop::Busy.into());
                    }
                }
                Err(Stop::Stale) => {
                    lock(&fleet.queue).meet();
                    // Once happens when replicas meet; a plan cannot stay out of date for ever.
                    if std::mem::replace(&mut was_stale, true) && polling.pause(claim.member.name.as_str()).is_err() {
                        return Ok(Stop::Busy.into());
                    }
                }
                Err(Stop::Failed(mut failure)) => {
                    failure.applied.splice(..0, set.titles(start..unit.applied));
                    let again = !engine.interrupt().is_raised() && retries.pause(&failure);
                    recover(self.connection, &failure)?;
                    if !again {
                        return Ok(Stop::Failed(failure).into());
                    }
                }
            }
            match self.look_again(&claim.member)? {
                Some(fresh) => claim = fresh,
                // The tenant was forgotten in the meantime: there is nothing to migrate.
                None => return Ok(Done::Current),
            }
        }
    }

    /// Executes a unit; inspects it if it is the first of its script.
    fn execute(&mut self, unit: &mut Unit<'_>) -> Result<usize, Stop> {
        let fleet = self.fleet;
        let pending = &unit.set.migrations()[unit.applied..];
        let _turn = pending.iter().any(Migration::is_outside_a_transaction).then(|| fleet.turns.take());
        let inspection = fleet.canary.enter(Start::Behind(unit.applied));
        unit.policy.inspect = inspection.is_some();
        let done = execute(self.connection, unit);
        if let (Ok(_), Some(inspection)) = (&done, inspection) {
            inspection.pass();
        }
        done
    }

    /// A spare that cannot be migrated holds no tenant's data: it is dropped, and the pool creates another one.
    pub(super) fn without_spare(&mut self, spare: &SchemaName, failure: Box<Failure>) -> Done {
        if self.fleet.engine.interrupt().is_raised() {
            return Stop::Failed(failure).into();
        }
        match drop_spare(self.fleet.engine, self.connection, spare) {
            Ok(()) => {
                log::warn!("dropping a spare schema that could not be migrated: {}", failure.message());
                Done::Current
            }
            Err(error) => {
                log::warn!("{error}");
                Stop::Failed(failure).into()
            }
        }
    }
}
