//! Registries of other versions: one that an older binary created, and an older binary that keeps running beside a
//! newer one.

use migrations_core::{Error, Migrator, RunOptions, State};
use migrations_testing::TestDatabase;

use crate::fixture::{AUTHOR, NOTES, column, execute, exists, migrator, name, number, with_tenants};

/// A database as an older binary leaves it: a tenant at each of two versions, two spares, a domain, a failure, a run.
fn made_by_an_older_binary() -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    execute(&test, include_str!("fixtures/registry_v1.sql"));
    test
}

fn both() -> Migrator {
    migrator(&[NOTES, AUTHOR])
}

#[test]
fn a_registry_that_an_older_binary_made_is_read_as_it_is_and_migrated_by_the_next_run() {
    let test = made_by_an_older_binary();
    let status = both().status(test.database()).unwrap();
    assert_eq!(status.registry.state, State::Behind);
    assert_eq!(status.tenants.iter().map(|t| t.schema.state).collect::<Vec<_>>(), [State::Current, State::Behind]);
    let found = both().tenant_by_domain(test.database(), "acme.example.com").unwrap().unwrap();
    assert_eq!(found.name, name("acme"));
    assert_eq!(both().tenants(test.database()).unwrap().len(), 2);
    assert_eq!(both().pool(test.database()).unwrap().ready, 2);
    assert_eq!(column(&test, "SELECT max(version)::text FROM migrations.refinery_schema_history"), ["1"]);

    let report = both().run(test.database()).unwrap();
    assert_eq!((report.tenants.total, report.tenants.migrated), (2, 1), "{:?}", report.failures);
    assert_eq!(column(&test, "SELECT max(version)::text FROM migrations.refinery_schema_history"), ["3"]);
    let globex = both().tenant(test.database(), &name("globex")).unwrap().unwrap();
    assert_eq!((globex.status.as_str(), globex.metadata.as_str()), ("suspended", r#"{"seats": 5}"#));
    assert_eq!(column(&test, "SELECT body FROM acme.notes"), ["kept"]);
    assert!(both().run(test.database()).unwrap().is_unchanged());
    let (tenant, created) = both().get_or_create_tenant(test.database(), &name("initech")).unwrap();
    assert!(created && tenant.version == Some(2));
    assert_eq!(both().pool(test.database()).unwrap().ready, 1, "a spare of the older binary was taken");
}

#[test]
fn a_sign_up_is_the_first_to_find_a_registry_of_an_older_binary() {
    let test = made_by_an_older_binary();
    assert!(both().get_or_create_tenant(test.database(), &name("initech")).unwrap().1);
    assert_eq!(column(&test, "SELECT max(version)::text FROM migrations.refinery_schema_history"), ["3"]);
}

#[test]
fn an_older_binary_goes_on_beside_a_newer_one_and_both_find_what_the_other_does() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    assert!(both().run_with(test.database(), &RunOptions::new().only([name("acme")])).unwrap().is_success());
    both().fill_pool(test.database(), 2).unwrap();
    // The schemas that the older binary counts as spares are those of the newer one.
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants WHERE status = 'spare'"), 2);

    let mut client = test.client().unwrap();
    let recorded = include_str!("fixtures/older_binary.sql");
    let mut sent = 0;
    for statement in recorded.split("-- statement: ").skip(1) {
        let (expected, sql) = statement.split_once('\n').unwrap();
        let code = client.batch_execute(sql).map_err(|error| error.code().map(|code| code.code().to_owned()));
        let code = code.err().map_or("ok".to_owned(), Option::unwrap_or_default);
        assert_eq!(code, expected, "{sql}");
        sent += 1;
    }
    assert!(sent >= 10, "the fixture is read: {sent}");

    let status = both().status(test.database()).unwrap();
    let found: Vec<_> = status.tenants.iter().map(|t| (t.name.as_str(), t.schema.state)).collect();
    assert_eq!(found, [("acme", State::Current), ("globex", State::Current), ("initech", State::Current)]);
    assert!(exists(&test, "initech.notes"));
    assert!(both().run(test.database()).unwrap().is_unchanged());
    assert_eq!(both().pool(test.database()).unwrap().ready, 2);
}

#[test]
fn a_status_of_the_application_decides_nothing() {
    let test = with_tenants(&both(), &["acme", "globex"]);
    both().fill_pool(test.database(), 2).unwrap();
    execute(
        &test,
        "UPDATE migrations.tenants SET status = CASE WHEN schema_name = 'acme' THEN 'spare' ELSE 'suspended' END",
    );
    assert_eq!(both().tenant(test.database(), &name("acme")).unwrap().unwrap().status, "spare");
    assert_eq!(both().pool(test.database()).unwrap().ready, 2);
    for tenant in ["initech", "umbrella", "hooli"] {
        assert!(both().get_or_create_tenant(test.database(), &name(tenant)).unwrap().1);
    }
    assert_eq!(both().drain_pool(test.database()).unwrap(), 0);
    assert_eq!(both().tenants(test.database()).unwrap().len(), 5);
    assert!(exists(&test, "acme.notes"), "nothing of acme was given away or dropped");
}

#[test]
fn a_registry_that_lacks_a_table_is_named_at_once() {
    for (table, rest) in [("tenants", " CASCADE"), ("sets", ""), ("runs", ""), ("tenant_domains", ""), ("leases", "")] {
        let test = with_tenants(&both(), &["acme"]);
        execute(&test, &format!("DROP TABLE migrations.{table}{rest}"));
        let newer = migrator(&[NOTES, AUTHOR, ("V3__more", "SELECT 1")]);
        assert!(newer.status(test.database()).is_err(), "{table}");
        let result = newer.run(test.database());
        let Err(error) = result.map_err(Error::from) else { panic!("{table} is gone") };
        assert!(matches!(error, Error::RegistryDamaged { .. }), "{error}");
        assert!(error.to_string().contains(&format!("\"migrations\".\"{table}\"")), "{error}");
    }
}

#[test]
fn replicas_that_fill_the_pool_at_once_make_its_spares_once() {
    let test = with_tenants(&both(), &["acme"]);
    let filled: usize = std::thread::scope(|scope| {
        let replicas: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| both().jobs(1).warm_pool(20).run(test.database()).unwrap().tenants.spares))
            .collect();
        replicas.into_iter().map(|replica| replica.join().unwrap()).sum()
    });
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '\\_\\_spare%'"), 20);
    assert_eq!(filled, 20);
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.leases"), 0);

    // A process that fills the pool explicitly waits for the other one.
    let filled: usize = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| both().jobs(1).fill_pool(test.database(), 30).unwrap())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!((filled, both().pool(test.database()).unwrap().ready), (10, 30));
}
