//! The fleet that is migrated: the reference sets, the names, and the state that a run must leave behind.

use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, Migrator, RunOptions, TenantName};
use postgres::Client;

use crate::lab::Lab;

/// The smallest migration that is useful.
pub(crate) const COLUMN: &str = "ALTER TABLE customers ADD COLUMN loyalty_tier text;\n";

/// A small migration, as most are.
pub(crate) const COLUMN_AND_INDEX: &str = "\
ALTER TABLE customers ADD COLUMN loyalty_tier text;
CREATE INDEX customers_loyalty_tier_idx ON customers (loyalty_tier);
";

/// The table where the bare limit notes its tenants, in every database: an INSERT into a table without an index costs
/// least.
pub(crate) const BARE_TABLE: &str = "public.bare_limit";

/// A database with the registry and the shared set, and no tenant.
pub(crate) const EMPTY: &str = "empty_fleet";

/// The state after a run. Runs that are compared must agree in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) tenants: i64,
    /// Columns of all tables and indexes in the tenants' schemas, without the history's.
    columns: i64,
    /// What the framework records; the bare limit records none of it.
    history: Option<History>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct History {
    rows: i64,
    relations: i64,
}

impl State {
    /// Whether both did the same work. Histories count only where both have one.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let both_have_history = self.history.is_some() && other.history.is_some();
        self.tenants == other.tenants
            && self.columns == other.columns
            && (self.history == other.history || !both_have_history)
    }
}

/// The reference sets.
pub(crate) fn migrator() -> Migrator {
    Migrator::new(migrations_shared::set().unwrap(), migrations_tenant::set().unwrap())
}

/// The reference sets and one more small migration.
pub(crate) fn upgraded() -> Migrator {
    upgraded_by(COLUMN_AND_INDEX)
}

/// The reference sets and one more migration.
pub(crate) fn upgraded_by(sql: &str) -> Migrator {
    let tenant = migrations_tenant::set().unwrap().with_migration("V12__add_loyalty_tier", || sql.to_owned()).unwrap();
    Migrator::new(migrations_shared::set().unwrap(), tenant)
}

pub(crate) fn name(index: usize) -> TenantName {
    format!("tenant_{index:05}").parse().unwrap()
}

pub(crate) fn names(count: usize) -> Vec<TenantName> {
    (0..count).map(name).collect()
}

/// Ensures that the template without tenants exists.
pub(crate) fn empty(lab: &Lab) -> &'static str {
    lab.template(EMPTY, "template1", |database| {
        assert!(migrator().run(database).unwrap().is_success());
        let create = format!("CREATE TABLE {BARE_TABLE} (tenant text, version bigint)");
        database.connect().unwrap().batch_execute(&create).unwrap();
    });
    EMPTY
}

/// Ensures that a template with tenants of the reference set exists.
pub(crate) fn provisioned(lab: &Lab, tenants: usize) -> String {
    let template = format!("provisioned_{tenants}");
    lab.template(&template, empty(lab), |database| {
        run(&migrator(), database, &RunOptions::new().create(names(tenants)));
        let insert = format!("INSERT INTO {BARE_TABLE} SELECT schema_name, version FROM migrations.tenants");
        database.connect().unwrap().batch_execute(&insert).unwrap();
    });
    template
}

/// A run that must succeed, and how long it took.
pub(crate) fn run(migrator: &Migrator, database: &Database, options: &RunOptions) -> Duration {
    let start = Instant::now();
    let report = migrator.run_with(database, options).unwrap();
    let elapsed = start.elapsed();
    assert!(report.is_success(), "{:?}", report.failures);
    elapsed
}

/// What a run would send for each tenant.
pub(crate) fn rehearse(migrator: &Migrator, database: &Database, options: &RunOptions) -> Vec<String> {
    let all = migrator.rehearse(database, options).unwrap();
    let tenants = all.into_iter().filter(|rehearsal| rehearsal.tenant.is_some());
    tenants
        .map(|rehearsal| {
            assert_eq!(rehearsal.messages.len(), 1, "one message a tenant");
            rehearsal.messages.concat()
        })
        .collect()
}

/// The state that the framework, or the limit, left in the database.
pub(crate) fn state(database: &Database, set: &MigrationSet) -> State {
    let mut client = database.connect().unwrap();
    let query = "SELECT schema_name::text FROM migrations.tenants WHERE version = $1";
    let schemas: Vec<String> = client.query(query, &[&set.latest()]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut rows = 0;
    for schemas in schemas.chunks(100) {
        let each: Vec<_> =
            schemas.iter().map(|schema| format!("SELECT 1 FROM {schema}.refinery_schema_history")).collect();
        let query = format!("SELECT count(*) FROM ({}) AS rows", each.join(" UNION ALL "));
        rows += client.query_one(&query, &[]).unwrap().get::<_, i64>(0);
    }
    let relations = client.query_one("SELECT count(*) FROM pg_class", &[]).unwrap().get(0);
    State {
        tenants: i64::try_from(schemas.len()).unwrap(),
        columns: columns(&mut client),
        history: Some(History { rows, relations }),
    }
}

/// The state that the bare limit left in the database.
pub(crate) fn bare_state(database: &Database, set: &MigrationSet) -> State {
    let mut client = database.connect().unwrap();
    let query = format!("SELECT count(*) FROM {BARE_TABLE} WHERE version = $1");
    let tenants = client.query_one(&query, &[&set.latest()]).unwrap().get(0);
    State { tenants, columns: columns(&mut client), history: None }
}

fn columns(client: &mut Client) -> i64 {
    let query = "SELECT count(*)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attnum > 0 AND n.nspname LIKE 'tenant\\_%' AND c.relname NOT LIKE 'refinery\\_schema\\_history%'";
    client.query_one(query, &[]).unwrap().get(0)
}
