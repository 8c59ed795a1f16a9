//! `pool …`.

use serde_json::json;

use crate::site::{Site, assert_page};

#[test]
fn spares_are_made_counted_migrated_and_dropped() {
    let site = Site::new();
    assert_page!("pool_status_of_none", site.page(&["pool", "status"]));
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 0, "behind": 0})));
    assert_page!("pool_fill", site.page(&["pool", "fill", "2"]));
    assert_eq!(site.json(&["pool", "fill", "3"]), (0, json!({"made": 1})));
    assert_page!("pool_fill_again", site.page(&["pool", "fill", "3"]));

    site.run(&["tenant", "create", "acme"]).succeeded();
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 2, "behind": 0})), "the tenant took one");
    assert_page!("pool_status", site.page(&["pool", "status"]));

    site.execute(
        "UPDATE migrations.tenants SET digest = NULL
         WHERE schema_name = (SELECT min(schema_name) FROM migrations.tenants WHERE status = 'spare')",
    );
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 1, "behind": 1})));
    assert_page!("pool_status_behind", site.page(&["pool", "status"]));
    assert_page!("pool_drain", site.page(&["pool", "drain"]));
    assert_eq!(site.json(&["pool", "drain"]), (0, json!({"dropped": 0})));
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%spare%'"), 0);
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 1);
}
