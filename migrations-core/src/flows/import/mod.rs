//! Imports the histories of other migration tools: reads them, maps their versions to the sets', and writes the sets'
//! histories. It runs no migration, and changes nothing of the tools'.
//!
//! | file | what it is |
//! | --- | --- |
//! | `foreign` | a migration in another tool's history, whatever the tool |
//! | `refinery`, `sqlx`, `diesel`, `sea_orm`, `django`, `flyway`, `golang_migrate` | where a tool keeps its histories |
//! | `rules` | what a caller says about the mapping |
//! | `options` | options of an import |
//! | `proof` | whether the tool ran the text that the set has |
//! | `mapping` | the other tool's migrations and a set: which of the set's are applied |
//! | `read` | the histories of many schemas, in few queries |
//! | `reading` | what an import reads: the schemas, their histories, and the registry |
//! | `stage` | the schemas of one set: mapped, compared with their own histories, and written |

mod diesel;
mod django;
mod flyway;
mod foreign;
mod golang_migrate;
mod mapping;
mod options;
mod proof;
mod read;
mod reading;
mod refinery;
mod rules;
mod sea_orm;
mod sqlx;
mod stage;

pub use options::{ImportOptions, TenantSchemas};
pub use rules::MapRule;

use crate::engine::Engine;
use crate::report::{Error, Import, Tool};
use crate::server::{Connection, TransientErrors};
use foreign::Source;
use reading::Run;
use rules::Scope;
use stage::Stage;

/// The tool's source.
fn source(tool: Tool) -> Source {
    match tool {
        Tool::Refinery => refinery::SOURCE,
        Tool::Sqlx => sqlx::SOURCE,
        Tool::Diesel => diesel::SOURCE,
        Tool::SeaOrm => sea_orm::SOURCE,
        Tool::Django => django::SOURCE,
        Tool::Flyway => flyway::SOURCE,
        Tool::GolangMigrate => golang_migrate::SOURCE,
    }
}

/// Imports the histories of a tool, or says what an import would do.
pub(crate) fn import(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    tool: Tool,
    options: &ImportOptions,
) -> Result<Import, Error> {
    engine.layout().check()?;
    check_versions(engine, options)?;
    let source = source(tool);
    let table = options.table.as_deref().unwrap_or(source.table);
    let run = Run { engine, tool, options, source, table, errors: TransientErrors::default() };
    let mut found = run.find(connection)?;
    let registered = run.registered(connection)?;
    let shared = engine.layout().shared.as_str();
    if options.tenants == TenantSchemas::Registered {
        found.retain(|one| one.schema == shared || registered.tenants.contains_key(&one.schema));
    }
    if found.is_empty() {
        return Err(run.no_history());
    }
    let (candidates, states) = run.candidates(connection, &found)?;
    let (shared, tenants): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|one| one.found.schema == shared);
    let shared = Stage { run: &run, scope: Scope::Shared, candidates: shared, states: &states.all };
    let tenants = Stage { run: &run, scope: Scope::Tenant, candidates: tenants, states: &states.all };
    let is_used = |rule: &&MapRule| shared.uses(rule) || tenants.uses(rule);
    let unused = options.rules.iter().filter(|rule| !is_used(rule)).map(ToString::to_string).collect();
    let lost_connections = run.errors.lost_connections();
    let import = Import {
        tool,
        table: table.to_owned(),
        is_dry_run: options.dry_run,
        shared: shared.import(connection, &registered)?,
        tenants: tenants.import(connection, &registered)?,
        unused,
    };
    if !options.dry_run {
        run.finish(connection, lost_connections)?;
    }
    Ok(import)
}

/// Refuses a rule with a version that no set has.
fn check_versions(engine: &Engine<'_>, options: &ImportOptions) -> Result<(), Error> {
    let sets = [(Scope::Shared, engine.sets.shared), (Scope::Tenant, engine.sets.tenant)];
    for rule in &options.rules {
        let has = |version| {
            let about = sets.iter().filter(|(scope, _)| rule.is_about(*scope));
            about.into_iter().any(|(_, set)| set.migrations().iter().any(|ours| ours.version() == version))
        };
        if let Some(version) = rule.ours().iter().find(|version| !has(**version)) {
            return Err(rule.no_version(*version));
        }
    }
    Ok(())
}
