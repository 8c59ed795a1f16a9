//! Flyway, by the table that its documentation describes:
//! <https://documentation.red-gate.com/fd/flyway-schema-history-table-273973417.html>.

use std::fmt::Write;

use crate::site::{Site, TENANTS, outcome};

/// A file of the project, as Flyway records it.
struct File(Option<&'static str>, &'static str, &'static str);

const TENANT: [File; 4] = [
    File(Some("1"), "create notes", "V1__create_notes.sql"),
    File(Some("1.1"), "add author", "V1_1__add_author.sql"),
    File(Some("2"), "create tags", "V2__create_tags.sql"),
    File(None, "authors", "R__authors.sql"),
];
const SHARED: [File; 1] = [File(Some("1"), "create plans", "V1__create_plans.sql")];

fn migrate(site: &Site, schema: &str, set: &str, files: &[File]) {
    let mut sql = "CREATE TABLE flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50), \
                   description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, \
                   checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT \
                   now(), execution_time integer NOT NULL, success boolean NOT NULL);"
        .to_owned();
    for (rank, File(version, description, script)) in files.iter().enumerate() {
        let text = std::fs::read_to_string(site.path(&format!("db/{set}/{script}"))).unwrap();
        let version = version.map_or("NULL".to_owned(), |version| format!("'{version}'"));
        let _ = write!(
            sql,
            "{text} INSERT INTO flyway_schema_history VALUES ({rank}, {version}, '{description}', 'SQL', '{script}', \
             0, 'app', now(), 3, true);"
        );
    }
    site.client_in(schema).batch_execute(&sql).unwrap();
}

fn fleet() -> Site {
    let site = Site::new("projects/flyway");
    migrate(&site, "public", "shared", &SHARED);
    for (schema, count) in TENANTS.into_iter().zip([4, 4, 2]) {
        migrate(&site, schema, "tenant", &TENANT[..count]);
    }
    site
}

#[test]
fn the_guide_takes_a_fleet_over_and_leaves_flyways_history() {
    let site = fleet();
    let rows = || site.rows("flyway_schema_history", &["public", "acme", "globex", "initech"]);
    let before = rows();
    site.follow("adopt-flyway.md");
    assert_eq!(rows(), before);
    site.is_taken_over("flyway_schema_history");
}

#[test]
fn a_failed_row_is_refused() {
    let site = fleet();
    site.execute("UPDATE globex.flyway_schema_history SET success = false WHERE version = '2'");
    site.sh("mkdir migrations-tenant; cp db/tenant/V1__*.sql migrations-tenant/; \
             cp db/tenant/V1_1__add_author.sql migrations-tenant/V2__add_author.sql; \
             cp db/tenant/V2__create_tags.sql migrations-tenant/V3__create_tags.sql")
        .succeeded();
    let (code, done) = site.json("migrate import --from flyway --tenants-by '%o%'");
    assert_eq!((code, outcome(&done, "globex").0), (1, "refused"), "{done}");
}
