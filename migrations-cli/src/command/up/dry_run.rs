//! `up --dry-run`: the SQL that a run would send, as a script for psql.

use std::fmt::{self, Write};

use migrations_core::{Database, Migrator, Rehearsal, RunOptions};
use serde::Serialize;

use crate::error::{Error, Exit};
use crate::output::{Output, Paper, View, text};

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
    /// The name of the tenant's schema.
    #[serde(rename = "schema")]
    name: Option<String>,
    migrations: Vec<String>,
    messages: Vec<String>,
}

impl Schema {
    fn of(rehearsal: Rehearsal) -> Self {
        Self {
            set: rehearsal.set.to_string(),
            tenant: rehearsal.tenant.map(|name| name.to_string()),
            name: rehearsal.schema.map(|schema| schema.as_str().to_owned()),
            migrations: rehearsal.migrations,
            messages: rehearsal.messages,
        }
    }

    fn heading(&self) -> String {
        let name = match &self.tenant {
            Some(tenant) => {
                format!("tenant {}", text::tenant(tenant, self.name.as_deref().unwrap_or(tenant)))
            }
            None => format!("{} set", self.set),
        };
        match self.migrations.as_slice() {
            [] => format!("-- {name}: only the registry's row"),
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
        let mut is_left = false;
        for schema in &self.schemas {
            writeln!(page, "\n{}", schema.heading())?;
            let is_rest = write_messages(&schema.messages, is_left, &paper.program, page)?;
            // The tenants come after the whole shared set.
            is_left |= is_rest && schema.tenant.is_none();
        }
        Ok(())
    }
}

/// A statement outside a transaction is safe only with the marks that a run writes around it, and they are not in its
/// text. So the script shows such a statement, and everything after it, as a comment, and leaves it to the run; if
/// something before these messages is left to the run, all of them are. Returns whether something is left.
fn write_messages(messages: &[String], is_left: bool, program: &str, page: &mut String) -> Result<bool, fmt::Error> {
    let transactions = messages.iter().take_while(|message| !is_left && is_transaction(message)).count();
    let (script, rest) = messages.split_at(transactions);
    for message in script {
        // A run sends one message, which is a transaction by itself; psql sends every statement alone.
        writeln!(page, "BEGIN;\n{}\nCOMMIT;", message.trim_end())?;
    }
    if rest.is_empty() {
        return Ok(false);
    }
    let why =
        if is_left { "because it comes after something that is" } else { "because it cannot run in a transaction" };
    writeln!(page, "-- left to `{program} up`, {why}, with everything after it:")?;
    rest.iter().flat_map(|message| message.trim_end().lines()).try_for_each(|line| writeln!(page, "--   {line}"))?;
    Ok(true)
}

fn is_transaction(message: &str) -> bool {
    message.starts_with("SET TRANSACTION ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_run_in_a_transaction_is_left_to_a_run() -> fmt::Result {
        let transaction = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED\n;\nSELECT 1\n;\n";
        let index = "CREATE INDEX CONCURRENTLY i\nON acme.t (a)";
        let mut page = String::new();
        assert!(write_messages(&[transaction, index, transaction].map(str::to_owned), false, "orders", &mut page)?);
        let script = "\
BEGIN;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
;
SELECT 1
;
COMMIT;
-- left to `orders up`, because it cannot run in a transaction, with everything after it:
--   CREATE INDEX CONCURRENTLY i
--   ON acme.t (a)
--   SET TRANSACTION ISOLATION LEVEL READ COMMITTED
--   ;
--   SELECT 1
--   ;
";
        assert_eq!(page, script);
        page.clear();
        assert!(write_messages(&[transaction.to_owned()], true, "orders", &mut page)?);
        assert!(page.lines().all(|line| line.starts_with("--")), "{page}");
        Ok(())
    }
}
