//! The warm pool: spare schemas for sign-ups.

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};

use migrations_core::{Error, Event, RunOptions, State};

use crate::fixture::{AUTHOR, NOTES, column, execute, exists, history, migrator, name, number, with_tenants};

/// A trigger, a view and a sequence: they must work under another name.
const NUMBERED: (&str, &str) = (
    "V2__numbered",
    "CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY, body text);
     CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN EXECUTE format('INSERT INTO %I.log (body) VALUES ($1)', TG_TABLE_SCHEMA) USING NEW.body; RETURN NEW; END $$;
     CREATE TRIGGER write_log AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION write_log();
     CREATE VIEW bodies AS SELECT body FROM log",
);

#[test]
fn a_sign_up_takes_a_spare_that_is_as_good_as_new() {
    let migrator = migrator(&[NOTES, NUMBERED]);
    let test = with_tenants(&migrator, &["acme"]);
    assert_eq!(migrator.fill_pool(test.database(), 2).unwrap(), 2);
    assert_eq!(migrator.fill_pool(test.database(), 2).unwrap(), 0, "filling again makes no more");
    assert_eq!(migrator.pool(test.database()).unwrap().ready, 2);
    let oids = column(&test, "SELECT oid::text FROM pg_namespace WHERE nspname LIKE E'\\\\_\\\\_spare%'");

    let (tenant, created) = migrator.get_or_create_tenant(test.database(), &name("globex")).unwrap();

    assert!(created);
    assert_eq!((tenant.version, tenant.status.as_str()), (Some(2), "active"));
    assert!(oids.contains(&column(&test, "SELECT oid::text FROM pg_namespace WHERE nspname = 'globex'")[0]));
    execute(&test, "INSERT INTO globex.notes VALUES (1, 'hello')");
    assert_eq!(column(&test, "SELECT body FROM globex.bodies"), ["hello"]);
    assert_eq!(history(&test, "globex"), ["1", "2"]);
    assert_eq!(migrator.pool(test.database()).unwrap().ready, 1);
    assert!(!migrator.get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn spares_are_members_of_the_fleet_and_nobody_sees_them() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    migrator(&[NOTES]).fill_pool(test.database(), 3).unwrap();
    let newer = migrator(&[NOTES, AUTHOR]);
    assert_eq!(newer.pool(test.database()).unwrap().behind, 3);

    let totals = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&totals);
    let told = newer.clone().on_event(move |event| {
        if let Event::TenantMigrated { progress, .. } = event {
            seen.lock().unwrap().push((progress.done, progress.total));
        }
    });
    let report = told.run(test.database()).unwrap();

    assert_eq!(totals.lock().unwrap().iter().max(), Some(&(4, 4)), "spares are work too");
    assert_eq!((report.tenants.total, report.tenants.migrated, report.tenants.spares), (1, 1, 3));
    assert_eq!(report.outcomes.len(), 1);
    assert_eq!(newer.pool(test.database()).unwrap().ready, 3);
    assert_eq!(newer.tenants(test.database()).unwrap().len(), 1);
    assert_eq!(newer.status(test.database()).unwrap().tenants.len(), 1);
    let spare = column(&test, "SELECT schema_name::text FROM migrations.tenants WHERE status = 'spare' LIMIT 1");
    assert!(newer.tenant(test.database(), &name(&spare[0])).unwrap().is_none());
    let taken = newer.get_or_create_tenant(test.database(), &name(&spare[0]));
    assert!(matches!(taken, Err(Error::NameInUse(..))), "{taken:?}");
}

#[test]
fn callers_at_once_never_get_the_same_spare_and_an_empty_pool_falls_back() {
    let migrator = migrator(&[NOTES]);
    let test = with_tenants(&migrator, &[]);
    migrator.fill_pool(test.database(), 4).unwrap();
    let barrier = Barrier::new(8);
    let ids: HashSet<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|number| {
                let (migrator, barrier, test) = (&migrator, &barrier, &test);
                scope.spawn(move || {
                    barrier.wait();
                    let tenant = name(&format!("tenant_{number}"));
                    let (tenant, created) = migrator.get_or_create_tenant(test.database(), &tenant).unwrap();
                    assert!(created);
                    tenant.id
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 8);
    assert_eq!(migrator.pool(test.database()).unwrap().ready, 0, "four took the spares, four were provisioned");
    let status = migrator.status(test.database()).unwrap();
    assert!(status.tenants.len() == 8 && status.tenants.iter().all(|tenant| tenant.schema.state == State::Current));
}

#[test]
fn one_name_from_eight_callers_takes_one_spare() {
    let migrator = migrator(&[NOTES]);
    let test = with_tenants(&migrator, &[]);
    migrator.fill_pool(test.database(), 8).unwrap();
    let created: usize = std::thread::scope(|scope| {
        let call = || migrator.get_or_create_tenant(test.database(), &name("acme")).unwrap().1;
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|caller| usize::from(caller.join().unwrap())).sum()
    });
    assert_eq!((created, migrator.pool(test.database()).unwrap().ready), (1, 7));
}

#[test]
fn a_run_keeps_the_pool_filled_and_it_can_be_drained() {
    let migrator = migrator(&[NOTES]).warm_pool(3);
    let test = with_tenants(&migrator, &[]);
    let report = migrator.run_with(test.database(), &RunOptions::new().create([name("acme")])).unwrap();
    assert_eq!((report.tenants.created, report.tenants.spares), (1, 3));
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
    migrator.get_or_create_tenant(test.database(), &name("globex")).unwrap();
    assert_eq!(migrator.run(test.database()).unwrap().tenants.spares, 1);
    assert_eq!(migrator.drain_pool(test.database()).unwrap(), 3);
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE E'\\\\_\\\\_spare%'"), 0);
    assert!(exists(&test, "globex.notes"));
}

#[test]
fn a_set_with_a_pinned_search_path_cannot_use_the_pool() {
    let pinned = (
        "V2__pinned",
        "CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT max(id) FROM notes'",
    );
    let migrator = migrator(&[NOTES, pinned]);
    let test = with_tenants(&migrator, &["acme"]);
    let refused = migrator.fill_pool(test.database(), 2).unwrap_err();
    assert!(matches!(&refused, Error::PoolRefused { functions } if functions == &["newest()"]), "{refused}");
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1, "nothing is left of the attempt");
    // A function that only pins other schemas survives a rename.
    let harmless = (
        "V2__pinned",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql SET search_path = pg_catalog, public AS 'SELECT 1'",
    );
    let migrator = crate::fixture::migrator(&[NOTES, harmless]);
    let test = with_tenants(&migrator, &[]);
    assert_eq!(migrator.fill_pool(test.database(), 1).unwrap(), 1);
}

#[test]
fn a_spare_that_cannot_be_migrated_is_dropped_and_no_tenant_has_failed() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    assert_eq!(migrator(&[NOTES]).fill_pool(test.database(), 2).unwrap(), 2);
    let spare =
        column(&test, "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '\\_\\_spare%' ORDER BY 1").remove(0);
    execute(&test, &format!("ALTER TABLE {spare}.notes ADD COLUMN author text"));
    let newer = migrator(&[NOTES, AUTHOR]);
    let report = newer.run(test.database()).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!((report.tenants.total, report.tenants.migrated), (1, 1));
    assert_eq!(newer.pool(test.database()).unwrap().ready, 1);
    assert!(newer.run(test.database()).unwrap().is_unchanged());
}
