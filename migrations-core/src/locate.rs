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
    /// `None` where no statement of it is to blame.
    pub(crate) excerpt: Option<Excerpt>,
}

/// The place that `error` is about, which came when `sent`, the whole script or a part of it, was sent.
pub(crate) fn place(
    client: &mut Client,
    job: &Job<'_>,
    script: &Script,
    sent: &Script,
    error: &DriverError,
) -> Option<Place> {
    let (index, offset) = match position(error) {
        Some(position) => sent.source(position).map(|(index, offset)| (index, Some(offset)))?,
        None => replay(client, job, script, error)?,
    };
    let migration = &job.set.migrations()[index];
    let excerpt = offset.map(|offset| migration.excerpt(offset));
    Some(Place { migration: migration.title().to_owned(), excerpt })
}

/// The error's position in what was sent: in characters, from 1.
pub(crate) fn position(error: &DriverError) -> Option<u32> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(position) => Some(*position),
        ErrorPosition::Internal { .. } => None,
    }
}

/// Sends the script again, statement by statement, until the same error comes back. No offset is that no statement of the
/// migration is to blame but its end: a check that it deferred.
fn replay(client: &mut Client, job: &Job<'_>, script: &Script, error: &DriverError) -> Option<(usize, Option<usize>)> {
    // Dropping the transaction rolls it back.
    let mut transaction = client.transaction().ok()?;
    let mut last = None;
    for part in script.parts() {
        let Some(index) = part.migration else {
            if let Err(found) = transaction.batch_execute(&part.sent.text) {
                return last.filter(|_| found.code() == error.code()).map(|index| (index, None));
            }
            continue;
        };
        last = Some(index);
        for range in job.set.migrations()[index].statements() {
            // Another part, or blanked out since it cannot run in a transaction.
            let Some(statement) = part.sent.sent(range) else { continue };
            if let Err(found) = transaction.batch_execute(statement) {
                return (found.code() == error.code()).then_some((index, Some(range.start)));
            }
        }
    }
    None
}
