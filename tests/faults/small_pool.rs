//! A pooler in transaction mode with fewer connections than there are workers, or one that keeps no session settings.

use std::time::{Duration, Instant};

use migrations_core::Database;
use migrations_testing::TestDatabase;

use crate::pgbouncer::PgBouncer;
use crate::runner::up;
use crate::site::{NOTES, Site, name, small};

fn skipped() {
    eprintln!("SKIPPED: PgBouncer is not installed (Debian: apt-get install pgbouncer)");
}

/// Half of eight workers would each hold one of the four connections and wait for a second one.
#[test]
fn eight_workers_over_a_pooler_of_four_get_on() {
    let site = Site::new(20);
    // The pooler's own timeout is far away: only the run itself can resolve the wait.
    let settings = "default_pool_size = 4\nquery_wait_timeout = 600";
    let Some(pooler) = PgBouncer::start(&site.server(), settings) else { return skipped() };
    let copy = site.copy();
    let start = Instant::now();
    let ran = up(&pooler.url(copy.name()), &["--jobs", "8"]).finish();
    assert!(ran.code == Some(0), "{}{}\n{}", ran.stdout, ran.stderr, pooler.log());
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    copy.assert_whole();
}

/// A tenant needs two connections. While another client holds all but one of them, the run says what it waits for.
#[test]
fn a_wait_for_a_connection_of_the_pooler_is_told() {
    let site = Site::new(2);
    let settings = "default_pool_size = 2\nquery_wait_timeout = 600";
    let Some(pooler) = PgBouncer::start(&site.server(), settings) else { return skipped() };
    let copy = site.copy();
    let mut other = postgres::Client::connect(&pooler.url(copy.name()), postgres::NoTls).unwrap();
    other.batch_execute("BEGIN; SELECT 1").unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    let migrator = migrate::migrator().unwrap().jobs(1).on_event(move |event| {
        if let migrations_core::Event::Warning { text } = event {
            let _ = sender.send((*text).to_owned());
        }
    });
    let database = Database::from_url(&pooler.url(copy.name())).unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| migrator.run(&database).unwrap());
        let told = told.recv_timeout(Duration::from_secs(20));
        other.batch_execute("ROLLBACK").unwrap();
        assert!(run.join().unwrap().is_success());
        assert!(told.expect("nothing was told").contains("pooler"));
    });
    copy.assert_whole();
}

const NORM: (&str, &str) = (
    "V2__norm",
    "CREATE FUNCTION norm(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT pg_catalog.upper(t) $$",
);
const PLAIN: (&str, &str) = (
    "V3__plain",
    "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY plain_idx ON notes (id, lower(body) DESC) WHERE body IS NOT NULL",
);
const PATH: (&str, &str) =
    ("V4__path", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY norm_idx ON notes (norm(body))");
const CALL: (&str, &str) = ("V4__call", "-- migrate: no-transaction idempotent\nCALL anything()");

#[test]
fn what_needs_a_search_path_is_refused_behind_a_pooler_with_the_way_out_and_the_rest_works() {
    let site = Site::new(1);
    let Some(pooler) = PgBouncer::start(&site.server(), "default_pool_size = 4") else { return skipped() };
    site.client("postgres").batch_execute("CREATE DATABASE small").unwrap();
    let direct = Database::from_url(&site.server().url("small")).unwrap();
    let behind = Database::from_url(&pooler.url("small")).unwrap();
    small(&[NOTES, NORM]).get_or_create_tenant(&direct, &name("acme")).unwrap();
    let report = small(&[NOTES, NORM, PLAIN]).run(&behind).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    for refused in [PATH, CALL] {
        let report = small(&[NOTES, NORM, PLAIN, refused]).run(&behind).unwrap();
        let text = report.failures[0].to_string();
        assert!(text.contains("pooler") && text.contains("DATABASE_URL"), "{text}");
    }
    let report = small(&[NOTES, NORM, PLAIN, PATH]).run(&direct).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
}

#[test]
fn a_server_that_is_asked_directly_is_not_taken_for_a_pooler() {
    let test = TestDatabase::new().unwrap();
    small(&[NOTES, NORM]).get_or_create_tenant(test.database(), &name("acme")).unwrap();
    // A session's own options are kept.
    let mut config = test.database().config().clone();
    config.options("-c work_mem=1MB -c search_path=pg_catalog");
    let database = Database::from_config(config).unwrap();
    let report = small(&[NOTES, NORM, PLAIN, PATH]).run(&database).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
}
