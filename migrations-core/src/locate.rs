//! Finds the place in a migration that a server error is about.
//!
//! Most errors have a position in the message. For those that have none (a table that exists, a constraint that is
//! violated) the message is replayed statement by statement, in a transaction that is rolled back.

use postgres::error::ErrorPosition;
use postgres::{Client, Error as DriverError};

use crate::excerpt::Excerpt;
use crate::script::{Job, Script};

/// A migration and a place in it.
pub(crate) struct Place {
    pub(crate) migration: String,
    pub(crate) excerpt: Excerpt,
}

/// The place that `error`, which `script` caused, is about.
pub(crate) fn place(client: &mut Client, job: &Job<'_>, script: &Script, error: &DriverError) -> Option<Place> {
    let (index, offset) = match position(error) {
        Some(position) => script.source(position)?,
        None => replay(client, job, script, error)?,
    };
    let migration = &job.set.migrations()[index];
    Some(Place { migration: migration.title().to_owned(), excerpt: migration.excerpt(offset) })
}

/// The error's position in what was sent: in characters, from 1.
pub(crate) fn position(error: &DriverError) -> Option<u32> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(position) => Some(*position),
        ErrorPosition::Internal { .. } => None,
    }
}

/// Sends the script again, statement by statement, until the same error comes back.
fn replay(client: &mut Client, job: &Job<'_>, script: &Script, error: &DriverError) -> Option<(usize, usize)> {
    // Dropping the transaction rolls it back.
    let mut transaction = client.transaction().ok()?;
    for part in script.parts() {
        let Some(index) = part.migration else {
            transaction.batch_execute(&part.sql).ok()?;
            continue;
        };
        for range in job.set.migrations()[index].statements() {
            // Blanked out where it cannot run in a transaction.
            let Some(statement) = part.sql.get(part.insertions.sent(range)) else { continue };
            if let Err(found) = transaction.batch_execute(statement) {
                return (found.code() == error.code()).then_some((index, range.start));
            }
        }
    }
    None
}
