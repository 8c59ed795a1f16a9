//! golang-migrate, by the table that its driver for PostgreSQL creates:
//! <https://github.com/golang-migrate/migrate/tree/master/database/postgres>.

use crate::site::{Site, TENANTS, outcome};

fn fleet() -> Site {
    let site = Site::new("projects/golang-migrate");
    for (schema, version) in TENANTS.into_iter().zip([3, 3, 2]) {
        let files: Vec<_> = ["000001_create_notes", "000002_add_author", "000003_create_tags"][..version]
            .iter()
            .map(|file| std::fs::read_to_string(site.path(&format!("migrations/tenant/{file}.up.sql"))).unwrap())
            .collect();
        site.client_in(schema)
            .batch_execute(&format!(
                "{} CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); \
                 INSERT INTO schema_migrations VALUES ({version}, false)",
                files.concat()
            ))
            .unwrap();
    }
    site.sh("mkdir migrations-tenant; cd migrations/tenant; for f in *.up.sql; do \
             cp $f ../../migrations-tenant/V${f%%_*}__$(basename ${f#*_} .up.sql).sql; done")
        .succeeded();
    site
}

#[test]
fn a_fleet_is_imported_up_to_the_version_of_each_schema() {
    let site = fleet();
    let before = site.rows("schema_migrations", &TENANTS);
    site.sh("migrate import --from golang-migrate --dry-run && migrate import --from golang-migrate").succeeded();
    let (_, status) = site.json("migrate status");
    let pending = |tenant: usize| status["tenants"][tenant]["pending"].as_array().unwrap().len();
    assert_eq!((pending(0), pending(2)), (0, 1), "{status}");
    site.sh("migrate up").succeeded();
    assert_eq!(site.rows("schema_migrations", &TENANTS), before);
    site.is_taken_over("schema_migrations");
}

#[test]
fn a_dirty_schema_is_refused() {
    let site = fleet();
    site.execute("UPDATE globex.schema_migrations SET dirty = true");
    let (code, done) = site.json("migrate import --from golang-migrate");
    assert_eq!((code, outcome(&done, "globex").0, outcome(&done, "acme").0), (1, "refused", "imported"), "{done}");
}
