//! The build of an index outside a transaction is interrupted, and waited for.

use std::time::{Duration, Instant};

use postgres::Client;

use crate::dice::rounds;
use crate::runner::{Runner, up};
use crate::site::{Copy, Site};

/// Sessions that keep `CREATE INDEX CONCURRENTLY` from finishing: a writer before the index is ready, an old snapshot
/// before it is valid.
const WRITER: &str = "BEGIN; LOCK TABLE tenant_01.invoices IN ROW EXCLUSIVE MODE";
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM tenant_01.invoices";

/// The same before the index exists: the build waits for its turn on the table.
const TURN: &str = "BEGIN; LOCK TABLE tenant_01.invoices IN SHARE UPDATE EXCLUSIVE MODE";

/// Waits until the condition holds.
#[track_caller]
fn wait_until(client: &mut Client, condition: &str) {
    let start = Instant::now();
    while !client.query_one(&format!("SELECT {condition}"), &[]).unwrap().get::<_, bool>(0) {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {condition}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether an index is being built that this session keeps from being finished.
fn building(holder: i32) -> String {
    format!(
        "EXISTS (SELECT FROM pg_stat_activity \
         WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND {holder} = ANY (pg_blocking_pids(pid)))"
    )
}

/// A runner that is certainly in the middle of building an index, and the session that holds it there.
fn stuck(copy: &Copy<'_>, blocker: &str) -> (Runner, Client, i32) {
    let mut holder = copy.client();
    holder.batch_execute(blocker).unwrap();
    let pid = holder.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let runner = up(&copy.url(), &[]);
    wait_until(&mut copy.client(), &building(pid));
    (runner, holder, pid)
}

fn interrupted(blocker: &str) {
    let site = Site::new(4);
    let copy = site.copy();
    let (runner, holder, _) = stuck(&copy, blocker);
    assert!(runner.kill());
    let mut client = copy.client();
    client
        .execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE application_name = 'migrate' AND datname = current_database()",
            &[],
        )
        .unwrap();
    drop(holder);
    assert!(copy.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid") > 0, "it left an invalid index");
    copy.rerun_makes_it_whole();
}

#[test]
fn a_rerun_removes_the_index_that_was_interrupted_before_it_was_ready() {
    interrupted(WRITER);
}

#[test]
fn a_rerun_removes_the_index_that_was_interrupted_before_it_was_valid() {
    interrupted(SNAPSHOT);
}

/// A run while the server still builds an index for a dead runner: the server does not notice that a client is gone
/// until it has something to tell it.
fn beside(check: impl Fn(&Copy<'_>, Runner)) {
    let site = Site::new(4);
    for blocker in [WRITER, SNAPSHOT, TURN] {
        for _ in 0..rounds(1) {
            let copy = site.copy();
            let (runner, mut holder, pid) = stuck(&copy, blocker);
            assert!(runner.kill());
            std::thread::sleep(Duration::from_millis(200));
            wait_until(&mut copy.client(), &building(pid));
            let rerun = up(&copy.url(), &[]);
            std::thread::sleep(Duration::from_secs(3));
            holder.batch_execute("ROLLBACK").unwrap();
            check(&copy, rerun);
        }
    }
}

#[test]
fn a_rerun_beside_the_build_that_a_dead_runner_left_on_the_server_waits_for_it() {
    beside(|copy, rerun| {
        let ran = rerun.finish();
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stderr, copy.server_log());
        copy.assert_whole();
    });
}

#[test]
fn eight_runners_that_wait_do_not_keep_an_index_from_being_built() {
    let site = Site::new(4);
    let copy = site.copy();
    let (first, mut holder, _) = stuck(&copy, SNAPSHOT);
    let others: Vec<_> = (0..8).map(|_| up(&copy.url(), &[])).collect();
    let mut client = copy.client();
    let connected = "(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate' \
                     AND datname = current_database()) >= 10";
    wait_until(&mut client, connected);
    std::thread::sleep(Duration::from_secs(1));
    let released = Instant::now();
    holder.batch_execute("ROLLBACK").unwrap();

    first.finish().succeeded();
    for runner in others {
        runner.finish().succeeded();
    }
    assert!(released.elapsed() < Duration::from_secs(20), "{:?}", released.elapsed());
    copy.assert_whole();
    assert_eq!(copy.number("SELECT sum(migrated) FROM migrations.runs WHERE migrated > 0"), 4, "each tenant once");
}
