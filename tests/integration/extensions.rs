//! `CREATE EXTENSION` in a tenant's migration: an extension belongs to the database, and is created once, before the
//! tenants.

use std::sync::{Arc, Mutex};

use migrations_core::{Database, Error, Event, Migrator, RunOptions};
use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, column, execute, history, migrator, name, number, with_tenants};

const CITEXT: (&str, &str) = (
    "V2__citext",
    "CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION hstore WITH SCHEMA public;\n\
     CREATE TABLE users (email citext PRIMARY KEY, settings public.hstore)",
);

fn newer() -> Migrator {
    migrator(&[NOTES, CITEXT])
}

fn extensions(test: &TestDatabase) -> Vec<String> {
    column(
        test,
        "SELECT extname || ' in ' || nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace \
         WHERE extname <> 'plpgsql' ORDER BY 1",
    )
}

#[test]
fn an_extension_is_created_once_before_the_tenants() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let newer = newer().on_event(move |event| {
        if let Event::ExtensionCreated { name } = event {
            seen.lock().unwrap().push((*name).to_owned());
        }
    });
    assert!(newer.is_pending(test.database()).unwrap());
    let rehearsed = newer.rehearse(test.database(), &RunOptions::new()).unwrap();
    assert_eq!(rehearsed[0].migrations, ["extension citext", "extension hstore"]);
    assert!(rehearsed[0].messages[0].contains("CREATE EXTENSION IF NOT EXISTS citext"), "{:?}", rehearsed[0].messages);
    assert!(extensions(&test).is_empty());

    let report = newer.run_with(test.database(), &RunOptions::new().create([name("newer")])).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(report.shared.extensions, ["citext", "hstore"]);
    assert_eq!(*events.lock().unwrap(), ["citext", "hstore"]);
    assert_eq!(extensions(&test), ["citext in public", "hstore in public"]);
    for tenant in ["acme", "globex", "newer"] {
        assert_eq!(history(&test, tenant), ["1", "2"]);
    }
    let again = newer.run(test.database()).unwrap();
    assert!(again.is_unchanged() && again.shared.extensions.is_empty());
    assert!(!newer.is_pending(test.database()).unwrap());
}

#[test]
fn a_run_creates_what_the_first_sign_up_is_going_to_need() {
    let test = TestDatabase::new().unwrap();
    let report = newer().run(test.database()).unwrap();
    assert_eq!(report.shared.extensions, ["citext", "hstore"]);
    assert!(!report.is_unchanged());
}

#[test]
fn a_sign_up_and_the_pool_create_them_too() {
    let test = with_tenants(&newer(), &["acme"]);
    assert_eq!(extensions(&test), ["citext in public", "hstore in public"]);
    let test = TestDatabase::new().unwrap();
    assert_eq!(newer().fill_pool(test.database(), 1).unwrap(), 1);
    assert!(newer().get_or_create_tenant(test.database(), &name("acme")).unwrap().1);
    assert_eq!(number(&test, "SELECT count(*) FROM acme.users"), 0);
}

#[test]
fn eight_processes_create_one_extension() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| newer().run(test.database()).unwrap())).collect();
        let mut created = Vec::new();
        for run in runs {
            let report = run.join().unwrap();
            assert!(report.is_success(), "{:?}", report.failures);
            created.extend(report.shared.extensions);
        }
        created.sort();
        assert_eq!(created, ["citext", "hstore"], "each is one report's");
    });
    assert_eq!(extensions(&test), ["citext in public", "hstore in public"]);
}

#[test]
fn whoever_may_not_create_one_is_told_what_somebody_else_has_to_run() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let role = format!("{}_limited", test.name());
    execute(
        &test,
        &format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'only-for-this-test'; GRANT ALL ON SCHEMA migrations, public, acme TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA migrations, public, acme TO {role}; ALTER TABLE acme.notes OWNER TO {role}; \
             GRANT ALL ON ALL SEQUENCES IN SCHEMA migrations TO {role}"
        ),
    );
    let mut config = test.database().config().clone();
    let limited = Database::from_config(config.user(&role).password("only-for-this-test").clone()).unwrap();
    let refused = newer().run(&limited).unwrap_err().error;
    let said = refused.to_string();
    assert!(matches!(refused, Error::Extension { .. }), "{said}");
    assert!(said.contains("42501") && said.contains("V2__citext:1:1"), "{said}");
    let statement = "CREATE EXTENSION IF NOT EXISTS citext;";
    assert!(said.contains(statement), "{said}");
    execute(&test, &format!("{statement} CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public"));
    let report = newer().run(&limited).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    execute(&test, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn an_extension_that_the_server_does_not_have_is_named() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let missing = ("V2__missing", "SELECT 1;\n  CREATE EXTENSION no_such_thing");
    let refused = migrator(&[NOTES, missing]).run(test.database()).unwrap_err();
    assert!(
        refused.to_string().contains("no_such_thing") && refused.to_string().contains("V2__missing:2:3"),
        "{refused}"
    );
    assert_eq!(history(&test, "acme"), ["1"]);
}

#[test]
fn the_shared_set_creates_its_own_as_before() {
    let shared =
        crate::fixture::set("shared", &[("V1__citext", "CREATE EXTENSION citext; CREATE TABLE plans (code citext)")]);
    let migrator = crate::fixture::of(shared, crate::fixture::set("tenant", &[NOTES]));
    let test = with_tenants(&migrator, &["acme"]);
    assert_eq!(extensions(&test), ["citext in public"]);
}
