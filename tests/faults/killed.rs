//! The runner is killed with SIGKILL.

use std::time::Duration;

use crate::dice::{Dice, Moments, rounds};
use crate::runner::up;
use crate::site::Site;

#[test]
fn a_rerun_after_kill_9_at_any_moment_leaves_every_tenant_whole() {
    let site = Site::new(50);
    let mut dice = Dice::new();
    let mut moments = Moments::before(site.undisturbed(), rounds(4));
    let (mut marked, mut invalid) = (0, 0);
    while let Some(moment) = moments.next(&mut dice) {
        let copy = site.copy();
        let mut client = copy.client();
        let mut runner = up(&copy.url(), &[]);
        let in_the_middle = !moments.hit().is_multiple_of(2);
        if in_the_middle {
            // In the middle of the migration that runs outside a transaction.
            let building = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                            AND state = 'active' AND query LIKE 'CREATE INDEX CONCURRENTLY%')";
            while runner.is_running() && !client.query_one(building, &[]).unwrap().get::<_, bool>(0) {}
            std::thread::sleep(dice.moment(Duration::from_millis(5)));
        } else {
            std::thread::sleep(moment);
        }
        let was_running = runner.kill();
        let in_flight = copy.number("SELECT count(*) FROM migrations.tenants WHERE in_flight_version IS NOT NULL");
        if in_the_middle && in_flight == 0 {
            moments.miss();
        } else {
            moments.count(was_running);
        }
        marked += in_flight;
        invalid += copy.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid");

        // At once: the statement that the dead runner sent may still be running.
        copy.rerun_makes_it_whole();
    }
    eprintln!("{} interrupted, {marked} tenants marked, {invalid} invalid indexes", moments.hit());
    assert!(marked > 0, "no run was in the middle of an index");
}
