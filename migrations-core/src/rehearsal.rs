//! What a run would send, without sending it: the same scripts, made from the same plan.

use std::collections::HashSet;
use std::ops::Range;

use crate::apply::Session;
use crate::error::Error;
use crate::extensions;
use crate::history::Standing;
use crate::name::TenantName;
use crate::options::RunOptions;
use crate::plan::{self, Claim, PAGE, Question, Resolver};
use crate::script::{Job, Origin, Owner, Step};
use crate::set::{Migration, MigrationSet, SetName};
use crate::settings::Settings;
use crate::stage::Sets;

/// What a run would send for one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rehearsal {
    /// The set.
    pub set: SetName,
    /// The tenant; `None` for the registry, the shared set, and extensions that the tenants' set asks for.
    pub tenant: Option<TenantName>,
    /// Titles of the migrations, in order; of extensions, `extension` and the name.
    pub migrations: Vec<String>,
    /// The messages, in order. Each is one transaction; or one statement of a `no-transaction` migration, which runs
    /// outside of one. What a run writes around such a statement, its mark and its history row, is left out, since it
    /// goes through a second connection: what comes behind one is to be read, not to be sent by hand.
    pub messages: Vec<String>,
}

/// Everything that a run would send, in its order. Schemas that a run would leave alone are left out.
pub(crate) fn rehearse(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    options: &RunOptions,
) -> Result<Vec<Rehearsal>, Error> {
    let layout = &settings.layout;
    for name in &options.create {
        layout.check_tenant(name)?;
    }
    let extensions = sets.tenant.extension_names();
    let mut question = Question {
        latest: sets.tenant.digest(),
        only: options.limit(),
        names: &options.create,
        extensions: &extensions,
        for_new_tenants: false,
        after: 0,
        all: false,
        limit: PAGE,
    };
    let mut found = Vec::new();
    let overview = plan::overview(&mut session.client, layout, &question)?;
    let (registry, shared) = match &overview {
        Some(overview) => (overview.registry, overview.shared),
        None => (
            plan::catalog_claim(&mut session.client, layout.registry.as_str())?,
            plan::catalog_claim(&mut session.client, layout.shared.as_str())?,
        ),
    };
    found.extend(schema(session, settings, sets.registry, Owner::Registry, registry)?);
    found.extend(schema(session, settings, sets.shared, Owner::Shared, shared)?);
    if options.leaves_out_tenants() {
        return Ok(found);
    }
    if let Some(overview) = &overview
        && let Some(unknown) = overview.absent.iter().find(|name| !options.create.contains(name))
    {
        return Err(Error::UnknownTenant(unknown.clone()));
    }
    // Where there is no registry, nothing was asked; what is there is created once all the same.
    let missing = match &overview {
        None => extensions.as_slice(),
        Some(overview) if overview.needs_extensions(&question, settings.warm_pool) => &overview.missing_extensions,
        Some(_) => &[],
    };
    let (names, messages): (Vec<_>, Vec<_>) = extensions::messages(settings, sets.tenant, missing).into_iter().unzip();
    if !messages.is_empty() {
        let migrations = names.iter().map(|name| format!("extension {name}")).collect();
        found.push(Rehearsal { set: sets.tenant.name().clone(), tenant: None, migrations, messages });
    }
    let mut seen = HashSet::new();
    let absent = overview.as_ref().map_or(&options.create, |overview| &overview.absent);
    let create: Vec<TenantName> = absent.iter().filter(|name| seen.insert(*name)).cloned().collect();
    let mut page = overview.unwrap_or_default();
    while let Some(last) = page.last_id {
        for tenant in &page.tenants {
            found.extend(schema(session, settings, sets.tenant, Owner::Tenant(&tenant.name), tenant.claim)?);
        }
        question.after = last;
        page = plan::overview(&mut session.client, layout, &question)?.unwrap_or_default();
    }
    for name in &create {
        let job = Job::new(settings, sets.tenant, Owner::Tenant(name), Claim::default());
        found.push(rehearsal(&Job { origin: Origin::Created { id: None }, ..job }));
    }
    Ok(found)
}

fn schema(
    session: &mut Session<'_>,
    settings: &Settings,
    set: &MigrationSet,
    owner: Owner<'_>,
    claim: Claim,
) -> Result<Option<Rehearsal>, Error> {
    let job = Job::new(settings, set, owner, claim);
    Ok(match Resolver::new(set).resolve(&mut session.client, job.schema(), &claim)? {
        Standing::Applied(all) if all == set.migrations().len() && claim.is_current(set) => None,
        Standing::Applied(applied) => Some(rehearsal(&Job { applied, ..job })),
        Standing::Missing if job.tenant().is_none() => {
            Some(rehearsal(&Job { origin: Origin::Created { id: None }, ..job }))
        }
        _ => None,
    })
}

fn rehearsal(job: &Job<'_>) -> Rehearsal {
    let mut messages = Vec::new();
    let mut origin = job.origin;
    for step in job.steps() {
        match step {
            Step::Together(range) => {
                messages.push(Job { origin, ..*job }.script(range).message());
                origin = Origin::Exists;
            }
            Step::Outside(index) => {
                messages.extend(units(job, &job.set.migrations()[index]));
            }
        }
    }
    let migrations = job.set.migrations()[job.applied..].iter().map(|migration| migration.title().to_owned()).collect();
    Rehearsal { set: job.set.name().clone(), tenant: job.tenant().cloned(), migrations, messages }
}

/// The statements of a migration that runs outside a transaction, and what is set for them.
fn units(job: &Job<'_>, migration: &Migration) -> Vec<String> {
    let text = |part: &Range<usize>| job.text(migration, Some(part.clone())).text;
    let (mut messages, mut set) = (Vec::new(), 0);
    for (outside, unit) in
        migration.outside().iter().flat_map(|outside| outside.units().iter().map(move |unit| (outside, unit)))
    {
        let settings: Vec<_> = outside.settings_for(unit).skip(set).map(text).collect();
        set += settings.len();
        messages.extend(settings);
        let is_in = |statement: &&Range<usize>| unit.range.start <= statement.start && statement.end <= unit.range.end;
        let is_block = migration.statements().iter().filter(is_in).count() > 1;
        let unit = text(&unit.range);
        messages.push(if is_block { format!("BEGIN;\n{unit};\nCOMMIT") } else { unit });
    }
    messages
}
