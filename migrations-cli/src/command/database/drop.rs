//! `database drop`: drops the database that the configuration names, once a person has typed its name.

use std::fmt::{self, Write as _};
use std::io::{self, BufRead, IsTerminal};

use migrations_core::Database;
use serde::Serialize;

use crate::args::DropDatabase;
use crate::error::Error;
use crate::output::{Output, Paper, View};

pub(crate) fn run(args: &DropDatabase, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    let name = super::name(database);
    if !args.yes {
        confirm(name, database, output)?;
    }
    let dropped = database.drop_database(args.force)?;
    output.show(&Done { database: name, dropped, place: database.to_string() })
}

/// Asks for the name, on a terminal.
fn confirm(name: &str, database: &Database, output: &mut Output<'_>) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Unattended { database: name.to_owned() });
    }
    output.ask(&format!("{database} will be lost with all its data. Type its name to drop it: "));
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed).map_err(Error::Input)?;
    if typed.trim_end_matches(['\r', '\n']) == name {
        Ok(())
    } else {
        Err(Error::NotConfirmed { database: name.to_owned() })
    }
}

#[derive(Serialize)]
struct Done<'a> {
    database: &'a str,
    dropped: bool,
    /// The database, its server and the role.
    #[serde(skip)]
    place: String,
}

impl View for Done<'_> {
    fn text(&self, _: &Paper, page: &mut String) -> fmt::Result {
        let place = &self.place;
        if self.dropped {
            writeln!(page, "dropped {place}")
        } else {
            writeln!(page, "nothing to do: {place} does not exist")
        }
    }
}
