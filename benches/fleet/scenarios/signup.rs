//! One more tenant in a fleet, as an application asks for it: provisioned on the spot, or a spare schema renamed.
//!
//! A call opens a connection of its own, or uses the one that was kept from the call before; it waits for the disk.
//!
//! Against the limits, every sign-up is a process that connects, creates one tenant and ends, timed from its start to
//! its end. Ours also reads and checks the sets; both limits get their message on standard input.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use migrations_core::{Database, Migrator, RunOptions, TenantName};

use super::{SIDES, Sides};
use crate::contest::{Times, head, ratio, row, show};
use crate::lab::{Copy, Lab};
use crate::options::{CHILD, Options};
use crate::proxy::Proxy;
use crate::{fleet, limit};

/// Sign-ups for one figure.
const COUNT: usize = 30;

/// The child that creates a tenant.
pub(crate) const SIGN_UP: &str = "sign-up";

/// The child that sends a message.
pub(crate) const SEND: &str = "send";

pub(crate) fn run(lab: &Lab, options: &Options) {
    calls(lab, options);
    println!();
    processes(lab, options);
}

/// Calls of one process.
fn calls(lab: &Lab, options: &Options) {
    let count = COUNT.min(options.tenants);
    let copy = lab.copy(&fleet::provisioned(lab, options.tenants));
    let migrator = fleet::migrator();
    head(&["added round trip", "connection", "provisioned", "from the pool", "ratio", "known already", "connecting"]);
    let mut names = options.tenants..;
    for &delay in &options.delays {
        let each = copy.database(delay);
        let connecting = connecting(&each, count);
        for (what, database) in [("each call's own", each.clone()), ("kept", each.keep_connection())] {
            let provisioned = sign_up(&migrator, &database, &mut names, count);
            migrator.fill_pool(&copy.database(Duration::ZERO), count).unwrap();
            lab.settle();
            let pooled = sign_up(&migrator, &database, &mut names, count);
            assert_eq!(migrator.pool(&copy.database(Duration::ZERO)).unwrap().ready, 0, "every sign-up took a spare");
            let known = (0..count).map(|index| timed(&migrator, &database, index, false)).collect::<Times>();
            row(&[
                &format!("{} ms", delay.as_millis()),
                what,
                &show(provisioned.median()),
                &show(pooled.median()),
                &format!("**{:.1}**", ratio(provisioned.median(), pooled.median())),
                &show(known.median()),
                &show(connecting.median()),
            ]);
        }
    }
    queries(&copy.proxy(Duration::ZERO), &migrator, &mut names);
    println!("\nMedians of {count} calls each, in a fleet of {} tenants.", options.tenants);
}

/// A process for each sign-up, against both limits.
fn processes(lab: &Lab, options: &Options) {
    let count = COUNT.min(options.tenants);
    let template = fleet::provisioned(lab, options.tenants);
    let migrator = fleet::migrator();
    let names: Vec<TenantName> = (options.tenants..).take(count).map(fleet::name).collect();
    let create = RunOptions::new().create(names.clone());
    let messages = fleet::rehearse(&migrator, &lab.copy(&template).database(Duration::ZERO), &create);
    let messages: Vec<_> = messages.iter().map(|message| limit::durable(message)).collect();
    let bare = limit::bare(migrator.tenant_set(), None, &names);
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let each = |copy: &Copy<'_>, what: &str, inputs: &[String]| {
        inputs.iter().map(|input| in_a_child(what, &copy.url(), input)).collect::<Times>().median()
    };
    let sides = Sides::measure(
        lab,
        options,
        &template,
        migrator.tenant_set(),
        [&|copy| each(copy, SIGN_UP, &names), &|copy| each(copy, SEND, &messages), &|copy| each(copy, SEND, &bare)],
    );
    head(&SIDES);
    row(&sides.cells(count).each_ref().map(String::as_str));
    println!("\nA process for each sign-up: medians of {count}, in a fleet of {} tenants.", options.tenants);
}

/// The process that creates the tenant whose name is on standard input.
pub(crate) fn child(url: &str) {
    let name = input().parse().unwrap();
    let database = Database::from_url(url).unwrap();
    let (_, created) = fleet::migrator().get_or_create_tenant(&database, &name).unwrap();
    assert!(created);
}

/// The process that sends the message on standard input.
pub(crate) fn sending_child(url: &str) {
    limit::send_one(&Database::from_url(url).unwrap(), &input());
}

fn input() -> String {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    input
}

fn in_a_child(what: &str, url: &str, input: &str) -> Duration {
    let start = Instant::now();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args([CHILD, what, url]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    start.elapsed()
}

/// Round trips of one call, the connection's own apart.
fn queries(proxy: &Proxy, migrator: &Migrator, names: &mut impl Iterator<Item = usize>) {
    let database = proxy.database();
    let count = |index: usize, is_new: bool| {
        let before = proxy.round_trips();
        timed(migrator, &database, index, is_new);
        proxy.round_trips() - before
    };
    let provisioned = count(names.next().unwrap_or_default(), true);
    let known = count(0, false);
    migrator.fill_pool(&database, 1).unwrap();
    let pooled = count(names.next().unwrap_or_default(), true);
    println!("\nQueries a call: {provisioned} provisioned, {pooled} from the pool, {known} for a known tenant.");
}

fn sign_up(migrator: &Migrator, database: &Database, names: &mut impl Iterator<Item = usize>, count: usize) -> Times {
    names.take(count).map(|index| timed(migrator, database, index, true)).collect()
}

fn timed(migrator: &Migrator, database: &Database, index: usize, is_new: bool) -> Duration {
    let start = Instant::now();
    let (_, created) = migrator.get_or_create_tenant(database, &fleet::name(index)).unwrap();
    assert_eq!(created, is_new);
    start.elapsed()
}

fn connecting(database: &Database, count: usize) -> Times {
    let connect = |_| {
        let start = Instant::now();
        drop(database.connect().unwrap());
        start.elapsed()
    };
    (0..count).map(connect).collect()
}
