//! The place in a migration that a server error is about.
//!
//! Most errors have a position in the text that was sent. For errors without one (a table that exists, a violated
//! constraint), the transaction is sent again statement by statement, and rolled back.

use postgres::Client;

use crate::plan::{Script, Unit};
use crate::report::Failure;
use crate::server::{Delivery, Refused, send_within};

/// Notes the place in the failure. The error came from sending `sent`, which is the whole script or a part of it.
pub(super) fn locate(
    client: &mut Client,
    unit: &Unit<'_>,
    script: &Script,
    sent: &Script,
    refused: &Refused,
    failure: &mut Failure,
) {
    let pieces = sent.pieces(unit.set, unit.engine.delivery());
    let found = match refused.place {
        Some(place) => sent.source(&pieces, place),
        None => replay(client, unit, script, refused),
    };
    if let Some((index, offset)) = found {
        let migration = &unit.set.migrations()[index];
        failure.migration = Some(migration.title().to_owned());
        failure.excerpt = offset.map(|offset| migration.excerpt(offset));
    }
}

/// Sends the script again, statement by statement, until the same error comes back.
fn replay(client: &mut Client, unit: &Unit<'_>, script: &Script, refused: &Refused) -> Option<(usize, Option<usize>)> {
    client.batch_execute("BEGIN").ok()?;
    let pieces = script.pieces(unit.set, Delivery::Statements);
    let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
    let again = send_within(client, Delivery::Statements, &texts);
    // A lost connection has nothing to roll back.
    let _ = client.batch_execute("ROLLBACK");
    let again = again.err()?;
    let place = again.place.filter(|_| again.error.code() == refused.error.code())?;
    script.source(&pieces, place)
}
