//! The runner is ended by SIGINT or SIGTERM.

use std::time::{Duration, Instant};

use crate::dice::{Dice, Moments, rounds};
use crate::runner::up;
use crate::site::Site;

#[test]
fn a_rerun_after_a_signal_at_any_moment_leaves_every_tenant_whole() {
    let site = Site::new(50);
    let mut dice = Dice::new();
    let mut moments = Moments::before(site.undisturbed(), rounds(4));
    while let Some(moment) = moments.next(&mut dice) {
        let copy = site.copy();
        let mut runner = up(&copy.url(), &[]);
        std::thread::sleep(moment);
        let was_running = runner.is_running();
        let (signal, code) = if moments.hit().is_multiple_of(2) { ("INT", 130) } else { ("TERM", 143) };
        runner.signal(signal);
        let start = Instant::now();
        let ran = runner.finish();
        assert!(start.elapsed() < Duration::from_secs(20), "it ends at once");
        // Before the runner listens, a signal ends it like any process; after the last statement, the run is complete.
        let was_heard = was_running && ran.code == Some(code);
        moments.count(was_heard);
        if was_heard && ran.stdout.contains("\"tenants\"") {
            let report = ran.json();
            let migrated = report["tenants"]["migrated"].as_u64().unwrap();
            // The last tenant: the run that created the fleet has not migrated it either.
            let done = format!(
                "SELECT count(*) FROM (SELECT * FROM migrations.runs ORDER BY id DESC LIMIT 1) AS last \
                 WHERE last.outcome = 'failure' AND last.migrated = {migrated}"
            );
            assert_eq!(copy.number(&done), 1, "{report}");
            assert_eq!(report["tenants"]["busy"], 0, "{report}");
            // What is counted as done is done, and no statement of the ended runner still runs.
            let at_work =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                           AND application_name = 'migrate'";
            let start = Instant::now();
            while copy.number(at_work) > 0 {
                assert!(start.elapsed() < Duration::from_secs(10), "a statement goes on");
            }
        }
        copy.rerun_makes_it_whole();
    }
}
