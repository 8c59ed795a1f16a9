//! A test database in an async test: creating, migrating, using and dropping it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests only")]

use std::process::{Command, Output};

use migrations_core::{Database, MigrationSet, Migrator};
use migrations_embedded::Server;
use migrations_testing::{Difference, Error, TestDatabase};
use postgres::{Client, NoTls};

fn migrator() -> Migrator {
    let tenant = MigrationSet::new("tenant").unwrap().with_sql("V1__notes", "CREATE TABLE notes (body text)").unwrap();
    Migrator::new(MigrationSet::new("shared").unwrap(), tenant)
}

/// Uses a database as an async test does; returns it.
async fn used() -> TestDatabase {
    let test = TestDatabase::migrated(&migrator(), &["acme"]).unwrap();
    let migrator = migrator().into_async();
    assert_eq!(migrator.tenants(test.database()).await.unwrap().len(), 1);
    let refused = test.client().err().unwrap();
    assert!(
        matches!(refused, Error::InsideRuntime) && refused.to_string().contains("TestDatabase::url()"),
        "{refused}"
    );
    let url = test.url().to_owned();
    let name = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&url, NoTls).unwrap();
        client.query_one("SELECT current_database()::text", &[]).unwrap().get::<_, String>(0)
    });
    assert_eq!(name.await.unwrap(), test.name());
    test
}

#[tokio::test]
async fn a_test_on_one_thread_has_a_database() {
    drop(TestDatabase::new().unwrap());
    used().await;
    assert!(Difference::between_fresh_and_upgraded(&migrator()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_on_several_threads_has_a_database() {
    drop(TestDatabase::new().unwrap());
    tokio::spawn(async { used().await }).await.unwrap();
}

#[tokio::test]
async fn a_server_starts_inside_a_runtime() {
    let server = Server::builder().tcp(true).start_throwaway().unwrap();
    server.stop().unwrap();
}

/// Signs a tenant up over a connection that stays open; returns the database, and what holds the connection.
async fn used_to_sign_up() -> (TestDatabase, Database) {
    let test = used().await;
    let database = test.database().clone().keep_connection();
    let (_, is_new) =
        migrator().into_async().get_or_create_tenant(&database, &"globex".parse().unwrap()).await.unwrap();
    assert!(is_new);
    (test, database)
}

#[tokio::test]
#[ignore = "a process for another test, not a test"]
async fn guest_fails_on_one_thread() {
    let (test, _database) = used_to_sign_up().await;
    panic!("on purpose, with {}", test.name());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process for another test, not a test"]
async fn guest_fails_on_several_threads() {
    let (test, _database) = tokio::spawn(async { used_to_sign_up().await }).await.unwrap();
    panic!("on purpose, with {}", test.name());
}

/// Runs a test of this binary in a process of its own.
fn guest(name: &str, url: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored"]).env("DATABASE_URL", url).env_remove("RUST_BACKTRACE");
    command.output().unwrap()
}

#[test]
fn an_async_test_that_fails_is_one_failed_test_and_leaves_no_database() {
    let server = Server::throwaway().unwrap();
    let url = server.url("postgres");
    for name in ["guest_fails_on_one_thread", "guest_fails_on_several_threads"] {
        let output = guest(name, &url);
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(101), "{told}");
        assert!(told.contains("on purpose, with test_") && told.contains("0 passed; 1 failed"), "{told}");
        assert_eq!(told.matches("panicked at").count(), 1, "{told}");
        let mut client = Client::connect(&url, NoTls).unwrap();
        let left: i64 =
            client.query_one("SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'", &[]).unwrap().get(0);
        assert_eq!(left, 0, "{name}");
    }
}
