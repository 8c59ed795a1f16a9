//! The request: scenarios as arguments, sizes as environment variables.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::scenarios;

/// What to do.
pub(crate) enum Command {
    Help,
    /// Be a process that a scenario measures: which one, and the URL of its database.
    Child(String, String),
    Run(Options),
}

/// Which scenarios, and how large.
pub(crate) struct Options {
    pub(crate) tenants: usize,
    pub(crate) repeats: usize,
    pub(crate) jobs: Vec<usize>,
    /// Added to every round trip.
    pub(crate) delays: Vec<Duration>,
    scenarios: Vec<String>,
}

/// The argument that makes this process a child of a benchmark.
pub(crate) const CHILD: &str = "--child";

/// Reads the arguments. Without cargo's `--bench` this is a test run: everything once, with three tenants.
pub(crate) fn command(arguments: impl Iterator<Item = String>) -> Command {
    let (flags, names): (Vec<String>, Vec<String>) = arguments.partition(|argument| argument.starts_with('-'));
    if flags.iter().any(|flag| flag == "--help" || flag == "-h") {
        return Command::Help;
    }
    if flags.iter().any(|flag| flag == CHILD) {
        let [what, url] = names.try_into().unwrap();
        return Command::Child(what, url);
    }
    if let Some(unknown) = names.iter().find(|name| !scenarios::ALL.iter().any(|scenario| scenario.name == **name)) {
        eprintln!("there is no scenario {unknown:?}\n\n{}", help());
        std::process::exit(2);
    }
    if !flags.iter().any(|flag| flag == "--bench") {
        let options = Options { tenants: 3, repeats: 1, jobs: vec![2], delays: vec![Duration::ZERO], scenarios: names };
        return Command::Run(options);
    }
    Command::Run(Options {
        tenants: variable("MIGRATE_BENCH_TENANTS", 40),
        repeats: variable("MIGRATE_BENCH_REPEATS", 3),
        jobs: list("MIGRATE_BENCH_JOBS", &[1, 2, 4, 8]),
        delays: list("MIGRATE_BENCH_DELAYS", &[0, 1]).into_iter().map(Duration::from_millis).collect(),
        scenarios: names,
    })
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let scenarios = scenarios::ALL.map(|scenario| format!("  {:<10} {}", scenario.name, scenario.about)).join("\n");
    format!(
        "\
usage: cargo bench --bench fleet [-- SCENARIO...]

Runs the named scenarios, or all of them:

{scenarios}

Environment:
  MIGRATE_BENCH_TENANTS  tenants in the fleet [40]; the figures in docs/performance.md are for 1000
  MIGRATE_BENCH_REPEATS  how often each contender runs [3]; the fastest run counts
  MIGRATE_BENCH_JOBS     numbers of workers [1,2,4,8]; the product's default is 4
  MIGRATE_BENCH_DELAYS   milliseconds added to every round trip [0,1]

Needs PostgreSQL 15 or later on the machine. Without cargo's --bench, everything runs once, with three tenants."
    )
}

impl Options {
    /// Whether the caller asked for a scenario.
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|name| name == scenario)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenants, repeats, .. } = self;
        write!(f, "{tenants} tenants unless a table says otherwise; the fastest of {repeats} runs each.")
    }
}

fn variable<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |value| parse(name, &value))
}

fn list<T: FromStr + Clone>(name: &str, default: &[T]) -> Vec<T> {
    match std::env::var(name) {
        Ok(values) => values.split(',').map(|value| parse(name, value.trim())).collect(),
        Err(_) => default.to_vec(),
    }
}

fn parse<T: FromStr>(name: &str, value: &str) -> T {
    value.parse().unwrap_or_else(|_| {
        eprintln!("{name}: {value:?} is not a number");
        std::process::exit(2)
    })
}
