//! The stages before the tenants: the registry, then the shared set, each under the fleet key; then the extensions.
//!
//! If all of them are up to date, this costs only the one query of the plan and takes no lock.

use postgres::Client;

use super::extensions;
use crate::engine::{Engine, Polling};
use crate::execute::{Retries, Stop, execute, failure, recover, standing};
use crate::plan::{Origin, Positions, Standing, Unit};
use crate::report::{Error, Event, Reason, SharedReport};
use crate::server::{Connection, TransientErrors};
use crate::store::{Announcement, Claim, Layout, Overview, Owner, Question, check, registry_claim};

/// Migrates the registry and the shared set, creates missing extensions, and returns the overview of the tenants.
pub(super) fn prepare(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    question: &Question<'_>,
    report: &mut SharedReport,
) -> Result<Overview, Error> {
    let (layout, sets) = (engine.layout(), &engine.sets);
    layout.check()?;
    let errors = TransientErrors::default();
    let mut overview = current_registry(engine, connection, question)?;
    report.version = overview.shared.version;
    if !overview.shared.is_current(sets.shared) {
        let is_tolerant = question.for_sign_up && engine.settings().allow_divergence;
        migrate_under_fleet_lock(engine, connection, Owner::Shared, overview.shared, is_tolerant, report)?;
        overview = engine.overview(connection, &errors, question)?;
    }
    if !overview.needs_extensions(question, engine.settings().warm_pool) {
        overview.missing_extensions.clear();
    }
    if !overview.missing_extensions.is_empty() {
        extensions::create(engine, connection, &overview.missing_extensions, &mut report.extensions)?;
    }
    Ok(overview)
}

/// Migrates the registry alone, for a call that writes to it and runs no migration of the two sets. Returns the
/// overview of the registry and the shared schema.
pub(super) fn prepare_registry(engine: &Engine<'_>, connection: &mut Connection<'_>) -> Result<Overview, Error> {
    engine.layout().check()?;
    current_registry(engine, connection, &Question::about_no_tenant(engine.sets.tenant))
}

/// Migrates the registry alone if it is behind, and returns what it answers.
pub(super) fn current_registry(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    question: &Question<'_>,
) -> Result<Overview, Error> {
    let (layout, sets, errors) = (engine.layout(), &engine.sets, TransientErrors::default());
    let claim = match engine.try_overview(connection, &errors, question)? {
        Some(overview) if overview.registry.is_current(sets.registry) => {
            overview.check(sets.registry, layout)?;
            return Ok(overview);
        }
        Some(overview) => overview.registry,
        None => connection.ask(&errors, |client| unread_registry(client, layout))?,
    };
    migrate_under_fleet_lock(engine, connection, Owner::Registry, claim, false, &mut SharedReport::default())?;
    engine.overview(connection, &errors, question)
}

/// What is known if the registry cannot answer the query for the overview.
fn unread_registry(client: &mut Client, layout: &Layout) -> Result<Claim, Error> {
    check(client, layout)?;
    registry_claim(client, layout)
}

/// Migrates one of the two schemas to the end of its set, waiting for the session that holds the fleet lock.
fn migrate_under_fleet_lock(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    owner: Owner<'_>,
    mut claim: Claim,
    is_tolerant: bool,
    report: &mut SharedReport,
) -> Result<(), Error> {
    engine.may_begin()?;
    let errors = TransientErrors::default();
    let mut stage = Stage {
        engine,
        owner,
        is_tolerant,
        polling: engine.polling(),
        errors: &errors,
        retries: Retries::new(&errors),
        announcement: Announcement::default(),
    };
    let done = loop {
        match stage.attempt(connection, claim, report) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
        match stage.claim_again(connection) {
            Ok(fresh) => claim = fresh,
            Err(error) => break Err(error),
        }
    };
    stage.announcement.withdraw(&mut connection.client, engine.layout());
    done
}

/// One of the two schemas on its way to the end of its set.
struct Stage<'a> {
    engine: &'a Engine<'a>,
    owner: Owner<'a>,
    /// Whether a schema that differs from its set is left as it is, and is no error.
    is_tolerant: bool,
    polling: Polling,
    errors: &'a TransientErrors,
    retries: Retries<'a>,
    announcement: Announcement,
}

impl Stage<'_> {
    /// Tries once; `false` if it has to be planned again.
    fn attempt(
        &mut self,
        connection: &mut Connection<'_>,
        claim: Claim,
        report: &mut SharedReport,
    ) -> Result<bool, Error> {
        let engine = self.engine;
        let mut unit = Unit::new(engine, self.owner, claim);
        unit.policy.is_last_try = !self.retries.are_left();
        let (set, what) = (unit.set, format!("the {} schema", unit.set.name()));
        let schema = unit.schema();
        let found = connection.ask(self.errors, |client| standing(client, &mut Positions::new(set), schema, &claim))?;
        match found {
            Standing::Applied(applied) if applied == set.migrations().len() && claim.is_current(set) => {
                report.version = set.version_at(applied);
                return Ok(true);
            }
            Standing::Applied(applied) => unit.applied = applied,
            Standing::Missing => unit.origin = Origin::Created { id: None },
            Standing::Ahead { version } => {
                engine.emit(&Event::Ahead { set: set.name(), tenant: None, schema: None, version: Some(version) });
                report.version = Some(version);
                report.ahead = true;
                return Ok(true);
            }
            Standing::Diverged(divergence) if self.is_tolerant => {
                engine.warn(&failure(&unit, Reason::Diverged(divergence)).to_string());
                return Ok(true);
            }
            Standing::Diverged(divergence) => return Err(failure(&unit, Reason::Diverged(divergence)).into()),
            Standing::Unreadable(problem) => return Err(failure(&unit, Reason::History(problem)).into()),
            Standing::Unrecorded => return Err(failure(&unit, Reason::Unrecorded).into()),
        }
        match execute(connection, &unit) {
            Ok(applied) => {
                for migration in &set.migrations()[unit.applied..unit.applied + applied] {
                    report.applied.push(migration.title().to_owned());
                    engine.emit(&Event::Applied { set: set.name(), migration: migration.title() });
                }
                report.version = set.latest();
                return Ok(true);
            }
            Err(Stop::Busy | Stop::FleetBusy) => {
                // The registry's own stage cannot announce: the table for it may not exist yet.
                if self.owner == Owner::Shared {
                    self.announcement.make(&mut connection.client, engine.layout())?;
                }
                engine.wait(&mut self.polling, &what)?;
            }
            Err(Stop::Stale) => self.polling.pause(&what)?,
            Err(Stop::Failed(failure))
                if engine.interrupt().is_cause(failure.sqlstate()) && !failure.left_something() =>
            {
                return Err(Error::Interrupted);
            }
            Err(Stop::Failed(failure)) if !engine.interrupt().is_raised() && self.retries.pause(&failure) => {
                report.retries += 1;
                recover(connection, &failure)?;
            }
            Err(Stop::Failed(failure)) => return Err(failure.into()),
        }
        Ok(false)
    }

    /// What the registry says of the schema now.
    fn claim_again(&self, connection: &mut Connection<'_>) -> Result<Claim, Error> {
        let question = Question::about_no_tenant(self.engine.sets.tenant);
        Ok(match (self.engine.try_overview(connection, self.errors, &question)?, self.owner) {
            (Some(overview), Owner::Registry) => overview.registry,
            (Some(overview), _) => overview.shared,
            (None, _) => connection.ask(self.errors, |client| unread_registry(client, self.engine.layout()))?,
        })
    }
}
