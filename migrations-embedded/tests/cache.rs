//! The prepared clusters that throwaway servers are copied from: each is complete, only its own user can change it, and
//! one is enough for several processes.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use support::{Owner, PATIENCE, connect, is_root, open_folder, real_programs, script};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

/// Starts a server in another process and checks that it works; returns the user that it runs as.
fn start(temp: &Path) -> u32 {
    let mut owner = Owner::spawn(None, temp);
    let server = owner.server();
    connect(&server.url).batch_execute("CREATE DATABASE whole").unwrap();
    fs::metadata(server.socket_dir).unwrap().uid()
}

fn prepared(temp: &Path, user: u32) -> Vec<PathBuf> {
    let cache = temp.join(format!("migrate-initdb-{user}"));
    fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_cluster_that_lost_a_folder_is_built_anew() {
    let temp = open_folder();
    let user = start(temp.path());
    let [cluster] = prepared(temp.path(), user).try_into().unwrap();
    let lost = cluster.join("data/pg_notify");
    fs::remove_dir(&lost).unwrap();
    start(temp.path());
    assert!(lost.exists());
}

#[test]
fn processes_that_start_at_once_prepare_one_cluster() {
    let temp = open_folder();
    let programs = open_folder();
    let real = real_programs();
    let calls = programs.path().join("calls");
    script(programs.path(), "initdb", &format!("echo call >>'{}'; exec '{real}/initdb' \"$@\"", calls.display()));
    script(programs.path(), "postgres", &format!("exec '{real}/postgres' \"$@\""));
    let environment = [("MIGRATIONS_POSTGRES_BIN", programs.path().to_str().unwrap())];

    let mut owners: Vec<_> = (0..4).map(|_| Owner::spawn_with(None, temp.path(), &environment)).collect();
    for owner in &mut owners {
        connect(&owner.server().url).batch_execute("CREATE DATABASE whole").unwrap();
    }
    assert_eq!(fs::read_to_string(calls).unwrap(), "call\n");
}

/// A user that no server of these tests runs as.
const SOMEBODY: u32 = 4_242;

#[test]
fn a_folder_that_is_not_ours_alone_is_not_used() {
    let temp = open_folder();
    let probe = open_folder();
    let user = start(probe.path());
    let cache = temp.path().join(format!("migrate-initdb-{user}"));
    DirBuilder::new().mode(0o700).create(&cache).unwrap();
    if is_root() {
        chown(&cache, Some(SOMEBODY), None).unwrap();
    } else {
        fs::set_permissions(&cache, Permissions::from_mode(0o755)).unwrap();
    }
    start(temp.path());
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
}

#[test]
fn a_pipe_in_the_place_of_the_prepared_clusters_is_not_waited_for() {
    let temp = open_folder();
    let probe = open_folder();
    let user = start(probe.path());
    let cache = temp.path().join(format!("migrate-initdb-{user}"));
    assert!(Command::new("mkfifo").arg(&cache).status().unwrap().success());
    let (told, answer) = mpsc::channel();
    let folder = temp.path().to_owned();
    thread::spawn(move || told.send(start(&folder)));
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(user));
}
