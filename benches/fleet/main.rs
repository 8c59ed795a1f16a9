//! How fast a fleet is migrated, compared with the least that it can take and with a plain loop over `refinery`.
//!
//! `cargo bench --bench fleet -- --help` lists the scenarios. `provision`, `upgrade` and `signup` print our figure, the
//! figures of the limit and of the bare limit, and the ratios to both, from one run: the three alternate on copies of
//! one database, on a throwaway server that waits for its disk. They also print the processor time that the server
//! spent on each tenant.
//!
//! `options` reads the request, `lab` holds the server and its databases, `contest` repeats and compares, `limit` and
//! `naive` are the opponents, `scenarios` holds the comparisons.

// A benchmark that cannot continue has nobody to report to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contest;
mod fleet;
mod lab;
mod limit;
mod naive;
mod options;
#[path = "../../tests/support/proxy.rs"]
mod proxy;
mod scenarios;

use std::time::Instant;

use lab::Lab;
use options::{Command, Options};

fn main() {
    match options::command(std::env::args().skip(1)) {
        Command::Help => println!("{}", options::help()),
        Command::Child(what, url) => scenarios::child(&what, &url),
        Command::Run(options) => run(&options),
    }
}

fn run(options: &Options) {
    let start = Instant::now();
    let lab = Lab::start();
    println!("{}", lab.description());
    println!("{options}");
    for scenario in scenarios::ALL.iter().filter(|scenario| options.wants(scenario.name)) {
        println!("\n## {}: {}\n", scenario.name, scenario.about);
        (scenario.run)(&lab, options);
    }
    println!("\nEverything took {:.0} s.", start.elapsed().as_secs_f64());
}
