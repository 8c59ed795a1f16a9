//! The fixed order: registry, shared set, tenants in the order of registration; and which failure stops what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrations_core::{Error, Event, Migrator, RunOptions, State};
use migrations_testing::TestDatabase;

use crate::fixture::{
    AUTHOR, NOTES, TAGS, column, execute, exists, migrator, name, number, set, wait_until, with_tenants,
};

#[test]
fn everything_happens_in_the_fixed_order() {
    // Every migration records that it ran; its number is drawn at that moment.
    let log = |what: &str| {
        format!("-- migrate: allow-schema public\nINSERT INTO public.log (what) VALUES ('{what} ' || current_schema())")
    };
    let shared =
        "CREATE TABLE log (id bigserial, what text, registry regclass DEFAULT to_regclass('migrations.tenants'))";
    let shared = set("shared", &[("V1__log", shared), ("V2__plans", &log("shared 2"))]);
    let tenant = set("tenant", &[("V1__a", &log("tenant 1")), ("V2__b", &log("tenant 2"))]);
    let migrator = crate::fixture::of(shared, tenant).jobs(1);
    let test = TestDatabase::new().unwrap();

    let options = RunOptions::new().create([name("zeta"), name("alpha"), name("mid")]);
    assert!(migrator.run_with(test.database(), &options).unwrap().is_success());

    let order = ["shared 2 public", "tenant 1 zeta", "tenant 2 zeta", "tenant 1 alpha", "tenant 2 alpha"];
    let log = column(&test, "SELECT what FROM log ORDER BY id");
    assert_eq!(log[..5], order);
    assert_eq!(log.len(), 7);
    assert_eq!(number(&test, "SELECT count(*) FROM log WHERE registry IS NULL"), 0, "the registry comes first");
}

#[test]
fn tenants_are_migrated_in_registration_order_and_reported_in_it_whatever_ends_first() {
    let test = with_tenants(&migrator(&[NOTES]), &["zeta", "alpha", "mid"]);
    let slow = ("V2__slow", "SELECT pg_sleep(CASE current_schema() WHEN 'zeta' THEN 0.5 ELSE 0 END)");
    let report = migrator(&[NOTES, slow]).jobs(3).run(test.database()).unwrap();
    let names: Vec<_> = report.outcomes.iter().map(|outcome| outcome.tenant.as_str()).collect();
    assert_eq!(names, ["zeta", "alpha", "mid"]);
}

#[test]
fn a_shared_failure_stops_the_tenants() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let shared = set(
        "shared",
        &[("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)"), ("V2__bad", "SELECT 1;\nSELECT nmae")],
    );
    let migrator = crate::fixture::of(shared, set("tenant", &[NOTES, AUTHOR]));

    let error = migrator.run(test.database()).unwrap_err();

    let Error::Failed(failure) = &error.error else { panic!("{error}") };
    assert_eq!(failure.migration(), Some("V2__bad"));
    assert_eq!(failure.excerpt().map(|at| (at.line(), at.column())), Some((2, 8)));
    let status = migrator.status(test.database()).unwrap();
    assert_eq!(status.shared.state, State::Behind);
    assert_eq!(status.tenants[0].schema.pending, ["V2__author"], "the tenant was not touched");
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.runs WHERE outcome = 'failure'"), 1);
}

#[test]
fn a_run_can_be_limited_to_the_shared_set_or_to_some_tenants() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let newer = migrator(&[NOTES, AUTHOR]);

    let report = newer.run_with(test.database(), &RunOptions::new().shared_only(true)).unwrap();
    assert_eq!(report.tenants.total, 0);
    assert!(newer.is_pending(test.database()).unwrap());

    let report = newer.run_with(test.database(), &RunOptions::new().only([name("globex")])).unwrap();
    assert_eq!((report.tenants.total, report.tenants.migrated), (1, 1));
    let states: Vec<_> = newer.status(test.database()).unwrap().tenants.iter().map(|t| t.schema.state).collect();
    assert_eq!(states, [State::Behind, State::Current]);

    let unknown = newer.run_with(test.database(), &RunOptions::new().only([name("acme"), name("nobody")]));
    assert!(matches!(unknown.map_err(Error::from), Err(Error::UnknownTenant(tenant)) if tenant.as_str() == "nobody"));
}

#[test]
fn the_framework_can_live_in_other_schemas() {
    let migrator =
        migrator(&[NOTES]).registry_schema("bookkeeping".parse().unwrap()).shared_schema("commons".parse().unwrap());
    let test = with_tenants(&migrator, &["acme"]);
    assert!(exists(&test, "bookkeeping.tenants") && exists(&test, "commons.plans") && exists(&test, "acme.notes"));
    assert!(!exists(&test, "public.plans"));
    assert!(migrator.run(test.database()).unwrap().is_unchanged());

    for taken in ["bookkeeping", "commons"] {
        let error = migrator.get_or_create_tenant(test.database(), &name(taken));
        assert!(matches!(error, Err(Error::NameInUse(..))), "{taken}");
    }
    let same = migrator.clone().registry_schema("commons".parse().unwrap());
    assert!(matches!(same.run(test.database()).map_err(Error::from), Err(Error::OneSchema(_))));
}

#[test]
fn events_tell_what_happens_as_it_happens() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&heard);
    let newer = migrator(&[NOTES, AUTHOR]).jobs(1).on_event(move |event| {
        let line = match event {
            Event::Planned { tenants, .. } => format!("planned {tenants}"),
            Event::TenantMigrated { tenant, migrations, progress, .. } => {
                format!("{tenant} {migrations} {}/{}", progress.done, progress.total)
            }
            Event::Finished { report } => format!("finished {}", report.tenants.migrated),
            other => format!("{other:?}"),
        };
        writer.lock().unwrap().push(line);
    });
    let _ = newer.run(test.database()).unwrap();
    assert_eq!(*heard.lock().unwrap(), ["planned 2", "acme 1 1/2", "globex 1 2/2", "finished 2"]);
}

#[test]
fn a_rehearsal_is_what_a_run_sends_and_sends_nothing() {
    let test = TestDatabase::new().unwrap();
    let migrator = migrator(&[NOTES, AUTHOR]);
    let options = RunOptions::new().create([name("acme")]);
    let sends = |migrator: &Migrator| migrator.rehearse(test.database(), &options).unwrap();
    let titles = |migrator: &Migrator| {
        let of = |schema: &migrations_core::Rehearsal| format!("{} {}", schema.set, schema.migrations.join(" "));
        sends(migrator).iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(
        titles(&migrator),
        ["registry V1__registry V2__leases_and_marks V3__names", "shared V1__plans", "tenant V1__notes V2__author"]
    );
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('acme', 'migrations')"), 0);

    // Sending the messages by hand has the same result as a run.
    for message in sends(&migrator).iter().flat_map(|schema| &schema.messages) {
        execute(&test, message);
    }
    assert!(migrator.run_with(test.database(), &options).unwrap().is_unchanged());
    assert!(sends(&migrator).is_empty());
    let nobody = migrator.rehearse(test.database(), &RunOptions::new().only([name("nobody")]));
    assert!(matches!(nobody, Err(Error::UnknownTenant(_))));
    assert_eq!(titles(&crate::fixture::migrator(&[NOTES, AUTHOR, TAGS])), ["tenant V3__tags"]);
}

#[test]
fn a_lock_on_a_shared_table_is_tried_again_too() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let shared = [
        ("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)"),
        ("V2__price", "ALTER TABLE plans ADD COLUMN price numeric"),
    ];
    let newer =
        crate::fixture::of(set("shared", &shared), set("tenant", &[NOTES])).lock_timeout(Duration::from_millis(100));
    let mut holder = test.client().unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE plans IN ACCESS SHARE MODE").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        let waiter = "SELECT FROM pg_locks WHERE relation = 'plans'::regclass AND NOT granted";
        wait_until(&test, waiter);
        wait_until(&test, &format!("SELECT WHERE NOT EXISTS ({waiter})"));
        holder.batch_execute("COMMIT").unwrap();
        let report = run.join().unwrap();
        assert_eq!(report.shared.applied, ["V2__price"]);
        assert!(report.retries >= 1);
    });
}
