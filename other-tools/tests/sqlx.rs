//! sqlx.

use std::future::Future;

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::site::{Site, TENANTS, outcome};

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Migrates a schema with sqlx, up to a version.
fn migrate(site: &Site, schema: &str, set: &str, target: i64) {
    drop(site.client_in(schema));
    let options: PgConnectOptions = site.url().parse().unwrap();
    wait(async {
        let migrator = Migrator::new(site.path("migrations").join(set)).await.unwrap();
        let mut connection = PgConnection::connect_with(&options.options([("search_path", schema)])).await.unwrap();
        migrator.run_to(target, &mut connection).await.unwrap();
    });
}

fn fleet() -> Site {
    let site = Site::new("projects/sqlx");
    migrate(&site, "public", "shared", i64::MAX);
    for (schema, target) in TENANTS.into_iter().zip([i64::MAX, i64::MAX, 20_240_212_090_000]) {
        migrate(&site, schema, "tenant", target);
    }
    site
}

#[test]
fn the_guide_takes_a_fleet_over_and_sqlx_finds_its_history_as_it_was() {
    let site = fleet();
    let rows = || site.rows("_sqlx_migrations", &["public", "acme", "globex", "initech"]);
    let before = rows();
    site.follow("adopt-sqlx.md");
    assert_eq!(rows(), before);
    // sqlx checks its checksums, and finds nothing to do.
    migrate(&site, "acme", "tenant", i64::MAX);
    assert_eq!(rows(), before);
    let (code, done) = site.json("migrate import --from sqlx");
    assert_eq!((code, outcome(&done, "acme")), (0, ("unchanged", "")));
    assert!(done["sets"][1]["mapping"].as_array().unwrap().iter().all(|row| row["identical"] == true), "{done}");
    site.is_taken_over("_sqlx_migrations");
}

#[test]
fn a_failed_migration_is_refused_until_it_is_repaired() {
    let site = fleet();
    site.execute("UPDATE globex._sqlx_migrations SET success = false WHERE version = 20240310080000");
    site.sh("mkdir migrations-tenant; cd migrations/tenant; for f in *.up.sql; do \
             cp $f ../../migrations-tenant/V${f%%_*}__$(basename ${f#*_} .up.sql).sql; done")
        .succeeded();
    let (code, done) = site.json("migrate import --from sqlx --tenants-by '%o%'");
    let (what, why) = outcome(&done, "globex");
    assert!(code == 1 && what == "refused" && why.contains("20240310080000"), "{done}");
    site.execute("UPDATE globex._sqlx_migrations SET success = true");
    let (_, done) = site.json("migrate import --from sqlx");
    assert_eq!(outcome(&done, "globex"), ("imported", ""));
}
