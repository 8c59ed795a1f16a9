//! How fast a fleet is migrated, beside the least that it can take and beside a plain loop over `refinery`.
//!
//! `cargo bench --bench fleet -- --help` says what there is. Every scenario prints our figure, the limit's and their ratio
//! from one run: the two alternate on copies of one database, on a throwaway server that waits for its disk.
//!
//! `options` is what was asked for, `lab` the server and its databases, `contest` repeats and compares, `limit` and `naive`
//! are what we are compared with; `scenarios` holds the comparisons.

// A benchmark that cannot go on has nobody to report to; figures are for reading, not for reckoning.
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
        Command::Child(url) => scenarios::noop::child(&url),
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
    println!("\nAll of it took {:.0} s.", start.elapsed().as_secs_f64());
}
