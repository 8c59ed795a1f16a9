//! What the migrations of a set make: they run in a schema for the purpose, which is gone afterwards.
//!
//! If one transaction is enough, it is rolled back. A tenants' set that needs commits in between makes a schema with
//! the name of a tenant that is not finished, which a later run drops after a crash.

use super::deliver::send_script_within;
use super::done::Stop;
use super::locate::locate;
use super::retry::Retries;
use super::transaction::{failure, stop};
use super::unit::{execute, recover};
use crate::engine::{Commits, Engine, Setup};
use crate::names::Member;
use crate::plan::{Origin, Part, Policy, Script, Unit};
use crate::report::{Error, Failure, Reason};
use crate::server::{Connection, Refused, SchemaContents, TransientErrors, send, undo_rolled_back};
use crate::set::MigrationSet;
use crate::store::{BEGINNING, Claim, Owner, discard_unfinished, renew_unfinished};

/// What a set makes, or why that cannot be found out.
pub(crate) type Made = Result<SchemaContents, String>;

/// What this set makes of a tenant.
pub(crate) fn made_by_tenant_set(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    set: &MigrationSet,
) -> Result<Made, Error> {
    let hidden = Member::unfinished();
    let unit = Unit::new(engine, Owner::Tenant(&hidden), Claim::default());
    let policy = Policy { durable: false, ..unit.policy };
    let unit = Unit { set, origin: Origin::Created { id: None }, policy, ..unit };
    if let [Part::Transaction(_)] = unit.parts()[..] {
        match attempts(connection, &unit, rolled_back)? {
            Err(failure) if Commits::may_help(set, failure.sqlstate()) => {}
            Err(failure) => return Ok(Err(reason(&unit, &failure))),
            Ok(made) => return Ok(Ok(made)),
        }
    }
    let made = attempts(connection, &unit, committed);
    let discard = discard_unfinished(engine.layout(), &hidden.schema, false);
    if let Err(refused) = send(&mut connection.client, engine.delivery(), &discard) {
        log::warn!("a later run drops schema {hidden}, which was made for a comparison: {}", refused.error);
    }
    Ok(made?.map_err(|failure| reason(&unit, &failure)))
}

/// What this set makes of the shared schema.
pub(crate) fn made_by_shared_set(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    set: &MigrationSet,
) -> Result<Made, Error> {
    if let Some(found) = set.isolation_violation() {
        let place = found.excerpt().map_or_else(String::new, |excerpt| format!("\n{excerpt}"));
        return Ok(Err(format!(
            "{} in the {} set changes more than unqualified names of its own schema, so it cannot run in another \
             one{place}",
            found.file_name(),
            set.name()
        )));
    }
    let scratch = Member::unfinished().schema;
    let mut setup: Setup = engine.setup.clone();
    setup.settings.layout.shared = scratch;
    let engine = Engine::new(&setup, engine.sets, connection.database());
    let unit = Unit::new(&engine, Owner::Shared, Claim::default());
    let unit = Unit { set, origin: Origin::Created { id: None }, ..unit };
    if !matches!(unit.parts()[..], [Part::Transaction(_)]) {
        return Ok(Err(format!("the {} set needs more than one transaction, also in a new schema", set.name())));
    }
    Ok(attempts(connection, &unit, rolled_back)?.map_err(|failure| reason(&unit, &failure)))
}

fn reason(unit: &Unit<'_>, failure: &Failure) -> String {
    let place = failure.excerpt().map_or_else(String::new, |excerpt| format!("\n{excerpt}"));
    let message = failure.message().replace(&format!("{}.", unit.schema()), "");
    match failure.migration() {
        Some(migration) => format!("{migration} failed in a schema for the comparison: {message}{place}"),
        None => format!("no schema for the comparison could be created: {message}"),
    }
}

/// Tries until the locks are free and transient errors have passed.
fn attempts(
    connection: &mut Connection<'_>,
    unit: &Unit<'_>,
    attempt: fn(&mut Connection<'_>, &Unit<'_>) -> Result<SchemaContents, Stop>,
) -> Result<Result<SchemaContents, Failure>, Error> {
    let (engine, errors) = (unit.engine, TransientErrors::default());
    let (mut polling, mut retries) = (engine.polling(), Retries::new(&errors));
    loop {
        if engine.interrupt().is_raised() {
            return Err(Error::Interrupted);
        }
        match attempt(connection, unit) {
            Ok(made) => return Ok(Ok(made)),
            Err(Stop::Busy | Stop::FleetBusy | Stop::Stale) => engine.wait(&mut polling, "the shared schema")?,
            Err(Stop::Failed(failure)) => {
                // A schema that was begun in several transactions is not continued.
                let is_again = !failure.left_something() && !engine.interrupt().is_raised() && retries.pause(&failure);
                recover(connection, &failure)?;
                if !is_again {
                    return Ok(Err(*failure));
                }
            }
        }
    }
}

/// Runs the migrations in one transaction, looks, and rolls back.
fn rolled_back(connection: &mut Connection<'_>, unit: &Unit<'_>) -> Result<SchemaContents, Stop> {
    let client = &mut connection.client;
    let script = unit.script(unit.applied..unit.set.migrations().len());
    let [opening, migrations, _] = script.around_migrations();
    let mut sent = Script::default();
    let done = [opening.after_begin(), migrations].into_iter().try_for_each(|part| {
        sent = part;
        send_script_within(client, unit, &sent)
    });
    let made = done.and_then(|()| {
        SchemaContents::read_within(client, unit.schema()).map_err(|error| Refused { error, place: None })
    });
    // A lost connection has nothing to roll back.
    let _ = client.batch_execute("ROLLBACK");
    undo_rolled_back(client, unit.engine.delivery());
    made.map_err(|refused| {
        stop(unit, &refused.error, |failure| {
            locate(client, unit, &script, &sent, &refused, failure);
            undo_rolled_back(client, unit.engine.delivery());
        })
    })
}

/// Runs the migrations in as many transactions as they need, and looks. The caller drops the schema.
fn committed(connection: &mut Connection<'_>, unit: &Unit<'_>) -> Result<SchemaContents, Stop> {
    let lost = |error: &postgres::Error| Stop::from(failure(unit, Reason::ConnectionLost(error.to_string())));
    let renew = renew_unfinished(unit.layout(), unit.schema());
    let lease = [&BEGINNING[..], &[&renew]].concat();
    send(&mut connection.client, unit.engine.delivery(), &lease).map_err(|refused| lost(&refused.error))?;
    execute(connection, unit)?;
    SchemaContents::read(&mut connection.client, unit.schema()).map_err(|error| lost(&error))
}
