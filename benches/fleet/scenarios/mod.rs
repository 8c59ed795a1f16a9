//! The comparisons.

mod memory;
pub(crate) mod noop;
mod provision;
mod signup;
mod together;
mod upgrade;

use std::cell::OnceCell;
use std::time::Duration;

use migrations_core::Database;

use crate::contest::{alternate, head, ratio, row, show};
use crate::fleet::State;
use crate::lab::Lab;
use crate::options::Options;

/// A comparison that can be asked for by its name.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Lab, &Options),
}

/// All, in the order they run in.
pub(crate) const ALL: [Scenario; 6] = [
    Scenario { name: "provision", about: "new tenants, whole sets", run: provision::run },
    Scenario { name: "upgrade", about: "one small migration for every tenant", run: upgrade::run },
    Scenario { name: "noop", about: "a run that finds nothing to do", run: noop::run },
    Scenario { name: "signup", about: "one tenant more, with and without spare schemas", run: signup::run },
    Scenario { name: "together", about: "two runs on one fleet against one", run: together::run },
    Scenario {
        name: "memory",
        about: "a backend's memory by schemas touched, and what replacing it costs",
        run: memory::run,
    },
];

/// Workers where there is one figure only: the framework's default.
const JOBS: usize = 4;

/// Does one thing to a copy, with so many workers, and says how long it took.
type Contender<'a> = &'a dyn Fn(&Database, usize) -> Duration;

/// Compares two contenders for every number of workers and every delay. All runs must leave the same state behind.
fn against_the_limit(
    lab: &Lab,
    options: &Options,
    template: &str,
    [ours, limit]: [Contender<'_>; 2],
    state: &dyn Fn(&Database) -> State,
) {
    head(&[
        "workers",
        "added round trip",
        "ours",
        "limit",
        "ratio",
        "processor time: ours, limit",
        "ratio",
        "slowest to fastest",
    ]);
    let left_behind = OnceCell::new();
    for &delay in &options.delays {
        for &jobs in &options.jobs {
            let once = |contender: Contender<'_>, least_cpu: &mut Duration| {
                let copy = lab.copy(template);
                let database = copy.database(delay);
                let before = lab.cpu();
                let elapsed = contender(&database, jobs);
                *least_cpu = lab.cpu().saturating_sub(before).min(*least_cpu);
                let state = state(&copy.database(Duration::ZERO));
                assert_eq!(left_behind.get_or_init(|| state.clone()), &state, "not the same was done");
                elapsed
            };
            let [mut our_cpu, mut limit_cpu] = [Duration::MAX; 2];
            let [ours, limit] = alternate(
                options.repeats,
                &mut [&mut || once(ours, &mut our_cpu), &mut || once(limit, &mut limit_cpu)],
            );
            row(&[
                &jobs.to_string(),
                &format!("{} ms", delay.as_millis()),
                &show(ours.best()),
                &show(limit.best()),
                &format!("**{:.2}**", ours.ratio(&limit)),
                &format!("{}, {}", show(our_cpu), show(limit_cpu)),
                &format!("{:.2}", ratio(our_cpu, limit_cpu)),
                &format!("{:.2}, {:.2}", ours.spread(), limit.spread()),
            ]);
        }
    }
}

/// Compares with the loop over `refinery`.
fn against_the_loop(lab: &Lab, options: &Options, template: &str, [ours, naive]: [Contender<'_>; 2]) {
    let once = |contender: Contender<'_>| contender(&lab.copy(template).database(Duration::ZERO), JOBS);
    let [ours, naive] = alternate(options.repeats.min(2), &mut [&mut || once(ours), &mut || once(naive)]);
    println!(
        "\nOurs with {JOBS} workers {}; a loop over refinery {}, **{:.1} times** as long.",
        show(ours.best()),
        show(naive.best()),
        naive.ratio(&ours),
    );
}
