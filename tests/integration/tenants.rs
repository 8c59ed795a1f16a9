//! Tenants: get-or-create, adoption, forgetting, domains.

use std::sync::Barrier;

use migrations_core::{Error, RunOptions, State, TenantName};
use migrations_testing::TestDatabase;

use crate::fixture::{AUTHOR, NOTES, column, execute, exists, history, migrator, name, number, with_tenants};

#[test]
fn eight_threads_that_get_or_create_one_tenant_make_one() {
    let migrator = migrator(&[NOTES, AUTHOR]);
    let test = TestDatabase::new().unwrap();
    let barrier = Barrier::new(8);

    // Not even the registry exists.
    let results: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    migrator.get_or_create_tenant(test.database(), &name("acme")).unwrap()
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });

    assert_eq!(results.iter().filter(|(_, created)| *created).count(), 1);
    assert!(results.iter().all(|(tenant, _)| tenant.id == results[0].0.id));
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1);
    assert_eq!(history(&test, "acme"), ["1", "2"]);
}

#[test]
fn a_tenant_that_is_behind_is_migrated_on_the_way() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let (tenant, created) = migrator(&[NOTES, AUTHOR]).get_or_create_tenant(test.database(), &name("acme")).unwrap();
    assert!(!created);
    assert_eq!(tenant.version, Some(2));
    assert_eq!((history(&test, "acme").len(), history(&test, "globex").len()), (2, 1));
}

#[test]
fn a_schema_that_is_nobodys_is_refused_and_can_be_adopted() {
    let migrator = migrator(&[NOTES, AUTHOR]);
    let test = with_tenants(&migrator, &["acme"]);
    execute(&test, "CREATE SCHEMA legacy; CREATE TABLE legacy.notes (id bigint)");

    let refused = migrator.get_or_create_tenant(test.database(), &name("legacy"));
    assert!(
        matches!(refused, Err(Error::SchemaExists { ref schema, .. }) if schema.as_str() == "legacy"),
        "{refused:?}"
    );
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1);

    assert!(matches!(migrator.adopt_tenant(test.database(), &name("nobody")), Err(Error::NothingToAdopt { .. })));
    execute(
        &test,
        "DROP TABLE legacy.notes; ALTER SCHEMA legacy RENAME TO old; DELETE FROM migrations.tenants; \
         ALTER SCHEMA acme RENAME TO legacy; DROP SCHEMA old",
    );
    for _ in 0..2 {
        migrator.adopt_tenant(test.database(), &name("legacy")).unwrap();
    }
    assert_eq!(migrator.status(test.database()).unwrap().tenants[0].schema.state, State::Current);
    let (tenant, created) = migrator.get_or_create_tenant(test.database(), &name("legacy")).unwrap();
    assert_eq!((tenant.version, created), (Some(2), false));
}

#[test]
fn only_a_tenant_whose_schema_is_gone_is_forgotten() {
    let migrator = migrator(&[NOTES]);
    let test = with_tenants(&migrator, &["acme"]);
    assert!(matches!(migrator.forget_tenant(test.database(), &name("acme")), Err(Error::SchemaStillThere { .. })));
    assert!(matches!(migrator.forget_tenant(test.database(), &name("nobody")), Err(Error::UnknownTenant(_))));
    execute(&test, "DROP SCHEMA acme CASCADE");
    assert_eq!(migrator.status(test.database()).unwrap().tenants[0].schema.state, State::Missing);
    migrator.forget_tenant(test.database(), &name("acme")).unwrap();
    let (_, created) = migrator.get_or_create_tenant(test.database(), &name("acme")).unwrap();
    assert!(created && exists(&test, "acme.notes"));
}

#[test]
fn a_domain_leads_to_one_tenant() {
    let migrator = migrator(&[NOTES]);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    let add = |tenant: &str, host, primary| migrator.add_domain(test.database(), &name(tenant), host, primary);

    add("acme", "acme.example.com", true).unwrap();
    add("acme", "Shop.Acme.example", true).unwrap();
    add("acme", "shop.acme.example", false).unwrap();

    let domains = migrator.tenant(test.database(), &name("acme")).unwrap().unwrap().domains;
    let domains: Vec<_> = domains.iter().map(|domain| (domain.host.as_str(), domain.is_primary)).collect();
    assert_eq!(domains, [("shop.acme.example", true), ("acme.example.com", false)]);
    let found = migrator.tenant_by_domain(test.database(), "SHOP.acme.example").unwrap();
    assert_eq!(found.map(|tenant| tenant.name), Some(name("acme")));
    assert!(migrator.tenant_by_domain(test.database(), "nobody.example").unwrap().is_none());

    let taken = add("globex", "acme.example.com", true);
    assert!(matches!(taken, Err(Error::DomainTaken { ref tenant, .. }) if tenant == "acme"), "{taken:?}");
    assert!(matches!(add("nobody", "x.example", false), Err(Error::UnknownTenant(_))));
    assert!(matches!(add("acme", "https://x", false), Err(Error::Domain { .. })));
    let left = column(&test, "SELECT domain || ' ' || is_primary FROM migrations.tenant_domains ORDER BY 1");
    assert_eq!(left, ["acme.example.com false", "shop.acme.example true"]);
}

#[test]
fn questions_about_a_database_without_a_registry_have_answers() {
    let migrator = migrator(&[NOTES]);
    let test = TestDatabase::new().unwrap();
    assert!(migrator.tenants(test.database()).unwrap().is_empty());
    assert!(migrator.tenant(test.database(), &name("acme")).unwrap().is_none());
    assert!(migrator.is_pending(test.database()).unwrap());
    let status = migrator.status(test.database()).unwrap();
    assert_eq!((status.registry.state, status.shared.state), (State::Missing, State::Behind));
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"), 0, "nothing was made");
}

#[test]
fn every_name_the_type_takes_is_a_tenant_the_server_takes() {
    let migrator = migrator(&[NOTES]);
    let longest = "x".repeat(63);
    let names = ["select", "user", "_", "a1", "table", "migrate", "null", &longest];
    let test = with_tenants(&migrator, &names);
    let registered: Vec<TenantName> =
        migrator.tenants(test.database()).unwrap().into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(registered, names.map(name));
}

#[test]
fn a_migration_that_changes_another_schema_is_refused_before_anything_is_done() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let sql = "UPDATE notes SET body = (SELECT max(code) FROM public.plans);\nDELETE FROM public.plans";
    let error = migrator(&[NOTES, ("V2__reaches_out", sql)]).run(test.database()).unwrap_err();
    crate::fixture::assert_text(
        "a_migration_that_changes_another_schema_is_refused_before_anything_is_done",
        &error.to_string(),
    );
    assert_eq!(history(&test, "acme"), ["1"]);

    let allowed = format!("-- migrate: allow-schema public\n{sql}");
    assert!(migrator(&[NOTES, ("V2__reaches_out", &allowed)]).run(test.database()).unwrap().is_success());
    assert_eq!(history(&test, "acme"), ["1", "2"]);
}

#[test]
fn what_a_migration_puts_together_while_it_runs_cannot_leave_the_tenant_either() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech"]);
    let leaks = [
        ("EXECUTE 'CREATE TABLE public.leak (a int)'", "table public.leak"),
        ("EXECUTE 'CREATE FUNCTION globex.leak() RETURNS int LANGUAGE sql AS ''SELECT 1'''", "function globex.leak()"),
        ("EXECUTE 'CREATE TYPE public.leak AS ENUM (''a'')'", "type public.leak"),
        ("EXECUTE 'ALTER TABLE globex.notes ADD CHECK (id > 0)'", "relation globex.notes"),
        ("EXECUTE 'CREATE SCHEMA leak'", "schema leak"),
        (
            "EXECUTE 'CREATE TRIGGER leak BEFORE UPDATE ON globex.notes FOR EACH ROW \
          EXECUTE FUNCTION suppress_redundant_updates_trigger()'",
            "trigger leak",
        ),
        ("EXECUTE 'INSERT INTO globex.notes VALUES (1, ''x'')'", "rows of globex.notes"),
        // Only the shared schema has a table of this name.
        ("INSERT INTO plans VALUES ('leak')", "rows of public.plans"),
        // In a subtransaction.
        (
            "BEGIN EXECUTE 'CREATE TABLE public.leak (a int)'; EXCEPTION WHEN division_by_zero THEN NULL; END",
            "table public.leak",
        ),
    ];
    let before = column(&test, "SELECT c.oid::text || c.xmin FROM pg_class c ORDER BY 1");
    for (leak, what) in leaks {
        let sql = format!("DO $$ BEGIN IF current_schema() = 'acme' THEN {leak}; END IF; END $$");
        let newer = migrator(&[NOTES, ("V2__leak", &sql)]).jobs(2);
        let report = newer.run_with(test.database(), &RunOptions::new().only([name("acme")])).unwrap();
        assert_eq!(report.failures[0].sqlstate(), Some("MGI01"), "{leak}: {:?}", report.failures);
        assert!(report.failures[0].message().contains(what), "{leak}: {}", report.failures[0]);
    }
    assert_eq!(column(&test, "SELECT c.oid::text || c.xmin FROM pg_class c ORDER BY 1"), before, "nothing is left");

    // A foreign key into a shared table marks that table, which is allowed; so are changes that a directive allows.
    let key = ("V2__key", "ALTER TABLE notes ADD COLUMN plan text REFERENCES plans");
    let allowed = (
        "V3__allowed",
        "-- migrate: allow-schema public\nDO $$ BEGIN IF current_schema() = 'acme' THEN CREATE TABLE public.meant (); \
         END IF; END $$",
    );
    let report = migrator(&[NOTES, key, allowed]).jobs(2).run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 3, "{:?}", report.failures);
}

#[test]
fn the_first_sign_up_of_a_process_is_looked_at_as_the_first_tenant_of_a_run_is() {
    let leak = ("V2__leak", "DO $$ BEGIN EXECUTE 'CREATE TABLE public.' || current_schema() || '_leak ()'; END $$");
    let test = with_tenants(&migrator(&[NOTES]), &[]);
    let careless = migrator(&[NOTES, leak]);
    for _ in 0..2 {
        let error = careless.get_or_create_tenant(test.database(), &name("acme")).unwrap_err();
        assert_eq!(error.sqlstate(), Some("MGI01"), "{error}");
        assert!(careless.fill_pool(test.database(), 1).is_err());
    }
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 0);
}

#[test]
fn a_kept_connection_is_used_again_and_replaced_when_the_server_has_closed_it() {
    let migrator = migrator(&[NOTES]);
    let test = with_tenants(&migrator, &[]);
    let mut config = test.database().config().clone();
    config.application_name("kept");
    let database = migrations_core::Database::from_config(config).unwrap().keep_connection();
    let sessions = || column(&test, "SELECT pid::text FROM pg_stat_activity WHERE application_name = 'kept'");
    let get = |tenant: &str| migrator.get_or_create_tenant(&database, &name(tenant)).unwrap().1;

    assert!(get("acme"));
    let first = sessions();
    assert!(get("globex") && !get("acme"));
    assert_eq!((first.len(), sessions()), (1, first.clone()));

    execute(&test, &format!("SELECT pg_terminate_backend({}, 5000)", first[0]));
    assert!(get("initech"));
    assert!(sessions().len() == 1 && sessions() != first);
    drop(database);
}
