//! Changes that bypass the registry are noticed, and a schema is migrated from what it really holds.

use std::process::{Command, Stdio};

use migrations_core::{Migrator, State, Status};

use crate::runner::up;
use crate::site::{Copy, Site, name};
use crate::standby::program;

/// The tenant's state in the registry.
fn state(migrator: &Migrator, copy: &Copy<'_>, tenant: &str) -> (State, Option<i64>, Option<String>) {
    of(migrator.status(&copy.database()).unwrap(), tenant)
}

/// The tenant's state in its history.
fn verified(migrator: &Migrator, copy: &Copy<'_>, tenant: &str) -> (State, Option<i64>, Option<String>) {
    of(migrator.verify(&copy.database()).unwrap(), tenant)
}

fn of(status: Status, tenant: &str) -> (State, Option<i64>, Option<String>) {
    let tenant = status.tenants.into_iter().find(|status| status.name == name(tenant)).unwrap();
    (tenant.schema.state, tenant.schema.version, tenant.schema.problem)
}

/// A copy that is up to date, with its migrator.
fn current(site: &Site) -> (Copy<'_>, Migrator) {
    let copy = site.copy();
    up(&copy.url(), &[]).finish().succeeded();
    let migrator = migrate::migrator().unwrap();
    assert!(!migrator.is_pending(&copy.database()).unwrap());
    (copy, migrator)
}

#[test]
fn a_dropped_schema_is_reported_and_the_others_go_on() {
    let site = Site::new(3);
    let copy = site.copy();
    copy.execute("DROP SCHEMA tenant_01 CASCADE");
    let migrator = migrate::migrator().unwrap();
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Missing);

    let ran = up(&copy.url(), &[]).finish();

    assert_eq!(ran.code, Some(1));
    let report = ran.json();
    assert_eq!((&report["tenants"]["migrated"], &report["tenants"]["failed"]), (&2.into(), &1.into()));
    assert!(ran.stdout.contains("tenant forget"), "{}", ran.stdout);
    // Forgotten, and created again.
    migrator.forget_tenant(&copy.database(), &name("tenant_01")).unwrap();
    assert!(migrator.get_or_create_tenant(&copy.database(), &name("tenant_01")).unwrap().1);
    copy.assert_whole();
}

#[test]
fn a_schema_that_was_emptied_by_hand_is_migrated_from_nothing() {
    let site = Site::new(2);
    let (copy, migrator) = current(&site);
    copy.execute("DROP SCHEMA tenant_01 CASCADE; CREATE SCHEMA tenant_01");
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Behind);
    copy.rerun_makes_it_whole();
}

#[test]
fn a_renamed_schema_is_reported_and_taken_up_again_when_it_is_back() {
    let site = Site::new(2);
    let (copy, migrator) = current(&site);
    copy.execute("ALTER SCHEMA tenant_01 RENAME TO elsewhere");
    let (found, _, problem) = state(&migrator, &copy, "tenant_01");
    assert_eq!(found, State::Missing);
    assert!(problem.unwrap().contains("renamed behind the registry's back"));
    assert_eq!(up(&copy.url(), &[]).finish().code, Some(1));
    copy.execute("ALTER SCHEMA elsewhere RENAME TO tenant_01");
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Current);
    copy.rerun_makes_it_whole();
}

#[test]
fn two_schemas_that_changed_their_names_are_each_migrated_from_what_they_hold() {
    let site = Site::new(2);
    let copy = site.copy();
    up(&copy.url(), &["--tenant", "tenant_00"]).finish().succeeded();
    copy.execute(
        "ALTER SCHEMA tenant_00 RENAME TO elsewhere; ALTER SCHEMA tenant_01 RENAME TO tenant_00; \
         ALTER SCHEMA elsewhere RENAME TO tenant_01",
    );
    let migrator = migrate::migrator().unwrap();
    assert_eq!(state(&migrator, &copy, "tenant_00").0, State::Behind);
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Current);
    copy.rerun_makes_it_whole();
}

/// Runs a program of the server's own release; `None` where it is not installed.
fn client_program(site: &Site, name: &str, arguments: &[&str]) -> Option<()> {
    let program = program(name, site.server().version())?;
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "{name} {arguments:?}");
    Some(())
}

#[test]
fn a_schema_that_was_restored_from_an_earlier_dump_is_migrated_from_what_it_really_holds() {
    let site = Site::new(3);
    let copy = site.copy();
    let dump = tempfile::NamedTempFile::new().unwrap();
    let (url, file) = (copy.url(), dump.path().to_str().unwrap());
    let Some(()) = client_program(&site, "pg_dump", &["-n", "tenant_01", "-f", file, &url]) else { return };
    up(&url, &[]).finish().succeeded();
    let migrator = migrate::migrator().unwrap();
    copy.execute("DROP SCHEMA tenant_01 CASCADE");
    client_program(&site, "psql", &["-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", file, &url]).unwrap();

    assert!(migrator.is_pending(&copy.database()).unwrap(), "the plan notices");
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Behind);
    let report = up(&url, &[]).finish().succeeded();
    assert_eq!(report["tenants"]["migrated"], 1);
    copy.rerun_makes_it_whole();
}

const WRONG_CHECKSUM: &str = "UPDATE tenant_01.refinery_schema_history SET checksum = '1' WHERE version = 3";

#[test]
fn a_hand_edited_history_is_reported_when_it_is_read_and_nothing_is_done_to_it() {
    let site = Site::new(2);
    let (copy, migrator) = current(&site);
    copy.execute(WRONG_CHECKSUM);
    let (found, _, problem) = verified(&migrator, &copy, "tenant_01");
    assert_eq!(found, State::Diverged);
    assert!(problem.unwrap().contains("with checksum 1, the binary has checksum"));
    for _ in 0..2 {
        let ran = up(&copy.url(), &["--verify"]).finish();
        assert_eq!((ran.code, &ran.json()["tenants"]["failed"]), (Some(1), &1.into()));
    }
    // The run remembers what it has read.
    assert_eq!(state(&migrator, &copy, "tenant_01").0, State::Diverged);
    // Repaired by hand, from a schema that is intact.
    copy.execute(
        "UPDATE tenant_01.refinery_schema_history h SET checksum = g.checksum \
         FROM tenant_00.refinery_schema_history g WHERE g.version = h.version",
    );
    copy.rerun_makes_it_whole();
}

#[test]
fn a_hand_edited_history_of_the_shared_set_is_reported_when_it_is_read() {
    let site = Site::new(1);
    let (copy, migrator) = current(&site);
    copy.execute("UPDATE public.refinery_schema_history SET checksum = '1' WHERE version = 3");
    assert_eq!(migrator.verify(&copy.database()).unwrap().shared.state, State::Diverged);
    let ran = up(&copy.url(), &["--verify"]).finish();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("with checksum 1, the binary has checksum"), "{}", ran.stdout);
}

#[test]
fn a_registry_row_with_a_digest_of_nothing_is_put_right_by_the_next_run() {
    let site = Site::new(2);
    for edit in ["digest = 4711", "digest = NULL", "digest = 4711, version = 3", "schema_oid = 1", "schema_oid = NULL"]
    {
        let (copy, migrator) = current(&site);
        copy.execute(&format!("UPDATE migrations.tenants SET {edit} WHERE schema_name = 'tenant_01'"));
        let (found, version, _) = state(&migrator, &copy, "tenant_01");
        assert_eq!((found, version), (State::Current, migrator.tenant_set().latest()), "{edit}");
        copy.rerun_makes_it_whole();
    }
}

#[test]
fn a_registry_row_that_claims_less_than_the_schema_holds_is_refused_by_the_server_and_put_right_by_the_history() {
    let site = Site::new(2);
    let (copy, migrator) = current(&site);
    // The state of a tenant that was not migrated, before the index and after it.
    let digests = site.client("fleet").query("SELECT digest FROM migrations.tenants LIMIT 1", &[]).unwrap();
    let digest: i64 = digests[0].get(0);
    let mut client = copy.client();
    let edit = "UPDATE migrations.tenants SET digest = $1 WHERE schema_name = 'tenant_01'";
    client.execute(edit, &[&digest]).unwrap();

    let ran = up(&copy.url(), &[]).finish();

    assert_eq!((ran.code, &ran.json()["tenants"]["failed"]), (Some(1), &1.into()));
    assert!(ran.stdout.contains("42P07"), "{}", ran.stdout);
    assert_eq!(verified(&migrator, &copy, "tenant_01").0, State::Current);
    up(&copy.url(), &["--verify"]).finish().succeeded();
    copy.rerun_makes_it_whole();
}

#[test]
fn a_registry_row_that_claims_more_than_the_schema_holds_is_reported_and_put_right_by_the_history() {
    let site = Site::new(2);
    let copy = site.copy();
    up(&copy.url(), &["--tenant", "tenant_00"]).finish().succeeded();
    copy.execute(
        "UPDATE migrations.tenants t SET digest = o.digest FROM migrations.tenants o WHERE o.schema_name = 'tenant_00'",
    );
    let migrator = migrate::migrator().unwrap();
    assert_eq!(verified(&migrator, &copy, "tenant_01").0, State::Behind);
    let report = up(&copy.url(), &["--verify"]).finish().succeeded();
    assert_eq!(report["tenants"]["migrated"], 1);
    copy.rerun_makes_it_whole();
}

#[test]
fn what_the_registry_says_of_itself_is_put_right_too() {
    let site = Site::new(1);
    for edit in
        ["digest = NULL", "digest = 4711", "schema_oid = NULL", "digest = NULL, schema_oid = NULL, version = NULL"]
    {
        for set in ["registry", "shared"] {
            let (copy, _) = current(&site);
            copy.execute(&format!("UPDATE migrations.sets SET {edit} WHERE name = '{set}'"));
            copy.rerun_makes_it_whole();
        }
    }
}
