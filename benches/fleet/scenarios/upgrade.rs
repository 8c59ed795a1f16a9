//! One small migration for every tenant of a fleet: a column, or a column and an index.

use std::time::Duration;

use migrations_core::RunOptions;

use super::{against_the_limits, against_the_loop};
use crate::lab::Lab;
use crate::options::Options;
use crate::{fleet, limit, naive};

pub(crate) fn run(lab: &Lab, options: &Options) {
    let template = fleet::provisioned(lab, options.tenants);
    let names = fleet::names(options.tenants);
    let nothing = RunOptions::new();
    for (what, sql) in [("A column", fleet::COLUMN), ("A column and an index", fleet::COLUMN_AND_INDEX)] {
        println!("{what}:\n");
        let migrator = || fleet::upgraded_by(sql);
        let messages = fleet::rehearse(&migrator(), &lab.copy(&template).database(Duration::ZERO), &nothing);
        assert_eq!(messages.len(), options.tenants, "every tenant is behind");
        let bare = limit::bare(migrator().tenant_set(), fleet::migrator().tenant_set().latest(), &names);
        against_the_limits(
            lab,
            options,
            &template,
            migrator().tenant_set(),
            [
                &|database, jobs| fleet::run(&migrator().jobs(jobs), database, &nothing),
                &|database, jobs| limit::run(database, &messages, jobs),
                &|database, jobs| limit::run_bare(database, &bare, jobs),
            ],
        );
        println!();
    }

    let runner = naive::made_schemas(fleet::upgraded().tenant_set());
    against_the_loop(
        lab,
        options,
        &template,
        [&|database, jobs| fleet::run(&fleet::upgraded().jobs(jobs), database, &nothing), &|database, _| {
            naive::run(database, &runner, &names)
        }],
    );
}
