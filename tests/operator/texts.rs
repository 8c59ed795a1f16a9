//! Messages appear once, and are true.

use crate::site::Site;

/// One tenant that fails, and one without a problem.
fn site_with_a_failure() -> Site {
    let site = Site::with_tenants(&["acme"]);
    site.execute("CREATE SCHEMA bad; CREATE TABLE bad.suppliers (id bigint)");
    site.run(&["tenant", "baseline", "bad", "--adopt", "--at", "none"]).succeeded();
    site
}

#[test]
fn a_failure_is_told_once_however_much_is_logged() {
    for verbosity in ["-q", "-v", "-vv"] {
        let ran = site_with_a_failure().run(&["up", verbosity]);
        let told = ran.stderr.matches("relation \"suppliers\" already exists").count();
        assert_eq!((ran.code, told), (Some(1), 1), "{verbosity}: {}", ran.stderr);
    }
}

#[test]
fn what_refinery_says_while_it_compares_is_not_logged() {
    let site = site_with_a_failure();
    for (variable, level) in [("RUST_LOG", "info"), ("RUST_LOG", "debug"), ("NOTHING", "")] {
        let mut command = site.command(&["status", "--verify", "-vv"]);
        let ran = crate::site::Ran::new(command.env(variable, level).output().unwrap()).succeeded();
        assert!(!ran.stderr.contains("applying migration"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("going to apply"), "{}", ran.stderr);
    }
}

#[test]
fn an_old_error_of_a_tenant_that_is_current_is_no_problem() {
    let site = Site::with_tenants(&["acme"]);
    site.execute("UPDATE migrations.tenants SET last_error = 'it was full'");
    let ran = site.run(&["status"]).succeeded();
    assert!(!ran.stdout.contains("failed"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("1 tenant: 1 current; nothing is pending\n"), "{}", ran.stdout);
}

#[test]
fn a_retry_names_its_tenant() {
    let site = Site::with_tenants(&[]);
    let mut other = site.test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let ran = site.run(&["up", "--create", "acme", "--lock-timeout", "10ms"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("tenant acme: canceling statement due to lock timeout; retry 1 of 5"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_dry_run_shows_a_tenant_once() {
    let ran = Site::new().run(&["up", "--dry-run", "--create", "acme", "--create", "acme"]).succeeded();
    assert_eq!(ran.stdout.matches("-- tenant acme: ").count(), 1, "{}", ran.stdout);
}

#[test]
fn what_was_done_before_an_error_is_shown_in_front_of_it() {
    // The run migrates the shared set before it finds that the tenant is not registered.
    let site = Site::new();
    let ran = site.run(&["up", "--tenant", "nobody"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("shared   6 applied, at version 6"), "{}", ran.stdout);
    assert!(ran.stderr.contains("error: tenant nobody is not registered"), "{}", ran.stderr);
}

#[test]
fn a_migration_that_others_have_is_not_to_be_edited() {
    let site = Site::with_tenants(&["acme"]);
    // The table that an early migration needs no longer exists.
    site.execute("ALTER TABLE currencies RENAME TO old_currencies");
    let ran = site.run(&["tenant", "create", "globex"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is applied to other tenants"), "{}", ran.stderr);
    assert!(ran.stderr.contains("new migration"), "{}", ran.stderr);
}
