//! What is declared to be applied, and what is refused.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use migrations_core::{Baseline, BaselineOutcome, Delivery, NamePattern, Repair, State, TenantSelection};

use crate::proxy::Proxy;
use crate::site::{
    AUTHOR, NOTES, PLANS, PRICES, TAGS, baseline, column, execute, history, live, migrator, name, named, number, of,
    recorded, refusal,
};

const ALL: [(&str, &str); 3] = [NOTES, AUTHOR, TAGS];

#[test]
fn a_database_that_another_tool_migrated_joins_and_the_next_run_continues_after_the_baseline() {
    let test = live(&["acme", "globex"], &[NOTES, AUTHOR]);
    execute(&test, PLANS.1);
    execute(&test, "INSERT INTO acme.notes VALUES (1, 'kept')");
    let migrator = of(&[PLANS, PRICES], &ALL);

    let shared = migrator.baseline_shared(test.database(), &Baseline::at(1).verify(true)).unwrap();
    assert!(shared.is_proved && recorded(&shared) == ["V1__plans"], "{shared:?}");
    let at = Baseline::at(2).adopt(true).verify(true);
    let done = migrator.baseline_tenants(test.database(), &named(&["acme", "globex"]), &at).unwrap();
    assert!(done.is_success() && done.schemas.iter().all(|schema| schema.is_proved), "{done:?}");
    assert_eq!(recorded(&done.schemas[0]), ["V1__notes", "V2__author"]);
    assert_eq!(number(&test, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'plans'"), 1);

    let status = migrator.status(test.database()).unwrap();
    assert_eq!((status.shared.version, status.shared.pending.as_slice()), (Some(1), &["V2__prices".to_owned()][..]));
    let report = migrator.run(test.database()).unwrap();
    assert_eq!((report.shared.applied.as_slice(), report.tenants.migrated), (&["V2__prices".to_owned()][..], 2));
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(column(&test, "SELECT body FROM acme.notes"), ["kept"]);
    assert_eq!(history(&test, "acme"), ["V1__notes", "V2__author", "V3__tags"]);
    assert!(
        migrator.verify(test.database()).unwrap().tenants.iter().all(|tenant| tenant.schema.state == State::Current)
    );
}

#[test]
fn a_baseline_runs_no_migration_of_the_two_sets() {
    let test = live(&["acme"], &[NOTES]);
    let migrator = migrator(&ALL);
    baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true));
    let tables = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE c.relkind = 'r' AND n.nspname IN ('public', 'acme') ORDER BY 1";
    assert_eq!(column(&test, tables), ["acme.notes", "acme.refinery_schema_history"]);
}

#[test]
fn statements_that_are_sent_one_by_one_record_the_same() {
    let test = live(&["acme"], &[NOTES, AUTHOR]);
    let migrator = migrator(&ALL).delivery(Delivery::Statements);
    let done = baseline(&migrator, &test, "acme", &Baseline::at(2).adopt(true).verify(true));
    assert!(done.is_proved && recorded(&done).len() == 2, "{done:?}");
    assert!(migrator.run(test.database()).unwrap().is_success());
    execute(&test, "UPDATE acme.refinery_schema_history SET checksum = '7' WHERE version = 2");
    assert!(migrator.repair(test.database(), &Repair::explain().update_checksums([2])).unwrap().is_success());
    assert!(migrator.repair(test.database(), &Repair::explain()).unwrap().found.is_empty());
}

#[test]
fn a_baseline_that_is_recorded_already_changes_nothing() {
    let test = live(&["acme"], &[NOTES, AUTHOR]);
    let (migrator, at) = (migrator(&ALL), Baseline::at(2).adopt(true));
    baseline(&migrator, &test, "acme", &at);
    let rows = "SELECT h::text FROM acme.refinery_schema_history h UNION ALL SELECT t::text FROM migrations.tenants t";
    let before = column(&test, rows);
    let again = baseline(&migrator, &test, "acme", &at);
    assert!(matches!(again.outcome, BaselineOutcome::Unchanged), "{again:?}");
    let again = baseline(&migrator, &test, "acme", &Baseline::at(2).verify(true));
    assert!(matches!(again.outcome, BaselineOutcome::Unchanged) && again.is_proved, "{again:?}");
    assert_eq!(column(&test, rows), before);
}

#[test]
fn a_history_that_says_something_else_is_shown_beside_the_baseline_and_left_alone() {
    let test = live(&["acme"], &[NOTES, AUTHOR]);
    let other = migrator(&[NOTES, ("V2__writer", "SELECT 1")]);
    baseline(&other, &test, "acme", &Baseline::at(2).adopt(true));
    let before = history(&test, "acme");
    let told = refusal(&baseline(&migrator(&ALL), &test, "acme", &Baseline::at(2)));
    assert!(told.contains("after the first migration: it has V2__writer (checksum "), "{told}");
    assert!(told.contains(", the baseline V2__author (checksum "), "{told}");
    let told = refusal(&baseline(&other, &test, "acme", &Baseline::at(1)));
    assert!(told.contains("it has V2__writer") && told.contains("the baseline nothing"), "{told}");
    assert_eq!(history(&test, "acme"), before);
}

#[test]
fn pending_migrations_are_recorded_beside_a_history_only_when_asked() {
    let migrator = migrator(&ALL);
    let test = live(&["acme"], &[NOTES]);
    baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true));
    let first = column(&test, "SELECT applied_on FROM acme.refinery_schema_history");
    let told = refusal(&baseline(&migrator, &test, "acme", &Baseline::at(3)));
    assert!(told.contains("pending: V2__author, V3__tags") && told.contains("Baseline::fake"), "{told}");
    let done = baseline(&migrator, &test, "acme", &Baseline::at(3).fake(true));
    assert_eq!(recorded(&done), ["V2__author", "V3__tags"]);
    assert_eq!(history(&test, "acme").len(), 3);
    assert_eq!(
        column(&test, "SELECT applied_on FROM acme.refinery_schema_history")[0],
        first[0],
        "the first row stays"
    );
    assert!(of(&[], &ALL).status(test.database()).unwrap().tenants[0].schema.state == State::Current);
}

#[test]
fn a_version_that_the_set_does_not_have_is_refused_with_the_nearest_ones() {
    let test = live(&["acme"], &[NOTES]);
    let set = migrator(&[NOTES, ("V5__five", "SELECT 5"), ("V9__nine", "SELECT 9")]);
    let error = |version| {
        let done = set.baseline_tenants(test.database(), &named(&["acme"]), &Baseline::at(version).adopt(true));
        done.unwrap_err().to_string()
    };
    let told = "the tenant set has no migration with version 7; the nearest ones are V5__five and V9__nine";
    assert_eq!(error(7), told);
    assert!(error(12).ends_with("the nearest ones are V9__nine"), "{}", error(12));
    assert!(error(0).ends_with("the nearest ones are V1__notes"), "{}", error(0));
    let empty = of(&[], &[]).baseline_shared(test.database(), &Baseline::at(1)).unwrap_err();
    assert_eq!(empty.to_string(), "the shared set has no migration with version 1; the set is empty");
    assert_eq!(
        number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"),
        0,
        "nothing was created"
    );
}

#[test]
fn only_schemas_that_exist_and_are_tenants_get_a_baseline() {
    let migrator = migrator(&ALL);
    let test = live(&["acme"], &[NOTES]);
    let told = |tenant, at: &Baseline| refusal(&baseline(&migrator, &test, tenant, at));
    assert!(told("nobody", &Baseline::at(1).adopt(true)).contains("does not exist"));
    assert!(told("acme", &Baseline::at(1)).contains("Baseline::adopt"));
    assert!(told("migrations", &Baseline::at(1).adopt(true)).contains("is reserved for the registry"));
    execute(&test, "CREATE TABLE acme.refinery_schema_history (version text, name text)");
    assert!(told("acme", &Baseline::at(1).adopt(true)).contains("cannot be read"));
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 0);
}

#[test]
fn tenants_are_selected_by_pattern_and_others_are_registered_only_when_asked() {
    let migrator = migrator(&ALL);
    let test = live(&["shop_1", "shop_2", "shops", "other"], &[NOTES]);
    execute(&test, "CREATE SCHEMA \"shop_A-b\"; CREATE SCHEMA \"shop_with a blank \"");
    let pattern = TenantSelection::Matching(NamePattern::new("shop_*"));
    assert!(migrator.baseline_tenants(test.database(), &pattern, &Baseline::at(1)).unwrap().schemas.is_empty());
    let done = migrator.baseline_tenants(test.database(), &pattern, &Baseline::at(1).adopt(true)).unwrap();
    let schemas: Vec<_> = done.schemas.iter().map(|schema| schema.schema.as_str()).collect();
    assert_eq!(schemas, ["shop_1", "shop_2", "shop_A-b", "shop_with a blank "]);
    assert!(refusal(&done.schemas[3]).contains("ALTER SCHEMA"), "{done:?}");
    let registered = column(&test, "SELECT schema_name::text FROM migrations.tenants ORDER BY id");
    assert_eq!(registered, ["shop_1", "shop_2", "shop_A-b"]);
    let all = migrator.baseline_tenants(test.database(), &TenantSelection::All, &Baseline::at(2).fake(true)).unwrap();
    assert_eq!(all.schemas.len(), 3);
    assert!(all.is_success());
}

#[test]
fn a_run_leaves_a_tenant_alone_that_holds_tables_and_has_no_history() {
    let migrator = migrator(&ALL);
    let test = live(&["acme", "empty"], &[]);
    execute(&test, "CREATE TABLE acme.notes (id bigint)");
    execute(&test, "CREATE EXTENSION pg_trgm SCHEMA empty; CREATE TYPE empty.mood AS ENUM ('good')");
    let adopted = migrator.adopt_tenant(test.database(), &name("acme")).unwrap();
    assert!(adopted.schema.problem.as_ref().unwrap().contains("Migrator::baseline_tenants"), "{adopted:?}");
    let adopted = migrator.adopt_tenant(test.database(), &name("empty")).unwrap();
    assert_eq!((adopted.schema.problem, adopted.schema.pending.len()), (None, 3));

    let report = migrator.run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.failures.len()), (1, 1), "{:?}", report.failures);
    let told = report.failures[0].to_string();
    assert!(told.contains("tenant acme") && told.contains("no history table"), "{told}");
    let signed_up = migrator.get_or_create_tenant(test.database(), &name("acme"));
    assert!(signed_up.unwrap_err().to_string().contains("no history table"));
    assert_eq!(number(&test, "SELECT count(*) FROM pg_tables WHERE schemaname = 'acme'"), 1, "nothing was created");

    // An operator who wants the first migration to run over them says so.
    execute(&test, "ALTER TABLE acme.notes RENAME TO old_notes");
    let done = baseline(&migrator, &test, "acme", &Baseline::at_nothing());
    assert!(recorded(&done).is_empty());
    assert!(matches!(baseline(&migrator, &test, "acme", &Baseline::at_nothing()).outcome, BaselineOutcome::Unchanged));
    assert!(migrator.run(test.database()).unwrap().is_success());
    assert_eq!(history(&test, "acme").len(), 3);
}

#[test]
fn adoption_changes_the_registry_alone() {
    let test = live(&["acme"], &[]);
    migrator(&ALL).adopt_tenant(test.database(), &name("acme")).unwrap();
    assert_eq!(number(&test, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'acme')"), 0);
}

#[test]
fn a_mark_of_a_migration_that_is_declared_applied_is_over() {
    let index =
        ("V2__index", "-- migrate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY notes_body ON notes (body)");
    let test = live(&["acme"], &[NOTES]);
    baseline(&migrator(&[NOTES]), &test, "acme", &Baseline::at(1).adopt(true));
    execute(&test, "INSERT INTO acme.notes VALUES (1, 'x'), (2, 'x')");
    let migrator = of(&[PLANS], &[NOTES, index]);
    assert_eq!(migrator.run(test.database()).unwrap().failures.len(), 1);
    let marks = "SELECT count(*) FROM migrations.tenants WHERE in_flight_version IS NOT NULL";
    assert_eq!(number(&test, marks), 1);
    execute(
        &test,
        "DELETE FROM acme.notes WHERE id = 2; DROP INDEX IF EXISTS acme.notes_body; \
                    CREATE UNIQUE INDEX notes_body ON acme.notes (body)",
    );
    let done = baseline(&migrator, &test, "acme", &Baseline::at(2).fake(true).verify(true));
    assert_eq!(recorded(&done), ["V2__index"]);
    assert_eq!(number(&test, marks), 0);
    assert!(migrator.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn two_baselines_at_once_write_one_history() {
    let test = live(&["acme"], &[NOTES, AUTHOR]);
    let (migrator, barrier) = (migrator(&ALL), Barrier::new(6));
    let done: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6)
            .map(|call| {
                let (migrator, test, barrier) = (&migrator, &test, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    baseline(migrator, test, "acme", &Baseline::at(1 + call % 2).adopt(true))
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let recorded = done.iter().filter(|done| matches!(done.outcome, BaselineOutcome::Recorded(_))).count();
    assert_eq!(recorded, 1, "{done:?}");
    let is_refused = |done: &&migrations_core::Baselined| matches!(done.outcome, BaselineOutcome::Refused(_));
    assert_eq!(done.iter().filter(is_refused).count(), 3, "the other version is refused: {done:?}");
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1);
    assert!(!history(&test, "acme").is_empty());
}

#[test]
fn a_baseline_that_is_cut_off_leaves_nothing_and_is_repeated() {
    let test = live(&["acme"], &[NOTES]);
    let migrator = migrator(&ALL);
    migrator.adopt_tenant(test.database(), &name("acme")).unwrap();
    execute(
        &test,
        "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$;
         CREATE EVENT TRIGGER stop ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION stop()",
    );
    let cut = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event = 'PgSleep') AS cut";
    let error = std::thread::scope(|scope| {
        let call = scope
            .spawn(|| migrator.baseline_tenants(test.database(), &named(&["acme"]), &Baseline::at(1)).unwrap_err());
        let start = Instant::now();
        while number(&test, cut) == 0 {
            assert!(start.elapsed() < Duration::from_mins(1), "it never came to the history table");
        }
        call.join().unwrap()
    });
    assert!(error.to_string().contains("tenant acme"), "{error}");
    assert_eq!(column(&test, "SELECT version::text FROM migrations.tenants"), [""]);
    assert_eq!(
        number(&test, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'refinery%' AND schemaname = 'acme'"),
        0
    );
    execute(&test, "DROP EVENT TRIGGER stop");
    assert_eq!(recorded(&baseline(&migrator, &test, "acme", &Baseline::at(1))), ["V1__notes"]);
}

#[test]
fn a_baseline_writes_nothing_without_the_tenants_lock() {
    let test = live(&["acme"], &[NOTES]);
    let migrator = migrator(&ALL).lock_wait(Duration::from_millis(200));
    baseline(&migrator, &test, "acme", &Baseline::at(1).adopt(true));
    // Another session holds the tenant's lock, as a run does.
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let told = refusal(&baseline(&migrator, &test, "acme", &Baseline::at(3).fake(true)));
    assert!(told.contains("tenant acme is still locked by another run"), "{told}");
    assert_eq!(history(&test, "acme").len(), 1);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(recorded(&baseline(&migrator, &test, "acme", &Baseline::at(3).fake(true))).len(), 2);
}

#[test]
fn thousands_of_tenants_cost_one_message_each_and_a_few_queries() {
    const TENANTS: usize = 1_200;
    let test = live(&[], &[]);
    execute(
        &test,
        &format!(
            "DO $$ BEGIN FOR i IN 1..{TENANTS} LOOP
               EXECUTE format('CREATE SCHEMA t%s; CREATE TABLE t%s.notes (id bigint)', i, i);
               IF i % 400 = 0 THEN COMMIT; END IF;
             END LOOP; END $$"
        ),
    );
    let migrator = migrator(&ALL);
    let proxy = Proxy::start(test.database(), Duration::ZERO);
    let selection = TenantSelection::Matching(NamePattern::new("t*"));
    let done = migrator.baseline_tenants(&proxy.database(), &selection, &Baseline::at(2).adopt(true)).unwrap();
    assert!(done.is_success() && done.schemas.len() == TENANTS);
    let first = proxy.round_trips();
    assert!((TENANTS..TENANTS + 60).contains(&first), "{first}");
    let all = migrator.baseline_tenants(&proxy.database(), &TenantSelection::All, &Baseline::at(2)).unwrap();
    assert!(all.schemas.iter().all(|done| matches!(done.outcome, BaselineOutcome::Unchanged)));
    let again = proxy.round_trips() - first;
    assert!(again < 40, "{again}");
}

#[test]
fn the_schema_of_an_extension_is_no_tenants() {
    let test = live(&["shop_1"], &[NOTES]);
    // As after CREATE EXTENSION of one whose script creates its schema.
    execute(
        &test,
        "CREATE EXTENSION pg_trgm; CREATE SCHEMA shop_x;
         INSERT INTO pg_depend SELECT 'pg_namespace'::regclass, n.oid, 0, 'pg_extension'::regclass, e.oid, 0, 'e'
         FROM pg_namespace n, pg_extension e WHERE n.nspname = 'shop_x' AND e.extname = 'pg_trgm'",
    );
    let pattern = TenantSelection::Matching(NamePattern::new("shop_*"));
    let done = migrator(&ALL).baseline_tenants(test.database(), &pattern, &Baseline::at(1).adopt(true)).unwrap();
    assert_eq!(done.schemas.iter().map(|done| done.schema.as_str()).collect::<Vec<_>>(), ["shop_1"]);
}
