//! What one writes without this framework: a loop over the schemas, and `refinery` with its own driver in each.

use std::time::{Duration, Instant};

use migrations_core::{Database, Migration, MigrationSet, TenantName};
use refinery::Runner;

/// A migration's SQL as it can run in a transaction, which is where `refinery` runs every migration.
pub(crate) fn transactional(migration: &Migration) -> String {
    if migration.is_outside_a_transaction() {
        migration.sql().replace(" CONCURRENTLY", "")
    } else {
        migration.sql().to_owned()
    }
}

/// A runner for schemas that do not exist yet.
pub(crate) fn new_schemas(set: &MigrationSet) -> Runner {
    runner(set, transactional)
}

/// A runner for schemas that this framework has made: the checksums are those of the files.
pub(crate) fn made_schemas(set: &MigrationSet) -> Runner {
    runner(set, |migration| migration.sql().to_owned())
}

fn runner(set: &MigrationSet, sql: impl Fn(&Migration) -> String) -> Runner {
    let migrations: Vec<_> = set
        .migrations()
        .iter()
        .map(|migration| refinery::Migration::unapplied(migration.title(), &sql(migration)).unwrap())
        .collect();
    Runner::new(&migrations)
}

/// One schema after the other, over one connection.
pub(crate) fn run(database: &Database, runner: &Runner, schemas: &[TenantName]) -> Duration {
    let start = Instant::now();
    let mut client = database.connect().unwrap();
    for schema in schemas {
        let enter = format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}, public");
        client.batch_execute(&enter).unwrap();
        runner.run(&mut client).unwrap();
    }
    start.elapsed()
}
