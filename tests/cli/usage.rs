//! A command line or a server that cannot be used.

use serde_json::json;

use crate::site::{NOBODY_LISTENS, PASSWORD, Ran, Site, assert_page, binary, run};

#[test]
fn a_command_line_that_cannot_be_used_exits_with_2() {
    let with_url = |query: &str| format!("postgres://app:{PASSWORD}@localhost/app{query}");
    let cases: [(&str, &[&str]); 19] = [
        ("usage_no_database", &["up"]),
        ("usage_no_command", &[]),
        ("usage_url", &["status", "--database-url", "postgres://app:s3cret@local host:x/app"]),
        ("usage_tls", &["status", "--database-url", &with_url("?sslmode=verify-full&sslrootcert=/nowhere/root.crt")]),
        ("usage_url_as_argument", &["status", &with_url("")]),
        ("usage_name", &["tenant", "create", " acme"]),
        ("usage_reserved_name", &["tenant", "create", "acme", "--schema", "pg_acme"]),
        ("usage_one_schema", &["tenant", "create", "acme", "globex", "--schema", "t_42"]),
        ("usage_duration", &["up", "--wait", "30"]),
        ("usage_jobs", &["up", "--jobs", "0"]),
        ("usage_contradiction", &["up", "--shared-only", "--tenant", "acme"]),
        ("usage_two_limits", &["up", "--fail-fast", "--max-failures", "3"]),
        ("usage_lock_timeout", &["up", "--lock-timeout", "0s"]),
        ("usage_statement_timeout", &["up", "--statement-timeout", "25days"]),
        ("usage_pool_size", &["pool", "fill", "0"]),
        ("usage_embedded_and_url", &["up", "--embedded", "--database-url", &with_url("")]),
        ("usage_embedded_in_two_words", &["up", "--embedded", "folder"]),
        ("usage_dev_and_url", &["dev", "--database-url", &with_url("")]),
        ("usage_dev_create_url", &["dev", "--create", "acme", "url"]),
    ];
    for (name, args) in cases {
        let ran = run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {}", ran.stderr);
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.page()) });

        let ran = run(&[args, &["--format=json"]].concat());
        let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(ran.code, 2);
        assert!(!message.is_empty() && !message.starts_with("error:"), "{name}: {message}");
    }
}

#[test]
fn a_registry_s_name_is_no_tenant_s() {
    let ran = Site::new().run(&["tenant", "create", "migrations"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn a_server_that_refuses_is_explained() {
    let site = Site::new();
    let ran = run(&["--database-url", NOBODY_LISTENS, "up", "--wait", "0s"]);
    assert_eq!(ran.code, 1);
    assert_page!("no_server", ran.page());

    let mut other = site.command(&["up", "--format", "json"]);
    let name = site.test.database().config().get_dbname().unwrap().to_owned();
    other.env("DATABASE_URL", site.url().replace(&name, "no_such_database"));
    let ran = Ran::new(other.output().unwrap());
    let error = &ran.json()["error"];
    assert_eq!((ran.code, &error["sqlstate"]), (1, &json!("3D000")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("database \"no_such_database\" does not exist"), "{error}");
    assert!(ran.stderr.starts_with("error: cannot connect to database no_such_database at "), "{}", ran.stderr);
}

#[test]
fn libpq_s_variables_name_a_database_too() {
    let site = Site::new();
    let config = site.test.database().config().clone();
    let mut command = binary(&["up"]);
    match config.get_hosts().first() {
        Some(postgres::config::Host::Tcp(host)) => command.env("PGHOST", host),
        Some(postgres::config::Host::Unix(folder)) => command.env("PGHOST", folder),
        None => panic!("the test database has a host"),
    };
    command.env("PGPORT", config.get_ports().first().copied().unwrap_or(5432).to_string());
    command.env("PGUSER", config.get_user().unwrap()).env("PGDATABASE", config.get_dbname().unwrap());
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8(password.to_vec()).unwrap());
    }
    // An empty variable counts as not set.
    command.env("DATABASE_URL", "");
    Ran::new(command.output().unwrap()).succeeded();
    assert_eq!(site.count("SELECT count(*) FROM refinery_schema_history"), 6);
}
