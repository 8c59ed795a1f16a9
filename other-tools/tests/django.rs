//! Django with django-tenants.

use crate::site::{Site, TENANTS, outcome, python};

fn manage(site: &Site, arguments: &str) -> String {
    site.sh(&format!("{} manage.py {arguments}", python())).succeeded().stdout
}

fn fleet() -> Site {
    let site = Site::new("django");
    manage(&site, "migrate_schemas --shared");
    site.sh(&format!("{} fleet.py {}", python(), TENANTS.join(" "))).succeeded();
    site
}

#[test]
fn the_guide_takes_a_fleet_over_and_django_finds_its_history_as_it_was() {
    let site = fleet();
    site.execute("INSERT INTO acme.shop_note (body, author) VALUES ('kept', 'a')");
    let rows = || site.rows("django_migrations", &["public", "acme", "globex", "initech"]);
    let before = rows();
    site.follow("adopt-django-tenants.md");
    assert_eq!(rows(), before);
    manage(&site, "migrate_schemas --check");
    site.is_taken_over("django_migrations django_migrations_id_seq");
}

#[test]
fn a_tenant_that_is_behind_is_refused_by_name_when_all_is_squashed() {
    let site = fleet();
    manage(&site, "migrate_schemas --schema=initech shop 0001");
    site.sh("mkdir migrations-tenant; echo 'SELECT 1;' >migrations-tenant/V1__baseline.sql").succeeded();
    let (code, done) = site.json("migrate import --from django --map 'tenant:*=1' --map 'shared:*=-'");
    let (what, why) = outcome(&done, "initech");
    assert!(code == 1 && what == "refused" && why.contains("shop.0002_comments"), "{done}");
    assert_eq!(outcome(&done, "acme"), ("imported", ""));
    manage(&site, "migrate_schemas --schema=initech");
    let (code, done) = site.json("migrate import --from django --map 'tenant:*=1' --map 'shared:*=-'");
    assert_eq!((code, outcome(&done, "initech"), outcome(&done, "acme").0), (0, ("imported", ""), "unchanged"));
}
