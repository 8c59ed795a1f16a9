//! `pool fill`: creates spare schemas.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::args::Fill;
use crate::error::Error;
use crate::output::{Output, Paper, View};

pub(crate) fn run(args: &Fill, migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let size = usize::try_from(args.size).unwrap_or(usize::MAX);
    let made = migrator.fill_pool(database, size)?;
    output.show(&Filled { made, size })
}

#[derive(Serialize)]
struct Filled {
    made: usize,
    #[serde(skip)]
    size: usize,
}

impl View for Filled {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        match self.made {
            0 => writeln!(page, "nothing to do: there are already {} or more", super::spares(self.size)),
            made => writeln!(page, "{} created", super::spares(made)),
        }
    }
}
