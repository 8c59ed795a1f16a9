//! New tenants: schema, every migration of the set, history, registry.

use std::time::Duration;

use migrations_core::RunOptions;

use super::{against_the_limits, against_the_loop};
use crate::lab::Lab;
use crate::options::Options;
use crate::{fleet, limit, naive};

pub(crate) fn run(lab: &Lab, options: &Options) {
    let names = fleet::names(options.tenants);
    let template = fleet::empty(lab);
    let create = RunOptions::new().create(names.clone());
    let messages = fleet::rehearse(&fleet::migrator(), &lab.copy(template).database(Duration::ZERO), &create);
    let bare = limit::bare(fleet::migrator().tenant_set(), None, &names);
    against_the_limits(
        lab,
        options,
        template,
        fleet::migrator().tenant_set(),
        [
            &|database, jobs| fleet::run(&fleet::migrator().jobs(jobs), database, &create),
            &|database, jobs| limit::run(database, &messages, jobs),
            &|database, jobs| limit::run_bare(database, &bare, jobs),
        ],
    );

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
