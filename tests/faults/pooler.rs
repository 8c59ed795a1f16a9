//! PgBouncer in transaction mode: every transaction may get another session, and finds there what an earlier one has
//! left.

use migrations_core::{Database, RunOptions};
use postgres::{Client, NoTls};

use crate::pgbouncer::PgBouncer;
use crate::runner::up;
use crate::site::{APPLIED, NOTES, Site, first, name, small};

/// The pooler before the site's server; `None`, with a message, if PgBouncer is not installed.
fn pooler(site: &Site, settings: &str) -> Option<PgBouncer> {
    let pooler = PgBouncer::start(&site.server(), settings);
    if pooler.is_none() {
        eprintln!("SKIPPED: PgBouncer is not installed (Debian: apt-get install pgbouncer)");
    }
    pooler
}

/// Problems of the pooler's sessions: it holds them all at once, and asks each what was left in it.
fn leftovers(site: &Site, pooler: &PgBouncer, database: &str) -> Vec<String> {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'";
    let count: i64 = site.client("postgres").query_one(sessions, &[&database]).unwrap().get(0);
    assert!(count > 0, "the pooler has no session left to look at");
    let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(&pooler.url(database), NoTls).unwrap()).collect();
    for client in &mut clients {
        client.batch_execute("BEGIN").unwrap();
    }
    let mut found = Vec::new();
    for client in &mut clients {
        // A setting that was reset and then set for a transaction keeps `session` as its source, with its old value. A
        // transaction sets its own isolation. The settings that the pooler itself makes for its clients are not ours.
        let question = "SELECT 'setting ' || name || ' = ' || setting FROM pg_settings \
                        WHERE source = 'session' AND setting IS DISTINCT FROM reset_val AND name NOT IN ('transaction_isolation', 'application_name', 'client_encoding', 'DateStyle', \
                              'TimeZone', 'standard_conforming_strings', 'IntervalStyle') \
                        UNION ALL SELECT 'search_path = ' || current_setting('search_path') \
                              WHERE current_setting('search_path') <> '\"$user\", public' \
                        UNION ALL SELECT 'lock ' || locktype FROM pg_locks \
                              WHERE pid = pg_backend_pid() AND locktype = 'advisory' \
                        UNION ALL SELECT 'prepared ' || statement FROM pg_prepared_statements WHERE NOT from_sql \
                              AND statement NOT LIKE '%pg_prepared_statements%' \
                        UNION ALL SELECT 'role ' || current_user WHERE current_user <> 'postgres'";
        for message in client.simple_query(question).unwrap() {
            if let postgres::SimpleQueryMessage::Row(row) = message {
                found.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
    }
    let locks = "SELECT 'advisory lock of ' || pid FROM pg_locks WHERE locktype = 'advisory'";
    found.extend(site.client(database).query(locks, &[]).unwrap().iter().map(|row| row.get::<_, String>(0)));
    found
}

#[test]
fn the_whole_job_works_through_a_pooler_and_leaves_nothing_in_its_sessions() {
    let site = Site::new(12);
    let Some(pooler) = pooler(&site, "default_pool_size = 20") else { return };
    // From an empty database.
    site.client("postgres").batch_execute("CREATE DATABASE empty").unwrap();
    let created = up(&pooler.url("empty"), &["--create", "acme", "--create", "globex", "--create", "initech"]).finish();
    assert_eq!(created.succeeded()["tenants"]["created"], 3);

    // Eight sign-ups at once, of the same tenant and of others.
    let database = Database::from_url(&pooler.url("empty")).unwrap();
    let migrator = migrate::migrator().unwrap();
    let made: usize = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|number| {
                let name = name(if number < 4 { "hooli" } else { "umbrella" });
                let (migrator, database) = (&migrator, &database);
                scope.spawn(move || usize::from(migrator.get_or_create_tenant(database, &name).unwrap().1))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).sum()
    });
    assert_eq!(made, 2);
    assert_eq!(leftovers(&site, &pooler, "empty"), [""; 0]);

    // A fleet that is behind, with an index that is built concurrently, by two runners with four workers each.
    let copy = site.copy();
    let url = pooler.url(copy.name());
    let runners = [up(&url, &[]), up(&url, &[])];
    let migrated: u64 =
        runners.into_iter().map(|run| run.finish().succeeded()["tenants"]["migrated"].as_u64().unwrap()).sum();
    assert_eq!(migrated, 12);
    assert_eq!(leftovers(&site, &pooler, copy.name()), [""; 0]);
    copy.assert_whole();

    // The check must also be able to fail.
    let mut client = Client::connect(&pooler.url(copy.name()), NoTls).unwrap();
    client.batch_execute("SET search_path = tenant_01; SELECT pg_advisory_lock(1)").unwrap();
    let found = leftovers(&site, &pooler, copy.name());
    assert!(found.iter().any(|text| text.contains("tenant_01")), "{found:?}");
    assert!(found.iter().any(|text| text.contains("lock")), "{found:?}");
}

#[test]
fn an_older_fleet_made_through_a_pooler_is_upgraded_through_it() {
    let site = Site::new(1);
    let Some(pooler) = pooler(&site, "default_pool_size = 20") else { return };
    let copy = site.copy();
    let database = Database::from_url(&pooler.url(copy.name())).unwrap();
    let older = first(APPLIED);
    let report = older.run_with(&database, &RunOptions::new().create(["acme", "globex"].map(name))).unwrap();
    assert_eq!(report.tenants.created, 2);
    up(&pooler.url(copy.name()), &[]).finish().succeeded();
    copy.assert_whole();
}

/// A worker that builds an index concurrently needs two sessions and keeps the first: not all workers may do so at
/// once.
#[test]
fn a_pool_that_is_smaller_than_the_work_slows_it_down_and_does_not_stop_it() {
    let site = Site::new(12);
    let Some(pooler) = pooler(&site, "default_pool_size = 4\nquery_wait_timeout = 15") else { return };
    let copy = site.copy();
    let ran = up(&pooler.url(copy.name()), &[]).finish();
    assert!(ran.code == Some(0), "{}{}\n{}", ran.stdout, ran.stderr, pooler.log());
    copy.assert_whole();
}

#[test]
fn units_are_done_once_through_a_pooler_and_what_needs_a_session_is_refused() {
    let site = Site::new(1);
    let Some(pooler) = pooler(&site, "default_pool_size = 20") else { return };
    site.client("postgres").batch_execute("CREATE DATABASE units").unwrap();
    let database = Database::from_url(&pooler.url("units")).unwrap();
    let units = "-- migrate: no-transaction
        SET timezone = 'Asia/Tokyo';
        INSERT INTO notes VALUES (1, current_setting('timezone'));
        ALTER TABLE notes ADD COLUMN author text;
        BEGIN; UPDATE notes SET author = 'a'; INSERT INTO notes VALUES (2); COMMIT;
        CREATE TEMP TABLE picked AS SELECT 2 AS id; DELETE FROM notes USING picked WHERE notes.id = picked.id;";
    let index = "-- migrate: no-transaction
        CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_body ON notes (body);
        CREATE INDEX CONCURRENTLY ON notes (author);
        VACUUM notes;";
    let set = [NOTES, ("V2__units", units), ("V3__index", index)];
    let names = || ["acme", "globex"].map(name);
    assert!(small(&[NOTES]).run_with(&database, &RunOptions::new().create(names())).unwrap().is_success());
    let report = small(&set).run(&database).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    let mut client = site.client("units");
    for tenant in names() {
        let row = client.query_one(&format!("SELECT concat_ws(' ', id, body, author) FROM {tenant}.notes"), &[]);
        assert_eq!(row.unwrap().get::<_, &str>(0), "1 Asia/Tokyo a");
        let indexes =
            format!("SELECT count(*) FROM pg_index WHERE indrelid = '{tenant}.notes'::regclass AND indisvalid");
        assert_eq!(client.query_one(&indexes, &[]).unwrap().get::<_, i64>(0), 3);
    }
    assert!(small(&set).run(&database).unwrap().is_unchanged());
    assert_eq!(leftovers(&site, &pooler, "units"), [""; 0]);

    let setting = "-- migrate: no-transaction\nSET work_mem = '1MB';\nREINDEX TABLE CONCURRENTLY notes;";
    let newer = small(&[&set[..], &[("V4__setting", setting)]].concat());
    let failure = newer.run(&database).unwrap().failures.remove(0).to_string();
    assert!(failure.contains("V4__setting:3:1") && failure.contains("DATABASE_URL"), "{failure}");
    let direct = Database::from_url(&site.server().url("units")).unwrap();
    assert!(newer.run(&direct).unwrap().is_success());
}
