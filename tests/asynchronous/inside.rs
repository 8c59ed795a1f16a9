//! A blocking call inside a runtime is an error, and dropping is safe there.

use std::time::Duration;

use migrations_core::{Baseline, Database, Error, ImportOptions, Repair, RunOptions, TenantSelection, Tool};
use migrations_testing::TestDatabase;

use crate::site::{SESSIONS, columns, fleet, name, on_one_thread, on_several_threads, wait_until};

/// Makes every kind of blocking call.
fn refused(database: &Database) -> Vec<Error> {
    let migrator = columns(1);
    let (acme, host) = (name("acme"), "shop.example.com");
    let calls = [
        database.connect().err(),
        database.wait(Duration::from_secs(1)).err(),
        migrator.run(database).err().map(Error::from),
        migrator.rehearse(database, &RunOptions::default()).err(),
        migrator.get_or_create_tenant(database, &acme).err(),
        migrator.adopt_tenant(database, &acme).err(),
        migrator.adopt_all(database).err(),
        migrator.forget_tenant(database, &acme).err(),
        migrator.status(database).err(),
        migrator.verify(database).err(),
        migrator.is_pending(database).err(),
        migrator.tenants(database).err(),
        migrator.tenant(database, &acme).err(),
        migrator.tenant_by_domain(database, host).err(),
        migrator.add_domain(database, &acme, host, true).err(),
        migrator.fill_pool(database, 1).err(),
        migrator.pool(database).err(),
        migrator.drain_pool(database).err(),
        migrator.baseline_shared(database, &Baseline::at(1)).err(),
        migrator.baseline_tenants(database, &TenantSelection::All, &Baseline::at(1)).err(),
        migrator.repair(database, &Repair::explain()).err(),
        migrator.import(database, Tool::Sqlx, &ImportOptions::new()).err(),
        database.create(None, None).err(),
        database.drop_database(true).err(),
    ];
    let count = calls.len();
    let errors: Vec<Error> = calls.into_iter().flatten().collect();
    assert_eq!(errors.len(), count, "{errors:?}");
    errors
}

#[test]
fn every_blocking_call_inside_a_runtime_is_an_error_that_says_what_to_call() {
    let test = fleet(1);
    for runtime in [on_one_thread(), on_several_threads()] {
        let database = test.database().clone().keep_connection();
        // A connection is kept.
        columns(1).get_or_create_tenant(&database, &name("acme")).unwrap();
        let errors = runtime.block_on(async { refused(&database) });
        for error in errors {
            assert!(matches!(error, Error::InsideRuntime), "{error}");
            let told = error.to_string();
            assert!(told.contains("Migrator::into_async") && told.contains("spawn_blocking"), "{told}");
        }
    }
}

#[test]
fn blocking_calls_work_beside_a_runtime() {
    let test = fleet(1);
    for runtime in [on_one_thread(), on_several_threads()] {
        let database = test.database().clone();
        let blocking = async { tokio::task::spawn_blocking(move || columns(1).tenants(&database)).await.unwrap() };
        assert_eq!(runtime.block_on(blocking).unwrap().len(), 1);
        let _guard = runtime.enter();
        assert_eq!(columns(1).tenants(test.database()).unwrap().len(), 1);
    }
    let in_place = async { tokio::task::block_in_place(|| columns(1).tenants(test.database())) };
    assert_eq!(on_several_threads().block_on(in_place).unwrap().len(), 1);
}

/// A database with a connection that is kept.
fn keeping(test: &TestDatabase) -> Database {
    let database = test.database().clone().keep_connection();
    columns(1).get_or_create_tenant(&database, &name("acme")).unwrap();
    database
}

#[test]
fn a_database_with_a_kept_connection_is_dropped_inside_a_runtime() {
    for runtime in [on_one_thread(), on_several_threads()] {
        let test = fleet(1);
        let database = keeping(&test);
        wait_until(&test, SESSIONS, 1);
        runtime.block_on(async move { drop(database) });
        wait_until(&test, SESSIONS, 0);

        // As a part of the state of a task that panics.
        let database = keeping(&test);
        let task = runtime.spawn(async move {
            let _state = database;
            panic!("on purpose");
        });
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        wait_until(&test, SESSIONS, 0);

        // As a part of a task that the runtime drops when it shuts down.
        let database = keeping(&test);
        runtime.spawn(async move {
            let _state = database;
            std::future::pending::<()>().await;
        });
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        wait_until(&test, SESSIONS, 0);
    }
}
