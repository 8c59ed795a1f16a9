//! Sign-ups while the other tenants, or the shared schema, do not have the binary's migrations.

use std::time::Duration;

use migrations_core::{Error, Migrator};
use migrations_testing::TestDatabase;

use crate::proxy::Proxy;
use crate::site::{AUTHOR, NOTES, PLANS, TAGS, column, execute, migrator, name, number, of};

const EDITED: (&str, &str) = ("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, title text)");

fn with_tenants(migrator: &Migrator, tenants: &[&str]) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    for tenant in tenants {
        migrator.get_or_create_tenant(test.database(), &name(tenant)).unwrap();
    }
    test
}

#[test]
fn a_sign_up_does_not_create_a_tenant_that_is_like_none_of_the_others() {
    let test = with_tenants(&migrator(&[NOTES, AUTHOR]), &["acme", "globex"]);
    let edited = migrator(&[EDITED, AUTHOR]);
    let error = edited.get_or_create_tenant(test.database(), &name("initech")).unwrap_err();
    assert!(matches!(error, Error::FleetDiverged { diverged: 2, of: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("(2 of the last 2 differ, for instance globex)"), "{error}");
    assert_eq!(column(&test, "SELECT schema_name::text FROM migrations.tenants ORDER BY id"), ["acme", "globex"]);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'initech'"), 0);

    let (tenant, created) =
        edited.clone().allow_divergence().get_or_create_tenant(test.database(), &name("initech")).unwrap();
    assert!(created && tenant.version == Some(2));
    // One tenant with the binary's migrations does not outweigh the others; a tenant that exists is found all the same.
    assert!(matches!(edited.get_or_create_tenant(test.database(), &name("other")), Err(Error::FleetDiverged { .. })));
    assert!(!edited.get_or_create_tenant(test.database(), &name("initech")).unwrap().1);
}

#[test]
fn a_spare_is_not_handed_out_either() {
    let test = with_tenants(&migrator(&[NOTES, AUTHOR]), &["acme", "globex"]);
    let edited = migrator(&[EDITED, AUTHOR]);
    edited.fill_pool(test.database(), 2).unwrap();
    assert!(matches!(edited.get_or_create_tenant(test.database(), &name("other")), Err(Error::FleetDiverged { .. })));
    assert_eq!(edited.pool(test.database()).unwrap().ready, 2);
    assert!(edited.clone().allow_divergence().get_or_create_tenant(test.database(), &name("other")).unwrap().1);
    assert_eq!(edited.pool(test.database()).unwrap().ready, 1);
}

#[test]
fn a_minority_tenants_that_are_behind_and_those_of_a_newer_binary_stop_no_sign_up() {
    let both = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&both, &["acme", "globex", "initech"]);
    execute(
        &test,
        "UPDATE acme.refinery_schema_history SET checksum = '7' WHERE version = 2;
         UPDATE migrations.tenants SET digest = 7 WHERE schema_name = 'acme'",
    );
    assert!(both.get_or_create_tenant(test.database(), &name("one")).unwrap().1);
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    assert!(both.get_or_create_tenant(test.database(), &name("behind")).unwrap().1);
    let newer = with_tenants(&migrator(&[NOTES, AUTHOR, TAGS]), &["acme", "globex"]);
    assert!(both.get_or_create_tenant(newer.database(), &name("older")).unwrap().1, "a rolling deployment");
}

#[test]
fn a_shared_schema_that_differs_stops_sign_ups_unless_that_is_allowed() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let edited = of(&[("V1__plans", "CREATE TABLE plans (code int PRIMARY KEY)")], &[NOTES]);
    let error = edited.get_or_create_tenant(test.database(), &name("globex")).unwrap_err();
    assert!(error.to_string().contains("V1__plans was changed after it had been applied"), "{error}");
    let allowed = edited.clone().allow_divergence();
    assert!(allowed.get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
    assert!(allowed.run(test.database()).is_err(), "a run does not become tolerant");
    assert!(!of(&[PLANS], &[NOTES]).get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
}

#[test]
fn looking_at_the_others_costs_a_sign_up_no_round_trip() {
    let migrator = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    migrator.fill_pool(test.database(), 2).unwrap();
    let proxy = Proxy::start(test.database(), Duration::ZERO);
    let sign_up = |migrator: &Migrator, tenant: &str| {
        let before = proxy.round_trips();
        assert!(migrator.get_or_create_tenant(&proxy.database(), &name(tenant)).unwrap().1);
        proxy.round_trips() - before
    };
    let careless = migrator.clone().allow_divergence();
    // First from the pool, then without one.
    for pair in [["a", "b"], ["c", "d"]] {
        assert_eq!(sign_up(&careless, pair[0]), sign_up(&migrator, pair[1]));
    }
    assert_eq!(migrator.pool(test.database()).unwrap().ready, 0);
}
