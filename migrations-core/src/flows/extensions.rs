//! Extensions that tenants' migrations need. An extension belongs to the database: it is created once, before the
//! tenants, under the fleet key. If it exists, the statement in a tenant's migration counts as done.

use crate::engine::Engine;
use crate::report::{Error, Event, ServerError};
use crate::server::{Connection, TRIES, TransientErrors, message, send};
use crate::set::{Extension, Migration, MigrationSet};
use crate::store::{Announcement, codes, create_extension};

/// Creates these extensions of the tenant set, and adds the names of those that it created.
pub(super) fn create(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    missing: &[String],
    created: &mut Vec<String>,
) -> Result<(), Error> {
    let mut announcement = Announcement::default();
    let done = wanted(engine.sets.tenant, missing).try_for_each(|(migration, extension)| {
        if create_one(engine, connection, migration, extension, &mut announcement)? {
            engine.emit(&Event::ExtensionCreated { name: &extension.name });
            created.push(extension.name.clone());
        }
        Ok(())
    });
    announcement.withdraw(&mut connection.client, engine.layout());
    done
}

/// What a run would send to create these extensions, each with its name and in its own transaction.
pub(super) fn messages(engine: &Engine<'_>, missing: &[String]) -> Vec<(String, String)> {
    wanted(engine.sets.tenant, missing)
        .map(|(migration, extension)| {
            let statements = statements(engine, migration, extension);
            (extension.name.clone(), message(&statements))
        })
        .collect()
}

/// The first statement for each extension, in the order of the migrations: one extension can need another.
fn wanted<'a>(set: &'a MigrationSet, missing: &'a [String]) -> impl Iterator<Item = (&'a Migration, &'a Extension)> {
    let mut left: Vec<&String> = missing.iter().collect();
    set.extensions().filter(move |(_, extension)| {
        let found = left.iter().position(|name| **name == extension.name);
        found.map(|index| left.swap_remove(index)).is_some()
    })
}

fn statements(engine: &Engine<'_>, migration: &Migration, extension: &Extension) -> Vec<String> {
    let mut statements = create_extension(
        engine.layout(),
        engine.settings().lock_timeout,
        &extension.name,
        extension.schema.as_deref(),
        extension.statement(migration.sql()),
    );
    if let Some(timeout) = engine.settings().statement_timeout {
        // The migration's own statement is the last one.
        let last = statements.len().saturating_sub(1);
        statements.insert(last, format!("SET LOCAL statement_timeout = '{}ms'", timeout.as_millis()));
    }
    statements
}

/// Creates one extension; `false` if another process was faster.
fn create_one(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    migration: &Migration,
    extension: &Extension,
    announcement: &mut Announcement,
) -> Result<bool, Error> {
    let statements = statements(engine, migration, extension);
    let what = format!("extension {}", extension.name);
    let mut polling = engine.polling();
    let mut tries = 1;
    loop {
        // An existing extension is not created again, so a lost answer to a commit does no harm.
        let sent = connection.ask(&TransientErrors::default(), |client| {
            let Err(refused) = send(client, engine.delivery(), &statements) else { return Ok(Ok(())) };
            match refused.error.as_db_error() {
                Some(found) => Ok(Err(ServerError::new(found))),
                None => Err(Error::from_driver(format!("creating {what}"), &refused.error)),
            }
        })?;
        match sent {
            Ok(()) => return Ok(true),
            Err(error) if error.sqlstate() == codes::STALE => return Ok(false),
            Err(error) if error.sqlstate() == codes::FLEET_BUSY => {
                announcement.make(&mut connection.client, engine.layout())?;
                engine.wait(&mut polling, &what)?;
            }
            Err(error) if engine.interrupt().is_cause(Some(error.sqlstate())) => return Err(Error::Interrupted),
            // A lock, or another session that is creating it at the same time.
            Err(error) if tries < TRIES && ["55P03", "40P01", "23505", "42710"].contains(&error.sqlstate()) => {
                tries += 1;
                engine.wait(&mut polling, &what)?;
            }
            Err(source) => {
                return Err(Error::Extension {
                    name: extension.name.clone(),
                    place: migration.excerpt(extension.range.start).to_string(),
                    source: Box::new(source.without_advice()),
                    statement: extension.statement(migration.sql()),
                });
            }
        }
    }
}
