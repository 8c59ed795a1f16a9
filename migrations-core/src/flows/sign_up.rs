//! Get-or-create for a tenant's sign-up, and forgetting a tenant whose schema is gone.
//!
//! A sign-up reads the tenant's row. If there is none, it takes a spare schema of the pool. If there is no spare
//! either, it migrates the registry and the shared set if they are behind, and creates the tenant, unless the others
//! have other migrations than this binary. An existing tenant that is behind is migrated.

use std::time::{Duration, Instant};

use super::pool;
use super::prepare::prepare;
use crate::engine::Engine;
use crate::execute::{Provisioning, change_registration};
use crate::fleet::Fleet;
use crate::names::{SchemaName, TenantName};
use crate::report::{Error, Event, Progress, Report, SharedReport, Tenant};
use crate::server::{Connection, TransientErrors};
use crate::store::{Found, Question, find_tenant, forget_tenant, is_applied_elsewhere};

/// Returns the tenant, and whether it was created by this call. A new tenant gets `schema`, or the one that the rule
/// gives it; a registered one must have `schema`, if that is given.
pub(crate) fn get_or_create(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    name: &TenantName,
    schema: Option<&SchemaName>,
) -> Result<(Tenant, bool), Error> {
    let set = engine.sets.tenant;
    let found = find_tenant(&mut connection.client, engine.layout(), name)?;
    let new = match &found {
        Some(found) => {
            unless_elsewhere(found, schema)?;
            None
        }
        None => Some(match schema {
            Some(schema) => engine.layout().member(name, schema.clone())?,
            None => engine.new_member(name)?,
        }),
    };
    if let Some(found) = found.filter(|found| found.digest == Some(set.digest())) {
        return Ok((found.tenant, false));
    }
    let start = Instant::now();
    let created = |tenant: Tenant| {
        let (elapsed, progress) = (start.elapsed(), Progress { done: 1, total: 1, remaining: Duration::ZERO });
        engine.emit(&Event::TenantCreated { tenant: &tenant.name, schema: &tenant.schema, elapsed, progress });
        Ok((tenant, true))
    };
    if let Some(member) = &new
        && let Some(tenant) = pool::take(engine, connection, member)?
    {
        return created(tenant);
    }
    let names = [name.clone()];
    let extensions = set.extension_names();
    let question = Question {
        names: &names,
        extensions: &extensions,
        diverged_from: (!engine.settings().allow_divergence).then_some(set),
        for_sign_up: true,
        ..Question::about_no_tenant(set)
    };
    let overview = prepare(engine, connection, &question, &mut SharedReport::default())?;
    let new = new.filter(|_| !overview.absent.is_empty());
    let divergence = &overview.divergence;
    if new.is_some() && divergence.is_most() {
        return Err(Error::FleetDiverged {
            tenant: name.clone(),
            diverged: divergence.diverged,
            of: divergence.of,
            example: divergence.example.clone(),
        });
    }
    // If the registry or the shared set was behind, no spare was available before.
    if let Some(member) = &new
        && overview.spares > overview.pending_spares
        && let Some(tenant) = pool::take(engine, connection, member)?
    {
        return created(tenant);
    }
    if let Some(member) = &new {
        let errors = TransientErrors::default();
        match Provisioning::single(engine, &errors).create(connection, member, None) {
            Ok(true) => return created(registered(engine, connection, name)?.tenant),
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
    let found = registered(engine, connection, name)?;
    unless_elsewhere(&found, schema)?;
    Ok((found.tenant, false))
}

/// Refuses a schema that is not the one that the tenant is registered with.
fn unless_elsewhere(found: &Found, schema: Option<&SchemaName>) -> Result<(), Error> {
    match schema.filter(|schema| **schema != found.tenant.schema) {
        Some(asked) => Err(Error::other_schema(&found.member(), asked)),
        None => Ok(()),
    }
}

/// Removes the registration of a tenant whose schema is gone.
pub(crate) fn forget(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &TenantName) -> Result<(), Error> {
    let member = registered(engine, connection, name)?.member();
    let (exists, delete) = forget_tenant(engine.layout(), &member.schema);
    if change_registration(engine, connection, &member, &exists, &[delete])? {
        Ok(())
    } else {
        Err(Error::schema_still_there(&member))
    }
}

fn registered(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &TenantName) -> Result<Found, Error> {
    let found = find_tenant(&mut connection.client, engine.layout(), name)?;
    found.ok_or_else(|| Error::UnknownTenant(name.clone()))
}

/// Migrates one registered tenant, waiting for the session that holds its lock.
fn catch_up(engine: &Engine<'_>, connection: &mut Connection<'_>, name: &[TenantName; 1]) -> Result<(), Error> {
    let question = Question { only: name, limit: 1, ..Question::new(engine.sets.tenant) };
    let overview = engine.overview(connection, &TransientErrors::default(), &question)?;
    let what = overview.tenants.first().map_or_else(|| name[0].to_string(), |tenant| tenant.member.to_string());
    let mut report = Report::default();
    Fleet::new(engine).only(name).durable().run(connection, overview, Vec::new(), &mut report)?;
    if report.tenants.busy > 0 {
        let waited = engine.settings().lock_wait;
        return Err(Error::Locked { what: format!("tenant {what}"), waited });
    }
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}
