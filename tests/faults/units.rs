//! The process that runs a migration outside a transaction is killed with SIGKILL, in any of its units.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use migrations_core::{Database, Migrator, RunOptions};
use migrations_embedded::Server;
use postgres::{Client, NoTls};

use crate::dice::{Dice, Moments, rounds};
use crate::site::{names, small};

const TENANTS: usize = 4;

/// Where the process finds its database.
const URL: &str = "TEST_FAULT_URL";

const BEFORE: (&str, &str) = (
    "V1__before",
    "CREATE TABLE log (step text);
     CREATE TABLE notes (id int PRIMARY KEY, n int NOT NULL);
     INSERT INTO notes SELECT i, 0 FROM generate_series(1, 500) AS i;
     CREATE INDEX notes_old ON notes (n);
     CREATE TYPE mood AS ENUM ('good');
     CREATE TABLE moods (mood mood);
     CREATE TABLE events (day date) PARTITION BY RANGE (day);
     CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
     CREATE TABLE filled (id int PRIMARY KEY);
     CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN
       FOR i IN 1..5 LOOP INSERT INTO filled VALUES (i) ON CONFLICT DO NOTHING; COMMIT; END LOOP;
     END $$",
);

/// A unit of every kind. The units that can run in a transaction are not safe to repeat.
const UNITS: (&str, &str) = (
    "V2__units",
    "-- migrate: no-transaction
     SET timezone = 'Asia/Tokyo';
     INSERT INTO log VALUES (current_setting('timezone'));
     CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n);
     ALTER TABLE notes ADD COLUMN author text;
     CREATE INDEX CONCURRENTLY ON notes (n, id);
     UPDATE notes SET n = n + 1;
     DROP INDEX CONCURRENTLY notes_old;
     ALTER TYPE mood ADD VALUE 'bad';
     INSERT INTO moods VALUES ('bad');
     DO $$ BEGIN INSERT INTO log VALUES ('do'); PERFORM pg_sleep(0.005); END $$;
     ALTER TABLE events DETACH PARTITION events_old CONCURRENTLY;
     BEGIN; INSERT INTO log VALUES ('block'); UPDATE notes SET n = n + 10; COMMIT;
     REINDEX TABLE CONCURRENTLY notes;
     CREATE TEMP TABLE picked AS SELECT id FROM notes WHERE id <= 100;
     DELETE FROM notes USING picked WHERE notes.id = picked.id;
     VACUUM (ANALYZE) notes;
     INSERT INTO log VALUES ('last');",
);

const CALL: (&str, &str) = (
    "V3__call",
    "-- migrate: no-transaction idempotent
     INSERT INTO log VALUES ('before the call');
     CALL fill();
     INSERT INTO log VALUES ('behind the call');",
);

fn migrator() -> Migrator {
    small(&[BEFORE, UNITS, CALL]).jobs(2)
}

#[test]
#[ignore = "a process for the other test, not a test"]
fn migrates_tenants() {
    let database = Database::from_url(&std::env::var(URL).unwrap()).unwrap();
    assert!(migrator().run(&database).unwrap().is_success());
}

fn start(url: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["units::migrates_tenants", "--exact", "--ignored"]).env(URL, url);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every statement was run exactly once for every tenant.
fn assert_once(client: &mut Client) {
    for tenant in names(TENANTS) {
        let mut ask = |query: &str| -> String {
            client
                .query_one(&query.replace('%', tenant.as_str()), &[])
                .unwrap()
                .get::<_, Option<String>>(0)
                .unwrap_or_default()
        };
        assert_eq!(
            ask("SELECT string_agg(step, ', ' ORDER BY step COLLATE \"C\") FROM %.log"),
            "Asia/Tokyo, before the call, behind the call, block, do, last"
        );
        assert_eq!(ask("SELECT concat_ws(' ', count(*), min(n), max(n), count(author)) FROM %.notes"), "400 11 11 0");
        assert_eq!(ask("SELECT string_agg(mood::text, ' ') FROM %.moods"), "bad");
        assert_eq!(ask("SELECT count(*)::text FROM %.filled"), "5");
        assert_eq!(ask("SELECT count(*)::text FROM pg_inherits WHERE inhparent = '%.events'::regclass"), "0");
        assert_eq!(
            ask("SELECT string_agg(concat_ws(' ', relname, indisvalid), ', ' ORDER BY relname) \
                 FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = '%.notes'::regclass"),
            "notes_n t, notes_n_id_idx t, notes_pkey t"
        );
        assert_eq!(
            ask("SELECT string_agg(version::text, ' ' ORDER BY version) FROM %.refinery_schema_history"),
            "1 2 3"
        );
    }
}

#[test]
fn every_statement_outside_a_transaction_is_run_once_whatever_kill_9_interrupts() {
    let server = Server::throwaway().unwrap();
    let mut admin = Client::connect(&server.url("postgres"), NoTls).unwrap();
    admin.batch_execute("CREATE DATABASE fleet").unwrap();
    let fleet = Database::from_url(&server.url("fleet")).unwrap();
    assert!(small(&[BEFORE]).run_with(&fleet, &RunOptions::new().create(names(TENANTS))).unwrap().is_success());
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        let name = format!("fresh_{number}");
        // The session that created the template may not have ended yet.
        let begun = Instant::now();
        while let Err(error) = admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE fleet")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        server.url(&name)
    };
    let undisturbed = {
        let url = fresh();
        let begun = Instant::now();
        assert!(start(&url).wait().unwrap().success());
        assert_once(&mut Client::connect(&url, NoTls).unwrap());
        begun.elapsed()
    };
    let (mut dice, mut moments) = (Dice::new(), Moments::before(undisturbed, rounds(4)));
    let mut marked = 0;
    while let Some(moment) = moments.next(&mut dice) {
        let url = fresh();
        let mut client = Client::connect(&url, NoTls).unwrap();
        let mut runner = start(&url);
        std::thread::sleep(moment);
        let was_running = runner.try_wait().unwrap().is_none();
        runner.kill().unwrap();
        runner.wait().unwrap();
        let in_flight = "SELECT count(*) FROM migrations.tenants WHERE in_flight_version IS NOT NULL";
        let in_flight: i64 = client.query_one(in_flight, &[]).unwrap().get(0);
        // Before the first unit and after the last, nothing can be observed.
        if was_running && in_flight == 0 {
            moments.miss();
        } else {
            moments.count(was_running);
        }
        marked += in_flight;

        // At once: the statement that the dead runner sent may still be running.
        let database = Database::from_url(&url).unwrap();
        let rerun = migrator().run(&database).unwrap();
        assert!(rerun.is_success(), "{:?}", rerun.failures);
        assert_once(&mut client);
        assert!(migrator().run(&database).unwrap().is_unchanged());
    }
    eprintln!("{} interrupted, {marked} tenants in the middle of a migration", moments.hit());
}
