//! A reset happens only under the folder's lock, and removes only a server's files. Also: whether a server still runs.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use migrations_embedded::{Error, Server};
use rustix::process::{Pid, Signal, kill_process};
use support::{ForeignCluster, connect, dev_folder, open_folder, snapshot, soon};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

fn reset(dir: &Path) -> Result<Server, Error> {
    Server::builder().reset(true).wait_for_folder(Duration::from_millis(300)).start_kept(dir)
}

#[test]
fn a_reset_removes_what_an_earlier_server_left_and_says_what() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let first = reset(&dir).unwrap();
    assert!(first.removed().is_empty());
    connect(&first.url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    first.stop().unwrap();
    // A reset also removes data that no server can start on.
    fs::write(dir.join("data/PG_VERSION"), "99\n").unwrap();
    fs::create_dir(dir.join("lost+found")).unwrap();

    let second = reset(&dir).unwrap();
    assert_eq!(second.removed(), [dir.join("data"), dir.join("server.log")]);
    let tables = connect(&second.url("postgres")).query("SELECT 1 FROM pg_tables WHERE tablename = 'notes'", &[]);
    assert!(tables.unwrap().is_empty());
    assert!(dir.join("lost+found").exists());
}

#[test]
fn a_reset_waits_for_the_folder_and_removes_nothing_without_it() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    Server::builder().start_kept(&dir).unwrap().stop().unwrap();
    let holder = File::open(&dir).unwrap();
    holder.try_lock().unwrap();
    let error = reset(&dir).unwrap_err();
    assert!(matches!(error, Error::InUse { server: None, .. }), "{error}");
    assert!(dir.join("data/PG_VERSION").exists());
}

#[test]
fn a_reset_is_refused_at_once_while_a_server_runs() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let server = Server::builder().start_kept(&dir).unwrap();
    connect(&server.url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    let started = Instant::now();
    // The second has no file `connection`, so it cannot join.
    for error in [Server::builder().reset(true).start_kept(&dir).unwrap_err(), dev_folder(&dir).reset().unwrap_err()] {
        assert!(matches!(error, Error::StillRuns { server: pid, .. } if pid == server.pid()), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    connect(&server.url("postgres")).batch_execute("TABLE notes").unwrap();
}

#[test]
fn a_reset_leaves_a_cluster_alone_that_another_program_made() {
    let temp = open_folder();
    let dir = temp.path().join("f1");
    let cluster = ForeignCluster::create(&dir, "games");
    let before = snapshot(&dir);
    let is_refused = || {
        let started = Instant::now();
        for error in [reset(&dir).unwrap_err(), dev_folder(&dir).reset().unwrap_err()] {
            assert!(matches!(&error, Error::NotOurs { data, .. } if *data == dir.join("data")), "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    };
    is_refused();
    assert_eq!(snapshot(&dir), before);
    assert!(!temp.path().join("f1.lock").exists());

    let _server = cluster.start(temp.path());
    is_refused();
    assert!(dir.join("data/PG_VERSION").exists());
}

#[test]
fn a_reset_leaves_other_things_alone() {
    let temp = open_folder();
    let dir = temp.path().join("photos");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::write(dir.join("cat.jpg"), "meow").unwrap();
    let error = reset(&dir).unwrap_err();
    assert!(matches!(&error, Error::NotACluster { entry, .. } if entry == "cat.jpg"), "{error}");
    assert!(dir.join("data").exists());
}

#[test]
fn a_server_that_died_is_told_with_the_end_of_its_log() {
    let mut server = Server::throwaway().unwrap();
    let liveness = server.liveness();
    assert_eq!(liveness.gone(), None);
    let pid = server.pid();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert!(soon(|| liveness.gone().is_some()));
    let said = liveness.gone().unwrap();
    assert!(said.contains(&format!("process {pid}")) && said.contains("ready to accept connections"), "{said}");

    server.restart().unwrap();
    assert_eq!(liveness.gone(), None);
}

#[test]
fn a_reset_leaves_data_alone_that_is_no_servers() {
    let temp = open_folder();
    let dir = temp.path().join("thesis");
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::write(dir.join("data/thesis.txt"), "years of work").unwrap();
    let error = reset(&dir).unwrap_err();
    assert!(matches!(error, Error::NotACluster { .. }), "{error}");
    assert_eq!(fs::read_to_string(dir.join("data/thesis.txt")).unwrap(), "years of work");
}
