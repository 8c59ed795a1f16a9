//! `tenant show`: all that the registry knows about one tenant.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Show;
use crate::error::Error;
use crate::output::json::TenantObject;
use crate::output::text;
use crate::output::{Output, Paper, View};

pub(crate) fn run(args: &Show, migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let tenant = super::find(migrator, database, &args.name)?;
    output.show(&Shown { tenants: [TenantObject::of(tenant)] })
}

/// The same shape as in the list.
#[derive(Serialize)]
struct Shown {
    tenants: [TenantObject; 1],
}

impl View for Shown {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let [tenant] = &self.tenants;
        let mut lines = vec![
            ("tenant", tenant.name.clone()),
            ("schema", text::printable(&tenant.schema)),
            ("id", tenant.id.to_string()),
            ("status", tenant.status.clone()),
            ("version", text::version(tenant.version)),
            ("created", text::moment(&tenant.created_at)),
            ("migrated", tenant.migrated_at.as_deref().map_or_else(|| "-".to_owned(), text::moment)),
        ];
        if let Some(name) = &tenant.display_name {
            lines.insert(1, ("name", name.clone()));
        }
        for domain in &tenant.domains {
            let primary = if domain.is_primary { " (primary)" } else { "" };
            lines.push(("domain", format!("{}{primary}", domain.host)));
        }
        if let Some(metadata) = &tenant.metadata {
            lines.push(("metadata", metadata.get().to_owned()));
        }
        if let Some(error) = &tenant.last_error {
            lines.push(("error", error.clone()));
        }
        lines.iter().try_for_each(|(name, value)| writeln!(page, "{name:<10}{value}"))
    }
}
