//! A failing migration leaves nothing behind. The tests also check the text of its failure.

use migrations_core::{Error, Reason};

use crate::fixture::{
    AUTHOR, NOTES, TAGS, assert_registry_is_true, column, execute, exists, history, migrator, name, number, set,
    with_tenants,
};

/// Fails if a tenant has a note.
const CHECK: (&str, &str) = (
    "V2__check",
    "CREATE TABLE before_the_failure (id bigint);\n\n  ALTER TABLE notes\n  ADD CONSTRAINT empty CHECK (body = '');\n",
);

#[test]
fn one_failing_tenant_leaves_the_others_migrated_and_itself_untouched() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex", "initech"]);
    execute(&test, "INSERT INTO globex.notes VALUES (1, 'full')");
    let newer = migrator(&[NOTES, CHECK, TAGS]);

    let report = newer.run(test.database()).unwrap();

    assert!(!report.is_success());
    assert_eq!((report.tenants.migrated, report.tenants.failed), (2, 1));
    let [failure] = &report.failures[..] else { panic!("{:?}", report.failures) };
    assert_eq!(failure.tenant(), Some(&name("globex")));
    // The server gives no position for a violated constraint: a replay finds the place.
    assert_eq!(failure.migration(), Some("V2__check"));
    assert_eq!(failure.excerpt().map(|at| (at.line(), at.column())), Some((3, 3)));
    assert_eq!(failure.sqlstate(), Some("23514"));
    assert_eq!(history(&test, "globex"), ["1"]);
    assert!(!exists(&test, "globex.before_the_failure") && exists(&test, "acme.before_the_failure"));
    assert_registry_is_true(&test, &newer);
    let recorded = column(&test, "SELECT last_error FROM migrations.tenants WHERE schema_name = 'globex'");
    assert!(recorded[0].contains("V2__check, line 3: 23514"), "{recorded:?}");

    // After the fix, a rerun migrates only that tenant.
    execute(&test, "DELETE FROM globex.notes");
    let report = newer.run(test.database()).unwrap();
    assert_eq!((report.tenants.current, report.tenants.migrated, report.tenants.failed), (2, 1, 0));
    assert_eq!(column(&test, "SELECT last_error FROM migrations.tenants"), ["", "", ""]);
}

#[test]
fn sql_history_and_registry_row_commit_together() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let before = column(&test, "SELECT t::text FROM migrations.tenants t");
    // The failure is at the very end, when the registry's own row is written.
    execute(
        &test,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE OF digest ON migrations.tenants FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    let report = migrator(&[NOTES, AUTHOR, TAGS]).run(test.database()).unwrap();

    assert_eq!(report.tenants.failed, 1);
    assert!(report.failures[0].message().contains("not today"), "{}", report.failures[0]);
    assert_eq!(history(&test, "acme"), ["1"], "no history row");
    assert!(!exists(&test, "acme.tags"), "no table");
    execute(&test, "DROP TRIGGER refuse ON migrations.tenants; UPDATE migrations.tenants SET last_error = NULL");
    assert_eq!(column(&test, "SELECT t::text FROM migrations.tenants t"), before, "no registry row");
}

#[test]
fn a_tenant_that_cannot_be_provisioned_leaves_nothing() {
    let good = migrator(&[NOTES]);
    let test = with_tenants(&good, &["acme"]);
    let bad = migrator(&[NOTES, ("V2__bad", "CREATE TABLE notes ()")]);

    let error = bad.get_or_create_tenant(test.database(), &name("globex")).unwrap_err();

    let Error::Failed(failure) = &error else { panic!("{error}") };
    assert_eq!((failure.migration(), error.sqlstate()), (Some("V2__bad"), Some("42P07")));
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'globex'"), 0);
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1);
}

#[test]
fn an_error_says_where_it_is_in_every_form() {
    let cases = [
        ("syntax", "SELECT 1;\n  SELEC 2;", "V2__case:2:3", "42601"),
        ("column, behind a character of several bytes", "SELECT 'äöü', nmae", "V2__case:1:15", "42703"),
        ("no position", "SELECT 1;\n\nCREATE TABLE notes ();", "V2__case:3:1", "42P07"),
        (
            "in a function",
            "SELECT 1;\nDO $$ BEGIN RAISE 'no' USING DETAIL = 'd', HINT = 'h'; END $$",
            "V2__case:2:1",
            "P0001",
        ),
        ("end of input", "SELECT (1", "V2__case:1:10", "42601"),
        (
            "deferred to the end",
            "CREATE TABLE d (a int UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO d VALUES (1), (1);",
            "",
            "23505",
        ),
    ];
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    for (what, sql, place, sqlstate) in cases {
        let report = migrator(&[NOTES, ("V2__case", sql)]).run(test.database()).unwrap();
        let failure = &report.failures[0];
        assert_eq!(failure.sqlstate(), Some(sqlstate), "{what}");
        let at = failure.excerpt().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
        assert_eq!(at.unwrap_or_default(), place, "{what}");
    }
}

#[test]
fn the_text_of_a_failure() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let broken = ("V2__broken", "CREATE TABLE first (id bigint);\nSELECT body, autor FROM notes\nWHERE id = 1;\n");
    let report = migrator(&[NOTES, broken]).run(test.database()).unwrap();
    crate::fixture::assert_text("the_text_of_a_failure", &report.failures[0].to_string());
}

#[test]
fn a_failure_that_is_not_about_sql_has_its_reason() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    execute(&test, "DROP SCHEMA acme CASCADE");
    let report = migrator(&[NOTES]).run(test.database()).unwrap();
    assert_eq!((report.tenants.current, report.tenants.failed), (1, 1));
    assert_eq!(report.failures[0].reason(), &Reason::SchemaMissing);
    crate::fixture::assert_text("a_failure_that_is_not_about_sql_has_its_reason", &report.failures[0].to_string());
}

#[test]
fn a_migrations_own_settings_do_not_reach_the_next_one() {
    let tenant = set(
        "tenant",
        &[
            ("V1__away", "SET LOCAL search_path = public; SET LOCAL work_mem = '1MB'; SET LOCAL ROLE pg_monitor"),
            ("V2__back", "CREATE TABLE here AS SELECT current_setting('work_mem') AS mem, current_user::text AS role"),
        ],
    );
    let test = with_tenants(&crate::fixture::of(set("shared", &[]), tenant), &["acme"]);
    let here = column(&test, "SELECT mem || ' ' || role FROM acme.here");
    let expected = column(&test, "SELECT current_setting('work_mem') || ' ' || current_user");
    assert_eq!(here, expected);
    assert_eq!(history(&test, "acme"), ["1", "2"]);

    // The migration's SQL comes from a function, not from a file.
    let away = "SELECT set_config('search_path', 'pg_catalog', true)";
    let tenant = set("tenant", &[("V1__away", away), ("V2__back", "CREATE TABLE here (id bigint)")]);
    let test = with_tenants(&crate::fixture::of(set("shared", &[]), tenant), &["acme"]);
    assert!(exists(&test, "acme.here"));
}
