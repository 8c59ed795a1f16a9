//! Extensions that tenants' migrations ask for. An extension is the database's: it is created once, before the tenants,
//! under the fleet key, and where it is there, the statement in a tenant's migration is done.

use crate::apply::Session;
use crate::error::Error;
use crate::event::Event;
use crate::lease::Announcement;
use crate::lock::{self, Lock, Polling};
use crate::retry::{Mishaps, TRIES};
use crate::server_error::ServerError;
use crate::set::{Extension, Migration, MigrationSet};
use crate::settings::Settings;
use crate::sql::{BEGINNING, Ident, Literal};

/// Creates these extensions of the set, and adds the names of those that it created.
pub(crate) fn create(
    session: &mut Session<'_>,
    settings: &Settings,
    set: &MigrationSet,
    missing: &[String],
    created: &mut Vec<String>,
) -> Result<(), Error> {
    let mut announcement = Announcement::default();
    let done = wanted(set, missing).try_for_each(|(migration, extension)| {
        if create_one(session, settings, migration, extension, &mut announcement)? {
            settings.emit(&Event::ExtensionCreated { name: &extension.name });
            created.push(extension.name.clone());
        }
        Ok(())
    });
    announcement.withdraw(&mut session.client, &settings.layout);
    done
}

/// What a run would send to create these extensions, each by name in a transaction.
pub(crate) fn messages(settings: &Settings, set: &MigrationSet, missing: &[String]) -> Vec<(String, String)> {
    wanted(set, missing)
        .map(|(migration, extension)| (extension.name.clone(), message(settings, migration, extension)))
        .collect()
}

/// The first statement for each, in the order of the migrations: one extension can need another.
fn wanted<'a>(set: &'a MigrationSet, missing: &'a [String]) -> impl Iterator<Item = (&'a Migration, &'a Extension)> {
    let mut left: Vec<&String> = missing.iter().collect();
    set.extensions().filter(move |(_, extension)| {
        let found = left.iter().position(|name| **name == extension.name);
        found.map(|index| left.swap_remove(index)).is_some()
    })
}

/// Where the statement names no schema, the extension lives where every tenant finds it.
fn message(settings: &Settings, migration: &Migration, extension: &Extension) -> String {
    let layout = &settings.layout;
    let mut statements: Vec<String> = BEGINNING.map(str::to_owned).to_vec();
    // In a tenant's schema it would be gone with the tenant, and no other one would find it.
    let is_tenants = extension.schema.as_ref().map_or_else(String::new, |schema| {
        format!(
            "  IF EXISTS (SELECT FROM {} WHERE schema_name = {}) THEN
    RAISE EXCEPTION 'schema % is a tenant''s', {1} USING ERRCODE = '{}';
  END IF;
",
            layout.table("tenants"),
            Literal(schema),
            lock::TRESPASS,
        )
    });
    let is_there = format!("EXISTS (SELECT FROM pg_extension WHERE extname = {})", Literal(&extension.name));
    statements.push(lock::guarded(&layout.registry, Lock::Fleet, &is_there, "", &is_tenants));
    statements.push(format!("SET LOCAL lock_timeout = '{}ms'", settings.lock_timeout.as_millis()));
    statements.push(format!("SET LOCAL search_path = public, {}", Ident(layout.shared.as_str())));
    statements.push(extension.statement(migration.sql()));
    statements.join(";\n") + ";\n"
}

/// Creates one; `false` when somebody else was faster.
fn create_one(
    session: &mut Session<'_>,
    settings: &Settings,
    migration: &Migration,
    extension: &Extension,
    announcement: &mut Announcement,
) -> Result<bool, Error> {
    let message = message(settings, migration, extension);
    let what = format!("extension {}", extension.name);
    let mut polling = Polling::new(settings.lock_wait);
    let mut tries = 1;
    loop {
        // What is there is not created again, so that the answer to a commit can be lost.
        let sent = session.ask(&Mishaps::default(), |client| match client.batch_execute(&message) {
            Ok(()) => Ok(Ok(())),
            Err(error) => match error.as_db_error() {
                Some(found) => Ok(Err(ServerError::new(found))),
                None => Err(Error::from_driver(format!("creating {what}"), &error)),
            },
        })?;
        match sent {
            Ok(()) => return Ok(true),
            Err(error) if error.sqlstate() == lock::STALE => return Ok(false),
            Err(error) if error.sqlstate() == lock::FLEET_BUSY => {
                announcement.make(&mut session.client, &settings.layout)?;
                settings.wait(&mut polling, &what)?;
            }
            Err(error) if settings.interrupt.is_cause(Some(error.sqlstate())) => return Err(Error::Interrupted),
            // A lock, or somebody else who creates it at this moment.
            Err(error) if tries < TRIES && ["55P03", "40P01", "23505", "42710"].contains(&error.sqlstate()) => {
                tries += 1;
                settings.wait(&mut polling, &what)?;
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
