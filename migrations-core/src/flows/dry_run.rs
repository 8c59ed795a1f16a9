//! What a run would send, without sending it: the same scripts, created from the same plan.

use std::collections::HashSet;
use std::ops::Range;

use super::extensions;
use crate::engine::{Engine, RunOptions};
use crate::execute::standing;
use crate::names::Member;
use crate::plan::{Origin, Part, Positions, Standing, Unit};
use crate::report::{Error, Rehearsal};
use crate::server::Connection;
use crate::set::Migration;
use crate::store::{Claim, Owner, Question, check_name, overview, schema_claim};

/// Everything that a run would send, in order. Schemas that a run would leave alone are left out.
pub(crate) fn rehearse(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    options: &RunOptions,
) -> Result<Vec<Rehearsal>, Error> {
    let (layout, sets) = (engine.layout(), &engine.sets);
    for name in &options.create {
        check_name(name)?;
    }
    let extensions = sets.tenant.extension_names();
    let mut question = Question {
        only: options.limit(),
        names: &options.create,
        extensions: &extensions,
        ..Question::new(sets.tenant)
    };
    let mut found = Vec::new();
    let first = overview(&mut connection.client, layout, &question)?;
    let (registry, shared) = match &first {
        Some(overview) => (overview.registry, overview.shared),
        None => (
            schema_claim(&mut connection.client, layout.registry.as_str())?,
            schema_claim(&mut connection.client, layout.shared.as_str())?,
        ),
    };
    found.extend(schema(engine, connection, Owner::Registry, registry)?);
    found.extend(schema(engine, connection, Owner::Shared, shared)?);
    if options.leaves_out_tenants() {
        return Ok(found);
    }
    if let Some(overview) = &first
        && let Some(unknown) = overview.absent.iter().find(|name| !options.create.contains(name))
    {
        return Err(Error::UnknownTenant(unknown.clone()));
    }
    // Without a registry, nothing was asked about extensions; those that exist are not created again anyway.
    let missing = match &first {
        None => extensions.as_slice(),
        Some(overview) if overview.needs_extensions(&question, engine.settings().warm_pool) => {
            &overview.missing_extensions
        }
        Some(_) => &[],
    };
    let (names, messages): (Vec<_>, Vec<_>) = extensions::messages(engine, missing).into_iter().unzip();
    if !messages.is_empty() {
        let migrations = names.iter().map(|name| format!("extension {name}")).collect();
        found.push(Rehearsal { set: sets.tenant.name().clone(), tenant: None, schema: None, migrations, messages });
    }
    let mut seen = HashSet::new();
    let absent = first.as_ref().map_or(&options.create, |overview| &overview.absent);
    let create = absent.iter().filter(|name| seen.insert(*name)).map(|name| engine.new_member(name));
    let create: Vec<Member> = create.collect::<Result<_, _>>()?;
    let mut page = first.unwrap_or_default();
    while let Some(last) = page.last_id {
        for tenant in &page.tenants {
            found.extend(schema(engine, connection, Owner::Tenant(&tenant.member), tenant.claim)?);
        }
        question.after = last;
        page = overview(&mut connection.client, layout, &question)?.unwrap_or_default();
    }
    for member in &create {
        let unit = Unit::new(engine, Owner::Tenant(member), Claim::default());
        found.push(rehearsal(&Unit { origin: Origin::Created { id: None }, ..unit }));
    }
    Ok(found)
}

fn schema<'a>(
    engine: &'a Engine<'a>,
    connection: &mut Connection<'_>,
    owner: Owner<'a>,
    claim: Claim,
) -> Result<Option<Rehearsal>, Error> {
    let unit = Unit::new(engine, owner, claim);
    let mut positions = match owner {
        Owner::Tenant(_) => Positions::of_tenants(unit.set),
        Owner::Registry | Owner::Shared => Positions::new(unit.set),
    };
    let standing = standing(&mut connection.client, &mut positions, unit.schema(), &claim)?;
    Ok(match standing {
        Standing::Applied(all) if all == unit.set.migrations().len() && claim.is_current(unit.set) => None,
        Standing::Applied(applied) => Some(rehearsal(&Unit { applied, ..unit })),
        Standing::Missing if unit.tenant().is_none() => {
            Some(rehearsal(&Unit { origin: Origin::Created { id: None }, ..unit }))
        }
        _ => None,
    })
}

fn rehearsal(unit: &Unit<'_>) -> Rehearsal {
    let mut messages = Vec::new();
    let mut origin = unit.origin;
    for part in unit.parts() {
        match part {
            Part::Transaction(range) => {
                messages.push(Unit { origin, ..*unit }.script(range).message());
                origin = Origin::Exists;
            }
            Part::Outside(index) => {
                messages.extend(outside(unit, &unit.set.migrations()[index]));
            }
        }
    }
    let migrations =
        unit.set.migrations()[unit.applied..].iter().map(|migration| migration.title().to_owned()).collect();
    let tenant = unit.tenant().cloned();
    let (tenant, schema) = tenant.map(|Member { name, schema }| (name, schema)).unzip();
    Rehearsal { set: unit.set.name().clone(), tenant, schema, migrations, messages }
}

/// The statements of a migration that runs outside a transaction, and the settings for them.
fn outside(unit: &Unit<'_>, migration: &Migration) -> Vec<String> {
    let text = |part: &Range<usize>| unit.text(migration, Some(part.clone())).text;
    let (mut messages, mut set) = (Vec::new(), 0);
    for (outside, part) in
        migration.outside().iter().flat_map(|outside| outside.units().iter().map(move |part| (outside, part)))
    {
        let settings: Vec<_> = outside.settings_for(part).skip(set).map(text).collect();
        set += settings.len();
        messages.extend(settings);
        let is_in = |statement: &&Range<usize>| part.range.start <= statement.start && statement.end <= part.range.end;
        let is_block = migration.statements().iter().filter(is_in).count() > 1;
        let sql = text(&part.range);
        messages.push(if is_block { format!("BEGIN;\n{sql};\nCOMMIT") } else { sql });
    }
    messages
}
