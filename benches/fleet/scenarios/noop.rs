//! A run that finds everything up to date: what every start of an application costs.
//!
//! Each run is a process of its own, which does nothing else, so that its memory is the run's. The limit is the run's one
//! query, as the server logged it, over a plain connection that is opened for it.

use std::process::Command;
use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, Migrator, RunOptions};
use postgres::NoTls;

use super::against_the_loop;
use crate::contest::{Times, alternate, head, ratio, row, show};
use crate::lab::Lab;
use crate::options::{CHILD, Options};
use crate::{fleet, naive};

/// One run of a process of its own.
struct Run {
    elapsed: Duration,
    peak_kilobytes: usize,
}

pub(crate) fn run(lab: &Lab, options: &Options) {
    let many = options.tenants * 10;
    let registered = format!("registered_{many}");
    lab.template(&registered, "template1", |database| {
        let create = RunOptions::new().create(fleet::names(many));
        fleet::run(&migrator(Fleet::Registered).group(100).jobs(2), database, &create);
    });
    let fleets =
        [(options.tenants, fleet::provisioned(lab, options.tenants), Fleet::Reference), (many, registered, Fleet::Registered)];
    head(&["tenants", "ours", "connecting alone", "the query alone, connection included", "ratio", "queries", "peak memory of the process"]);
    for (tenants, template, kind) in &fleets {
        let copy = lab.copy(template);
        let database = copy.database(Duration::ZERO);
        let proxy = copy.proxy(Duration::ZERO);
        fleet::run(&migrator(*kind), &proxy.database(), &RunOptions::new());
        let query = logged_query(lab, *kind, &database);

        let mut peak = 0;
        let mut ours = || {
            let run = child(&copy.url(), *kind);
            peak = peak.max(run.peak_kilobytes);
            run.elapsed
        };
        let mut limit = || timed(&database, Some(&query));
        let mut connecting = || timed(&database, None);
        let [ours, limit, connecting] =
            alternate(options.repeats * 5, [&mut ours, &mut limit, &mut connecting]);
        row(&[
            &tenants.to_string(),
            &show(ours.best()),
            &show(connecting.best()),
            &show(limit.best()),
            &format!("**{:.2}**", ours.ratio(&limit)),
            &proxy.round_trips().to_string(),
            &format!("{:.1} MB", peak as f64 / 1024.0),
        ]);
    }
}
