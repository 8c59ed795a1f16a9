//! The fleet that is migrated: the reference sets, names, and what a run must have left behind.

use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, Migrator, RunOptions, TenantName};

use crate::lab::Lab;

/// A small migration, as most are.
const UPGRADE: &str = "\
ALTER TABLE customers ADD COLUMN loyalty_tier text;
CREATE INDEX customers_loyalty_tier_idx ON customers (loyalty_tier);
";

/// A database with the registry and the shared set, and no tenant.
pub(crate) const EMPTY: &str = "empty_fleet";

/// What two runs must have in common when they are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) tenants: i64,
    history_rows: i64,
    relations: i64,
}

/// The reference sets.
pub(crate) fn migrator() -> Migrator {
    Migrator::new(migrations_shared::set().unwrap(), migrations_tenant::set().unwrap())
}

/// The reference sets and one small migration more.
pub(crate) fn upgraded() -> Migrator {
    Migrator::new(migrations_shared::set().unwrap(), upgraded_set())
}

pub(crate) fn upgraded_set() -> MigrationSet {
    migrations_tenant::set().unwrap().with_migration("V12__add_loyalty_tier", || UPGRADE.to_owned()).unwrap()
}

pub(crate) fn name(index: usize) -> TenantName {
    format!("tenant_{index:05}").parse().unwrap()
}

pub(crate) fn names(count: usize) -> Vec<TenantName> {
    (0..count).map(name).collect()
}

/// Makes sure of a template without tenants.
pub(crate) fn empty(lab: &Lab) -> &'static str {
    lab.template(EMPTY, "template1", |database| assert!(migrator().run(database).unwrap().is_success()));
    EMPTY
}

/// Makes sure of a template with tenants of the reference set.
pub(crate) fn provisioned(lab: &Lab, tenants: usize) -> String {
    let template = format!("provisioned_{tenants}");
    lab.template(&template, empty(lab), |database| {
        run(&migrator(), database, &RunOptions::new().create(names(tenants)));
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

/// What is in the database: tenants at the end of the set, all their history rows, and everything else that was made.
pub(crate) fn state(database: &Database, set: &MigrationSet) -> State {
    let mut client = database.connect().unwrap();
    let query = "SELECT schema_name::text FROM migrations.tenants WHERE version = $1";
    let schemas: Vec<String> = client.query(query, &[&set.latest()]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut history_rows = 0;
    for schemas in schemas.chunks(100) {
        let each: Vec<_> =
            schemas.iter().map(|schema| format!("SELECT 1 FROM {schema}.refinery_schema_history")).collect();
        let query = format!("SELECT count(*) FROM ({}) AS rows", each.join(" UNION ALL "));
        history_rows += client.query_one(&query, &[]).unwrap().get::<_, i64>(0);
    }
    let relations = client.query_one("SELECT count(*) FROM pg_class", &[]).unwrap().get(0);
    State { tenants: i64::try_from(schemas.len()).unwrap(), history_rows, relations }
}
