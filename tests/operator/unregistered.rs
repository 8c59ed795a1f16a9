//! Schemas that the registry does not know, and rows of the registry that cannot be tenants.

use serde_json::json;

use crate::site::Site;

#[test]
fn a_registry_that_is_gone_is_noticed_and_every_tenant_is_adopted_again() {
    let site = Site::with_tenants(&["acme", "globex", "initech"]);
    site.run(&["pool", "fill", "1"]).succeeded();
    site.execute(
        "DROP SCHEMA migrations CASCADE;
         CREATE SCHEMA other; CREATE TABLE other.refinery_schema_history AS SELECT * FROM acme.refinery_schema_history;
         UPDATE other.refinery_schema_history SET name = 'something_else', checksum = '17'",
    );
    let ran = site.run(&["up"]).succeeded();
    assert!(ran.stderr.contains("acme, globex, initech"), "{}", ran.stderr);
    let help = "(Migrator::adopt_all)\n   = help: `migrate tenant adopt --all` registers them as tenants\n";
    assert!(ran.stderr.contains("not registered") && ran.stderr.ends_with(help), "{}", ran.stderr);
    assert_eq!(site.run(&["up", "-q"]).succeeded().stderr, "");

    let ran = site.run(&["tenant", "adopt", "--all"]).succeeded();
    for tenant in ["acme", "globex", "initech"] {
        assert!(ran.stdout.contains(&format!("tenant {tenant} is registered, at version 11")), "{}", ran.stdout);
    }
    // Other schemas are reported, and left alone.
    assert!(ran.stdout.contains("schema other is left alone: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n   = help: `migrate tenant adopt other` registers it"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("= help: ").count(), 1, "a spare schema is not to be adopted: {}", ran.stdout);
    assert!(ran.stdout.contains("schema __spare_") && ran.stdout.contains("DROP SCHEMA \"__spare_"), "{}", ran.stdout);
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 3);
    let ran = site.run(&["up", "--format", "json"]).succeeded();
    assert_eq!(ran.json()["tenants"]["failed"], 0);
    assert_eq!(site.run(&["status", "--check"]).code, Some(0));
    // A second call finds nothing to adopt.
    assert_eq!(site.run(&["tenant", "adopt", "--all", "--format", "json"]).succeeded().json()["tenants"], json!([]));
}

#[test]
fn an_adopted_schema_is_told_of_by_its_history() {
    let site = Site::with_tenants(&["acme"]);
    site.execute(
        "DELETE FROM migrations.tenants; DELETE FROM acme.refinery_schema_history WHERE version > 5;
         CREATE SCHEMA fresh",
    );
    let ran = site.run(&["tenant", "adopt", "acme", "fresh"]).succeeded();
    let up = "tenant acme is registered, at version 5; `migrate up` applies 6 migrations, V6__create_invoices to ";
    assert!(ran.stdout.contains(up), "{}", ran.stdout);
    assert!(ran.stdout.contains("tenant fresh is registered; no migration was ever applied to it"), "{}", ran.stdout);
    site.execute("DELETE FROM migrations.tenants");
    let done = site.run(&["tenant", "adopt", "acme", "--format", "json"]).succeeded().json();
    assert_eq!(done["tenants"][0]["version"], 5, "{done}");
    assert_eq!(done["tenants"][0]["pending"].as_array().unwrap().len(), 6, "{done}");
}

#[test]
fn a_row_with_an_odd_name_is_that_rows_problem() {
    let site = Site::with_tenants(&["acme", "globex"]);
    site.execute(
        "INSERT INTO migrations.tenants (schema_name, tenant_name) VALUES ('t_3', E'Not\\tA-Name');
         UPDATE migrations.tenants SET digest = NULL WHERE schema_name IN ('acme', 'globex');
         CREATE SCHEMA late",
    );
    site.run(&["tenant", "adopt", "late"]).succeeded();
    let ran = site.run(&["up", "--format", "json"]);
    let done = ran.json();
    assert_eq!(ran.code, Some(1), "{done}");
    assert_eq!((&done["tenants"]["migrated"], &done["tenants"]["failed"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(done["failures"].as_array().unwrap().len(), 1, "{done}");
    let text = done["failures"][0]["text"].as_str().unwrap();
    assert!(text.contains(r#""Not\tA-Name""#) && text.contains("WHERE id = 3"), "{text}");

    let ran = site.run(&["status"]).succeeded();
    assert!(ran.stdout.contains(r#""Not\tA-Name""#) && ran.stdout.contains("acme"), "{}", ran.stdout);
    assert_eq!(site.run(&["status", "--check"]).code, Some(3));
    let ran = site.run(&["tenant", "list"]).succeeded();
    assert!(ran.stdout.contains("acme") && ran.stderr.contains(r"Not\tA-Name"), "{}{}", ran.stdout, ran.stderr);
    // The advice in the message solves the problem.
    site.execute("DELETE FROM migrations.tenants WHERE id = 3");
    site.run(&["up"]).succeeded();
}
