//! Whole runs over TLS.

use migrations_core::{Database, Error, Interrupt, MigrationSet, Migrator, RunOptions, TenantName};

use crate::site::{Site, TLS_ONLY, wait_until};

fn names(count: usize) -> Vec<TenantName> {
    (0..count).map(|number| format!("tenant_{number}").parse().unwrap()).collect()
}

const NOTES: (&str, &str) = ("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, body text)");
const INDEX: (&str, &str) =
    ("V2__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_body ON notes (body)");
const SLOW: (&str, &str) = ("V3__slow", "SELECT pg_sleep(60)");

fn migrator(tenant: &[(&str, &str)]) -> Migrator {
    let tenant = tenant.iter().fold(MigrationSet::new("tenant").unwrap(), |set, (name, sql)| {
        set.with_migration(name, || (*sql).to_owned()).unwrap()
    });
    let plans = || "CREATE TABLE plans (code text PRIMARY KEY)".to_owned();
    let shared = MigrationSet::new("shared").unwrap().with_migration("V1__plans", plans).unwrap();
    Migrator::new(shared, tenant).jobs(3)
}

/// Waits until a statement sleeps.
pub(crate) fn wait_for_sleep(site: &Site) {
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the statement runs", || site.count(asleep) > 0);
}

/// Tenants, a second connection for an index, a sign-up, a run that finds nothing, and an interrupt.
pub(crate) fn whole_run(site: &Site, database: &Database) {
    let in_clear = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                    WHERE client_addr IS NOT NULL AND usename IS NOT NULL AND NOT ssl";
    let report = migrator(&[NOTES]).run_with(database, &RunOptions::new().create(names(8))).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    let newer = migrator(&[NOTES, INDEX]);
    let report = newer.run(database).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(site.count("SELECT count(*) FROM pg_indexes WHERE indexname = 'notes_body'"), 8);
    let (_, is_new) = newer.get_or_create_tenant(database, &"signed_up".parse().unwrap()).unwrap();
    assert!(is_new);
    assert!(!newer.is_pending(database).unwrap());

    let interrupt = Interrupt::new();
    let slow = migrator(&[NOTES, INDEX, SLOW]).interrupted_by(&interrupt);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| slow.run(database));
        wait_for_sleep(site);
        let in_clear = site.count(in_clear);
        interrupt.raise();
        let error = run.join().unwrap().expect_err("it is interrupted");
        assert_eq!(in_clear, 0, "sessions without TLS");
        assert!(matches!(Error::from(error), Error::Interrupted));
    });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the statements are cancelled", || site.count(asleep) == 0);
}

#[test]
fn a_run_over_tls_that_checks_everything_is_a_run() {
    let site = Site::new(TLS_ONLY);
    whole_run(&site, &site.database(&site.verified()));
}

#[test]
fn a_run_with_a_client_certificate_is_a_run() {
    let site = Site::new("hostssl all all 127.0.0.1/32 cert\n");
    let issued = site.authority.client("app");
    let (certificate, key) = (site.file("app.crt", &issued.certificate), site.file("app.key", &issued.key));
    let with = format!("{}&sslcert={}&sslkey={}", site.verified(), certificate.display(), key.display());
    whole_run(&site, &Database::from_url(&site.url_of("app", &with)).unwrap());
}

/// The first way is refused, and the cancellation has to take the second one, too.
#[test]
fn an_interrupt_takes_the_way_that_its_connection_took() {
    for (hba, mode) in [(TLS_ONLY, "allow"), ("hostnossl all all 127.0.0.1/32 scram-sha-256\n", "prefer")] {
        let site = Site::new(hba);
        let interrupt = Interrupt::new();
        let slow = migrator(&[SLOW]).interrupted_by(&interrupt);
        let database = site.database(&format!("sslmode={mode}"));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| slow.run_with(&database, &RunOptions::new().create(names(1))));
            wait_for_sleep(&site);
            interrupt.raise();
            assert!(run.join().unwrap().is_err(), "{mode}");
        });
    }
}

#[test]
fn an_interrupt_needs_no_file_that_has_gone_since_its_connection_was_opened() {
    let site = Site::new("hostssl all all 127.0.0.1/32 cert\n");
    let issued = site.authority.client("app");
    let (certificate, key) = (site.file("app.crt", &issued.certificate), site.file("app.key", &issued.key));
    let with = format!("{}&sslcert={}&sslkey={}", site.verified(), certificate.display(), key.display());
    let database = Database::from_url(&site.url_of("app", &with)).unwrap();
    let interrupt = Interrupt::new();
    let slow = migrator(&[SLOW]).jobs(1).interrupted_by(&interrupt);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| slow.run_with(&database, &RunOptions::new().create(names(1))));
        wait_for_sleep(&site);
        for file in [&certificate, &key, &site.root()] {
            std::fs::remove_file(file).unwrap();
        }
        interrupt.raise();
        let started = std::time::Instant::now();
        assert!(run.join().unwrap().is_err());
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    });
}
