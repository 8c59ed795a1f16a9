//! Every test has a database of its own, on the intended server, and leaves none behind.

#![allow(clippy::unwrap_used, reason = "for tests only")]

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;

use migrations_core::{MigrationSet, Migrator};
use migrations_embedded::Server;
use migrations_testing::TestDatabase;
use postgres::error::SqlState;
use postgres::{Client, NoTls};

fn databases(client: &mut Client) -> BTreeSet<String> {
    let rows = client.query("SELECT datname::text FROM pg_database", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_database_is_gone_after_its_test_even_with_a_client_on_it() {
    let watcher = TestDatabase::new().unwrap();
    let test = TestDatabase::new().unwrap();
    let (name, url) = (test.name().to_owned(), test.url().to_owned());
    let _client = test.client().unwrap();
    assert!(databases(&mut watcher.client().unwrap()).contains(&name));
    drop(test);
    assert!(!databases(&mut watcher.client().unwrap()).contains(&name));
    let refused = Client::connect(&url, NoTls).err().unwrap();
    assert_eq!(refused.code(), Some(&SqlState::UNDEFINED_DATABASE));
}

#[test]
fn tests_that_start_at_once_get_databases_of_their_own_on_one_server() {
    let tests: Vec<TestDatabase> = thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| TestDatabase::new().unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let names: BTreeSet<_> = tests.iter().map(|test| test.name().to_owned()).collect();
    assert_eq!(names.len(), 8);
    assert!(databases(&mut tests[0].client().unwrap()).is_superset(&names));
    for test in &tests {
        test.client().unwrap().batch_execute("CREATE TABLE public.only_here ()").unwrap();
    }
}

#[test]
fn threads_share_a_database() {
    let test = TestDatabase::new().unwrap();
    thread::scope(|scope| scope.spawn(|| test.client().unwrap().batch_execute("SELECT 1")).join().unwrap()).unwrap();
}

#[test]
fn a_migrated_database_has_both_sets_and_the_tenants() {
    let migrator = Migrator::new(
        MigrationSet::new("shared")
            .unwrap()
            .with_migration("V1__plans", || "CREATE TABLE plans (code text PRIMARY KEY)".to_owned())
            .unwrap(),
        MigrationSet::new("tenant")
            .unwrap()
            .with_migration("V1__notes", || "CREATE TABLE notes (body text)".to_owned())
            .unwrap(),
    );
    let test = TestDatabase::migrated(&migrator, &["acme", "globex"]).unwrap();
    test.client().unwrap().batch_execute("TABLE public.plans; TABLE acme.notes; TABLE globex.notes").unwrap();
    assert!(migrator.run(test.database()).unwrap().is_success());

    let error = TestDatabase::migrated(&migrator, &["No Name"]).unwrap_err();
    assert!(error.to_string().contains("No Name"), "{error}");
}

/// The next test runs this in a process of its own, with the variable set.
#[test]
#[ignore = "a process for another test, not a test"]
fn guest() {
    let test = TestDatabase::new().unwrap();
    println!("guest: {}", test.url());
}

#[test]
fn database_url_names_the_server_and_nothing_stays_on_it() {
    let server = Server::throwaway().unwrap();
    let url = server.url("postgres");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let before = databases(&mut client);
    let guest = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "guest", "--ignored", "--nocapture"])
        .env("DATABASE_URL", &url)
        .output()
        .unwrap();
    assert!(guest.status.success());
    let output = String::from_utf8(guest.stdout).unwrap();
    let (_, guest_url) = output.split_once("guest: ").unwrap();
    assert!(guest_url.starts_with(&server.url("test_")), "{guest_url}");
    assert_eq!(databases(&mut client), before);
}
