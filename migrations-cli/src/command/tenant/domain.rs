//! `tenant domain add`: a host name that leads to a tenant.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Add;
use crate::error::Error;
use crate::output::json::TenantObject;
use crate::output::{Output, Paper, View};

pub(crate) fn run(args: &Add, migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    migrator.add_domain(database, &args.name, &args.host, args.primary)?;
    let tenant = super::find(migrator, database, &args.name)?;
    output.show(&Added { tenants: [TenantObject::of(tenant)] })
}

/// The tenant as it is now.
#[derive(Serialize)]
struct Added {
    tenants: [TenantObject; 1],
}

impl View for Added {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let [tenant] = &self.tenants;
        writeln!(page, "tenant {} has these host names", tenant.shown())?;
        tenant.domains.iter().try_for_each(|domain| {
            let primary = if domain.is_primary { " (primary)" } else { "" };
            writeln!(page, "  {}{primary}", domain.host)
        })
    }
}
