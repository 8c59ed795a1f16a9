//! Histories of other tools, in tables as the tools make them.

use std::time::Duration;

use migrations_core::{
    Basis, Comparison, Error, Event, Import, ImportOptions, ImportOutcome, Migrator, Refusal, State, TenantSchemas,
    Tool,
};
use migrations_testing::TestDatabase;

use crate::fixture::{AUTHOR, NOTES, column, execute, exists, history, migrator, name, number};
use crate::proxy::Proxy;

const MORE: (&str, &str) = ("V3__more", "SELECT 1");

fn both() -> Migrator {
    migrator(&[NOTES, AUTHOR])
}

/// sqlx's table in a schema, with these migrations of the tenant set.
fn sqlx(schema: &str, migrations: &[(i64, &str, &str)]) -> String {
    let rows = migrations.iter().map(|(version, description, text)| {
        format!(
            "INSERT INTO {schema}._sqlx_migrations VALUES ({version}, '{description}', now(), true, \
             sha384(convert_to($text${text}$text$, 'UTF8')), 1);"
        )
    });
    format!(
        "CREATE SCHEMA IF NOT EXISTS {schema};
         CREATE TABLE {schema}._sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, \
           installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
           execution_time bigint NOT NULL);
         {}",
        rows.collect::<String>()
    )
}

/// A tenant that sqlx has migrated, with its table.
fn tenant(schema: &str) -> String {
    let migrations = [(1, "notes", NOTES.1), (2, "author", AUTHOR.1)];
    format!("{} SET search_path = {schema}; {}; {}; RESET search_path;", sqlx(schema, &migrations), NOTES.1, AUTHOR.1)
}

fn database(sql: &[String]) -> TestDatabase {
    let test = TestDatabase::new().unwrap();
    execute(&test, &sql.concat());
    test
}

fn import(migrator: &Migrator, test: &TestDatabase, tool: Tool, options: &ImportOptions) -> Import {
    migrator.import(test.database(), tool, options).unwrap()
}

fn options(rules: &[&str]) -> ImportOptions {
    rules.iter().fold(ImportOptions::new(), |options, rule| options.map(rule.parse().unwrap()))
}

/// The outcome of every schema: `imported`, `unchanged`, or why it was refused.
fn outcomes(import: &Import) -> Vec<(String, Option<i64>, String)> {
    let outcome = |outcome: &ImportOutcome| match outcome {
        ImportOutcome::Imported => "imported".to_owned(),
        ImportOutcome::Unchanged => "unchanged".to_owned(),
        ImportOutcome::Refused(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    };
    import.schemas().map(|schema| (schema.schema.clone(), schema.version, outcome(&schema.outcome))).collect()
}

fn refusal<'a>(import: &'a Import, schema: &str) -> &'a Refusal {
    let found = import.schemas().find(|one| one.schema == schema).unwrap();
    match &found.outcome {
        ImportOutcome::Refused(refusal) => refusal,
        other => panic!("{schema}: {other:?}"),
    }
}

#[test]
fn an_import_runs_nothing_and_the_next_run_applies_what_is_new() {
    let test = database(&[tenant("acme"), tenant("globex")]);
    execute(&test, "CREATE TABLE public.plans_before (a int); INSERT INTO acme.notes VALUES (1, 'kept')");
    let before = column(&test, "SELECT _sqlx_migrations::text FROM acme._sqlx_migrations ORDER BY 1");

    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    let expected = ["acme", "globex"].map(|schema| (schema.to_owned(), Some(2), "imported".to_owned()));
    assert_eq!(outcomes(&done), expected);
    assert_eq!((history(&test, "acme"), history(&test, "globex").len()), (vec!["1".to_owned(), "2".to_owned()], 2));
    let status = both().verify(test.database()).unwrap();
    assert!(status.tenants.iter().all(|tenant| tenant.schema.state == State::Current), "{status:?}");
    assert_eq!(status.shared.state, State::Behind, "the shared set was not run");

    let report = migrator(&[NOTES, AUTHOR, MORE]).run(test.database()).unwrap();
    assert_eq!((report.tenants.total, report.tenants.migrated, report.failures.len()), (2, 2, 0));
    assert_eq!(history(&test, "acme").len(), 3);
    assert_eq!(column(&test, "SELECT body FROM acme.notes"), ["kept"]);
    let after = column(&test, "SELECT _sqlx_migrations::text FROM acme._sqlx_migrations ORDER BY 1");
    assert_eq!(after, before, "the tool's table is as it was");
}

#[test]
fn a_second_import_does_nothing_also_after_later_migrations() {
    let test = database(&[tenant("acme"), sqlx("public", &[(1, "plans", "")])]);
    let first = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert!(first.is_success() && first.shared.is_some(), "{first:?}");
    let again = || outcomes(&import(&both(), &test, Tool::Sqlx, &ImportOptions::new()));
    let unchanged = [("public", Some(1)), ("acme", Some(2))];
    let unchanged = unchanged.map(|(schema, version)| (schema.to_owned(), version, "unchanged".to_owned()));
    assert_eq!(again(), unchanged);
    assert!(migrator(&[NOTES, AUTHOR, MORE]).run(test.database()).unwrap().is_success());
    assert_eq!(again(), unchanged);
}

#[test]
fn a_dry_run_shows_the_mapping_and_writes_nothing() {
    let changed = sqlx("globex", &[(1, "notes", "another text")]);
    let test = database(&[tenant("acme"), changed]);
    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new().dry_run(true));
    let tenants = done.tenants.as_ref().unwrap();
    let rows: Vec<_> =
        tenants.mapping.iter().map(|row| (row.ours[0].as_str(), &row.basis, row.text, row.schemas)).collect();
    assert_eq!(
        rows,
        [(NOTES.0, &Basis::Version, Comparison::Different, 2), (AUTHOR.0, &Basis::Version, Comparison::Identical, 1)]
    );
    assert!(done.is_dry_run && done.is_success());
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"), 0);
    assert!(!exists(&test, "acme.refinery_schema_history"));
}

#[test]
fn what_cannot_be_imported_is_named_and_the_others_go_on() {
    let test = database(&[
        tenant("acme"),
        sqlx("failed", &[(1, "notes", "")]),
        sqlx("unknown", &[(1, "notes", ""), (9, "more", "")]),
        sqlx("skipped", &[(2, "author", "")]),
        sqlx("\"ends with a blank \"", &[]),
        sqlx("differs", &[(1, "notes", ""), (2, "author", "")]),
        "UPDATE failed._sqlx_migrations SET success = false;".to_owned(),
        "CREATE SCHEMA other; CREATE TABLE other._sqlx_migrations (version bigint);".to_owned(),
    ]);
    let first = migrator(&[NOTES]);
    execute(&test, "CREATE SCHEMA old; ALTER TABLE differs._sqlx_migrations SET SCHEMA old");
    first.get_or_create_tenant(test.database(), &name("globex")).unwrap();
    execute(
        &test,
        "DROP SCHEMA differs; ALTER SCHEMA globex RENAME TO differs; DELETE FROM migrations.tenants; \
         ALTER TABLE old._sqlx_migrations SET SCHEMA differs; DROP SCHEMA old",
    );

    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert!(!done.is_success());
    let texts: Vec<String> = outcomes(&done).into_iter().map(|(schema, _, text)| format!("{schema}: {text}")).collect();
    crate::fixture::assert_text("what_cannot_be_imported_is_named_and_the_others_go_on", &texts.join("\n"));
    assert_eq!(column(&test, "SELECT schema_name::text FROM migrations.tenants"), ["acme"]);
    assert_eq!(history(&test, "differs"), ["1"], "it is as it was");
    assert!(!exists(&test, "skipped.refinery_schema_history"));
}

#[test]
fn what_the_server_refuses_is_named_and_the_others_go_on() {
    let textual = sqlx("textual", &[]) + "ALTER TABLE textual._sqlx_migrations ALTER checksum TYPE text;";
    let test = database(&[tenant("acme"), tenant("globex"), textual]);
    execute(
        &test,
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
           IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'acme') THEN
             RAISE 'not in acme';
           END IF;
         END $$;
         CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse()",
    );
    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert_eq!(refusal(&done, "acme"), &Refusal::Server("P0001: not in acme".to_owned()));
    assert!(
        matches!(refusal(&done, "textual"), Refusal::Unreadable(problem) if problem.contains("encode")),
        "{done:?}"
    );
    assert_eq!(column(&test, "SELECT schema_name::text FROM migrations.tenants"), ["globex"]);
    assert!(!exists(&test, "acme.refinery_schema_history"));
}

/// Imports sqlx's histories, and runs the statements after the import has read them and before it writes acme's.
fn imported_around(test: &TestDatabase, statements: &str) -> Import {
    let mut other_run = test.client().unwrap();
    other_run.batch_execute("SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
    let (waits, is_waiting) = std::sync::mpsc::channel();
    let waiting = both().on_event(move |event| {
        if matches!(event, Event::Waiting { .. }) {
            waits.send(()).unwrap();
        }
    });
    std::thread::scope(|scope| {
        let importing = scope.spawn(|| import(&waiting, test, Tool::Sqlx, &ImportOptions::new()));
        is_waiting.recv_timeout(Duration::from_mins(1)).unwrap();
        execute(test, statements);
        other_run.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
        importing.join().unwrap()
    })
}

#[test]
fn a_history_that_changes_during_an_import_is_left_for_the_next_one() {
    let test = database(&[tenant("acme"), tenant("globex")]);
    let done = imported_around(
        &test,
        "DELETE FROM acme._sqlx_migrations WHERE version = 2; ALTER TABLE acme.notes DROP author",
    );
    assert_eq!((refusal(&done, "acme"), history(&test, "globex").len()), (&Refusal::Changed, 2));
    assert!(!exists(&test, "acme.refinery_schema_history"));
    let again = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert_eq!(outcomes(&again)[0], ("acme".to_owned(), Some(1), "imported".to_owned()));
}

#[test]
fn a_row_that_changes_during_an_import_is_noticed() {
    let row = |schema: &str| {
        format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.schema_migrations (version bigint NOT NULL PRIMARY KEY, \
             dirty boolean NOT NULL); INSERT INTO {schema}.schema_migrations VALUES (2, false);"
        )
    };
    for change in ["SET version = 1", "SET dirty = true"] {
        let test = database(&[row("acme"), row("globex")]);
        let mut other_run = test.client().unwrap();
        other_run.batch_execute("SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))").unwrap();
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let waiting = both().on_event(move |event| {
            if matches!(event, Event::Waiting { .. }) {
                waits.send(()).unwrap();
            }
        });
        let done = std::thread::scope(|scope| {
            let importing = scope.spawn(|| import(&waiting, &test, Tool::GolangMigrate, &ImportOptions::new()));
            is_waiting.recv_timeout(Duration::from_mins(1)).unwrap();
            execute(&test, &format!("UPDATE acme.schema_migrations {change}"));
            other_run.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
            importing.join().unwrap()
        });
        assert_eq!((refusal(&done, "acme"), history(&test, "globex").len()), (&Refusal::Changed, 2), "{change}");
        assert!(!exists(&test, "acme.refinery_schema_history"));
    }
}

#[test]
fn a_schema_with_two_inferred_matches_does_not_hold_back_the_others() {
    let diesel = |schema: &str, versions: &[&str]| {
        let rows = versions
            .iter()
            .map(|version| format!("INSERT INTO {schema}.__diesel_schema_migrations (version) VALUES ('{version}');"));
        format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.__diesel_schema_migrations (version varchar(50) PRIMARY KEY, \
             run_on timestamp NOT NULL DEFAULT now()); {}",
            rows.collect::<String>()
        )
    };
    let test = database(&[
        diesel("long", &["00000000000001", "2"]),
        diesel("plain", &["1", "2"]),
        diesel("twice", &["1", "00000000000001"]),
        diesel("unknown", &["1", "2", "9"]),
    ]);
    let done = import(&both(), &test, Tool::Diesel, &ImportOptions::new());
    let found: Vec<_> = outcomes(&done).into_iter().map(|(_, _, outcome)| outcome).collect();
    assert_eq!((found[0].as_str(), found[1].as_str()), ("imported", "imported"), "{found:?}");
    assert!(matches!(refusal(&done, "twice"), Refusal::Unmapped { foreign, .. } if foreign.len() == 2));
    assert!(matches!(refusal(&done, "unknown"), Refusal::Unmapped { foreign, .. } if *foreign == ["9"]));
}

#[test]
fn a_tenant_that_is_registered_during_an_import_is_left_for_the_next_one() {
    let test = database(&[tenant("acme"), tenant("globex")]);
    let done =
        imported_around(&test, "INSERT INTO migrations.tenants (schema_name, version, digest) VALUES ('acme', 7, 42)");
    assert_eq!((refusal(&done, "acme"), history(&test, "globex").len()), (&Refusal::Changed, 2));
    assert!(!exists(&test, "acme.refinery_schema_history"));
    let claim = "SELECT concat_ws(' ', version, digest) FROM migrations.tenants WHERE schema_name = 'acme'";
    assert_eq!(column(&test, claim), ["7 42"], "what the other session wrote stays");
    let again = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert_eq!(outcomes(&again)[0], ("acme".to_owned(), Some(2), "imported".to_owned()));
    assert_eq!(both().status(test.database()).unwrap().tenants[0].schema.state, State::Current);
}

#[test]
fn a_schema_with_the_name_of_a_tenant_that_has_another_schema_is_refused() {
    let test = database(&[tenant("acme"), tenant("globex")]);
    let elsewhere = both().schema_for(|_| "t_7".parse());
    elsewhere.get_or_create_tenant(test.database(), &name("acme")).unwrap();
    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    let problem = "tenant acme is registered with schema t_7; rename it (ALTER SCHEMA \"acme\" RENAME TO …), or leave \
                   it out";
    assert_eq!(refusal(&done, "acme"), &Refusal::Name(problem.to_owned()));
    assert!(!exists(&test, "acme.refinery_schema_history"));
    assert_eq!(history(&test, "globex").len(), 2);
}

#[test]
fn a_history_of_a_newer_binary_stays_and_its_schema_is_registered() {
    let test = database(&[tenant("acme")]);
    let newer = migrator(&[NOTES, AUTHOR, MORE]);
    assert!(import(&newer, &test, Tool::Sqlx, &ImportOptions::new()).is_success());
    assert!(newer.run(test.database()).unwrap().is_success());
    execute(&test, "DROP SCHEMA migrations CASCADE");
    let done = import(&both(), &test, Tool::Sqlx, &ImportOptions::new());
    assert_eq!(outcomes(&done), [("acme".to_owned(), Some(2), "imported".to_owned())]);
    assert_eq!(history(&test, "acme").len(), 3);
    let claim = "SELECT concat_ws(' ', version, coalesce(digest::text, 'unknown')) FROM migrations.tenants";
    assert_eq!(column(&test, claim), ["3 unknown"], "the next run reads the history");
    assert!(newer.run(test.database()).unwrap().is_success());
    assert_eq!(newer.status(test.database()).unwrap().tenants[0].schema.state, State::Current);
}

#[test]
fn a_squashed_set_is_applied_where_everything_is() {
    let django = |schema: &str, last: usize| {
        let rows = ["auth.0001_initial", "shop.0001_initial", "shop.0002_more"][..last].iter().map(|id| {
            let (app, name) = id.split_once('.').unwrap();
            format!("INSERT INTO {schema}.django_migrations (app, name, applied) VALUES ('{app}', '{name}', now());")
        });
        format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.django_migrations (id bigserial PRIMARY KEY, \
             app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL); {}",
            rows.collect::<String>()
        )
    };
    let test = database(&[django("acme", 3), django("behind", 2), django("empty", 0)]);
    let done = import(&migrator(&[NOTES]), &test, Tool::Django, &options(&["auth.*=-", "tenant:*=1", "typo=1"]));
    let lacks = vec!["shop.0002_more".to_owned(), "typo".to_owned()];
    assert_eq!(refusal(&done, "behind"), &Refusal::Partial { ours: NOTES.0.to_owned(), lacks });
    assert_eq!(done.unused, ["typo=1"]);

    let done = import(&migrator(&[NOTES]), &test, Tool::Django, &options(&["auth.*=-", "tenant:*=1"]));
    let found = outcomes(&done);
    assert_eq!((found[0].1, found[2].1), (Some(1), None), "{found:?}");
    assert_eq!((found[0].2.as_str(), found[2].2.as_str()), ("imported", "imported"));
    assert_eq!(history(&test, "acme"), ["1"]);
    assert!(history(&test, "empty").is_empty());
    let lacks = vec!["shop.0002_more".to_owned()];
    assert_eq!(refusal(&done, "behind"), &Refusal::Partial { ours: NOTES.0.to_owned(), lacks });
}

#[test]
fn a_version_stands_for_those_below_it_where_the_tool_keeps_only_the_last() {
    let table = |schema: &str, row: &str| {
        format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.schema_migrations (version bigint NOT NULL PRIMARY KEY, \
             dirty boolean NOT NULL); INSERT INTO {schema}.schema_migrations VALUES ({row});"
        )
    };
    let test = database(&[table("acme", "2, false"), table("behind", "1, false"), table("dirty", "2, true")]);
    execute(&test, "CREATE SCHEMA rails; CREATE TABLE rails.schema_migrations (version varchar)");
    let done = import(&both(), &test, Tool::GolangMigrate, &ImportOptions::new());
    assert_eq!((history(&test, "acme").len(), history(&test, "behind").len()), (2, 1));
    assert_eq!(refusal(&done, "dirty"), &Refusal::Unfinished { foreign: "2".to_owned() });
    assert!(matches!(refusal(&done, "rails"), Refusal::Unreadable(problem) if problem.contains("dirty")));
}

#[test]
fn the_table_and_the_tenants_can_be_named() {
    let renamed = |schema: &str| format!("{} ALTER TABLE {schema}._sqlx_migrations RENAME TO applied;", tenant(schema));
    let test = database(&[renamed("shop_a"), renamed("shop_b"), renamed("archive")]);
    let refused = both().import(test.database(), Tool::Sqlx, &ImportOptions::new());
    assert!(matches!(refused, Err(Error::NoHistory { .. })), "{refused:?}");
    assert_eq!(number(&test, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"), 0);

    let named = ImportOptions::new().table("applied");
    let done = import(&both(), &test, Tool::Sqlx, &named.clone().tenants(TenantSchemas::Like("shop\\_%".to_owned())));
    assert_eq!(done.schemas().map(|one| one.schema.as_str()).collect::<Vec<_>>(), ["shop_a", "shop_b"]);
    let done = import(&both(), &test, Tool::Sqlx, &named.clone().tenants(TenantSchemas::Registered));
    assert_eq!(done.schemas().count(), 2);
    assert_eq!(import(&both(), &test, Tool::Sqlx, &named).schemas().count(), 3);
}

#[test]
fn a_rule_with_a_version_that_no_set_has_is_refused() {
    let test = database(&[tenant("acme")]);
    for rule in ["1=7", "tenant:1=7", "shared:1=2"] {
        let refused = both().import(test.database(), Tool::Sqlx, &options(&[rule]));
        assert!(matches!(refused, Err(Error::Mapping { .. })), "{rule}: {refused:?}");
    }
}

#[test]
fn refinerys_own_history_stays_and_its_schemas_are_registered() {
    let test = TestDatabase::new().unwrap();
    both().get_or_create_tenant(test.database(), &name("acme")).unwrap();
    execute(&test, "DROP SCHEMA migrations CASCADE");
    let before = column(&test, "SELECT h::text FROM acme.refinery_schema_history h ORDER BY version");
    let done = import(&both(), &test, Tool::Refinery, &ImportOptions::new());
    assert!(done.is_success(), "{done:?}");
    assert!(done.tenants.unwrap().mapping.iter().all(|row| row.text == Comparison::Identical));
    assert_eq!(column(&test, "SELECT h::text FROM acme.refinery_schema_history h ORDER BY version"), before);
    assert_eq!(both().status(test.database()).unwrap().tenants[0].schema.state, State::Current);
    assert!(both().run(test.database()).unwrap().is_unchanged());
}

#[test]
fn a_fleet_is_read_in_a_few_round_trips() {
    let schemas = |count: usize| (0..count).map(|number| sqlx(&format!("t{number:04}"), &[(1, "notes", "")]));
    let (few, many) = (TestDatabase::new().unwrap(), TestDatabase::new().unwrap());
    for (test, count) in [(&few, 10), (&many, 410)] {
        for chunk in schemas(count).collect::<Vec<_>>().chunks(100) {
            execute(test, &chunk.concat());
        }
    }
    let trips = |test: &TestDatabase| {
        let proxy = Proxy::start(test.database(), Duration::ZERO);
        let done = both().import(&proxy.database(), Tool::Sqlx, &ImportOptions::new().dry_run(true)).unwrap();
        assert!(done.is_success());
        (done.schemas().count(), proxy.round_trips())
    };
    let ((few, base), (many, trips)) = (trips(&few), trips(&many));
    assert_eq!((few, many), (10, 410));
    assert_eq!(trips, base + 2, "two hundred schemas in one query");
}
