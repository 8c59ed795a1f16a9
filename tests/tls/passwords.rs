//! Passwords that expire: the application is asked for every connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use migrations_core::{Database, Error, MigrationSet, Migrator, RunOptions, TenantName};
use migrations_embedded::Server;
use postgres::{Client, NoTls};

use crate::site::{PASSWORD, Site, TLS_ONLY};

fn names(count: usize) -> impl Iterator<Item = TenantName> {
    (0..count).map(|number| format!("tenant_{number}").parse().unwrap())
}

fn migrator(tenant: &[(&str, &str)]) -> Migrator {
    let tenant = tenant.iter().fold(MigrationSet::new("tenant").unwrap(), |set, (name, sql)| {
        set.with_migration(name, || (*sql).to_owned()).unwrap()
    });
    Migrator::new(MigrationSet::new("shared").unwrap(), tenant)
}

/// Gives the role `app` a new password for every connection; the one before is no longer valid then.
fn rotating(server: &Server, parameters: &str) -> (Database, Arc<AtomicUsize>) {
    let admin = server.url("postgres");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let serial = std::sync::Mutex::new(());
    let url = format!(
        "postgres://app:expired@localhost:{}/postgres?hostaddr=127.0.0.1&{parameters}",
        server.tcp_port().unwrap()
    );
    let database = Database::from_url(&url).unwrap().with_password(move || -> Result<String, postgres::Error> {
        let _serial = serial.lock().unwrap();
        let token = format!("Zq token {}", count.fetch_add(1, Ordering::SeqCst));
        Client::connect(&admin, NoTls)?.batch_execute(&format!("ALTER ROLE app PASSWORD '{token}'"))?;
        Ok(token)
    });
    (database, asked)
}

#[test]
fn every_connection_of_a_run_has_a_password_of_its_own() {
    let site = Site::new(TLS_ONLY);
    let (database, asked) = rotating(&site.server, &site.verified());
    let create = RunOptions::new().create(names(6));
    let notes = ("V1__notes", "CREATE TABLE notes (id bigint)");
    // One worker at a time opens a connection here: a token is replaced by the next one.
    let report = migrator(&[notes]).jobs(1).run_with(&database, &create).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one worker, one connection");

    // The first run of the migration ends its own session, so the connection is replaced.
    site.execute(
        "CREATE TABLE cut (n int); INSERT INTO cut VALUES (1);
         CREATE FUNCTION cut_off() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
           IF (SELECT n FROM public.cut) = 1 THEN PERFORM pg_sleep(60); END IF; END $$",
    );
    let newer = migrator(&[notes, ("V2__cut", "SELECT public.cut_off()")]);
    let is_cut = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.jobs(1).run(&database));
        crate::site::wait_until("the statement is cut off", || {
            let mut admin = site.admin();
            let asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'app'";
            let Some(row) = admin.query_opt(asleep, &[]).unwrap() else { return false };
            admin.batch_execute("UPDATE cut SET n = 0").unwrap();
            admin.execute("SELECT pg_terminate_backend($1)", &[&row.get::<_, i32>(0)]).unwrap();
            is_cut.fetch_add(1, Ordering::SeqCst);
            true
        });
        let report = run.join().unwrap().unwrap();
        assert!(report.is_success(), "{:?}", report.failures);
    });
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the connection of the second run was replaced");
}

#[test]
fn workers_ask_for_passwords_of_their_own() {
    let site = Site::new(TLS_ONLY);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let url = site.url_of("app:expired", &site.verified());
    let database = Database::from_url(&url).unwrap().with_password(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, io::Error>(crate::site::PASSWORD.to_owned())
    });
    // The tenants wait for each other, so that every worker opens its connection.
    let migration = ("V1__notes", "CREATE TABLE notes (id bigint)");
    let report = migrator(&[migration]).jobs(3).run_with(&database, &RunOptions::new().create(names(9))).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    let used = calls.load(Ordering::SeqCst);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    crate::site::wait_until("the sessions end", || site.count(sessions) == 0);
    assert!((2..=4).contains(&used), "{used} connections for three workers");
}

#[test]
fn an_error_instead_of_a_password_is_shown_after_the_wait() {
    let database = Database::from_url("postgres://app:Zq@localhost:1/app").unwrap();
    let database = database.with_password(|| Err::<String, _>(io::Error::other("the token service is down")));
    let error = database.wait(Duration::from_millis(300)).err().unwrap();
    assert!(matches!(error, Error::Connect(_)));
    insta::assert_snapshot!("no_password_from_the_application", error.to_string());
    let text = format!("{database:?} {error:?}");
    assert!(!text.contains("Zq"), "{text}");
}

#[test]
fn a_source_of_passwords_that_fails_for_a_moment_is_asked_again() {
    let site = Site::new(TLS_ONLY);
    let asked = AtomicUsize::new(0);
    let database = site.database("sslmode=require").with_password(move || match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Err(io::Error::other("the token service is down")),
        _ => Ok(PASSWORD.to_owned()),
    });
    database.wait(Duration::from_secs(30)).map(drop).unwrap();
}
