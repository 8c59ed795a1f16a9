//! One small migration for every tenant of a fleet: a column and an index.

use std::time::Duration;

use migrations_core::RunOptions;

use super::{against_the_limit, against_the_loop};
use crate::lab::Lab;
use crate::options::Options;
use crate::{fleet, limit, naive};

pub(crate) fn run(lab: &Lab, options: &Options) {
    let template = fleet::provisioned(lab, options.tenants);
    let nothing = RunOptions::new();
    let messages = fleet::rehearse(&fleet::upgraded(), &lab.copy(&template).database(Duration::ZERO), &nothing);
    assert_eq!(messages.len(), options.tenants, "every tenant is behind");
    against_the_limit(
        lab,
        options,
        &template,
        [&|database, jobs| fleet::run(&fleet::upgraded().jobs(jobs), database, &nothing), &|database, jobs| {
            limit::run(database, &messages, jobs)
        }],
        &|database| fleet::state(database, &fleet::upgraded_set()),
    );

    let names = fleet::names(options.tenants);
    let runner = naive::made_schemas(&fleet::upgraded_set());
    against_the_loop(
        lab,
        options,
        &template,
        [&|database, jobs| fleet::run(&fleet::upgraded().jobs(jobs), database, &nothing), &|database, _| {
            naive::run(database, &runner, &names)
        }],
    );
}
