//! Sends a script: as one transaction, or inside a transaction that is open.

use postgres::{Client, Error as DriverError, SimpleQueryMessage};

use crate::plan::{Script, Unit};
use crate::server::{Refused, query, send, send_within};

/// Sends the script as one transaction.
pub(super) fn send_script(client: &mut Client, unit: &Unit<'_>, script: &Script) -> Result<(), Refused> {
    let delivery = unit.engine.delivery();
    let pieces = script.pieces(unit.set, delivery);
    let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
    send(client, delivery, &texts)
}

/// Sends the script as one transaction, and returns what it answers.
pub(super) fn query_script(
    client: &mut Client,
    unit: &Unit<'_>,
    script: &Script,
) -> Result<Vec<SimpleQueryMessage>, Refused> {
    let delivery = unit.engine.delivery();
    let pieces = script.pieces(unit.set, delivery);
    let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
    query(client, delivery, &texts)
}

/// Sends the script inside a transaction that is open, and leaves it open.
pub(super) fn send_script_within(client: &mut Client, unit: &Unit<'_>, script: &Script) -> Result<(), Refused> {
    let delivery = unit.engine.delivery();
    let pieces = script.pieces(unit.set, delivery);
    let texts: Vec<_> = pieces.iter().map(|piece| piece.text).collect();
    send_within(client, delivery, &texts)
}

/// The refusal of a statement that belongs to no migration.
pub(super) fn no_place(error: DriverError) -> Refused {
    Refused { error, place: None }
}
