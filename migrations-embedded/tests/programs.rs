//! Missing, wrong or broken programs are named, and the fallback for a missing locale works.
//!
//! The programs here are scripts, since no machine has all of these variants.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use migrations_embedded::{Error, Server};
use support::{connect, open_folder, real_programs, script, show};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

fn failure(folder: &Path) -> Error {
    Server::builder().programs(folder).start_throwaway().unwrap_err()
}

#[test]
fn a_folder_without_programs_is_named() {
    let folder = open_folder();
    script(folder.path(), "initdb", "");
    let error = failure(folder.path());
    assert!(matches!(error, Error::ProgramsIncomplete { program: "postgres", .. }), "{error}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}

#[test]
fn an_old_version_and_something_else_altogether_are_told_apart() {
    let folder = open_folder();
    script(folder.path(), "initdb", "");
    script(folder.path(), "postgres", "echo 'postgres (PostgreSQL) 9.6.24'");
    let error = failure(folder.path());
    assert!(matches!(error, Error::VersionTooOld { found: 9, .. }), "{error}");

    script(folder.path(), "postgres", "echo 'tea, earl grey'");
    let error = failure(folder.path());
    assert!(matches!(&error, Error::VersionUnreadable { output, .. } if output == "tea, earl grey"), "{error}");
}

#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let folder = open_folder();
    script(folder.path(), "initdb", "");
    script(folder.path(), "postgres", "");
    fs::set_permissions(folder.path().join("postgres"), Permissions::from_mode(0o600)).unwrap();
    let error = failure(folder.path());
    assert!(matches!(&error, Error::ProgramUnusable { program, .. } if program.ends_with("postgres")), "{error}");
}

#[test]
fn what_initdb_says_is_in_the_error() {
    let folder = open_folder();
    script(folder.path(), "initdb", "echo working; echo 'initdb: error: no room' >&2; exit 7");
    script(folder.path(), "postgres", &format!("echo 'postgres (PostgreSQL) 17.1 of {}'", folder.path().display()));
    let error = failure(folder.path()).to_string();
    assert!(error.contains("exit status: 7") && error.contains("working\ninitdb: error: no room"), "{error}");
}

#[test]
fn a_system_without_the_locale_gets_the_plain_one() {
    let real = real_programs();
    let folder = open_folder();
    let refuse = "case \"$*\" in *C.UTF-8*) echo 'initdb: error: invalid locale name \"C.UTF-8\"' >&2; exit 1;; esac";
    script(folder.path(), "initdb", &format!("{refuse}\nexec '{real}/initdb' \"$@\""));
    script(folder.path(), "postgres", &format!("exec '{real}/postgres' \"$@\""));
    let server = Server::builder().programs(folder.path()).start_throwaway().unwrap();
    let mut client = connect(&server.url("postgres"));
    assert_eq!(show(&mut client, "server_encoding"), "UTF8");
    assert_eq!(show(&mut client, "lc_messages"), "C");
}

#[test]
fn the_environment_names_the_programs_before_path_does() {
    let empty = open_folder();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env("TEST_OWNER_OF", "")
        .env("MIGRATIONS_POSTGRES_BIN", empty.path())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let expected = format!("{} has no program \"initdb\"; MIGRATIONS_POSTGRES_BIN must", empty.path().display());
    assert!(output.contains(&expected), "{output}");
}

#[test]
fn a_port_that_another_program_took_first_is_tried_again_with_another() {
    let real = real_programs();
    let folder = open_folder();
    let taken = folder.path().join("taken");
    // The first start finds its port taken, and prints what PostgreSQL prints.
    let refusal = "could not bind IPv4 address \"127.0.0.1\": Address already in use";
    let once = format!(
        "if [ \"$1\" = -D ] && ! [ -e '{0}' ]; then : >'{0}'; echo 'LOG:  {refusal}' >&2; exit 1; fi",
        taken.display()
    );
    script(folder.path(), "initdb", &format!("exec '{real}/initdb' \"$@\""));
    script(folder.path(), "postgres", &format!("{once}; exec '{real}/postgres' \"$@\""));

    let server = Server::builder().programs(folder.path()).tcp(true).start_throwaway().unwrap();
    assert!(taken.exists());
    assert!(server.log().contains("Address already in use"), "{}", server.log());
    connect(&server.tcp_url("postgres").unwrap()).batch_execute("SELECT 1").unwrap();
}
