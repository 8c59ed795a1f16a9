//! diesel.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::site::{Site, TENANTS};

fn connect(site: &Site, schema: &str) -> PgConnection {
    drop(site.client_in(schema));
    let mut connection = PgConnection::establish(&site.url()).unwrap();
    connection.batch_execute(&format!("SET search_path = {schema}")).unwrap();
    connection
}

fn migrations(site: &Site, set: &str) -> FileBasedMigrations {
    FileBasedMigrations::from_path(site.path("migrations").join(set)).unwrap()
}

#[test]
fn the_guide_takes_a_fleet_over_and_diesel_finds_its_history_as_it_was() {
    let site = Site::new("projects/diesel");
    connect(&site, "public").run_pending_migrations(migrations(&site, "shared")).unwrap();
    for schema in TENANTS {
        connect(&site, schema).run_pending_migrations(migrations(&site, "tenant")).unwrap();
    }
    connect(&site, "initech").revert_last_migration(migrations(&site, "tenant")).unwrap();
    let rows = || site.rows("__diesel_schema_migrations", &["public", "acme", "globex", "initech"]);
    let before = rows();

    site.follow("adopt-diesel.md");
    assert_eq!(rows(), before);
    assert!(!connect(&site, "acme").has_pending_migration(migrations(&site, "tenant")).unwrap());
    assert!(connect(&site, "initech").has_pending_migration(migrations(&site, "tenant")).unwrap());
    site.is_taken_over("__diesel_schema_migrations");
}
