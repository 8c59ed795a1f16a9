//! Another run is always safe, and costs one query if there is nothing to do.

use std::time::{Duration, Instant};

use migrations_core::{Database, RunOptions};
use migrations_embedded::Server;
use migrations_testing::TestDatabase;

use crate::fixture::{AUTHOR, NOTES, TAGS, column, history, migrator, name, number, with_tenants};

/// Everything in the catalog and in the framework's tables that a run could change, as one text.
fn fingerprint(test: &TestDatabase) -> Vec<String> {
    column(
        test,
        "SELECT c.oid || ' ' || c.relname || ' ' || c.xmin FROM pg_class c WHERE c.oid >= 16384 \
         UNION ALL SELECT t.ctid || ' ' || t.xmin FROM migrations.tenants t \
         UNION ALL SELECT s.ctid || ' ' || s.xmin FROM migrations.sets s \
         UNION ALL SELECT r.ctid || ' ' || r.xmin FROM migrations.runs r ORDER BY 1",
    )
}

#[test]
fn a_rerun_changes_nothing() {
    let migrator = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    let _ = migrator.run(test.database()).unwrap();
    let before = fingerprint(&test);

    let report = migrator.run(test.database()).unwrap();

    assert!(report.is_unchanged() && report.is_success());
    assert_eq!((report.tenants.total, report.tenants.current), (2, 2));
    assert_eq!(fingerprint(&test), before);
}

/// The transactions that the server counted in the database, once all its backends have ended.
fn transactions(server: &Server) -> i64 {
    let mut client = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let row = client
            .query_one(
                "SELECT xact_commit + xact_rollback, \
                        (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = d.datname) \
                 FROM pg_stat_database d WHERE datname = 'counted'",
                &[],
            )
            .unwrap();
        if row.get::<_, i64>(1) == 0 {
            return row.get(0);
        }
        assert!(Instant::now() < deadline, "a connection stayed open");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A backend reports its counts when it ends, a moment before it leaves the list. Before PostgreSQL 15, the counts can
/// be half a second old.
fn settled(server: &Server) -> i64 {
    let pause = Duration::from_millis(if server.version() < 15 { 700 } else { 300 });
    let mut last = transactions(server);
    loop {
        std::thread::sleep(pause);
        let now = transactions(server);
        if now == last {
            return now;
        }
        last = now;
    }
}

#[test]
fn a_run_with_nothing_to_do_is_one_query_by_the_servers_own_count() {
    // One of the server's own vacuums would be counted too.
    let server = Server::builder().setting("autovacuum", "off").start_throwaway().unwrap();
    let mut client = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
    client.batch_execute("CREATE DATABASE counted").unwrap();
    let database = Database::from_url(&server.url("counted")).unwrap();
    let migrator = migrator(&[NOTES, AUTHOR]);
    let options = RunOptions::new().create([name("acme"), name("globex")]);
    assert_eq!(migrator.run_with(&database, &options).unwrap().tenants.created, 2);

    let count = |work: &dyn Fn()| {
        let before = settled(&server);
        work();
        settled(&server) - before
    };
    // The server also counts its own transactions for letting a session in.
    let connecting = count(&|| drop(database.connect().unwrap()));
    let running = count(&|| assert!(migrator.run_with(&database, &options).unwrap().is_unchanged()));
    let getting = count(&|| assert!(!migrator.get_or_create_tenant(&database, &name("acme")).unwrap().1));

    assert_eq!(running - connecting, 1, "a run is one statement, which is one transaction");
    assert_eq!(getting - connecting, 1, "get-or-create of a tenant that is there is one read");
}

#[test]
fn a_rerun_takes_up_only_what_is_left() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let newer = migrator(&[NOTES, AUTHOR, TAGS]);
    let _ = newer.run_with(test.database(), &RunOptions::new().only([name("acme")])).unwrap();

    let report = newer.run(test.database()).unwrap();

    assert_eq!((report.tenants.current, report.tenants.migrated), (1, 1));
    for tenant in ["acme", "globex"] {
        assert_eq!(history(&test, tenant), ["1", "2", "3"]);
    }
}

#[test]
fn the_moment_in_the_history_is_the_moment_of_the_migration() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    // By the server's clock: between the registration and now, and in the form that refinery reads.
    let good = number(
        &test,
        "SELECT count(*) FROM acme.refinery_schema_history h, migrations.tenants t \
         WHERE h.applied_on::timestamptz BETWEEN t.created_at AND now() AND h.applied_on ~ '^[0-9-]+T[0-9:.]+Z$'",
    );
    assert_eq!(good, 1);
}
