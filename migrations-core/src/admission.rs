//! How a tenant comes in and goes out: get-or-create, and forgetting one whose schema is gone.

use std::time::{Duration, Instant};

use crate::apply::Session;
use crate::error::Error;
use crate::event::{Event, Progress};
use crate::fleet::Fleet;
use crate::name::TenantName;
use crate::plan::Question;
use crate::pool;
use crate::provision::Provisioning;
use crate::registry;
use crate::report::{Report, SharedReport};
use crate::retry::Mishaps;
use crate::settings::Settings;
use crate::sql::Literal;
use crate::stage::{self, Sets};
use crate::tenant::Tenant;

/// Returns the tenant, and whether it was made by this call.
pub(crate) fn get_or_create(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    name: &TenantName,
) -> Result<(Tenant, bool), Error> {
    let found = registry::find(&mut session.client, &settings.layout, name)?;
    let is_new = found.is_none();
    if let Some(found) = found.filter(|found| found.digest == Some(sets.tenant.digest())) {
        return Ok((found.tenant, false));
    }
    let start = Instant::now();
    let created = |tenant| {
        let progress = Progress { done: 1, total: 1, remaining: Duration::ZERO };
        settings.emit(&Event::TenantCreated { tenant: name, elapsed: start.elapsed(), progress });
        Ok((tenant, true))
    };
    if is_new && let Some(tenant) = pool::take(&mut session.client, settings, sets, name)? {
        return created(tenant);
    }
    let names = [name.clone()];
    let extensions = sets.tenant.extension_names();
    let question = Question { names: &names, extensions: &extensions, ..Question::about_nobody(sets.tenant) };
    let overview = stage::prepare(session, settings, sets, &question, &mut SharedReport::default())?;
    let is_new = !overview.absent.is_empty();
    // Where what all tenants share was behind, no spare was to be had before.
    if is_new
        && overview.spares > overview.pending_spares
        && let Some(tenant) = pool::take(&mut session.client, settings, sets, name)?
    {
        return created(tenant);
    }
    let mishaps = Mishaps::default();
    let provisioning = Provisioning::single(settings, sets.tenant, &mishaps);
    if is_new {
        match provisioning.create(session, name, None) {
            Ok(true) => return created(registered(session, settings, name)?),
            Ok(false) => {}
            Err(Error::Failed(mut failure)) => {
                let layout = &settings.layout;
                failure.is_applied_elsewhere =
                    registry::is_applied_elsewhere(&mut session.client, layout, sets.tenant, &failure);
                return Err(failure.into());
            }
            Err(error) => return Err(error),
        }
    }
    catch_up(session, settings, sets, &names)?;
    Ok((registered(session, settings, name)?, false))
}

/// Removes the registration of a tenant whose schema is gone.
pub(crate) fn forget(session: &mut Session<'_>, settings: &Settings, name: &TenantName) -> Result<(), Error> {
    registered(session, settings, name)?;
    let literal = Literal(name.as_str());
    let exists = format!("EXISTS (SELECT FROM pg_namespace WHERE nspname = {literal})");
    let delete = format!("DELETE FROM {} WHERE schema_name = {literal}", settings.layout.table("tenants"));
    if stage::locked(session, settings, name, &exists, &delete)? {
        Ok(())
    } else {
        Err(Error::SchemaStillThere(name.clone()))
    }
}

fn registered(session: &mut Session<'_>, settings: &Settings, name: &TenantName) -> Result<Tenant, Error> {
    let found = registry::find(&mut session.client, &settings.layout, name)?;
    found.map(|found| found.tenant).ok_or_else(|| Error::UnknownTenant(name.clone()))
}

/// Migrates one tenant that is registered, waiting for whoever is at work on it.
fn catch_up(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    name: &[TenantName; 1],
) -> Result<(), Error> {
    let question = Question {
        latest: sets.tenant.digest(),
        only: name,
        names: &[],
        extensions: &[],
        for_new_tenants: false,
        after: 0,
        all: false,
        limit: 1,
    };
    let overview = stage::ask(session, settings, &Mishaps::default(), &question)?;
    let mut report = Report::default();
    Fleet::new(session.database(), settings, sets.tenant).only(name).durable().run(
        session,
        overview,
        Vec::new(),
        &mut report,
    )?;
    if report.tenants.busy > 0 {
        return Err(Error::Locked { what: format!("tenant {}", name[0]), waited: settings.lock_wait });
    }
    match report.failures.pop() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}
