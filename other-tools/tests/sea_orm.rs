//! sea-orm-migration.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectOptions, Database};

use crate::site::{Site, TENANTS, outcome};
use crate::sqlx::wait;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateNotes), Box::new(AddAuthor)]
    }
}

struct CreateNotes;

impl MigrationName for CreateNotes {
    fn name(&self) -> &str {
        "m20240105_103000_create_notes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateNotes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL)";
        manager.get_connection().execute_unprepared(sql).await.map(|_| ())
    }
}

struct AddAuthor;

impl MigrationName for AddAuthor {
    fn name(&self) -> &str {
        "m20240212_090000_add_author"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AddAuthor {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "ALTER TABLE notes ADD COLUMN author text";
        manager.get_connection().execute_unprepared(sql).await.map(|_| ())
    }
}

fn up(site: &Site, schema: &str, steps: Option<u32>) {
    drop(site.client_in(schema));
    wait(async {
        let mut options = ConnectOptions::new(site.url());
        options.set_schema_search_path(schema).sqlx_logging(false);
        let database = Database::connect(options).await.unwrap();
        Migrator::up(&database, steps).await.unwrap();
    });
}

#[test]
fn a_fleet_is_imported_by_date_and_name_or_by_name_alone() {
    for titles in
        [["V20240105103000__create_notes", "V20240212090000__add_author"], ["V1__create_notes", "V2__add_author"]]
    {
        let site = Site::new("projects/golang-migrate");
        for (schema, steps) in TENANTS.into_iter().zip([None, None, Some(1)]) {
            up(&site, schema, steps);
        }
        let before = site.rows("seaql_migrations", &TENANTS);
        let files = titles.into_iter().zip(["000001_create_notes", "000002_add_author"]);
        let copy: String = files
            .map(|(title, file)| format!("cp migrations/tenant/{file}.up.sql migrations-tenant/{title}.sql; "))
            .collect();
        site.sh(&format!("mkdir migrations-tenant; {copy}")).succeeded();

        let (code, done) = site.json("migrate import --from sea-orm --dry-run");
        assert_eq!((code, outcome(&done, "initech")), (0, ("imported", "")), "{done}");
        site.sh("migrate import --from sea-orm && migrate up").succeeded();
        assert_eq!(site.rows("seaql_migrations", &TENANTS), before);
        up(&site, "acme", None);
        assert_eq!(site.rows("seaql_migrations", &TENANTS), before);
        site.is_taken_over("seaql_migrations");
    }
}
