//! Where a schema stands; reads its history if that is needed.

use postgres::Client;

use crate::plan::{Positions, Standing};
use crate::report::Error;
use crate::store::{Claim, is_unrecorded, read_history};

/// Where a schema stands.
pub(crate) fn standing(
    client: &mut Client,
    positions: &mut Positions<'_>,
    schema: &str,
    claim: &Claim,
) -> Result<Standing, Error> {
    if let Some(standing) = positions.known(claim) {
        return Ok(standing);
    }
    let history = read_history(client, schema)?;
    let is_empty = matches!(&history, Ok(rows) if rows.is_empty());
    if is_empty && positions.are_tenants() && is_unrecorded(client, schema)? {
        return Ok(Standing::Unrecorded);
    }
    Ok(positions.learn(claim, history))
}
