//! Hostile migrations: whatever a file holds, it is refused before a connection, fails as a whole, or is applied as a
//! whole, with its history row after it. None of the framework's own statements is swallowed, and nothing is added to
//! them.

use migrations_core::{Error, MigrationSet, Migrator, TenantName};
use migrations_testing::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const BEFORE: (&str, &str) = ("V1__before", "CREATE TABLE before ()");
const AFTER: (&str, &str) = ("V3__after", "CREATE TABLE after ()");

fn set(migrations: &[(&str, &str)]) -> Result<MigrationSet, migrations_core::SetError> {
    migrations
        .iter()
        .try_fold(MigrationSet::new("tenant")?, |set, (title, sql)| set.with_migration(title, || (*sql).to_owned()))
}

fn migrator(migrations: &[(&str, &str)]) -> Result<Migrator, Error> {
    let migrator = Migrator::new(MigrationSet::new("shared")?, set(migrations)?);
    migrator.check()?;
    Ok(migrator)
}

/// The expected content of a tenant.
#[derive(Debug, PartialEq)]
struct Left {
    history: Vec<(i64, String, String)>,
    tables: Vec<String>,
    registered: Vec<(Option<i64>, Option<i64>)>,
}

fn left(test: &TestDatabase) -> Left {
    let mut client = test.client().unwrap();
    let history = "SELECT version, name, checksum FROM acme.refinery_schema_history ORDER BY version";
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'acme'::regnamespace AND relkind = 'r' \
                  AND relname IN ('before', 'after') ORDER BY 1";
    let registered = "SELECT version, digest FROM migrations.tenants";
    Left {
        history: client.query(history, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
        tables: client.query(tables, &[]).unwrap().iter().map(|row| row.get(0)).collect(),
        registered: client.query(registered, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect(),
    }
}

/// Applies the migration between two others, on a database where the first is applied; afterwards either everything is
/// applied, or nothing.
fn whole_or_not_at_all(test: &TestDatabase, sql: &str) -> bool {
    let mut admin = test.client().unwrap();
    admin.batch_execute("DROP SCHEMA IF EXISTS acme CASCADE; DROP SCHEMA IF EXISTS migrations CASCADE").unwrap();
    let name: TenantName = "acme".parse().unwrap();
    let old = migrator(&[BEFORE]).unwrap();
    old.get_or_create_tenant(test.database(), &name).unwrap();
    let before = left(test);

    let new = migrator(&[BEFORE, ("V2__hostile", sql), AFTER]).unwrap();
    let Ok(report) = new.run(test.database()) else { return false };
    let after = left(test);
    if !report.is_success() {
        assert_eq!(after, before, "{sql:?} left something: {:?}", report.failures);
        return false;
    }
    let history: Vec<_> = new
        .tenant_set()
        .migrations()
        .iter()
        .map(|m| (m.version(), m.title().split_once("__").unwrap().1.to_owned(), m.checksum().to_string()))
        .collect();
    assert_eq!(after.history, history, "{sql:?}");
    assert_eq!(after.tables, ["after", "before"], "{sql:?}");
    assert_eq!(after.registered[0].0, Some(3), "{sql:?}");
    assert!(new.run(test.database()).unwrap().is_unchanged(), "{sql:?}");
    true
}

#[test]
fn what_only_looks_open_is_applied() {
    let test = TestDatabase::new().unwrap();
    for sql in [
        "SELECT 1 --",
        "SELECT 1; --",
        "SELECT 1 -- it's /* not \" open $$",
        "SELECT 1 /* a /* nested */ one; */",
        "SELECT 1;;;",
        "SELECT 'it''s', E'it\\'s', \"t\".\"a\"\"b\" FROM (SELECT 1 AS \"a\"\"b\") AS \"t\"",
        "SELECT $$ ' \" -- /* $$, $migrate$ END $migrate$, $é$ $$ $é$",
        "SELECT 'a'\n'b', U&'\\0041', B'1', X'F', N'n'",
        "SELECT 1 AS a$b, 2 AS c$",
        "DO $migrate$ BEGIN PERFORM ';'; END $migrate$",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''; COMMIT'''",
        "SELECT 'ä😀\u{202e}', '\u{a0}'",
        "SELECT 1 - -1, 2 */* c */ 3",
        "SELECT 1\r-- a comment that ends in a carriage return\r, 2",
    ] {
        assert!(whole_or_not_at_all(&test, sql), "{sql:?}");
    }
}

#[test]
fn what_is_left_open_is_refused_before_a_connection() {
    for sql in [
        "SELECT 'a",
        "SELECT 'it''s",
        "SELECT E'a\\'",
        "SELECT \"a",
        "SELECT U&\"a",
        "SELECT $$ a",
        "SELECT $a$ b $b$ $A$",
        "SELECT $é$",
        "SELECT 1 /* a",
        "SELECT 1 /* a /* b */",
        "SELECT 1 -- a\r/*",
        "SELECT '",
        "SELECT 1 /*/",
    ] {
        assert!(matches!(migrator(&[("V1__open", sql)]), Err(Error::Set(_))), "{sql:?}");
    }
}

/// The next migration fails: if a `COMMIT` reaches the server, something stays.
#[test]
fn what_would_end_the_transaction_does_not_reach_the_server_however_it_is_written() {
    let test = TestDatabase::new().unwrap();
    for sql in [
        "COMMIT",
        "SELECT 1; commit work",
        "SELECT 1; /* a */ COMMIT",
        "SELECT 1 -- a\r; COMMIT",
        "BEGIN; SELECT 'a\\'; COMMIT; --'",
        "SELECT 1 AS a$$; COMMIT; SELECT 2 AS b$$",
        "SELECT 1 AS é$$; COMMIT; SELECT 2 AS 😀$$",
        "SELECT $a$ $b$a$; COMMIT",
        "START TRANSACTION; SELECT 1; END",
        ";COMMIT",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$; COMMIT",
        "CREATE TABLE t (); CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); COMMIT",
        "CREATE TABLE t AS SELECT begin atomic FROM (SELECT 1 AS begin) AS x; COMMIT",
        "BEGIN; COMMIT; BEGIN; SELECT 1; COMMIT",
    ] {
        let migrator =
            migrator(&[("V1__before", "CREATE TABLE before ()"), ("V2__ends", sql), ("V3__fails", "SELECT 1 / 0")]);
        let failed = migrator.unwrap().get_or_create_tenant(test.database(), &"acme".parse().unwrap()).unwrap_err();
        assert!(failed.to_string().contains("22012"), "{sql:?}: {failed}");
        let stays = "SELECT count(*) FROM pg_namespace WHERE nspname = 'acme' OR nspname LIKE '\\_\\_spare%'";
        assert_eq!(test.client().unwrap().query_one(stays, &[]).unwrap().get::<_, i64>(0), 0, "{sql:?}");
    }
    for sql in
        ["SELECT 1; -- a\rROLLBACK", "ABORT", "SELECT 1; COMMIT AND CHAIN", "SAVEPOINT a", "PREPARE TRANSACTION 'a'"]
    {
        assert!(matches!(migrator(&[("V1__ends", sql)]), Err(Error::Set(_))), "{sql:?}");
    }
}

/// Pieces of SQL that open, close, escape and comment.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "E'",
        "e'\\'",
        "U&'",
        "U&\"",
        "B'1'",
        "N'",
        "$$",
        "$a$",
        "$migrate$",
        "$1",
        "a$",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        "\\",
        ";",
        "(",
        ")",
        " ",
        "SELECT 1",
        "SELECT 'a'",
        ", 2",
        " AS a",
        "é",
        "+",
        "-",
        "/",
        "*",
        "0x",
        "1_0",
        "1e",
        "CREATE TABLE before ()",
        "DROP TABLE IF EXISTS after",
        ";BEGIN;",
        ";COMMIT;",
    ]);
    prop::collection::vec(piece, 1..9).prop_map(|pieces| format!("SELECT 0{}", pieces.concat()))
}

#[test]
fn any_text_is_refused_fails_whole_or_is_applied_whole() {
    let test = TestDatabase::new().unwrap();
    let applied = std::cell::Cell::new(0);
    TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() })
        .run(&pieces(), |sql| {
            if migrator(&[("V2__hostile", &sql)]).is_ok() && whole_or_not_at_all(&test, &sql) {
                applied.set(applied.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    assert!(applied.get() > 0, "the texts are not all refused: {}", applied.get());
}

#[test]
fn what_the_server_reads_otherwise_is_refused() {
    for sql in [
        // A keyword that is used as a name: the body is closed.
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END; COMMIT",
        // It ends the block that looks for isolation violations.
        "-- migrate: allow-schema $migrate$\nSELECT 1",
    ] {
        assert!(matches!(migrator(&[("V1__otherwise", sql)]), Err(Error::Set(_))), "{sql:?}");
    }
}

#[test]
fn what_only_some_servers_read_otherwise_is_refused() {
    for sql in [
        // A string continues after a line end, with the escape rules of its beginning.
        "SELECT E'a'\n'b\\'",
        "SELECT E'a' -- c\n'\\'",
        // Up to PostgreSQL 15 `0x$$` is `0 AS x$$`.
        "SELECT 0x$$; COMMIT; SELECT 0x$$",
    ] {
        assert!(matches!(migrator(&[("V1__otherwise", sql)]), Err(Error::Set(_))), "{sql:?}");
    }
}

#[test]
fn a_statement_that_is_nested_deeply_does_not_end_the_process() {
    // Each names a schema, so that each is parsed.
    for sql in [
        format!("SELECT {}a.b{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("SELECT {}1{}", "(SELECT a.b, ".repeat(1_500), ")".repeat(1_500)),
        format!("SELECT {} true", "NOT a.b AND ".repeat(3_000)),
        format!("UPDATE t SET a = ''{}", " || t.x".repeat(20_000)),
        format!("INSERT INTO t SELECT 1{}", " UNION ALL SELECT a.b".repeat(3_000)),
    ] {
        // Refused or accepted, but reported.
        let _ = migrator(&[("V1__deep", &sql)]);
    }
}

#[test]
fn a_database_that_reads_strings_otherwise_is_refused() {
    let test = TestDatabase::new().unwrap();
    let database = |name: &str| test.client().unwrap().query_one(name, &[]).unwrap().get::<_, String>(0);
    let name = database("SELECT quote_ident(current_database())");
    // Two strings to the check; to such a server, a string and three statements.
    let migrator = migrator(&[("V1__otherwise", "SELECT 'a\\', '; CREATE TABLE public.leak (); SELECT '")]).unwrap();
    let set = |value: &str| {
        let sql = format!("ALTER DATABASE {name} SET standard_conforming_strings = {value}");
        test.client().unwrap().batch_execute(&sql).unwrap();
    };
    for round in 0..2 {
        set("off");
        let sign_up = migrator.get_or_create_tenant(test.database(), &"acme".parse().unwrap());
        assert!(matches!(sign_up, Err(Error::BackslashesEscape)), "{sign_up:?}");
        let run = migrator.run(test.database());
        assert!(
            matches!(run.as_ref().map_err(|stopped| &stopped.error), Err(Error::BackslashesEscape)),
            "{round}: {run:?}"
        );
        set("on");
        assert!(migrator.run(test.database()).unwrap().is_success());
    }
    assert!(migrator.get_or_create_tenant(test.database(), &"acme".parse().unwrap()).unwrap().1);
    assert_eq!(database("SELECT coalesce(to_regclass('public.leak')::text, 'none')"), "none");
}
