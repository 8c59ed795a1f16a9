//! Get-or-create for a tenant's sign-up, and forgetting a tenant whose schema is gone.
//!
//! A sign-up reads the tenant's row. If there is none, it takes a spare schema of the pool. If there is no spare
//! either, it migrates the registry and the shared set if they are behind, and creates the tenant. An existing tenant
//! that is behind is migrated.

use std::time::{Duration, Instant};

use super::pool;
use super::prepare::prepare;
use crate::engine::Engine;
use crate::execute::{Provisioning, change_registration};
use crate::fleet::Fleet;
use crate::names::TenantName;
use crate::report::{Error, Event, Progress, Report, SharedReport, Tenant};
use crate::server::{Connection, TransientErrors};
use crate::store::{Question, find_tenant, forget_tenant, is_applied_elsewhere};

/// Returns the tenant, and whether it was created by this call.
pub(crate) fn get_or_create(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    name: &TenantName,
) -> Result<(Tenant, bool), Error> {
    let set = engine.sets.tenant;
    let found = find_tenant(&mut connection.client, engine.layout(), name)?;
    let is_new = found.is_none();
    if let Some(found) = found.filter(|found| found.digest == Some(set.digest())) {
        return Ok((found.tenant, false));
    }
    let start = Instant::now();
    let created = |tenant| {
        let progress = Progress { done: 1, total: 1, remaining: Duration::ZERO };
        engine.emit(&Event::TenantCreated { tenant: name, elapsed: start.elapsed(), progress });
        Ok((tenant, true))
    };
    if is_new && let Some(tenant) = pool::take(engine, connection, name)? {
        return created(tenant);
    }
    let names = [name.clone()];
    let extensions = set.extension_names();
    let question = Question { names: &names, extensions: &extensions, ..Question::about_no_tenant(set) };
    let overview = prepare(engine, connection, &question, &mut SharedReport::default())?;
    let is_new = !overview.absent.is_empty();
    // If the registry or the shared set was behind, no spare was available before.
    if is_new
        && overview.spares > overview.pending_spares
        && let Some(tenant) = pool::take(engine, connection, name)?
    {
        return created(tenant);
    }
    if is_new {
        let errors = TransientErrors::default();
        match Provisioning::single(engine, &errors).create(connection, name, None) {
            Ok(true) => return created(registered(engine, connection, name)?),
            Ok(false) => {}
            Err(Error::Failed(mut failure)) => {
                failure.is_applied_elsewhere =
                    is_applied_elsewhere(&mut connection.client, engine.layout(), set, &failure);
                return Err(failure.into());
            }
            Err(error) => return Err(error),
        }
    }
    catch_up(engine, connection, &names)?;
    Ok((registered(engine, connection, name)?, false))
}

/// Removes the registration of a tenant whose schema is gone.
pub(crate) fn forget(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &TenantName) -> Result<(), Error> {
    registered(engine, connection, name)?;
    let (exists, delete) = forget_tenant(engine.layout(), name);
    if change_registration(engine, connection, name, &exists, &[delete])? {
        Ok(())
    } else {
        Err(Error::SchemaStillThere(name.clone()))
    }
}

fn registered(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &TenantName) -> Result<Tenant, Error> {
    let found = find_tenant(&mut connection.client, engine.layout(), name)?;
    found.map(|found| found.tenant).ok_or_else(|| Error::UnknownTenant(name.clone()))
}

/// Migrates one registered tenant, waiting for the session that holds its lock.
fn catch_up(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &[TenantName; 1]) -> Result<(), Error> {
    let question = Question { only: name, limit: 1, ..Question::new(engine.sets.tenant) };
    let overview = engine.overview(connection, &TransientErrors::default(), &question)?;
    let mut report = Report::default();
    Fleet::new(engine).only(name).durable().run(connection, overview, Vec::new(), &mut report)?;
    if report.tenants.busy > 0 {
        let waited = engine.settings().lock_wait;
        return Err(Error::Locked { what: format!("tenant {}", name[0]), waited });
    }
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}
