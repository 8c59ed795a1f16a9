//! `status`.

use serde_json::{Value, json};

use crate::site::{SHARED, Site};

#[test]
fn status_tells_where_every_schema_stands() {
    let site = Site::with_tenants(&["acme"]);
    let (_, status) = site.json(&["status"]);
    let shared = json!({"version": 6, "latest": 6, "state": "current", "pending": [], "problem": null});
    assert_eq!(status["shared"], shared);
    let acme = json!({
        "name": "acme", "schema": "acme", "status": "active", "version": 11, "latest": 11, "state": "current",
        "pending": [], "problem": null, "last_error": null
    });
    assert_eq!(status["tenants"], json!([acme]));
    assert_eq!(status["pending"], json!(false));

    let (_, empty) = Site::new().json(&["status"]);
    assert_eq!((&empty["shared"]["version"], &empty["shared"]["pending"]), (&Value::Null, &json!(SHARED)));
    assert_eq!((&empty["tenants"], &empty["pending"]), (&json!([]), &json!(true)));
}

#[test]
fn check_exits_with_3_as_long_as_something_is_pending() {
    let site = Site::new();
    assert_eq!(site.run(&["status", "--check"]).code, 3);
    assert_eq!(site.run(&["status"]).code, 0);
    site.run(&["up"]).succeeded();
    assert_eq!(site.run(&["status", "--check"]).code, 0);
    site.execute("CREATE SCHEMA old");
    site.run(&["tenant", "adopt", "old"]).succeeded();
    assert_eq!(site.run(&["status", "--check"]).code, 3);
}
