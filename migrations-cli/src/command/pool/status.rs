//! `pool status`: the number of spare schemas.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator, PoolStatus};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, Paper, View, text};

pub(crate) fn run(migrator: &Migrator, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let PoolStatus { ready, behind, .. } = migrator.pool(database)?;
    output.show(&Counted { ready, behind })
}

#[derive(Serialize)]
struct Counted {
    ready: usize,
    behind: usize,
}

impl View for Counted {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        let (all, program) = (super::spares(self.ready + self.behind), &paper.program);
        let counts = text::counts([(self.ready, "ready"), (self.behind, "behind")]);
        match (self.ready, self.behind) {
            (0, 0) => writeln!(page, "no spare schemas; `{program} pool fill N` creates them"),
            (_, 0) => writeln!(page, "{all}: {counts}"),
            _ => writeln!(page, "{all}: {counts}; `{program} up` migrates those that are behind"),
        }
    }
}
