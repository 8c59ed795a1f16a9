//! A change of one tenant's registration, under its lock.

use postgres::error::SqlState;

use crate::engine::Engine;
use crate::names::Member;
use crate::report::Error;
use crate::server::{Connection, send};
use crate::store::{BEGINNING, Lock, codes, guard};

/// Sends statements under the tenant's lock; `false` if `stale` held, in which case nothing was done.
pub(crate) fn change_registration(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    member: &Member,
    stale: &str,
    statements: &[String],
) -> Result<bool, Error> {
    let what = format!("tenant {member}");
    let guard = guard(engine.layout(), Lock::Tenant(&member.schema), stale);
    let timeout = format!("SET LOCAL lock_timeout = '{}ms'", engine.settings().lock_timeout.as_millis());
    let mut all = BEGINNING.to_vec();
    all.extend([guard.as_str(), timeout.as_str()]);
    all.extend(statements.iter().map(String::as_str));
    let mut polling = engine.polling();
    loop {
        let Err(refused) = send(&mut connection.client, engine.delivery(), &all) else { return Ok(true) };
        match refused.error.code().map(SqlState::code) {
            Some(codes::STALE) => return Ok(false),
            Some(codes::FLEET_BUSY | codes::TENANT_BUSY) => engine.wait(&mut polling, &what)?,
            _ => return Err(Error::from_driver(format!("changing {what}'s registration"), &refused.error)),
        }
    }
}
