//! `database create`: creates the database that the configuration names.

use std::fmt::{self, Write};

use migrations_core::Database;
use serde::Serialize;

use crate::args::CreateDatabase;
use crate::error::Error;
use crate::output::{Output, Paper, View};

pub(crate) fn run(args: &CreateDatabase, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let created = database.create(args.owner.as_ref(), args.template.as_deref())?;
    output.show(&Done { database: super::name(database), created, place: database.to_string() })
}

#[derive(Serialize)]
struct Done<'a> {
    database: &'a str,
    created: bool,
    /// The database, its server and the role.
    #[serde(skip)]
    place: String,
}

impl View for Done<'_> {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let place = &self.place;
        if self.created { writeln!(page, "created {place}") } else { writeln!(page, "nothing to do: {place} exists") }
    }
}
