//! `up`: what it reports.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::site::{SHARED, Site, assert_page, keys};

/// Two tenants that fail for the same reason, one that fails for another reason, and one without a problem.
fn site_with_failures() -> Site {
    let site = Site::with_tenants(&["acme"]);
    for (schema, table) in [("bad1", "suppliers"), ("bad2", "suppliers"), ("bad3", "products")] {
        site.execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} (id bigint)"));
    }
    site.run(&["tenant", "baseline", "bad1", "bad2", "bad3", "--adopt", "--at", "none"]).succeeded();
    site
}

#[test]
fn up_tells_what_it_did() {
    let site = Site::new();
    let (code, mut done) = site.json(&["up", "--create", "acme", "--create", "globex"]);
    assert_eq!(code, 0);
    assert!(done["elapsed_ms"].take().is_u64() && done["median_ms"].take().is_u64(), "{done}");
    let slowest = done["slowest"].take();
    let names: HashSet<&str> =
        slowest.as_array().unwrap().iter().map(|slow| slow["tenant"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["acme", "globex"]));
    assert!(slowest[0]["elapsed_ms"].as_u64() >= slowest[1]["elapsed_ms"].as_u64(), "{slowest}");
    assert_eq!(keys(&slowest[0]), ["elapsed_ms", "schema", "tenant"]);
    let tenants = json!({
        "total": 2, "created": 2, "migrated": 0, "current": 0, "ahead": 0, "busy": 0, "failed": 0, "skipped": 0,
        "spares": 0
    });
    let shared = json!({"applied": SHARED, "version": 6, "ahead": false});
    let times = json!({"slowest": null, "median_ms": null, "retries": 0, "elapsed_ms": null});
    let [mut all, times] = [json!({"shared": shared, "tenants": tenants, "failures": []}), times];
    all.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    assert_eq!(done, all);

    let (code, again) = site.json(&["up"]);
    assert_eq!((code, &again["shared"]["applied"]), (0, &json!([])));
    assert_eq!((&again["tenants"]["created"], &again["tenants"]["current"]), (&json!(0), &json!(2)));
    assert_eq!((&again["slowest"], &again["median_ms"]), (&json!([]), &Value::Null));
}

#[test]
fn logs_stay_out_of_the_object() {
    let site = Site::new();
    let ran = site.run(&["up", "--create", "acme", "--format", "json", "-vv"]).succeeded();
    assert_eq!(ran.json()["tenants"]["created"], json!(1));
    assert!(ran.stderr.contains("INFO") && ran.stderr.contains("tenant acme created"), "{}", ran.stderr);
}

/// The reference set has a foreign key that makes tenants queue if there are more tenants than jobs.
#[test]
fn warnings_are_seen_once_and_depend_on_the_jobs() {
    let stderr = |more: &[&str]| {
        let create = ["up", "--create", "acme", "--create", "globex", "--create", "initech"];
        Site::new().run(&[create.as_slice(), more].concat()).succeeded().stderr
    };
    let told = stderr(&["--jobs", "2"]);
    assert!(told.starts_with("warning: V8__create_price_lists refers to currencies"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(stderr(&["--jobs", "3"]), "");
    assert_eq!(stderr(&["--jobs", "2", "-q"]), "");
}

#[test]
fn of_many_tenants_the_slowest_are_named_and_the_others_counted() {
    let create = |count: usize| {
        let site = Site::new();
        // One tenant takes longer than all others.
        site.slow_down("t7", Duration::from_secs(1));
        let names: Vec<String> = (1..=count).map(|number| format!("t{number}")).collect();
        let create: Vec<&str> = names.iter().flat_map(|name| ["--create", name]).collect();
        site.run(&[&["up"], create.as_slice()].concat()).succeeded().stdout
    };
    let many = create(21);
    let lines: Vec<&str> = many.lines().collect();
    assert!(lines.contains(&"tenants  21 created"), "{many}");
    let slowest = lines.iter().find_map(|line| line.strip_prefix("slowest  ")).expect(&many);
    assert!(slowest.starts_with("t7 ") && slowest.split(", ").count() == 3, "{many}");
    assert!(lines.iter().any(|line| line.starts_with("median   ") && line.ends_with('s')), "{many}");
    assert!(!many.contains("OUTCOME"), "{many}");

    let few = create(20);
    assert!(few.contains("OUTCOME") && !few.contains("slowest") && !few.contains("median"), "{few}");
}

#[test]
fn failures_come_last_in_full_and_once() {
    let site = site_with_failures();
    let ran = site.run(&["up"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr.matches("relation \"suppliers\" already exists").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("relation \"products\" already exists").count(), 1, "{}", ran.stderr);
    assert!(!ran.stdout.contains("already exists"), "{}", ran.stdout);
    assert_page!("up_with_failures", ran.page());
    assert_page!("status_after_failures", site.page(&["status"]));
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'bad1' AND tablename <> 'refinery_schema_history'";
    assert_eq!(site.count(tables), 1, "bad1 is as it was");
}

#[test]
fn what_diverged_is_missing_or_ahead_is_told_apart() {
    let site = Site::with_tenants(&["acme", "globex", "initech"]);
    site.execute(
        "UPDATE acme.refinery_schema_history SET checksum = '1' WHERE version = 3;
         INSERT INTO initech.refinery_schema_history SELECT 99, 'future', applied_on, '5'
           FROM initech.refinery_schema_history WHERE version = 1;
         UPDATE migrations.tenants SET digest = digest + 1;
         DROP SCHEMA globex CASCADE",
    );
    assert_page!("status_of_what_is_wrong", site.page(&["status"]));
    assert_page!("up_with_what_is_wrong", site.page(&["up"]));
    let (code, found) = site.json(&["status", "--check"]);
    let states: Vec<&Value> = found["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["state"]).collect();
    assert_eq!((code, states), (3, vec![&json!("diverged"), &json!("missing"), &json!("ahead")]));
}

#[test]
fn a_failed_tenant_has_its_place_in_the_object() {
    let (code, done) = site_with_failures().json(&["up", "--tenant", "bad1"]);
    assert_eq!((code, &done["tenants"]["failed"]), (1, &json!(1)));
    let failure = &done["failures"][0];
    let place = ["tenant", "migration", "file", "line", "column", "sqlstate", "message"].map(|key| &failure[key]);
    let (migration, file) = ("V2__create_suppliers_and_customers", "V2__create_suppliers_and_customers.sql");
    let message = "relation \"suppliers\" already exists";
    assert_eq!(
        place.map(Clone::clone),
        [json!("bad1"), json!(migration), json!(file), json!(3), json!(1), json!("42P07"), json!(message)]
    );
}

#[test]
fn a_failed_shared_set_is_the_error_and_no_tenant_is_touched() {
    let site = Site::new();
    site.execute("CREATE TABLE plans (id bigint)");
    let (code, failed) = site.json(&["up", "--create", "acme"]);
    let error = &failed["error"];
    assert_eq!((code, keys(&failed)), (1, vec!["error"]));
    assert_eq!(
        (&error["sqlstate"], &error["set"], &error["tenant"]),
        (&json!("42P07"), &json!("shared"), &Value::Null)
    );
    assert_eq!((&error["migration"], &error["file"]), (&json!("V3__create_plans"), &json!("V3__create_plans.sql")));
    assert!(error["line"].is_u64() && error["column"].is_u64() && error["message"].is_string(), "{error}");
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'acme'"), 0);
    assert_page!("up_with_a_failed_shared_set", site.page(&["up"]));
}

#[test]
fn a_tenant_named_twice_is_one_tenant() {
    let (code, done) = Site::new().json(&["up", "--create", "acme", "--create", "globex", "--create", "acme"]);
    assert_eq!((code, &done["tenants"]["total"], &done["tenants"]["created"]), (0, &json!(2), &json!(2)), "{done}");
}

#[test]
fn a_run_says_how_many_spares_it_migrated() {
    let site = Site::with_tenants(&["acme"]);
    site.run(&["pool", "fill", "2"]).succeeded();
    // As if the set had been empty when the spare schemas were created.
    site.execute(
        "DO $$ DECLARE spare text; BEGIN
           FOR spare IN SELECT schema_name FROM migrations.tenants WHERE status = 'spare' LOOP
             EXECUTE format('DROP SCHEMA %I CASCADE; CREATE SCHEMA %1$I', spare);
           END LOOP;
         END $$;
         UPDATE migrations.tenants t SET digest = NULL, version = NULL,
           schema_oid = (SELECT oid FROM pg_namespace WHERE nspname = t.schema_name) WHERE status = 'spare'",
    );
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 0, "behind": 2})));
    assert_page!("up_with_spares", site.page(&["up"]));
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 2, "behind": 0})));
}
