//! `dev upgrade`: the data under another major version of PostgreSQL.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::args::{Global, Upgrade};
use crate::embedded;
use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View};

pub(super) fn run(args: &Upgrade, global: &Global, output: &mut Output<'_>) -> Result<Exit, Error> {
    let upgrade = embedded::folder(global)?.upgrade(args.from.as_deref())?;
    upgrade.server.stop()?;
    output.show(&Done { from: upgrade.from, to: upgrade.to })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Done {
    from: u32,
    to: u32,
}

impl View for Done {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        if self.from == self.to {
            return writeln!(page, "nothing to do: the data is of PostgreSQL {}", self.to);
        }
        writeln!(page, "upgraded from PostgreSQL {} to {}", self.from, self.to)
    }
}
