//! `tenant …`: the tenants in the registry, with a file for each command.

mod adopt;
mod create;
mod domain;
mod forget;
mod list;
mod show;

use migrations_core::{Database, Migrator, TenantName};

use crate::args::{Domain, Tenant};
use crate::command::baseline;
use crate::error::{Error, Exit};
use crate::output::Output;

pub(crate) fn run(
    command: Tenant,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    match command {
        Tenant::Create(args) => create::run(&args, migrator, database, output)?,
        Tenant::List(_) => list::run(migrator, database, output)?,
        Tenant::Show(args) => show::run(&args, migrator, database, output)?,
        Tenant::Domain(Domain::Add(args)) => domain::run(&args, migrator, database, output)?,
        Tenant::Adopt(args) => adopt::run(&args, migrator, database, output)?,
        Tenant::Baseline(args) => return baseline::tenants(args, migrator, database, output),
        Tenant::Forget(args) => forget::run(&args, migrator, database, output)?,
    }
    Ok(Exit::Done)
}

/// The tenant, or the error that it is not registered.
fn find(migrator: &Migrator, database: &Database, name: &TenantName) -> Result<migrations_core::Tenant, Error> {
    let tenant = migrator.tenant(database, name)?;
    tenant.ok_or_else(|| migrations_core::Error::UnknownTenant(name.clone()).into())
}
