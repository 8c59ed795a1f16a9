//! refinery.

use postgres::Client;
use refinery::{Migration, Runner, Target};

use crate::site::{Site, TENANTS, outcome};

fn migrations(site: &Site, set: &str) -> Vec<Migration> {
    refinery::load_sql_migrations(site.path("migrations").join(set)).unwrap()
}

fn migrate(site: &Site, schema: &str, set: &str, target: Target, table: &str) {
    let mut client: Client = site.client_in(schema);
    let mut runner = Runner::new(&migrations(site, set)).set_target(target);
    runner.set_migration_table_name(table);
    runner.run(&mut client).unwrap();
}

fn fleet(table: &str) -> Site {
    let site = Site::new("projects/refinery");
    migrate(&site, "public", "shared", Target::Latest, table);
    for (schema, target) in TENANTS.into_iter().zip([Target::Latest, Target::Latest, Target::Version(1)]) {
        migrate(&site, schema, "tenant", target, table);
    }
    site
}

#[test]
fn the_guide_takes_a_fleet_over_and_refinery_finds_nothing_to_do() {
    let site = fleet("refinery_schema_history");
    let rows = |schemas: &[&str]| site.rows("refinery_schema_history", schemas);
    let before = rows(&["public", "acme", "globex"]);
    site.follow("adopt-refinery.md");
    assert_eq!(rows(&["public", "acme", "globex"]), before);
    for (schema, set) in [("public", "shared"), ("acme", "tenant"), ("initech", "tenant")] {
        let mut client = site.client_in(schema);
        let report = Runner::new(&migrations(&site, set)).run(&mut client).unwrap();
        assert!(report.applied_migrations().is_empty(), "{schema}");
    }
    site.is_taken_over("");
}

#[test]
fn a_table_of_another_name_is_imported_and_stays() {
    let site = fleet("applied");
    let before = site.rows("applied", &["public", "acme", "globex", "initech"]);
    let copy = "mkdir migrations-shared migrations-tenant; cp migrations/shared/*.sql migrations-shared/; \
                cp migrations/tenant/V*.sql migrations-tenant/; \
                cp migrations/tenant/U3__create_tags.sql migrations-tenant/V3__create_tags.sql";
    site.sh(copy).succeeded();
    let (code, done) = site.json("migrate import --from refinery --table applied");
    assert_eq!((code, outcome(&done, "initech")), (0, ("imported", "")), "{done}");
    assert!(done["sets"][1]["mapping"].as_array().unwrap().iter().all(|row| row["identical"] == true), "{done}");
    site.sh("migrate up").succeeded();
    assert_eq!(site.rows("applied", &["public", "acme", "globex", "initech"]), before);
    site.is_taken_over("applied");
}
