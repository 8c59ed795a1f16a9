//! The server goes down as in a crash, while a runner is working.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrations_core::{Database, Event, ImportOptions, RunOptions, State, Tool};
use migrations_embedded::Server;
use postgres::{Client, NoTls};

use crate::dice::{Dice, Moments, rounds};
use crate::runner::up;
use crate::site::{AUTHOR, NOTES, Site, name, names, small};

fn crash_at_random(site: &Site) {
    let mut dice = Dice::new();
    let mut moments = Moments::before(site.undisturbed(), rounds(3));
    let mut survived = 0;
    while let Some(moment) = moments.next(&mut dice) {
        let copy = site.copy();
        let url = copy.url();
        // Every other runner waits for the server to come back, and continues.
        let wait: &[&str] = if moments.hit().is_multiple_of(2) { &["--wait", "30s"] } else { &["--wait", "0s"] };
        let mut runner = up(&url, wait);
        std::thread::sleep(moment);
        let was_running = runner.is_running();
        moments.count(was_running);
        site.server().crash_and_restart().unwrap();
        let ran = runner.finish();
        if ran.code == Some(0) {
            survived += usize::from(was_running);
        } else {
            eprintln!("interrupted: {}", ran.stdout);
        }
        copy.rerun_makes_it_whole();
    }
    eprintln!("{} interrupted, {survived} went on by themselves", moments.hit());
}

#[test]
fn a_rerun_after_a_crash_of_the_server_leaves_every_tenant_whole() {
    crash_at_random(&Site::new(24));
}

#[test]
fn a_rerun_after_a_crash_of_a_durable_server_leaves_every_tenant_whole() {
    crash_at_random(&Site::on(Server::builder().durable(true), 12));
}

/// Tenants commit without waiting for the disk. A run that continues after a crash must not report as done what the
/// crash has lost. The crashes are in the middle of the tenants, between the last tenant and the barrier, and in the
/// pass that checks again.
#[test]
fn a_run_that_goes_on_behind_a_crash_reports_nothing_as_done_that_was_lost() {
    // The longest delay that the server allows: nothing reaches the disk on its own.
    let server = Server::builder().durable(true).setting("wal_writer_delay", "10s").start_throwaway().unwrap();
    let mut admin = Client::connect(&server.url("postgres"), NoTls).unwrap();
    let server = Arc::new(Mutex::new(server));
    // In the last case, only the replacement of the connection, due after the twelfth tenant, notices the crash.
    let cases = [(&[10][..], 250), (&[20], 250), (&[10, 10], 250), (&[20, 20], 250), (&[12], 1)];
    for (index, (crashes, schemas)) in cases.into_iter().enumerate() {
        let fleet = format!("crashes_{index}");
        if admin.is_closed() || admin.simple_query("").is_err() {
            admin = Client::connect(&server.lock().unwrap().url("postgres"), NoTls).unwrap();
        }
        admin.batch_execute(&format!("CREATE DATABASE {fleet}")).unwrap();
        let url = server.lock().unwrap().url(&fleet);
        let database = Database::from_url(&url).unwrap().with_wait(Duration::from_secs(30));
        let report = small(&[NOTES]).run_with(&database, &RunOptions::new().create(names(20))).unwrap();
        assert_eq!(report.tenants.created, 20);
        let newer = small(&[NOTES, AUTHOR]).jobs(1).schemas_per_connection(schemas);
        let (victim, left) = (Arc::clone(&server), Mutex::new(crashes.to_vec()));
        let going_on = newer.clone().on_event(move |event| {
            if let Event::TenantMigrated { progress, .. } = event {
                let mut left = left.lock().unwrap();
                // A pass may end before the tenth tenant.
                if left.first().is_some_and(|at| progress.done == *at || progress.done == progress.total) {
                    left.remove(0);
                    victim.lock().unwrap().crash_and_restart().unwrap();
                }
            }
        });
        let report = going_on.run(&database).unwrap();
        assert!(report.is_success());
        let status = newer.status(&database).unwrap();
        let behind = status.tenants.iter().filter(|tenant| tenant.schema.state != State::Current).count();
        assert_eq!(behind, 0, "{crashes:?}: {:?} are reported, and so many are behind", report.tenants);
        assert_eq!(report.tenants.migrated, 20, "{crashes:?}");
    }
}

/// A sign-up is reported on its own, without a barrier.
#[test]
fn a_sign_up_that_was_reported_survives_a_crash() {
    let mut server = Server::builder().durable(true).setting("wal_writer_delay", "10s").start_throwaway().unwrap();
    let migrator = small(&[NOTES, AUTHOR]);
    for (tenant, spares) in [("acme", 0), ("globex", 1)] {
        let database = Database::from_url(&server.url("postgres")).unwrap();
        migrator.fill_pool(&database, spares).unwrap();
        assert!(migrator.get_or_create_tenant(&database, &name(tenant)).unwrap().1);
        server.crash_and_restart().unwrap();
        let database = Database::from_url(&server.url("postgres")).unwrap();
        let found = migrator.tenant(&database, &name(tenant)).unwrap();
        assert_eq!(found.map(|tenant| tenant.version), Some(Some(2)), "{tenant}");
    }
}

/// The transaction of one schema does not wait for the disk; the import does at its end.
#[test]
fn an_import_that_was_reported_survives_a_crash() {
    let mut server = Server::builder().durable(true).setting("wal_writer_delay", "10s").start_throwaway().unwrap();
    let url = server.url("postgres");
    let tables = ["acme", "globex"].map(|schema| {
        format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.schema_migrations (version bigint PRIMARY KEY, \
             dirty boolean NOT NULL); INSERT INTO {schema}.schema_migrations VALUES (2, false);"
        )
    });
    Client::connect(&url, NoTls).unwrap().batch_execute(&tables.concat()).unwrap();
    let (migrator, database) = (small(&[NOTES, AUTHOR]), Database::from_url(&url).unwrap());
    let import = migrator.import(&database, Tool::GolangMigrate, &ImportOptions::new()).unwrap();
    assert!(import.is_success() && import.schemas().count() == 2, "{import:?}");
    server.crash_and_restart().unwrap();
    let status = migrator.verify(&Database::from_url(&server.url("postgres")).unwrap()).unwrap();
    let current = status.tenants.iter().filter(|tenant| tenant.schema.state == State::Current).count();
    assert_eq!(current, 2, "{status:?}");
}
