//! The process that creates new tenants in several transactions is killed with SIGKILL.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use migrations_core::{Database, Migrator, RunOptions, State};
use migrations_embedded::Server;
use postgres::{Client, NoTls};

use crate::dice::{Dice, Moments, rounds};
use crate::site::{names, small};

const TENANTS: usize = 6;

/// Where the process finds its database.
const URL: &str = "TEST_FAULT_URL";

/// A procedure that commits cannot be part of the transaction that creates a schema.
fn migrator() -> Migrator {
    small(&[
        (
            "V1__fill",
            "CREATE TABLE notes (id int PRIMARY KEY);
             CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN
               FOR i IN 1..20 LOOP INSERT INTO notes VALUES (i) ON CONFLICT DO NOTHING; COMMIT; END LOOP;
             END $$",
        ),
        ("V2__call", "-- migrate: no-transaction idempotent\nCALL fill()"),
        ("V3__author", "ALTER TABLE notes ADD COLUMN author text; INSERT INTO notes VALUES (0)"),
    ])
    .jobs(2)
}

#[test]
#[ignore = "a process for the other test, not a test"]
fn makes_tenants() {
    let database = Database::from_url(&std::env::var(URL).unwrap()).unwrap();
    assert!(migrator().run_with(&database, &RunOptions::new().create(names(TENANTS))).unwrap().is_success());
}

fn start(url: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["parts::makes_tenants", "--exact", "--ignored"]).env(URL, url);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every tenant that exists is complete, and no other schema looks like a tenant.
fn assert_whole(database: &Database, client: &mut Client) {
    for tenant in &migrator().status(database).unwrap().tenants {
        assert_eq!(tenant.schema.state, State::Current, "{}", tenant.name);
        let rows = format!("SELECT count(*) FROM {}.notes", tenant.name);
        assert_eq!(client.query_one(&rows, &[]).unwrap().get::<_, i64>(0), 21, "{}", tenant.name);
    }
    let unknown = "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^(tenant_|__spare)' \
                   AND NOT EXISTS (SELECT FROM migrations.tenants WHERE schema_name = nspname)";
    assert!(client.query(unknown, &[]).unwrap().is_empty());
}

#[test]
fn a_new_tenant_in_several_transactions_is_whole_or_not_there_after_kill_9() {
    let server = Server::throwaway().unwrap();
    let mut admin = Client::connect(&server.url("postgres"), NoTls).unwrap();
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        let name = format!("fresh_{number}");
        admin.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let url = server.url(&name);
        assert!(migrator().run(&Database::from_url(&url).unwrap()).unwrap().is_success());
        url
    };
    let undisturbed = {
        let url = fresh();
        let begun = Instant::now();
        assert!(start(&url).wait().unwrap().success());
        begun.elapsed()
    };
    let (mut dice, mut moments) = (Dice::new(), Moments::before(undisturbed, rounds(4)));
    while let Some(moment) = moments.next(&mut dice) {
        let url = fresh();
        let database = Database::from_url(&url).unwrap();
        let mut client = database.connect().unwrap();
        let mut maker = start(&url);
        std::thread::sleep(moment);
        let was_running = maker.try_wait().unwrap().is_none();
        maker.kill().unwrap();
        maker.wait().unwrap();

        assert_whole(&database, &mut client);
        let hidden = "SELECT count(*) FROM migrations.tenants WHERE status = 'unfinished'";
        if was_running && client.query_one(hidden, &[]).unwrap().get::<_, i64>(0) == 0 {
            moments.miss();
        } else {
            moments.count(was_running);
        }
        // The remains are dropped when the process that created them has been silent for long enough.
        client.batch_execute("UPDATE migrations.leases SET expires_at = clock_timestamp()").unwrap();
        let rerun = migrator().run_with(&database, &RunOptions::new().create(names(TENANTS))).unwrap();
        assert!(rerun.is_success(), "{:?}", rerun.failures);
        assert!(migrator().run(&database).unwrap().is_unchanged());
        assert_whole(&database, &mut client);
        assert_eq!(migrator().tenants(&database).unwrap().len(), TENANTS);
        let leftovers = "SELECT count(*) FROM pg_namespace WHERE starts_with(nspname, '__spare')";
        assert_eq!(client.query_one(leftovers, &[]).unwrap().get::<_, i64>(0), 0);
    }
}
