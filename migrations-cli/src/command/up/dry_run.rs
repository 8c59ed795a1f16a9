//! `up --dry-run`: the SQL that a run would send, as a script for psql.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator, Rehearsal, RunOptions};
use serde::Serialize;

use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View};

pub(super) fn run(
    migrator: &Migrator,
    database: &Database,
    options: &RunOptions,
    output: &mut Output<'_>,
) -> Result<Exit, Error> {
    let schemas = migrator.rehearse(database, options)?.into_iter().map(Schema::of).collect();
    output.show(&Script { schemas })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Script {
    schemas: Vec<Schema>,
}

#[derive(Serialize)]
struct Schema {
    set: String,
    tenant: Option<String>,
    migrations: Vec<String>,
    messages: Vec<String>,
}

impl Schema {
    fn of(rehearsal: Rehearsal) -> Self {
        Self {
            set: rehearsal.set.to_string(),
            tenant: rehearsal.tenant.map(|name| name.to_string()),
            migrations: rehearsal.migrations,
            messages: rehearsal.messages,
        }
    }

    fn heading(&self) -> String {
        let name = match &self.tenant {
            Some(tenant) => format!("tenant {tenant}"),
            None => format!("{} set", self.set),
        };
        match self.migrations.as_slice() {
            [] => format!("-- {name}: nothing but the registry's row"),
            migrations => format!("-- {name}: {}", migrations.join(", ")),
        }
    }
}

impl View for Script {
    fn text(&self, paper: &Paper, page: &mut String) -> fmt::Result {
        if self.schemas.is_empty() {
            return writeln!(page, "-- nothing to do");
        }
        writeln!(page, "-- psql --no-psqlrc --set ON_ERROR_STOP=on --file")?;
        for schema in &self.schemas {
            writeln!(page, "\n{}", schema.heading())?;
            if schema.messages.iter().any(|message| !is_transaction(message)) {
                let program = &paper.program;
                writeln!(
                    page,
                    "-- Not all in one transaction: `{program} up` writes down in between what is done; psql does"
                )?;
                writeln!(
                    page,
                    "-- not, and stops behind it with \"the plan is out of date\": then `{program} up` takes up the rest."
                )?;
            }
            schema.messages.iter().try_for_each(|message| write!(page, "{}", Statements(message)))?;
        }
        Ok(())
    }
}

fn is_transaction(message: &str) -> bool {
    message.starts_with("SET TRANSACTION ")
}

/// A message as statements that are sent one by one. What a run sends as one message is one transaction by that; psql
/// sends every statement alone.
struct Statements<'a>(&'a str);

impl fmt::Display for Statements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim_end();
        if is_transaction(text) { writeln!(f, "BEGIN;\n{text}\nCOMMIT;") } else { writeln!(f, "{text}\n;") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_transaction_for_a_client_that_sends_statements_too() {
        let message = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED\n;\nSELECT 1\n;\n";
        let statements = "BEGIN;\nSET TRANSACTION ISOLATION LEVEL READ COMMITTED\n;\nSELECT 1\n;\nCOMMIT;\n";
        assert_eq!(Statements(message).to_string(), statements);
    }

    #[test]
    fn a_statement_outside_of_a_transaction_stays_outside() {
        let statement = "CREATE INDEX CONCURRENTLY i ON acme.t (a) -- why";
        assert_eq!(Statements(statement).to_string(), format!("{statement}\n;\n"));
    }
}
