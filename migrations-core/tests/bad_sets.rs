//! The error of a set that cannot be used names the file, the place in it, the reason and the way out. Snapshots hold
//! the texts.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use include_dir::{Dir, DirEntry, File};
use migrations_core::{Database, Error, MigrationSet, Migrator, SetError};

/// Paths and contents.
type Files = &'static [(&'static str, &'static [u8])];

/// The set from a folder with these files.
fn set(files: Files) -> Result<MigrationSet, SetError> {
    let entries: Vec<_> = files.iter().map(|(path, content)| DirEntry::File(File::new(path, content))).collect();
    MigrationSet::from_dir("tenant", &Dir::new("", entries.leak()))
}

/// Why the tenants' set from this folder is refused.
fn error(files: Files) -> SetError {
    let nowhere = Database::from_url("postgres://nobody@127.0.0.1:1/none").unwrap().with_wait(Duration::ZERO);
    let run = |tenant| Migrator::new(MigrationSet::new("shared").unwrap(), tenant).run(&nowhere);
    match set(files) {
        Ok(set) => of_the_set(run(set).unwrap_err().error),
        Err(error) => error,
    }
}

fn of_the_set(error: Error) -> SetError {
    match error {
        Error::Set(error) => error,
        other => panic!("not an error of the set: {other}"),
    }
}

/// The errors' kinds and texts, for a snapshot.
fn described(errors: impl Iterator<Item = (&'static str, SetError)>) -> String {
    let texts: Vec<_> = errors.map(|(what, error)| format!("[{what}] {:?}\n{error}", error.kind())).collect();
    texts.join("\n\n")
}

#[test]
fn every_way_to_be_wrong_is_said() {
    let cases: &[(&'static str, Files)] = &[
        ("misnamed", &[("2026-add-notes.sql", b"SELECT 1")]),
        ("not sql", &[("README.md", b"# Migrations")]),
        ("unversioned", &[("U1__view.sql", b"SELECT 1")]),
        ("version too large", &[("V99999999999999999999__a.sql", b"SELECT 1")]),
        ("twice", &[("V1__a.sql", b"SELECT 1"), ("old/V1__a.sql", b"SELECT 1")]),
        ("one version, two names", &[("V1__a.sql", b"SELECT 1"), ("V1__b.sql", b"SELECT 1")]),
        ("not UTF-8", &[("V1__a.sql", b"SELECT '\xff'")]),
        ("NUL byte", &[("V1__a.sql", b"SELECT 1;\nSELECT '\0'")]),
        ("unknown directive", &[("V1__a.sql", b"-- a comment\n-- migrate: no-transactions\nSELECT 1")]),
        ("directive without a colon", &[("V1__a.sql", b"-- migrate no-transaction\nSELECT 1")]),
        ("directive with another word", &[("V1__a.sql", b"-- Migration: NO_TRANSACTION\nSELECT 1")]),
        ("allow-schema without a schema", &[("V1__a.sql", b"-- migrate: allow-schema\nSELECT 1")]),
        ("late directive", &[("V1__a.sql", b"SELECT 1;\n-- migrate: no-transaction\n")]),
        ("open string", &[("V1__a.sql", b"SELECT 1;\nSELECT 'it's';\n")]),
        ("number before a string", &[("V1__a.sql", b"SELECT 0x$$ $$")]),
        ("escapes in two lines", &[("V1__a.sql", b"SELECT E'a'\n'b'")]),
        ("backslashes as text", &[("V1__a.sql", b"SET standard_conforming_strings = off")]),
        ("psql", &[("V1__a.sql", b"SELECT 1;\n\\connect other\n")]),
        ("BEGIN without COMMIT", &[("V1__a.sql", b"BEGIN;\nSELECT 1;\n")]),
        ("BEGIN with modes", &[("V1__a.sql", b"BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT")]),
        ("COMMIT AND CHAIN", &[("V1__a.sql", b"SELECT 1;\n  commit and chain;\n")]),
        ("ROLLBACK", &[("V1__a.sql", b"SELECT 1; ROLLBACK TO SAVEPOINT a;\n")]),
        ("SET LOCAL in a block", &[("V1__a.sql", b"BEGIN; SET LOCAL timezone = 'UTC'; COMMIT; SELECT 1")]),
        ("session-wide SET", &[("V1__a.sql", b"SET search_path = 'public';\nSELECT 1;\n")]),
        ("session-wide set_config", &[("V1__a.sql", b"SELECT pg_catalog.set_config('search_path', '', false);\n")]),
        ("RESET ROLE", &[("V1__a.sql", b"RESET ROLE;\n")]),
        ("VACUUM", &[("V1__a.sql", b"VACUUM t;\n")]),
        ("concurrently", &[("V1__a.sql", b"CREATE INDEX CONCURRENTLY i ON t (a);\n")]),
        ("COPY FROM STDIN", &[("V1__a.sql", b"COPY t (a) FROM stdin;\n1\n\\.\n")]),
        ("outside: in a block", &[("V1__a.sql", b"-- migrate: no-transaction\nBEGIN; VACUUM t; COMMIT;\n")]),
        ("outside: of a form that is unknown", &[("V1__a.sql", b"-- migrate: no-transaction\nVACUUM a b;\n")]),
        ("outside: every table", &[("V1__a.sql", b"-- migrate: no-transaction\nVACUUM FULL;\n")]),
        (
            "outside: a setting with a function",
            &[("V1__a.sql", b"-- migrate: no-transaction\nSELECT set_config('a.b', lower('X'), false);\n")],
        ),
        ("outside: not known to be safe", &[("V1__a.sql", b"-- migrate: no-transaction\nDROP DATABASE d;\n")]),
        ("outside: the server's", &[("V1__a.sql", b"-- migrate: no-transaction\nALTER SYSTEM SET jit = off;\n")]),
        ("outside: another schema", &[("V1__a.sql", b"-- migrate: no-transaction\nVACUUM t;\nDROP TABLE public.t;\n")]),
    ];
    insta::assert_snapshot!(described(cases.iter().map(|(what, files)| (*what, error(files)))));
}

#[test]
fn a_mistake_in_code_is_an_error_of_the_set() {
    let set = || set(&[("V1__a.sql", b"-- migrate: no-transaction\nDROP INDEX CONCURRENTLY i")]).unwrap();
    let errors = [
        ("set name", MigrationSet::new("My set").unwrap_err()),
        ("title", set().with_sql("V2__b.sql", "SELECT 1").unwrap_err()),
        ("no such migration", set().allow_database("V1__b").unwrap_err()),
        ("run instead", set().run_instead("V1__a", || "SELECT 'it's'".to_owned()).unwrap_err()),
        ("as written", set().as_written("V1__a").unwrap().check().unwrap_err()),
    ];
    insta::assert_snapshot!(described(errors.into_iter()));
}

#[test]
fn a_migration_in_rust_is_checked_like_a_file() {
    let set = set(&[("V1__a.sql", b"SELECT 1")]).unwrap();
    let error = set.clone().with_migration("V1__b", || "SELECT 2".to_owned()).unwrap_err();
    insta::assert_snapshot!(error.to_string());
    assert_eq!(set.with_sql("V1__b", "SELECT 2").unwrap_err().to_string(), error.to_string());
}

#[test]
fn line_ends_do_not_change_a_checksum() {
    let unix = set(&[("V1__a.sql", b"SELECT 1;\nSELECT 2;\n")]).unwrap();
    let windows = set(&[("V1__a.sql", b"SELECT 1;\r\nSELECT 2;\r\n")]).unwrap();
    assert_eq!(unix.digest(), windows.digest());
}

#[test]
fn files_come_in_the_order_of_their_versions_and_dot_files_are_passed_over() {
    let set = set(&[
        ("V10__c.sql", b"SELECT 10"),
        (".gitkeep", b""),
        ("V9__b.sql", b"SELECT 9"),
        ("2025/V1__a.sql", b"SELECT 1"),
    ])
    .unwrap();
    let titles: Vec<_> = set.migrations().iter().map(|migration| (migration.title(), migration.file())).collect();
    assert_eq!(titles, [("V1__a", "2025/V1__a.sql"), ("V9__b", "V9__b.sql"), ("V10__c", "V10__c.sql")]);
}

#[test]
fn a_directive_is_one_in_any_case_and_with_any_spacing() {
    let index = "CREATE INDEX CONCURRENTLY i ON t (a)";
    for directive in [
        "-- migrate: no-transaction",
        "--migrate:no-transaction",
        "-- MIGRATE:  No-Transaction",
        "---- Migrate : NO-TRANSACTION",
    ] {
        let sql = format!("{directive}\n{index}").into_bytes().leak();
        let files: Files = Box::leak(Box::new([("V1__a.sql", &*sql)]));
        assert!(set(files).unwrap().migrations()[0].is_outside_a_transaction(), "{directive}");
    }
    // A comment that only begins like a directive is an ordinary comment.
    for comment in [
        "-- migrate users to accounts",
        "-- Migrates no rows: transactions are kept",
        "-- no transaction is needed",
        "-- migrate no transactions to it",
    ] {
        let sql = format!("{comment}\nSELECT 1").into_bytes().leak();
        let files: Files = Box::leak(Box::new([("V1__a.sql", &*sql)]));
        assert!(set(files).unwrap().check().is_ok(), "{comment}");
    }
}

#[test]
fn what_is_run_instead_keeps_the_files_checksum() {
    let file = set(&[("V1__a.sql", b"COPY t FROM stdin;\n1\n\\.\n")]).unwrap();
    let before = file.digest();
    let instead = file.run_instead("V1__a", || "INSERT INTO t VALUES (1)".to_owned()).unwrap();
    assert_eq!(instead.digest(), before);
    assert!(instead.check().is_ok());
    assert_eq!(instead.migrations()[0].sql(), "INSERT INTO t VALUES (1)");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_sql() {
    let with_mark = set(&[("V1__a.sql", b"\xef\xbb\xbfSELECT 1")]).unwrap();
    assert_eq!(with_mark.migrations()[0].sql(), "SELECT 1");
}
