//! Hostile names, domains and texts, generated: the server takes what the types accept as it is, and what they refuse
//! never reaches it.

use migrations_core::{Database, Error, MigrationSet, Migrator, SchemaName, TenantName};
use migrations_testing::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Texts that break out of quotes, or are read as something else.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(";".to_owned()),
        Just("--".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("$$".to_owned()),
        Just("$migrate$".to_owned()),
        Just("\n".to_owned()),
        Just("\0".to_owned()),
        Just("%s".to_owned()),
        Just("é\u{202e}".to_owned()),
        Just("public".to_owned()),
        Just("pg_".to_owned()),
        Just("DROP SCHEMA public CASCADE".to_owned()),
        "[a-z_][a-z0-9_]{0,70}",
        "[a-z0-9.-]{1,20}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// A name that is often valid.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,62}", hostile()]
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn migrator() -> Migrator {
    let set = |name: &str, sql: &'static str| {
        MigrationSet::new(name).unwrap().with_migration("V1__first", || sql.to_owned()).unwrap()
    };
    Migrator::new(set("shared", "CREATE TABLE plans ()"), set("tenant", "CREATE TABLE notes ()"))
}

/// The schemas of a database, without PostgreSQL's own.
fn schemas(test: &TestDatabase) -> Vec<String> {
    let query = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' \
                 ORDER BY nspname COLLATE \"C\"";
    test.client().unwrap().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_name_holds_letters_digits_and_underscores_or_is_none() {
    runner(20_000)
        .run(&name(), |text| {
            let good = (1..=63).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
                && !text.as_bytes()[0].is_ascii_digit()
                && !text.starts_with("pg_")
                && text != "information_schema";
            prop_assert_eq!(text.parse::<SchemaName>().is_ok(), good);
            let tenant = text.parse::<TenantName>();
            prop_assert_eq!(tenant.is_ok(), good && text != "public");
            // A refused text is repeated so that a terminal shows it and does not execute it.
            if let Err(error) = tenant {
                prop_assert!(!error.to_string().contains(|c: char| c.is_control()), "{:?}", error.to_string());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_server_takes_every_tenant_as_it_is_named() {
    let test = TestDatabase::new().unwrap();
    let migrator = migrator();
    let mut expected = vec!["migrations".to_owned(), "public".to_owned()];
    let made = std::cell::RefCell::new(&mut expected);
    runner(60)
        .run(&name(), |text| {
            let Ok(name) = text.parse::<TenantName>() else { return Ok(()) };
            let found = migrator.get_or_create_tenant(test.database(), &name);
            if text == "migrations" || text.starts_with("__spare_") {
                prop_assert!(matches!(found, Err(Error::NameInUse(..))), "{:?}", found);
                return Ok(());
            }
            let (tenant, created) = found.unwrap();
            prop_assert_eq!(tenant.name.as_str(), &text);
            if created {
                made.borrow_mut().push(text);
            }
            Ok(())
        })
        .unwrap();
    expected.sort_unstable();
    assert_eq!(schemas(&test), expected, "these schemas and no others");
    assert!(!migrator.status(test.database()).unwrap().is_pending());
}

#[test]
fn registry_and_shared_tables_can_be_in_schemas_of_any_name_that_is_one() {
    for (registry, shared) in [("select", "user"), ("_", "__"), ("null", "public"), (&*"r".repeat(63), "table")] {
        let test = TestDatabase::new().unwrap();
        let migrator = migrator().registry_schema(registry.parse().unwrap()).shared_schema(shared.parse().unwrap());
        let tenant = "order".parse().unwrap();
        assert!(migrator.get_or_create_tenant(test.database(), &tenant).unwrap().1);
        migrator.add_domain(test.database(), &tenant, "order.example", true).unwrap();
        assert_eq!(migrator.fill_pool(test.database(), 1).unwrap(), 1);
        assert!(migrator.get_or_create_tenant(test.database(), &"group".parse().unwrap()).unwrap().1);
        assert!(migrator.run(test.database()).unwrap().is_unchanged());
        let mut expected = vec![registry, shared, "order", "group", "public"];
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(schemas(&test), expected);
    }
}

#[test]
fn a_domain_is_a_host_name_or_never_reaches_the_server() {
    let test = TestDatabase::new().unwrap();
    let (migrator, tenant) = (migrator(), "acme".parse::<TenantName>().unwrap());
    migrator.get_or_create_tenant(test.database(), &tenant).unwrap();
    // Nothing listens there: a text that is refused is refused without a connection.
    let nowhere = Database::from_url("host=127.0.0.1 port=1").unwrap().with_wait(std::time::Duration::ZERO);
    let domain = prop_oneof!["[a-zA-Z0-9-]{1,63}(\\.[a-zA-Z0-9-]{1,20}){0,2}", hostile()];
    runner(200)
        .run(&domain, |text| {
            let label = |label: &str| {
                let bytes = label.as_bytes();
                (1..=63).contains(&bytes.len())
                    && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
                    && bytes[0] != b'-'
                    && bytes[bytes.len() - 1] != b'-'
            };
            if text.len() <= 253 && text.split('.').all(label) {
                migrator.add_domain(test.database(), &tenant, &text, false).unwrap();
                let found = migrator.tenant_by_domain(test.database(), &text).unwrap();
                prop_assert_eq!(found.map(|found| found.name), Some(tenant.clone()));
            } else {
                let refused = migrator.add_domain(&nowhere, &tenant, &text, false);
                prop_assert!(matches!(refused, Err(Error::Domain { .. })), "{:?}", refused);
                let refused = migrator.tenant_by_domain(test.database(), &text);
                prop_assert!(matches!(refused, Err(Error::Domain { .. })), "{:?}", refused);
            }
            Ok(())
        })
        .unwrap();
    let mut client = test.client().unwrap();
    let strange = "SELECT count(*) FROM migrations.tenant_domains WHERE domain !~ '^[a-z0-9.-]+$'";
    assert_eq!(client.query_one(strange, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn texts_in_the_registry_come_back_as_they_are() {
    let test = TestDatabase::new().unwrap();
    let (migrator, tenant) = (migrator(), "acme".parse::<TenantName>().unwrap());
    migrator.get_or_create_tenant(test.database(), &tenant).unwrap();
    let client = std::cell::RefCell::new(test.client().unwrap());
    let texts = (hostile(), hostile());
    runner(60)
        .run(&texts, |(display, value)| {
            let (display, value) = (display.replace('\0', ""), value.replace('\0', ""));
            let metadata = serde_json::json!({ value.clone(): value }).to_string();
            let update = "UPDATE migrations.tenants SET display_name = $1, metadata = $2::text::jsonb, last_error = $1";
            client.borrow_mut().execute(update, &[&display, &metadata]).unwrap();
            let found = migrator.tenant(test.database(), &tenant).unwrap().unwrap();
            prop_assert_eq!(found.display_name.as_deref(), Some(&*display));
            prop_assert_eq!(found.last_error.as_deref(), Some(&*display));
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(read(&found.metadata), read(&metadata));
            Ok(())
        })
        .unwrap();
}
