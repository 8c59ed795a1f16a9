//! `tenant create`: registers tenants and creates their schemas.

use std::fmt::{self, Write};

use comfy_table::Cell;
use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Create;
use crate::error::Error;
use crate::output::json::ErrorObject;
use crate::output::text::{self, Column};
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: &Create,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let migrator = if args.allow_divergence { &migrator.clone().allow_divergence() } else { migrator };
    let mut done = Created { tenants: Vec::new(), error: None };
    for name in &args.names {
        let found = match &args.schema {
            Some(schema) => migrator.get_or_create_tenant_in(database, name, schema),
            None => migrator.get_or_create_tenant(database, name),
        };
        match found {
            Ok((tenant, created)) => {
                let (name, schema) = (tenant.name.to_string(), tenant.schema.as_str().to_owned());
                done.tenants.push(Row { name, schema, created, version: tenant.version });
            }
            Err(error) => {
                let error = Error::from(error);
                // The tenants before it are created, so the result names them.
                if !done.tenants.is_empty() {
                    done.error = Some(ErrorObject::of(&error, &output.advice()));
                    output.show(&done)?;
                }
                return Err(error);
            }
        }
    }
    output.show(&done)
}

#[derive(Serialize)]
struct Created {
    tenants: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    schema: String,
    created: bool,
    version: Option<i64>,
}

impl View for Created {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        let columns = [Column::Text("TENANT"), Column::Text("OUTCOME"), Column::Number("VERSION")];
        let rows = self.tenants.iter().map(|tenant| {
            let outcome = if tenant.created { "created" } else { "exists" };
            let shown = text::tenant(&tenant.name, &tenant.schema);
            vec![Cell::new(shown), text::state(paper, outcome), Cell::new(text::version(tenant.version))]
        });
        page.write_str(&text::table(paper, &columns, rows))
    }
}
