//! A future that is dropped ends its call: nothing is half done, and no session stays.

use std::time::{Duration, Instant};

use migrations_core::Database;
use migrations_testing::TestDatabase;
use tokio::time::timeout;

use crate::dice::{Dice, Moments, rounds};
use crate::site::{
    PATIENCE, SESSIONS, WAITS, columns, fleet, name, number, of, on_one_thread, on_several_threads, wait_until,
    whole_tenants,
};

#[test]
fn runs_that_are_dropped_at_any_moment_leave_every_tenant_whole() {
    const TENANTS: usize = 12;
    let test = fleet(TENANTS);
    let mut dice = Dice::new();
    let mut version = 2;
    let start = Instant::now();
    assert!(columns(version).jobs(2).run(test.database()).unwrap().is_success());
    let mut moments = Moments::before(start.elapsed(), rounds(30));
    for runtime in [on_one_thread(), on_several_threads()].iter().cycle() {
        let Some(moment) = moments.next(&mut dice) else { break };
        version += 1;
        let migrator = columns(version).jobs(2).into_async();
        let done = runtime.block_on(async { timeout(moment, migrator.run(test.database())).await });
        moments.count(done.is_err());
        wait_until(&test, SESSIONS, 0);
        let found = whole_tenants(&test);
        assert_eq!(found.len(), TENANTS);
        let is_complete = runtime.block_on(migrator.run(test.database())).unwrap().is_success();
        assert!(is_complete && whole_tenants(&test) == [i64::try_from(version).unwrap(); TENANTS]);
    }
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants WHERE last_error IS NOT NULL"), 0);
}

#[test]
fn sign_ups_that_are_dropped_at_any_moment_create_a_tenant_whole_or_not_at_all() {
    let test = fleet(1);
    let migrator = columns(5).into_async();
    let mut dice = Dice::new();
    let start = Instant::now();
    columns(5).get_or_create_tenant(test.database(), &name("first")).unwrap();
    let mut moments = Moments::before(start.elapsed(), rounds(30));
    let databases = [test.database().clone(), test.database().clone().keep_connection()];
    let runtime = on_one_thread();
    for (round, database) in databases.iter().cycle().enumerate() {
        let Some(moment) = moments.next(&mut dice) else { break };
        let tenant = name(&format!("tenant_x{round}"));
        let done = runtime.block_on(async { timeout(moment, migrator.get_or_create_tenant(database, &tenant)).await });
        moments.count(done.is_err());
        // At most the connection that is kept.
        let start = Instant::now();
        while number(&test, SESSIONS) > 1 {
            assert!(start.elapsed() < PATIENCE, "a session stays");
        }
        let schemas = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{tenant}'");
        let registered = format!("SELECT count(*) FROM migrations.tenants WHERE schema_name = '{tenant}'");
        assert_eq!(number(&test, &schemas), number(&test, &registered), "{tenant}");
        whole_tenants(&test);
        let (found, _) = runtime.block_on(migrator.get_or_create_tenant(database, &tenant)).unwrap();
        assert_eq!(found.name, tenant);
        assert_eq!(whole_tenants(&test).last(), Some(&5));
    }
    drop(databases);
    wait_until(&test, SESSIONS, 0);
}

/// Waits until a statement waits for a lock.
fn wait_at(url: &str) {
    let mut client = Database::from_url(url).unwrap().connect().unwrap();
    while client.query_one(WAITS, &[]).unwrap().get::<_, i64>(0) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn dropping_a_future_cancels_the_statement_at_the_server_without_waiting_for_it() {
    let test = fleet(2);
    let migrator = columns(2).jobs(1).group(1).lock_timeout(Duration::from_mins(10)).into_async();
    let mut holder = test.client().unwrap();
    // The first tenant can be migrated, the second one not.
    holder.batch_execute("BEGIN; LOCK TABLE tenant_01.notes IN ACCESS EXCLUSIVE MODE").unwrap();
    let runtime = on_one_thread();
    runtime.block_on(async {
        let run = migrator.run(test.database());
        let url = test.url().to_owned();
        let waits = tokio::task::spawn_blocking(move || wait_at(&url));
        tokio::select! { _ = run => panic!("the lock is held"), waits = waits => waits.unwrap() }
    });
    wait_until(&test, SESSIONS, 1);
    holder.batch_execute("ROLLBACK").unwrap();
    drop(holder);
    wait_until(&test, SESSIONS, 0);
    assert_eq!(whole_tenants(&test), [2, 1]);
}

#[test]
fn the_record_of_a_run_whose_future_is_dropped_does_not_wait_for_ever() {
    let test = fleet(1);
    let migrator = columns(2).into_async();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE migrations.runs IN EXCLUSIVE MODE").unwrap();
    let runtime = on_several_threads();
    let database = test.database().clone();
    let run = runtime.spawn(async move { migrator.run(&database).await });
    wait_until(&test, WAITS, 1);
    run.abort();
    assert!(runtime.block_on(run).unwrap_err().is_cancelled());
    // The holder's is left.
    wait_until(&test, SESSIONS, 1);
    assert_eq!(whole_tenants(&test), [2], "its work was done");
}

#[test]
fn reading_ends_when_its_future_is_dropped() {
    let test = fleet(1);
    let migrator = columns(1).into_async();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE migrations.tenants IN ACCESS EXCLUSIVE MODE").unwrap();
    let runtime = on_several_threads();
    let (reader, database) = (migrator.clone(), test.database().clone());
    let read = runtime.spawn(async move { reader.tenants(&database).await });
    wait_until(&test, WAITS, 1);
    read.abort();
    assert!(runtime.block_on(read).unwrap_err().is_cancelled());
    wait_until(&test, WAITS, 0);
}

#[test]
fn a_runtime_that_shuts_down_ends_its_calls_and_does_not_wait_for_them() {
    for runtime in [on_one_thread(), on_several_threads()] {
        let test = fleet(1);
        let migrator = columns(2).lock_timeout(Duration::from_mins(10)).into_async();
        let mut holder = test.client().unwrap();
        holder.batch_execute("BEGIN; LOCK TABLE tenant_00.notes IN ACCESS EXCLUSIVE MODE").unwrap();
        let database = test.database().clone();
        let run = runtime.spawn(async move { migrator.run(&database).await });
        runtime.block_on(tokio::task::yield_now());
        wait_until(&test, WAITS, 1);
        drop(runtime);
        assert!(run.is_finished());
        wait_until(&test, WAITS, 0);
        // The holder's is left.
        wait_until(&test, SESSIONS, 1);
    }
}

#[test]
fn a_future_that_is_never_polled_does_nothing() {
    let test = TestDatabase::new().unwrap();
    let migrator = columns(1).on_event(|event| panic!("{event:?}")).into_async();
    drop(migrator.run(test.database()));
    drop(migrator.get_or_create_tenant(test.database(), &name("acme")));
    // The session that created the database ends a moment later.
    wait_until(&test, SESSIONS, 0);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('migrations', 'acme')"), 0);
}

#[test]
fn a_build_outside_a_transaction_that_is_dropped_is_finished_by_the_next_run() {
    let test = fleet(1);
    let index = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_idx ON notes (c1)";
    let set = columns(1).tenant_set().clone();
    let migrator = of(set.with_sql("V2__index", index).unwrap()).lock_timeout(Duration::from_mins(10)).into_async();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; INSERT INTO tenant_00.notes VALUES (1)").unwrap();
    let runtime = on_several_threads();
    let (running, database) = (migrator.clone(), test.database().clone());
    let run = runtime.spawn(async move { running.run(&database).await });
    wait_until(&test, WAITS, 1);
    run.abort();
    wait_until(&test, WAITS, 0);
    holder.batch_execute("ROLLBACK").unwrap();
    drop(holder);
    wait_until(&test, SESSIONS, 0);
    assert!(runtime.block_on(migrator.run(test.database())).unwrap().is_success());
    let valid = "SELECT count(*) FROM pg_index WHERE indexrelid = 'tenant_00.notes_idx'::regclass AND indisvalid";
    assert_eq!(number(&test, valid), 1);
}
