//! The options that limit `up`, and where it stops.

use serde_json::json;

use crate::site::{Site, assert_page};

#[test]
fn a_run_is_limited_to_what_it_is_told() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA one; CREATE SCHEMA two");
    site.run(&["tenant", "adopt", "one", "two"]).succeeded();
    let migrated = "SELECT count(*) FROM migrations.tenants WHERE version = 11";
    site.run(&["up", "--shared-only"]).succeeded();
    assert_eq!(site.count(migrated), 0);
    site.run(&["up", "--tenant", "two", "--jobs", "1"]).succeeded();
    assert_eq!(site.count(migrated), 1);
    site.run(&["up"]).succeeded();
    assert_eq!(site.count(migrated), 2);
    let (code, done) = site.json(&["up", "--tenant", "nobody"]);
    assert_eq!(code, 1);
    assert!(done["error"]["message"].as_str().unwrap().starts_with("tenant nobody is not registered"), "{done}");
}

/// Four tenants in order: two fail for one reason, the third for another, the last succeeds.
fn site_that_goes_wrong() -> Site {
    let site = Site::with_tenants(&[]);
    site.adopt("one", "CREATE TABLE suppliers (id bigint)");
    site.adopt("two", "CREATE TABLE suppliers (id bigint)");
    site.adopt("three", "CREATE TYPE suppliers AS ENUM ()");
    site.adopt("four", "");
    site
}

#[test]
fn a_run_stops_where_it_is_told_to() {
    // The numbers of tenants that were migrated, failed, and were not tried.
    let cases: [(&[&str], [u64; 3]); 6] = [
        (&[], [1, 3, 0]),
        (&["--fail-fast"], [0, 1, 3]),
        (&["--max-failures", "2"], [0, 2, 2]),
        (&["--max-failures", "4"], [1, 3, 0]),
        (&["--max-distinct", "1"], [0, 1, 3]),
        (&["--max-distinct", "2"], [0, 3, 1]),
    ];
    for (limit, expected) in cases {
        let (code, done) = site_that_goes_wrong().json(&[&["up", "--jobs", "1"], limit].concat());
        let counts = ["migrated", "failed", "skipped"].map(|key| done["tenants"][key].as_u64().unwrap());
        assert_eq!((code, counts), (1, expected), "{limit:?}: {done}");
    }
}

#[test]
fn who_was_not_tried_is_counted_and_gets_its_turn_in_the_next_run() {
    let site = site_that_goes_wrong();
    assert_page!("up_fail_fast", site.page(&["up", "--jobs", "1", "--fail-fast"]));
    for schema in ["one", "two"] {
        site.execute(&format!("DROP TABLE {schema}.suppliers"));
    }
    site.execute("DROP TYPE three.suppliers");
    let (code, done) = site.json(&["up", "--fail-fast"]);
    assert_eq!((code, &done["tenants"]["migrated"]), (0, &json!(4)), "{done}");
}

#[test]
fn a_group_shares_a_transaction() {
    let transactions = |group| {
        let site = Site::new();
        let create = ["t1", "t2", "t3", "t4", "t5", "t6"].map(|name| ["--create", name]).concat();
        site.run(&[&["up", "--jobs", "1", "--group", group], create.as_slice()].concat()).succeeded();
        assert_eq!(site.count("SELECT count(*) FROM migrations.tenants WHERE version = 11"), 6);
        site.count("SELECT count(DISTINCT xmin::text) FROM migrations.tenants")
    };
    let (alone, together) = (transactions("1"), transactions("6"));
    assert!(alone == 6 && together <= 2, "{alone} and {together} transactions");
}
