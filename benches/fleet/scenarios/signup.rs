//! One tenant more in a fleet, as an application calls for it: provisioned on the spot, or a spare schema renamed.
//!
//! A call opens a connection of its own, or uses the one that was kept from the call before; it waits for the disk.

use std::time::{Duration, Instant};

use migrations_core::{Database, Migrator};

use crate::contest::{Times, head, ratio, row, show};
use crate::fleet;
use crate::lab::Lab;
use crate::options::Options;
use crate::proxy::Proxy;

/// Sign-ups for one figure.
const COUNT: usize = 30;

pub(crate) fn run(lab: &Lab, options: &Options) {
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
    println!("\nQueries a call: {provisioned} provisioned, {pooled} from the pool, {known} when it is known already.");
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
