//! New tenants: schema, every migration of the set, history, registry.

use std::time::Duration;

use migrations_core::RunOptions;

use super::{JOBS, against_the_limit, against_the_loop};
use crate::contest::show;
use crate::lab::Lab;
use crate::options::Options;
use crate::{fleet, limit, naive};

pub(crate) fn run(lab: &Lab, options: &Options) {
    let names = fleet::names(options.tenants);
    let template = fleet::empty(lab);
    let create = RunOptions::new().create(names.clone());
    let messages = fleet::rehearse(&fleet::migrator(), &lab.copy(template).database(Duration::ZERO), &create);
    against_the_limit(
        lab,
        options,
        template,
        [&|database, jobs| fleet::run(&fleet::migrator().jobs(jobs), database, &create), &|database, jobs| {
            limit::run(database, &messages, jobs)
        }],
        &|database| fleet::state(database, fleet::migrator().tenant_set()),
    );

    let bare = limit::bare(&fleet::migrator(), &names);
    let times = (0..options.repeats).map(|_| limit::run(&lab.copy(template).database(Duration::ZERO), &bare, JOBS));
    let bare = times.min().unwrap_or_default();
    println!("\nThe migrations alone, without guard, history and registry, over {JOBS} connections: {}.", show(bare));

    let runner = naive::new_schemas(fleet::migrator().tenant_set());
    against_the_loop(
        lab,
        options,
        template,
        [&|database, jobs| fleet::run(&fleet::migrator().jobs(jobs), database, &create), &|database, _| {
            naive::run(database, &runner, &names)
        }],
    );
}
