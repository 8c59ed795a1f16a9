//! How a backend's memory grows with every schema that its connection touches, and the cost of replacing it.

use std::time::Duration;

use migrations_core::RunOptions;

use crate::contest::{alternate, head, row, show};
use crate::fleet;
use crate::lab::Lab;
use crate::options::Options;

/// Memory is read after these thousandths of the fleet.
const MARKS: [usize; 5] = [0, 100, 250, 500, 1000];

pub(crate) fn run(lab: &Lab, options: &Options) {
    growth(lab, options);
    println!();
    replacing(lab, options);
}

/// One connection, every tenant.
fn growth(lab: &Lab, options: &Options) {
    let names = fleet::names(options.tenants);
    let create = RunOptions::new().create(names);
    let provisioned = fleet::provisioned(lab, options.tenants);
    let cases = [
        ("provisioned", fleet::empty(lab), fleet::migrator(), create),
        ("upgraded", provisioned.as_str(), fleet::upgraded(), RunOptions::new()),
    ];
    head(&["schemas touched by one connection", "private memory of its backend", "with shared memory it has touched"]);
    for (what, template, migrator, run_options) in cases {
        let copy = lab.copy(template);
        let database = copy.database(Duration::ZERO);
        let messages = fleet::rehearse(&migrator, &database, &run_options);
        let mut client = database.connect().unwrap();
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let mut done = 0;
        for mark in MARKS.map(|mark| mark * messages.len() / 1000) {
            messages[done..mark].iter().for_each(|message| client.batch_execute(message).unwrap());
            done = mark;
            let memory = |what| format!("{} MB", kilobytes(&pid.to_string(), what) / 1024);
            row(&[&format!("{mark} {what}"), &memory("RssAnon"), &memory("VmRSS")]);
        }
    }
}

/// The same run, with connections that are replaced more or less often.
fn replacing(lab: &Lab, options: &Options) {
    let names = fleet::names(options.tenants);
    let create = RunOptions::new().create(names);
    let template = fleet::empty(lab);
    let once = &|schemas: usize| {
        let migrator = fleet::migrator().jobs(1).schemas_per_connection(schemas);
        fleet::run(&migrator, &lab.copy(template).database(Duration::ZERO), &create)
    };
    let [half, quarter, tenth, hundredth] = [500, 250, 100, 10].map(|mark| (mark * options.tenants / 1000).max(1));
    let lives = [usize::MAX, half, quarter, tenth, hundredth];
    let mut runs = lives.map(|schemas| move || once(schemas));
    let times = alternate(options.repeats, &mut runs.each_mut().map(|run| run as &mut dyn FnMut() -> Duration));
    head(&["connection replaced every", "provisioning with 1 worker", "to never"]);
    for (schemas, each) in lives.iter().zip(&times) {
        let name = if *schemas == usize::MAX { "never".to_owned() } else { format!("{schemas} schemas") };
        row(&[&name, &show(each.best()), &format!("**{:.3}**", each.ratio(&times[0]))]);
    }
}

/// A line of `/proc/<pid>/status`, in kilobytes; zero if there is none.
pub(crate) fn kilobytes(process: &str, what: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
