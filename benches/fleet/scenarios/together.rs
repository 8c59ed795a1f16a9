//! Two runs on one fleet at the same time, as when two replicas start together, compared with one run.

use std::cell::Cell;
use std::time::{Duration, Instant};

use migrations_core::{Database, Migrator, RunOptions};

use crate::contest::{alternate, head, row, show};
use crate::fleet;
use crate::lab::Lab;
use crate::options::Options;

pub(crate) fn run(lab: &Lab, options: &Options) {
    let tenants = i32::try_from(options.tenants).unwrap();
    let provisioned = fleet::provisioned(lab, options.tenants);
    let create = RunOptions::new().create(fleet::names(options.tenants));
    let cases = [
        ("provision", fleet::empty(lab), fleet::migrator(), create),
        ("upgrade", provisioned.as_str(), fleet::upgraded(), RunOptions::new()),
    ];
    head(&[
        "what",
        "added round trip",
        "one run, 1 worker",
        "two runs, 1 worker each",
        "two to one",
        "transactions rolled back",
    ]);
    for (what, template, migrator, run_options) in cases {
        let migrator = migrator.jobs(1);
        for &delay in &options.delays {
            let rolled_back = Cell::new(0);
            let run = |runs: usize| {
                let copy = lab.copy(template);
                let databases: Vec<_> = (0..runs).map(|_| copy.database(delay)).collect();
                let elapsed = at_once(&migrator, &databases, &run_options);
                let state = fleet::state(&copy.database(Duration::ZERO), migrator.tenant_set());
                assert_eq!(state.tenants, i64::from(tenants));
                rolled_back.set(rolled_back.get().max(refused(&copy.database(Duration::ZERO))));
                elapsed
            };
            let [one, two] = alternate(options.repeats, &mut [&mut || run(1), &mut || run(2)]);
            row(&[
                what,
                &format!("{} ms", delay.as_millis()),
                &show(one.best()),
                &show(two.best()),
                &format!("**{:.2}**", two.ratio(&one)),
                &format!("{:.1} a tenant", f64::from(rolled_back.get()) / f64::from(tenants)),
            ]);
        }
    }
}

/// As many runs as databases; the time until the last one is done.
fn at_once(migrator: &Migrator, databases: &[Database], options: &RunOptions) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for database in databases {
            scope.spawn(|| fleet::run(migrator, database, options));
        }
    });
    start.elapsed()
}

/// Transactions that were rolled back because the other run was migrating the tenant, or had migrated it.
fn refused(database: &Database) -> i32 {
    let query = "SELECT xact_rollback::int4 FROM pg_stat_database WHERE datname = current_database()";
    database.connect().unwrap().query_one(query, &[]).unwrap().get(0)
}
