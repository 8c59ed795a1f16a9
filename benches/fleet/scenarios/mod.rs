//! The comparisons.

mod memory;
mod noop;
mod provision;
mod signup;
mod together;
mod upgrade;

use std::cell::OnceCell;
use std::time::Duration;

use migrations_core::{Database, MigrationSet};

use crate::contest::{Times, alternate, head, ratio, row, show};
use crate::fleet::{self, State};
use crate::lab::{Copy, Cpu, Lab};
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
    Scenario { name: "signup", about: "one more tenant, with and without spare schemas", run: signup::run },
    Scenario { name: "together", about: "two runs on one fleet against one", run: together::run },
    Scenario {
        name: "memory",
        about: "a backend's memory by schemas touched, and what replacing it costs",
        run: memory::run,
    },
];

/// Runs as one of the processes that scenarios measure.
pub(crate) fn child(what: &str, url: &str) {
    match what {
        noop::NOTHING => noop::child(url),
        signup::SIGN_UP => signup::child(url),
        signup::SEND => signup::sending_child(url),
        _ => panic!("no scenario has a child {what:?}"),
    }
}

/// Workers where there is one figure only: the framework's default.
const JOBS: usize = 4;

/// Does one thing to a copy with this number of workers, and says how long it took.
type Contender<'a> = &'a dyn Fn(&Database, usize) -> Duration;

/// The columns that [`Sides::cells`] fills.
const SIDES: [&str; 8] = [
    "ours",
    "limit",
    "bare",
    "to the limit",
    "to the bare limit",
    "server CPU ms a tenant: ours, limit, bare; ratios",
    "client CPU ms a tenant: ours, limit, bare",
    "slowest to fastest",
];

/// What ours, the limit and the bare limit cost, in this order.
struct Sides {
    times: [Times; 3],
    /// The least of all runs, for client and server separately.
    cpu: [Cpu; 3],
}

impl Sides {
    /// Runs the three in turns, each time on a new copy. All must leave the same state behind.
    fn measure(
        lab: &Lab,
        options: &Options,
        template: &str,
        set: &MigrationSet,
        contenders: [&dyn Fn(&Copy<'_>) -> Duration; 3],
    ) -> Self {
        let left_behind = OnceCell::new();
        let once = |contender: &dyn Fn(&Copy<'_>) -> Duration, state: fn(&Database, &MigrationSet) -> State| {
            let copy = lab.copy(template);
            let before = lab.cpu();
            let elapsed = contender(&copy);
            let cpu = lab.cpu().since(before);
            let state = state(&copy.database(Duration::ZERO), set);
            let expected = left_behind.get_or_init(|| state.clone());
            assert!(state.agrees_with(expected), "not the same was done: {state:?}, {expected:?}");
            (elapsed, cpu)
        };
        let [mut our_cpu, mut limit_cpu, mut bare_cpu] = [Cpu::MAX; 3];
        let note = |(elapsed, cpu): (Duration, Cpu), least: &mut Cpu| {
            *least = least.min(cpu);
            elapsed
        };
        let [ours, limit, bare] = contenders;
        let times = alternate(
            options.repeats,
            &mut [
                &mut || note(once(ours, fleet::state), &mut our_cpu),
                &mut || note(once(limit, fleet::state), &mut limit_cpu),
                &mut || note(once(bare, fleet::bare_state), &mut bare_cpu),
            ],
        );
        Self { times, cpu: [our_cpu, limit_cpu, bare_cpu] }
    }

    /// The cells of the columns [`SIDES`], for a run over this number of tenants.
    fn cells(&self, tenants: usize) -> [String; 8] {
        let [ours, limit, bare] = &self.times;
        let server = self.cpu.map(|cpu| cpu.server);
        let each = |times: [Duration; 3]| times.map(|time| milliseconds(time, tenants)).join(", ");
        [
            show(ours.best()),
            show(limit.best()),
            show(bare.best()),
            format!("**{:.2}**", ours.ratio(limit)),
            format!("**{:.2}**", ours.ratio(bare)),
            format!("{}; {}, {}", each(server), cpu_ratio(server[0], server[1]), cpu_ratio(server[0], server[2])),
            each(self.cpu.map(|cpu| cpu.client)),
            self.times.each_ref().map(|times| format!("{:.2}", times.spread())).join(", "),
        ]
    }
}

/// A ratio of processor times. The clock of processor time is too coarse for a few tenants.
fn cpu_ratio(one: Duration, other: Duration) -> String {
    if other.is_zero() { "?".to_owned() } else { format!("{:.2}", ratio(one, other)) }
}

/// The share of one of `count`, in milliseconds.
fn milliseconds(time: Duration, count: usize) -> String {
    format!("{:.2}", time.div_f64(f64::from(u32::try_from(count).unwrap())).as_secs_f64() * 1e3)
}

/// Compares ours with both limits, for every number of workers and every delay.
fn against_the_limits(
    lab: &Lab,
    options: &Options,
    template: &str,
    set: &MigrationSet,
    contenders: [Contender<'_>; 3],
) {
    head(&[&["workers", "added round trip"], &SIDES[..]].concat());
    for &delay in &options.delays {
        for &jobs in &options.jobs {
            let on_copies = contenders.map(|contender| move |copy: &Copy<'_>| contender(&copy.database(delay), jobs));
            let [ours, limit, bare] = &on_copies;
            let sides = Sides::measure(lab, options, template, set, [ours, limit, bare]);
            let cells = sides.cells(options.tenants);
            let what = [jobs.to_string(), format!("{} ms", delay.as_millis())];
            row(&what.iter().chain(&cells).map(String::as_str).collect::<Vec<_>>());
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
