//! `tenant forget`: removes a tenant from the registry after its schema was dropped.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Forget;
use crate::error::Error;
use crate::output::{Output, Paper, View};

pub(crate) fn run(
    args: &Forget,
    migrator: &Migrator,
    database: &Database,
    output: &mut Output<'_>,
) -> Result<(), Error> {
    migrator.forget_tenant(database, &args.name)?;
    output.show(&Forgotten { forgotten: [args.name.as_str()] })
}

#[derive(Serialize)]
struct Forgotten<'a> {
    forgotten: [&'a str; 1],
}

impl View for Forgotten<'_> {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let [name] = self.forgotten;
        writeln!(page, "tenant {name} is no longer registered")
    }
}
