//! The axum example and an async test over TLS with `sslmode=verify-full`: the URL is all that differs.

use std::process::Command;

use migrations_testing::TestDatabase;

use crate::authority::Authority;
use crate::service::{Service, answer, send};
use crate::site::{columns, name};
use crate::tls_site::{Site, TLS_ONLY, wait_until};

/// The framework's sessions, those with TLS or those without.
fn sessions(site: &Site, with_tls: bool) -> i64 {
    site.count(&format!(
        "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
         WHERE application_name = 'migrate' AND ssl = {with_tls}"
    ))
}

#[test]
fn a_service_with_verify_full_migrates_signs_up_and_ends_by_sigterm() {
    let site = Site::new(TLS_ONLY);
    let mut service = Service::start(&site.url(&site.verified()));
    let address = service.address();
    for (tenant, status) in [("acme", "201 Created"), ("acme", "200 OK")] {
        let answer = answer(send(&address, tenant));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants WHERE schema_name = 'acme'"), 1);
    wait_until("it keeps one connection", || sessions(&site, true) == 1);
    assert_eq!(sessions(&site, false), 0);
    service.terminate();
    let (code, rest) = service.finish();
    assert!(code == Some(0) && rest.contains("stopped"), "{code:?} {rest}");
    wait_until("its session ends", || sessions(&site, true) == 0);
}

#[test]
fn a_service_does_not_start_on_a_server_that_another_authority_certified() {
    let site = Site::new(TLS_ONLY);
    let other = site.file("other.crt", &Authority::new("another root").root);
    let service = Service::start(&site.url(&format!("sslmode=verify-full&sslrootcert={}", other.display())));
    let (code, told) = service.finish();
    assert!(code == Some(101) && !told.contains("listening"), "{code:?} {told}");
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"), 0);
}

/// The next test runs this in a process of its own.
#[tokio::test]
#[ignore = "a process for another test, not a test"]
async fn guest_fails() {
    let test = TestDatabase::migrated(&columns(1), &["acme"]).unwrap();
    let database = test.database().clone().keep_connection();
    let migrator = columns(2).into_async();
    let report = migrator.run(&database).await.unwrap();
    let (tenant, _) = migrator.get_or_create_tenant(&database, &name("globex")).await.unwrap();
    panic!("on purpose, with {} migrated and {} in {}", report.tenants.migrated, tenant.name, test.name());
}

#[test]
fn an_async_test_with_verify_full_that_fails_is_one_failed_test_and_leaves_no_database() {
    let site = Site::new(TLS_ONLY);
    let mut guest = Command::new(std::env::current_exe().unwrap());
    guest.args(["--exact", "verified::guest_fails", "--ignored"]).env_remove("RUST_BACKTRACE");
    let output = guest.env("DATABASE_URL", site.url(&site.verified())).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{told}");
    assert!(told.contains("on purpose, with 1 migrated and globex in test_"), "{told}");
    assert!(told.contains("0 passed; 1 failed") && told.matches("panicked at").count() == 1, "{told}");
    assert_eq!(site.count("SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'"), 0);
}
