//! Where a schema stands; reads its history if that is needed.

use postgres::Client;

use crate::plan::{Positions, Standing};
use crate::report::Error;
use crate::store::{Claim, read_history};

/// Where a schema stands.
pub(crate) fn standing(
    client: &mut Client,
    positions: &mut Positions<'_>,
    schema: &str,
    claim: &Claim,
) -> Result<Standing, Error> {
    match positions.known(claim) {
        Some(standing) => Ok(standing),
        None => read_history(client, schema).map(|history| positions.learn(claim, history)),
    }
}
