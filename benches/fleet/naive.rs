//! The usual program without this framework: a loop that runs `refinery`, with its own driver, in each schema.

use std::time::{Duration, Instant};

use migrations_core::{Database, Migration, MigrationSet, TenantName};
use refinery::Runner;

/// A migration's SQL in a form that can run in a transaction: `refinery` runs every migration in one.
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

/// A runner for schemas that this framework has created: the checksums are those of the files.
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

/// Migrates the schemas one after another, over one connection.
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
