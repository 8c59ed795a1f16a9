//! `tenant adopt`: registers schemas that exist.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Adopt;
use crate::error::Error;
use crate::output::json::{ErrorObject, TenantObject};
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: &Adopt,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    let mut done = Adopted { tenants: Vec::new(), error: None };
    for name in &args.names {
        match migrator.adopt_tenant(database, name) {
            Ok(tenant) => done.tenants.push(TenantObject::of(tenant)),
            Err(error) => {
                let error = Error::from(error);
                // Those before it are registered, and are told of.
                if !done.tenants.is_empty() {
                    done.error = Some(ErrorObject::of(&error));
                    output.show(&done)?;
                }
                return Err(error);
            }
        }
    }
    output.show(&done)
}

#[derive(Serialize)]
struct Adopted {
    tenants: Vec<TenantObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

impl View for Adopted {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        for tenant in &self.tenants {
            match tenant.version {
                Some(version) => writeln!(page, "tenant {} is registered, at version {version}", tenant.name)?,
                None => writeln!(page, "tenant {} is registered; no migration was ever applied to it", tenant.name)?,
            }
        }
        writeln!(page, "`{} up` brings every tenant up to date", paper.program)
    }
}
