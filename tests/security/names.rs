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
fn a_name_is_what_it_says_or_is_none() {
    let directs = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    runner(20_000)
        .run(&name(), |text| {
            let fits = (1..=63).contains(&text.len()) && !text.contains('\0');
            let reserved = text.starts_with("pg_") || text == "information_schema" || text == "$user";
            let schema = text.parse::<SchemaName>();
            prop_assert_eq!(schema.is_ok(), fits && !reserved);
            let is_visible = text.trim() == text && !text.contains(|c: char| c.is_control() || directs(c));
            let tenant = text.parse::<TenantName>();
            prop_assert_eq!(tenant.is_ok(), fits && is_visible);
            // A text is shown so that a terminal does not execute it, refused or not.
            for shown in [
                tenant.map_or_else(|e| e.to_string(), |n| n.to_string()),
                schema.map_or_else(|e| e.to_string(), |n| n.to_string()),
            ] {
                prop_assert!(!shown.contains(|c: char| c.is_control()), "{:?}", shown);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_server_takes_every_tenant_as_it_is_named() {
    let test = TestDatabase::new().unwrap();
    let migrator = migrator().schema_for(|tenant| tenant.as_str().parse::<SchemaName>());
    let mut expected = vec!["migrations".to_owned(), "public".to_owned()];
    let made = std::cell::RefCell::new(&mut expected);
    runner(120)
        .run(&name(), |text| {
            let Ok(name) = text.parse::<TenantName>() else { return Ok(()) };
            let found = migrator.get_or_create_tenant(test.database(), &name);
            if text.parse::<SchemaName>().is_err() {
                prop_assert!(matches!(found, Err(Error::NoSchema { .. })), "{:?}", found);
                return Ok(());
            }
            if ["migrations", "public"].contains(&&*text) || text.starts_with("__spare_") {
                prop_assert!(matches!(found, Err(Error::NameInUse(..))), "{:?}", found);
                return Ok(());
            }
            let (tenant, created) = found.unwrap();
            prop_assert_eq!(tenant.name.as_str(), &text);
            prop_assert_eq!(tenant.schema.as_str(), &text);
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
fn a_schema_holds_any_text_that_the_server_keeps_whole() {
    let test = TestDatabase::new().unwrap();
    let migrator = migrator();
    let number = std::cell::Cell::new(0);
    runner(60)
        .run(&name(), |text| {
            let Ok(schema) = text.parse::<SchemaName>() else { return Ok(()) };
            number.set(number.get() + 1);
            let tenant = format!("tenant {}", number.get()).parse().unwrap();
            match migrator.get_or_create_tenant_in(test.database(), &tenant, &schema) {
                Ok((found, _)) => {
                    let found = migrator.tenant(test.database(), &found.name).unwrap();
                    prop_assert_eq!(found.map(|found| found.schema), Some(schema));
                }
                Err(error) => {
                    prop_assert!(matches!(error, Error::SchemaInUse { .. } | Error::SchemaTaken { .. }), "{:?}", error);
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(!migrator.status(test.database()).unwrap().is_pending());
}

#[test]
fn registry_and_shared_tables_can_be_in_schemas_of_any_name_that_is_one() {
    for (registry, shared) in [
        ("select", "user"),
        ("_", "__"),
        ("null", "public"),
        (&*"r".repeat(63), "table"),
        ("it's $migrate$ \"here\"", r"O'Neill \ %tenants% $1"),
        ("Registry", "a, b"),
    ] {
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
