//! `migrations-testing` on a server with TLS.

use std::process::Command;

use migrations_core::{MigrationSet, Migrator};
use migrations_testing::TestDatabase;

use crate::site::{PASSWORD, Site, TLS_ONLY, is_encrypted};

/// A process for the test below, with its `DATABASE_URL`.
#[test]
#[ignore = "a process for another test, not a test"]
fn guest() {
    let tenant = MigrationSet::new("tenant").unwrap();
    let tenant = tenant.with_migration("V1__notes", || "CREATE TABLE notes (body text)".to_owned()).unwrap();
    let migrator = Migrator::new(MigrationSet::new("shared").unwrap(), tenant);
    let test = TestDatabase::migrated(&migrator, &["acme"]).unwrap();
    assert!(is_encrypted(&mut test.client().unwrap()));
    let again = migrations_core::Database::from_url(test.url()).unwrap();
    let mut client = again.connect().unwrap();
    client.batch_execute("TABLE acme.notes").unwrap();
    assert!(is_encrypted(&mut client), "its URL has the parameters of TLS");
}

#[track_caller]
fn assert_a_guest_succeeds(variables: &[(&str, &str)]) {
    let mut guest = Command::new(std::env::current_exe().unwrap());
    guest.args(["--exact", "fixtures::guest", "--ignored", "--nocapture"]);
    let output = guest.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_test_database_can_be_on_a_server_that_wants_tls() {
    let site = Site::new(TLS_ONLY);
    assert_a_guest_succeeds(&[("DATABASE_URL", &site.url(&site.verified()))]);
}

#[test]
fn the_password_of_a_test_database_can_be_in_the_password_file() {
    let site = Site::new(TLS_ONLY);
    // The line is about one database, which is not the test's own.
    let file = site.file("pgpass", &format!("localhost:*:postgres:app:{PASSWORD}\n"));
    let url = site.url_of("app", &site.verified());
    assert_a_guest_succeeds(&[("DATABASE_URL", &url), ("PGPASSFILE", file.to_str().unwrap())]);
}

#[test]
fn libpqs_variables_supply_what_the_url_of_the_tests_does_not_say() {
    let site = Site::new(TLS_ONLY);
    let (url, root) = (site.url_of("app", ""), site.root());
    let root = root.to_str().unwrap();
    let tls = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", root)];
    assert_a_guest_succeeds(&[("DATABASE_URL", &url), ("PGPASSWORD", PASSWORD), tls[0], tls[1]]);
}
