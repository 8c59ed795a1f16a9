//! `tenant list`: all registered tenants.

use std::fmt::{self, Write};

use comfy_table::Cell;
use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::error::Error;
use crate::output::json::TenantObject;
use crate::output::text::{self, Column};
use crate::output::{Output, Paper, View};

pub(crate) fn run(migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let tenants = migrator.tenants(database)?;
    output.show(&Tenants { tenants: tenants.into_iter().map(TenantObject::of).collect() })
}

#[derive(Serialize)]
struct Tenants {
    tenants: Vec<TenantObject>,
}

impl View for Tenants {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        if self.tenants.is_empty() {
            return writeln!(page, "no tenants; `{} tenant create NAME` creates one", paper.program);
        }
        let columns = [
            Column::Text("TENANT"),
            Column::Text("STATUS"),
            Column::Number("VERSION"),
            Column::Text("CREATED"),
            Column::Text("MIGRATED"),
            Column::Text("DOMAINS"),
        ];
        let rows = self.tenants.iter().map(|tenant| {
            vec![
                Cell::new(tenant.shown()),
                Cell::new(&tenant.status),
                Cell::new(text::version(tenant.version)),
                Cell::new(text::moment(&tenant.created_at)),
                Cell::new(tenant.migrated_at.as_deref().map_or_else(|| "-".to_owned(), text::moment)),
                Cell::new(text::names(tenant.domains.iter().map(|domain| domain.host.as_str()))),
            ]
        });
        let table = text::table(paper, &columns, rows);
        writeln!(page, "{table}\n{}", text::tenants(self.tenants.len()))
    }
}
