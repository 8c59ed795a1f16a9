//! Every call returns what the blocking one does, and blocks no executor.

use std::future::Future;
use std::time::Duration;

use migrations_core::{AsyncMigrator, Database, Error, Interrupt, RunOptions, State};
use migrations_testing::TestDatabase;

use crate::site::{WAITS, columns, fleet, name, number, on_one_thread, on_several_threads, wait_until};

async fn make_every_call(migrator: &AsyncMigrator, database: &Database) {
    database.wait_async(Duration::from_secs(5)).await.unwrap();
    assert!(migrator.is_pending(database).await.unwrap());
    let options = RunOptions::new().create([name("acme")]);
    assert!(!migrator.rehearse(database, &options).await.unwrap().is_empty());
    assert_eq!(migrator.run_with(database, &options).await.unwrap().tenants.created, 1);
    assert!(migrator.run(database).await.unwrap().is_unchanged());
    assert!(!migrator.is_pending(database).await.unwrap());

    let (tenant, created) = migrator.get_or_create_tenant(database, &name("globex")).await.unwrap();
    assert!(created && tenant.name == name("globex"));
    migrator.add_domain(database, &name("globex"), "shop.example.com", true).await.unwrap();
    let found = migrator.tenant_by_domain(database, "shop.example.com").await.unwrap();
    assert_eq!(found.unwrap().id, tenant.id);
    assert_eq!(migrator.tenant(database, &name("globex")).await.unwrap().unwrap().id, tenant.id);
    assert!(migrator.tenant(database, &name("nobody")).await.unwrap().is_none());
    assert_eq!(migrator.tenants(database).await.unwrap().len(), 2);

    for status in [migrator.status(database).await.unwrap(), migrator.verify(database).await.unwrap()] {
        assert!(status.tenants.len() == 2 && status.shared.state == State::Current);
    }
    assert_eq!(migrator.fill_pool(database, 1).await.unwrap(), 1);
    assert_eq!(migrator.pool(database).await.unwrap().ready, 1);
    assert_eq!(migrator.drain_pool(database).await.unwrap(), 1);

    migrator.adopt_tenant(database, &name("globex")).await.unwrap();
    migrator.adopt_all(database).await.unwrap();
    let forgotten = migrator.forget_tenant(database, &name("globex")).await.unwrap_err();
    assert!(matches!(forgotten, Error::SchemaStillThere { .. }), "{forgotten}");
    let options = RunOptions::new().only([name("nobody")]);
    let stopped = migrator.run_with(database, &options).await.unwrap_err();
    assert!(matches!(stopped.error, Error::UnknownTenant(_)), "{stopped}");
}

#[test]
fn every_call_works_in_runtimes_of_both_kinds() {
    for runtime in [on_one_thread(), on_several_threads()] {
        let test = TestDatabase::new().unwrap();
        let (migrator, database) = (columns(2).into_async(), test.database().clone().keep_connection());
        runtime.block_on(make_every_call(&migrator, &database));
        let (migrator, other) = (migrator.clone(), database.clone());
        let report = runtime.block_on(runtime.spawn(async move { migrator.run(&other).await.unwrap() })).unwrap();
        assert!(report.is_unchanged(), "in a task");
    }
}

#[test]
fn a_call_blocks_no_task_of_its_thread() {
    let test = fleet(2);
    let migrator = columns(2).lock_timeout(Duration::from_mins(10)).into_async();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE tenant_00.notes IN ACCESS EXCLUSIVE MODE").unwrap();
    let (report, ()) = on_one_thread().block_on(async {
        tokio::join!(migrator.run(test.database()), async {
            // The run waits for a lock that only this future, on the same thread, releases.
            let release = tokio::task::spawn_blocking(move || holder.batch_execute("ROLLBACK").unwrap());
            release.await.unwrap();
        })
    });
    assert_eq!(report.unwrap().tenants.migrated, 2);
}

#[test]
fn a_tenant_that_many_futures_ask_for_is_created_once() {
    let test = fleet(1);
    let migrator = columns(1).into_async();
    on_one_thread().block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (migrator, database) = (migrator.clone(), test.database().clone());
            calls.spawn(async move { migrator.get_or_create_tenant(&database, &name("acme")).await.unwrap().1 });
        }
        let created = calls.join_all().await;
        assert_eq!(created.iter().filter(|created| **created).count(), 1);
    });
}

/// Whether a future can be sent to another thread, as `tokio::spawn` needs.
fn is_send(_: &(impl Future + Send)) -> bool {
    true
}

#[test]
fn futures_can_be_spawned() {
    let database = Database::from_url("postgres://nobody@127.0.0.1:1/none").unwrap().with_wait(Duration::ZERO);
    let migrator = columns(1).into_async();
    assert!(is_send(&migrator.run(&database)) && is_send(&migrator.get_or_create_tenant(&database, &name("acme"))));
    let refused = on_several_threads().block_on(tokio::task::unconstrained(async { migrator.run(&database).await }));
    assert!(matches!(refused.unwrap_err().error, Error::Connect(_)));
}

#[test]
fn a_panic_in_the_core_continues_in_the_caller() {
    let test = fleet(1);
    let migrator = columns(2).on_event(|_| panic!("in an observer")).into_async();
    let database = test.database().clone();
    let ended =
        on_several_threads().block_on(async { tokio::spawn(async move { migrator.run(&database).await }).await });
    let panic = ended.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"in an observer"));
}

#[test]
fn the_migrator_s_interrupt_ends_its_calls_and_leaves_reading_alone() {
    let test = fleet(2);
    let interrupt = Interrupt::new();
    let migrator = columns(2).jobs(1).group(1).lock_timeout(Duration::from_mins(10)).interrupted_by(&interrupt);
    let migrator = migrator.into_async();
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE tenant_00.notes IN ACCESS EXCLUSIVE MODE").unwrap();
    let runtime = on_several_threads();
    let (running, database) = (migrator.clone(), test.database().clone());
    let run = runtime.spawn(async move { running.run(&database).await });
    wait_until(&test, WAITS, 1);
    interrupt.drain(Duration::from_millis(300));
    let stopped = runtime.block_on(run).unwrap().unwrap_err();
    assert!(matches!(stopped.error, Error::Interrupted), "{stopped}");
    assert_eq!((stopped.report.tenants.migrated, stopped.report.tenants.skipped), (0, 2));
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.runs WHERE outcome = 'failure'"), 1);

    let refused = runtime.block_on(migrator.get_or_create_tenant(test.database(), &name("acme")));
    assert!(matches!(refused, Err(Error::Interrupted)));
    assert_eq!(runtime.block_on(migrator.tenants(test.database())).unwrap().len(), 2);
}
