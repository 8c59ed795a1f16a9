//! `up --dry-run`.

use std::process::Command;

use serde_json::{Value, json};

use crate::site::{SHARED, Site, keys};

/// Everything that a run can change, down to the ids of the objects.
fn fingerprint(site: &Site) -> Vec<String> {
    let query = "SELECT 'class ' || c.oid || ' ' || c.xmin FROM pg_class c
                 UNION ALL SELECT 'schema ' || n.oid || ' ' || n.xmin FROM pg_namespace n ORDER BY 1";
    site.test.client().unwrap().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_dry_run_shows_the_sql_and_changes_nothing() {
    let site = Site::new();
    let before = fingerprint(&site);
    let ran = site.run(&["up", "--dry-run", "--create", "acme", "--create", "globex"]).succeeded();
    let (code, shown) = site.json(&["up", "--dry-run", "--create", "acme"]);
    assert_eq!(fingerprint(&site), before);

    let headings: Vec<&str> = ran.stdout.lines().filter(|line| line.contains(": V1__")).collect();
    let starts = ["-- registry set: V1__", "-- shared set: V1__", "-- tenant acme: V1__", "-- tenant globex: V1__"];
    assert_eq!(headings.len(), starts.len(), "{headings:#?}");
    assert!(headings.iter().zip(starts).all(|(heading, start)| heading.starts_with(start)), "{headings:#?}");
    assert_eq!(ran.stderr, "");

    let schemas = shown["schemas"].as_array().unwrap();
    let names: Vec<_> = schemas.iter().map(|schema| (&schema["set"], &schema["tenant"])).collect();
    let null = Value::Null;
    assert_eq!(code, 0);
    assert_eq!(names, [(&json!("registry"), &null), (&json!("shared"), &null), (&json!("tenant"), &json!("acme"))]);
    assert_eq!(schemas[1]["migrations"], json!(SHARED));
    assert_eq!(keys(&schemas[1]), ["messages", "migrations", "schema", "set", "tenant"]);
    let message = schemas[2]["messages"][0].as_str().unwrap();
    assert!(ran.stdout.contains(message.trim_end()), "the text has the message of the object");
}

#[test]
fn a_dry_run_s_sql_in_psql_leaves_nothing_to_do() {
    let site = Site::new();
    let create = ["--create", "acme", "--create", "globex"];
    let script = site.run(&[&["up", "--dry-run"], create.as_slice()].concat()).succeeded().stdout;
    psql(&site, &script).unwrap();

    let again = site.run(&["up"]).succeeded().stdout;
    assert!(again.starts_with("nothing to do: shared at version 6, tenants: 2 current ("), "{again}");
    assert_eq!(site.run(&["status", "--check"]).code, 0);
    assert_eq!(site.run(&["up", "--dry-run"]).succeeded().stdout, "-- nothing to do\n");
    let (_, shown) = site.json(&["up", "--dry-run"]);
    assert_eq!(shown, json!({"schemas": []}));
}

#[test]
fn a_dry_run_leaves_what_cannot_run_in_a_transaction_to_the_run() {
    let site = Site::with_tenants(&[]);
    site.adopt("old", "");
    let script = site.run(&["up", "--dry-run", "--tenant", "old"]).succeeded().stdout;
    assert_eq!(script.matches("\n--   CREATE INDEX CONCURRENTLY ").count(), 3, "{script}");
    psql(&site, &script).unwrap();

    let version = "SELECT version FROM migrations.tenants WHERE schema_name = 'old'";
    assert_eq!(site.count(version), 9, "up to the first migration that cannot run in a transaction");
    assert_eq!(site.json(&["up"]).1["tenants"]["migrated"], json!(1));
    assert_eq!(site.count(version), 11);
}

/// Runs a script with the psql options in its first line.
fn psql(site: &Site, script: &str) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let line = script.lines().next().unwrap().strip_prefix("-- psql ").expect(script);
    let output = Command::new("psql").args(line.split(' ')).arg(file.path()).arg(site.url()).output();
    let output = output.expect("psql comes with PostgreSQL");
    match String::from_utf8(output.stderr).unwrap() {
        told if told.is_empty() && output.status.success() => Ok(()),
        told => Err(told),
    }
}
