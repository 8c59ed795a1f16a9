//! Two versions of the binary at the same time, as in a rolling deploy.

use migrations_core::{Report, State};

use crate::runner::up;
use crate::site::{APPLIED, Site, first, name};

#[test]
fn an_older_binary_beside_a_newer_one_leaves_what_it_does_not_know_alone() {
    let site = Site::new(12);
    let copy = site.copy();
    // The older binary has one migration more than the fleet, and the newer binary has even more.
    let older = first(APPLIED + 1).jobs(2);
    let database = copy.database();
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let newer = scope.spawn(|| up(&copy.url(), &["--jobs", "2"]).finish().succeeded());
        let run = scope.spawn(|| {
            let mut reports = vec![older.run(&database).unwrap()];
            while !newer.is_finished() {
                reports.push(older.run(&database).unwrap());
                // And a tenant signs up in the meantime.
                older.get_or_create_tenant(&database, &name("acme")).unwrap();
            }
            newer.join().unwrap();
            reports
        });
        run.join().unwrap()
    });
    for report in &reports {
        assert!(report.is_success(), "{:?}", report.failures);
    }
    // The tenant that the older binary created is behind, and the others are not.
    up(&copy.url(), &[]).finish().succeeded();
    copy.assert_whole();

    let newest = "SELECT max(xmin::text::bigint) FROM (SELECT xmin FROM migrations.tenants UNION ALL \
                  SELECT xmin FROM migrations.sets UNION ALL SELECT xmin FROM migrations.runs UNION ALL \
                  SELECT xmin FROM pg_class) AS rows";
    let before = copy.number(newest);
    let report = older.run(&database).unwrap();
    assert!(report.is_success() && report.is_unchanged());
    assert_eq!((report.tenants.total, report.tenants.ahead), (13, 13));
    let (tenant, created) = older.get_or_create_tenant(&database, &name("tenant_03")).unwrap();
    assert!(!created && tenant.name == name("tenant_03"));
    assert_eq!(copy.number(newest), before, "no row was written");
    let status = older.status(&database).unwrap();
    assert!(status.tenants.iter().all(|tenant| tenant.schema.state == State::Ahead));
    copy.assert_whole();
}
