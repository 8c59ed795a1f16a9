//! A set that cannot be used says which file, where in it, why, and what to do: every way to be wrong, as a snapshot.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use include_dir::{Dir, DirEntry, File};
use migrations_core::{Database, Error, MigrationSet, Migrator};

/// Paths and contents.
type Files = &'static [(&'static str, &'static [u8])];

/// The set in a folder with these files.
fn set(files: Files) -> Result<MigrationSet, Error> {
    let entries: Vec<_> = files.iter().map(|(path, content)| DirEntry::File(File::new(path, content))).collect();
    MigrationSet::from_dir("tenant", &Dir::new("", entries.leak()))
}

/// What is wrong with the tenants' set in this folder.
fn error(files: Files) -> String {
    let nowhere = Database::from_url("postgres://nobody@127.0.0.1:1/none").unwrap().with_wait(Duration::ZERO);
    let run = |tenant| Migrator::new(MigrationSet::new("shared").unwrap(), tenant).run(&nowhere);
    match set(files) {
        Ok(set) => run(set).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_way_to_be_wrong_is_said() {
    let cases: &[(&str, Files)] = &[
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
        ("late directive", &[("V1__a.sql", b"SELECT 1;\n-- migrate: no-transaction\n")]),
        ("open string", &[("V1__a.sql", b"SELECT 1;\nSELECT 'it's';\n")]),
        ("BEGIN without COMMIT", &[("V1__a.sql", b"BEGIN;\nSELECT 1;\n")]),
        ("BEGIN with modes", &[("V1__a.sql", b"BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT")]),
        ("COMMIT AND CHAIN", &[("V1__a.sql", b"SELECT 1;\n  commit and chain;\n")]),
        ("ROLLBACK", &[("V1__a.sql", b"SELECT 1; ROLLBACK TO SAVEPOINT a;\n")]),
        ("session-wide SET", &[("V1__a.sql", b"SET search_path = 'public';\nSELECT 1;\n")]),
        ("session-wide set_config", &[("V1__a.sql", b"SELECT pg_catalog.set_config('search_path', '', false);\n")]),
        ("RESET ROLE", &[("V1__a.sql", b"RESET ROLE;\n")]),
        ("VACUUM", &[("V1__a.sql", b"VACUUM t;\n")]),
        ("concurrently", &[("V1__a.sql", b"CREATE INDEX CONCURRENTLY i ON t (a);\n")]),
        ("COPY FROM STDIN", &[("V1__a.sql", b"COPY t (a) FROM stdin;\n1\n\\.\n")]),
        ("outside: in a block", &[("V1__a.sql", b"-- migrate: no-transaction\nBEGIN; VACUUM t; COMMIT;\n")]),
        ("outside: not known to be safe", &[("V1__a.sql", b"-- migrate: no-transaction\nDROP DATABASE d;\n")]),
        ("outside: the server's", &[("V1__a.sql", b"-- migrate: no-transaction\nALTER SYSTEM SET jit = off;\n")]),
        ("outside: another schema", &[("V1__a.sql", b"-- migrate: no-transaction\nVACUUM t;\nDROP TABLE public.t;\n")]),
    ];
    let texts: Vec<_> = cases.iter().map(|(what, files)| format!("[{what}]\n{}", error(files))).collect();
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_migration_in_rust_is_checked_like_a_file() {
    let set = set(&[("V1__a.sql", b"SELECT 1")]).unwrap();
    let error = set.with_migration("V1__b", || "SELECT 2".to_owned()).unwrap_err();
    insta::assert_snapshot!(error.to_string());
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
    // What only begins like one is a comment like any other.
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
