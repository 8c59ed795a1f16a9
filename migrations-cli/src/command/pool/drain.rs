//! `pool drain`: drops all spare schemas.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, Paper, View};

pub(crate) fn run(migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    output.show(&Drained { dropped: migrator.drain_pool(database)? })
}

#[derive(Serialize)]
struct Drained {
    dropped: usize,
}

impl View for Drained {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        match self.dropped {
            0 => writeln!(page, "nothing to do: there are no spare schemas"),
            dropped => writeln!(page, "{} dropped", super::spares(dropped)),
        }
    }
}
