//! Histories and registries that are wrong: what is explained, and what is corrected.

use std::time::{Duration, Instant};

use migrations_core::{Diverged, DivergedSchema, Error, Finding, Migrator, Repair, RepairReport, State, TenantName};
use migrations_testing::TestDatabase;

use crate::proxy::Proxy;
use crate::site::{AUTHOR, NOTES, TAGS, column, execute, history, migrator, name, number};

const ALL: [(&str, &str); 3] = [NOTES, AUTHOR, TAGS];

fn with_tenants(migrator: &Migrator, tenants: &[&str]) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    for tenant in tenants {
        migrator.get_or_create_tenant(test.database(), &name(tenant)).unwrap();
    }
    test
}

fn repair(migrator: &Migrator, test: &TestDatabase, repair: &Repair) -> RepairReport {
    migrator.repair(test.database(), repair).unwrap()
}

fn explain(migrator: &Migrator, test: &TestDatabase) -> RepairReport {
    repair(migrator, test, &Repair::explain())
}

/// The names under which a group's schemas are asked for.
fn names(group: &Diverged) -> Vec<&str> {
    fn name(it: &DivergedSchema) -> &str {
        it.tenant.as_ref().map_or(it.schema.as_str(), TenantName::as_str)
    }
    group.schemas.iter().map(name).collect()
}

/// The findings of the only group, and its schemas.
#[track_caller]
fn only_group(report: &RepairReport) -> (&[Finding], Vec<&str>) {
    let [group] = &report.found[..] else { panic!("not one group: {report:?}") };
    (&group.findings, names(group))
}

#[test]
fn a_database_without_a_difference_has_nothing_to_explain() {
    let migrator = migrator(&ALL);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    let report = explain(&migrator, &test);
    assert!(report.found.is_empty() && report.repaired.is_empty(), "{report:?}");
    // Behind and ahead are not wrong.
    assert!(explain(&crate::site::migrator(&[NOTES]), &test).found.is_empty());
    let newer = crate::site::migrator(&[NOTES, AUTHOR, TAGS, ("V4__more", "SELECT 4")]);
    assert!(explain(&newer, &test).found.is_empty());

    let empty = TestDatabase::new().unwrap();
    assert!(explain(&migrator, &empty).found.is_empty());
    assert_eq!(
        number(&empty, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"),
        0,
        "nothing was created"
    );
}

#[test]
fn schemas_that_differ_in_the_same_way_are_one_group_with_both_checksums() {
    let old = migrator(&ALL);
    let test = with_tenants(&old, &["acme", "globex", "initech"]);
    execute(
        &test,
        "UPDATE initech.refinery_schema_history SET checksum = '7' WHERE version = 2;
         INSERT INTO initech.refinery_schema_history VALUES (0, 'gone', '', '9')",
    );
    let edited = migrator(&[NOTES, ("V2__author", "ALTER TABLE notes ADD COLUMN author text"), TAGS]);
    let report = explain(&edited, &test);
    assert_eq!(report.found.len(), 2, "{report:?}");
    assert_eq!(names(&report.found[0]), ["acme", "globex"]);
    let checksums = [&old, &edited].map(|migrator| migrator.tenant_set().migrations()[1].checksum());
    let [Finding::Changed { version: 2, recorded_checksum, embedded_checksum, variant: None, .. }] =
        &report.found[0].findings[..]
    else {
        panic!("{report:?}")
    };
    assert_eq!([*recorded_checksum, *embedded_checksum], checksums);
    let told = report.found[1].findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        told.starts_with("V0__gone (checksum 9) is recorded, and the set does not have it\nV2__author was"),
        "{told}"
    );
    assert!(told.contains("the recorded checksum is 7"), "{told}");
}

#[test]
fn white_space_and_a_new_name_are_told_from_a_change() {
    let test = with_tenants(&migrator(&[("V1__notes", "CREATE TABLE notes (id int);\n"), AUTHOR]), &["acme"]);
    let told = |tenant: &[(&str, &str)]| {
        let report = explain(&migrator(tenant), &test);
        only_group(&report).0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let found = told(&[("V1__notes", "CREATE TABLE notes (id int);"), AUTHOR]);
    assert!(found.contains("only white space differs: ") && found.contains("with one line end at the end"), "{found}");
    let found = told(&[("V1__renamed", "CREATE TABLE notes (id int);\n"), AUTHOR]);
    assert!(found.contains("recorded as V1__notes") && found.contains("only the name differs"), "{found}");
    let found = told(&[("V1__notes", "CREATE TABLE notes (id bigint);\n"), AUTHOR]);
    assert!(found.contains("more than white space may differ"), "{found}");
    // A refinery that embedded the file as Windows checked it out.
    let windows = "CREATE TABLE notes (id int);\r\n";
    let recorded = refinery::Migration::unapplied("V1__notes", windows).unwrap().checksum();
    execute(&test, &format!("UPDATE acme.refinery_schema_history SET checksum = '{recorded}' WHERE version = 1"));
    let found = told(&[("V1__notes", "CREATE TABLE notes (id int);\n"), AUTHOR]);
    assert!(found.contains("has the recorded checksum with Windows line ends"), "{found}");
}

#[test]
fn embedded_checksums_are_written_for_the_versions_that_are_named() {
    let test = with_tenants(&migrator(&ALL), &["acme", "globex"]);
    let edited = migrator(&[("V1__notes", "CREATE TABLE notes ()"), ("V2__writer", "SELECT 2"), TAGS]);
    let times = column(&test, "SELECT applied_on FROM acme.refinery_schema_history ORDER BY version");

    let before = history(&test, "acme");
    let report = repair(&edited, &test, &Repair::explain().update_checksums([2]).dry_run(true));
    assert_eq!(report.repaired.len(), 2, "{report:?}");
    assert_eq!(history(&test, "acme"), before, "a dry run writes nothing");

    let report = repair(&edited, &test, &Repair::explain().update_checksums([2]));
    assert!(report.is_success() && report.repaired[0].text.starts_with("V2__writer is recorded"), "{report:?}");
    assert_eq!(history(&test, "acme"), ["V1__notes", "V2__writer", "V3__tags"]);
    assert_eq!(only_group(&explain(&edited, &test)).0.len(), 1, "version 1 is as it was");
    assert!(edited.run(test.database()).unwrap().failures.len() == 2);

    let none = repair(&edited, &test, &Repair::explain().update_checksums([]));
    assert!(none.repaired.is_empty(), "no versions, no corrections: {none:?}");
    assert!(repair(&edited, &test, &Repair::explain().update_all_checksums()).is_success());
    assert!(explain(&edited, &test).found.is_empty());
    assert!(edited.run(test.database()).unwrap().is_unchanged(), "the registry knows already");
    assert_eq!(column(&test, "SELECT applied_on FROM acme.refinery_schema_history ORDER BY version"), times);
    let unknown = edited.repair(test.database(), &Repair::explain().update_checksums([9])).unwrap_err();
    assert!(matches!(unknown, Error::UnknownVersion { version: 9, .. }), "{unknown}");
}

#[test]
fn the_history_of_the_shared_schema_is_corrected_like_a_tenants() {
    let old = crate::site::of(&[("V1__plans", "CREATE TABLE plans (code text)")], &[NOTES]);
    let test = with_tenants(&old, &["acme"]);
    let edited = crate::site::of(&[("V1__plans", "CREATE TABLE plans (code text) ")], &[NOTES]);
    assert!(edited.run(test.database()).is_err());
    assert_eq!(only_group(&explain(&edited, &test)).1, ["public"]);
    assert!(repair(&edited, &test, &Repair::explain().update_checksums([1])).is_success());
    assert!(edited.run(test.database()).unwrap().is_unchanged());
}

#[test]
fn a_version_is_taken_out_of_one_history_where_that_leaves_no_gap() {
    let migrator = migrator(&ALL);
    let test = with_tenants(&migrator, &["acme", "globex"]);
    let unapply = |version| repair(&migrator, &test, &Repair::explain().mark_unapplied(version, name("acme")));
    let refused = unapply(2);
    assert!(!refused.is_success() && refused.repaired[0].text.contains("while V3__tags is in it"), "{refused:?}");
    assert!(unapply(9).repaired[0].text.contains("no version 9; its last one is V3__tags"));
    execute(&test, "DROP TABLE acme.tags");
    assert!(unapply(3).is_success());
    assert_eq!((history(&test, "acme").len(), history(&test, "globex").len()), (2, 3));
    let report = migrator.run(test.database()).unwrap();
    assert_eq!((report.tenants.migrated, report.failures.len()), (1, 0));
    // A version that the set does not have comes out wherever it is.
    execute(&test, "INSERT INTO acme.refinery_schema_history VALUES (0, 'gone', '', '9')");
    assert!(unapply(0).is_success());
    assert!(explain(&migrator, &test).found.is_empty());
    let nobody = migrator.repair(test.database(), &Repair::explain().mark_unapplied(1, name("nobody")));
    assert!(matches!(nobody, Err(Error::UnknownTenant(_))), "{nobody:?}");
}

#[test]
fn the_registry_is_rebuilt_from_the_histories_in_a_few_statements() {
    let migrator = migrator(&ALL);
    let names: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let test = with_tenants(&migrator, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let rows = "SELECT concat_ws(' ', schema_name, version, digest, schema_oid) FROM migrations.tenants ORDER BY id";
    let before = column(&test, rows);
    execute(&test, "UPDATE migrations.tenants SET version = 1, digest = 7, schema_oid = 7 WHERE id <= 3");
    let report = explain(&migrator, &test);
    assert_eq!(only_group(&report).1, ["t0", "t1", "t2"]);
    assert!(only_group(&report).0[0].to_string().contains("another schema of this name"), "{report:?}");

    let proxy = Proxy::start(test.database(), Duration::ZERO);
    let report = migrator.repair(&proxy.database(), &Repair::explain().rebuild_registry()).unwrap();
    assert!(report.is_success() && report.repaired.len() == 3, "{report:?}");
    assert!(proxy.round_trips() < 25, "{}", proxy.round_trips());
    assert_eq!(column(&test, rows), before);
    let again = repair(&migrator, &test, &Repair::explain().rebuild_registry());
    assert!(again.repaired.is_empty() && again.found.is_empty(), "{again:?}");
}

#[test]
fn what_is_no_history_at_all_is_explained_too() {
    let migrator = migrator(&ALL);
    let test = with_tenants(&migrator, &["gone", "odd", "bare"]);
    execute(
        &test,
        "DROP SCHEMA gone CASCADE; ALTER TABLE odd.refinery_schema_history DROP COLUMN checksum;
         DROP TABLE bare.refinery_schema_history",
    );
    let report = explain(&migrator, &test);
    let found: Vec<_> = report.found.iter().map(|group| (names(group)[0], &group.findings[0])).collect();
    assert!(matches!(found[0], ("gone", Finding::Missing)), "{found:?}");
    assert!(matches!(found[1], ("odd", Finding::Unreadable(_))), "{found:?}");
    assert!(matches!(found[2], ("bare", Finding::Unrecorded)), "{found:?}");
}

const INDEX: (&str, &str) =
    ("V2__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY notes_body_idx ON notes (body);\nSELECT 2;");

/// A tenant as a process leaves it that dies while an index is built: the mark is the one that the run had written.
fn died_in_the_index() -> (TestDatabase, Migrator) {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let newer = migrator(&[NOTES, INDEX]);
    let mut other = test.client().unwrap();
    other.batch_execute("BEGIN; INSERT INTO acme.notes VALUES (1, 'x')").unwrap();
    let mark = "SELECT concat_ws(', ', in_flight_version, in_flight_statement, in_flight_file, in_flight_text, digest) \
                FROM migrations.tenants WHERE in_flight_text IS NOT NULL";
    let marked = std::thread::scope(|scope| {
        let run = scope.spawn(|| newer.run(test.database()).unwrap());
        let is_building = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
        let start = Instant::now();
        while number(&test, is_building) == 0 {
            assert!(start.elapsed() < Duration::from_mins(1), "the index was never begun");
        }
        let marked = column(&test, mark).remove(0);
        other.batch_execute("COMMIT").unwrap();
        assert!(run.join().unwrap().is_success());
        marked
    });
    execute(
        &test,
        &format!(
            "DELETE FROM acme.refinery_schema_history WHERE version = 2; UPDATE migrations.tenants SET version = 1,
             (in_flight_version, in_flight_statement, in_flight_file, in_flight_text, digest) = ROW({marked})"
        ),
    );
    (test, newer)
}

fn clear() -> Repair {
    Repair::explain().clear_mark("acme".parse().unwrap())
}

#[test]
fn the_mark_of_a_statement_whose_index_is_valid_is_recorded_as_done() {
    let (test, migrator) = died_in_the_index();
    assert!(matches!(only_group(&explain(&migrator, &test)).0, [Finding::Marked { version: 2 }]));
    let oid = column(&test, "SELECT 'acme.notes_body_idx'::regclass::oid::text");
    let in_flight = "SELECT concat(in_flight_statement, ' ', in_flight_text IS NULL) FROM migrations.tenants";
    let report = repair(&migrator, &test, &clear().dry_run(true));
    assert!(report.repaired[0].text.contains("the index is valid, so the statement is recorded as done"), "{report:?}");
    assert_eq!(column(&test, in_flight), ["0 f"], "a dry run writes nothing");
    assert!(repair(&migrator, &test, &clear()).is_success());
    assert_eq!(column(&test, in_flight), ["1 t"]);
    assert!(migrator.run(test.database()).unwrap().is_success());
    assert_eq!(column(&test, "SELECT 'acme.notes_body_idx'::regclass::oid::text"), oid, "it was not built again");
    assert!(explain(&migrator, &test).found.is_empty());
}

#[test]
fn an_invalid_index_is_left_to_the_next_run_which_builds_it_again() {
    let (test, migrator) = died_in_the_index();
    execute(&test, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'acme.notes_body_idx'::regclass");
    let report = repair(&migrator, &test, &clear());
    assert!(report.is_success() && report.repaired[0].text.contains("the next run drops it"), "{report:?}");
    let again = repair(&migrator, &test, &clear());
    assert!(!again.is_success() && again.repaired[0].text.contains("nothing is in doubt"), "{again:?}");
    assert!(migrator.run(test.database()).unwrap().is_success());
    assert_eq!(number(&test, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
    assert_eq!(migrator.status(test.database()).unwrap().tenants[0].schema.state, State::Current);
}

#[test]
fn a_mark_that_no_index_explains_is_left_alone() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let vacuum = migrator(&[NOTES, ("V2__vacuum", "-- migrate: no-transaction\nVACUUM notes;")]);
    let none = repair(&vacuum, &test, &clear());
    assert!(!none.is_success() && none.repaired[0].text == "no run was interrupted there", "{none:?}");
    execute(&test, "UPDATE migrations.tenants SET in_flight_version = 2, in_flight_statement = 0, in_flight_text = 1");
    let row = column(&test, "SELECT t::text FROM migrations.tenants t");
    let report = repair(&vacuum, &test, &clear());
    assert!(!report.is_success(), "{report:?}");
    execute(&test, "UPDATE migrations.tenants SET in_flight_version = 9");
    let other = repair(&vacuum, &test, &clear());
    assert!(other.repaired[0].text.contains("no migration of this version"), "{other:?}");
    execute(&test, "UPDATE migrations.tenants SET in_flight_version = 2");
    assert_eq!(column(&test, "SELECT t::text FROM migrations.tenants t"), row);
}

#[test]
fn a_history_is_corrected_and_its_mark_is_cleared_in_one_repair() {
    let (test, _) = died_in_the_index();
    let edited = migrator(&[("V1__notes", "CREATE TABLE notes ()"), INDEX]).lock_wait(Duration::from_secs(2));
    let start = Instant::now();
    let report = repair(&edited, &test, &clear().update_checksums([1]));
    assert!(report.is_success() && report.repaired.len() == 2, "{report:?}");
    assert!(start.elapsed() < Duration::from_secs(2), "it waited");
    assert!(edited.run(test.database()).unwrap().is_success());
}

#[test]
fn a_mark_that_the_server_does_not_let_it_clear_is_one_tenants_refusal() {
    let (test, migrator) = died_in_the_index();
    execute(
        &test,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON migrations.tenants FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    let report = repair(&migrator, &test, &clear());
    assert!(!report.is_success() && report.repaired[0].text.contains("not now"), "{report:?}");
}

#[test]
fn a_registry_is_rebuilt_once_also_from_a_history_that_diverged() {
    let test = with_tenants(&migrator(&ALL), &["acme"]);
    execute(&test, "UPDATE acme.refinery_schema_history SET checksum = '7' WHERE version = 2");
    let rebuild = || repair(&migrator(&ALL), &test, &Repair::explain().rebuild_registry());
    assert_eq!(rebuild().repaired.len(), 1);
    let again = rebuild();
    assert!(again.repaired.is_empty(), "{again:?}");
}

#[test]
fn the_mark_of_the_shared_schema_is_found_and_cleared() {
    let index = ("V2__index", "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY plans_code ON plans (code);");
    let plans = ("V1__plans", "CREATE TABLE plans (code text)");
    let test = TestDatabase::new().unwrap();
    assert!(crate::site::of(&[plans], &[]).run(test.database()).unwrap().is_success());
    let newer = crate::site::of(&[plans, index], &[]);
    execute(
        &test,
        "UPDATE migrations.sets SET in_flight_version = 2, in_flight_statement = 0, in_flight_text = 1
         WHERE name = 'shared'",
    );
    let report = explain(&newer, &test);
    let (findings, schemas) = only_group(&report);
    assert!(matches!(findings, [Finding::Marked { version: 2 }]) && schemas == ["public"], "{report:?}");
    let report = repair(&newer, &test, &Repair::explain().clear_shared_mark());
    assert_eq!((report.repaired.len(), &report.repaired[0].tenant), (1, &None), "{report:?}");
    let unknown = newer.repair(test.database(), &Repair::explain().clear_mark(name("public")));
    assert!(matches!(unknown, Err(Error::UnknownTenant(_))), "{unknown:?}");
}

#[test]
fn a_tenant_is_named_and_its_schema_beside_it() {
    let migrator = migrator(&ALL);
    let test = with_tenants(&migrator, &["acme"]);
    migrator.get_or_create_tenant_in(test.database(), &name("acme-corp"), &"t_42".parse().unwrap()).unwrap();
    execute(&test, "UPDATE migrations.tenants SET digest = 7");
    let report = repair(&migrator, &test, &Repair::explain().rebuild_registry());
    let shown: Vec<String> = report.found[0].schemas.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["acme", "acme-corp (schema t_42)"]);
    let last = &report.repaired[1];
    assert_eq!((last.tenant.as_ref().map(TenantName::as_str), last.schema.as_str()), (Some("acme-corp"), "t_42"));
    assert!(last.to_string().starts_with("acme-corp (schema t_42): the registry says"), "{last}");
}
