//! No server outlives the process that started it, however that process ends.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process};
use support::{Owner, connect, is_alive, is_held, open_folder, real_programs, run_folders, script, soon};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

#[test]
fn after_kill_9_neither_server_nor_folder_remains() {
    let temp = open_folder();
    let mut owner = Owner::spawn(None, temp.path());
    let server = owner.server();
    assert!(is_alive(server.pid) && server.socket_dir.exists());
    // A client that stays connected must not delay the end.
    let _client = connect(&server.url);
    owner.kill();
    assert!(soon(|| !is_alive(server.pid)));
    assert!(soon(|| !server.socket_dir.exists()));
}

#[test]
fn after_an_abort_and_an_exit_without_destructors_neither_remains() {
    for command in ["abort", "exit"] {
        let temp = open_folder();
        let mut owner = Owner::spawn(None, temp.path());
        let server = owner.server();
        owner.command(command);
        owner.wait();
        assert!(soon(|| !is_alive(server.pid)), "{command}");
        assert!(soon(|| !server.socket_dir.exists()), "{command}");
    }
}

#[test]
fn a_kept_server_whose_owner_was_killed_shuts_down_in_order() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut owner = Owner::spawn(Some(&dir), temp.path());
    let server = owner.server();
    connect(&server.url).batch_execute("CREATE TABLE notes ()").unwrap();
    owner.kill();
    assert!(soon(|| !is_alive(server.pid)));
    assert!(soon(|| !server.socket_dir.exists()));
    assert!(soon(|| !is_held(&dir)));
    let log = fs::read_to_string(dir.join("server.log")).unwrap();
    assert!(log.contains("received fast shutdown request"), "{log}");
    assert!(log.trim_end().ends_with("database system is shut down"), "{log}");

    connect(&Owner::spawn(Some(&dir), temp.path()).server().url).batch_execute("TABLE notes").unwrap();
}

#[test]
fn the_next_process_waits_for_the_server_of_a_killed_one() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut last = Owner::spawn(Some(&dir), temp.path());
    last.server();
    for _ in 0..3 {
        last.kill();
        // At once: the server is still shutting down.
        last = Owner::spawn(Some(&dir), temp.path());
        let server = last.server();
        connect(&server.url).batch_execute("SELECT 1").unwrap();
    }
}

#[test]
fn an_owner_killed_at_any_moment_of_the_start_leaves_no_server_and_the_next_start_no_folder() {
    let temp = open_folder();
    // The first start builds the cluster that the others copy; then a start takes about 100 ms.
    Owner::spawn(None, temp.path()).server();
    for delay in (0..160).step_by(5) {
        let mut owner = Owner::spawn(None, temp.path());
        thread::sleep(Duration::from_millis(delay));
        owner.kill();
    }
    assert!(soon(|| !run_folders(temp.path()).iter().any(|folder| is_held(folder))), "a server lives on");

    let mut owner = Owner::spawn(None, temp.path());
    let server = owner.server();
    assert_eq!(run_folders(temp.path()), [server.socket_dir]);
}

#[test]
fn an_owner_killed_before_its_server_listens_to_signals_leaves_no_server() {
    let temp = open_folder();
    let programs = open_folder();
    let real = real_programs();
    script(programs.path(), "initdb", &format!("exec '{real}/initdb' \"$@\""));
    let slow = "case $1 in -D) sleep 1;; esac";
    script(programs.path(), "postgres", &format!("{slow}; exec '{real}/postgres' \"$@\""));

    let environment = [("MIGRATIONS_POSTGRES_BIN", programs.path().to_str().unwrap())];
    let mut owner = Owner::spawn_with(None, temp.path(), &environment);
    // The shell opens the log just before it runs the program.
    assert!(soon(|| run_folders(temp.path()).iter().any(|folder| folder.join("server.log").exists())));
    owner.kill();

    assert!(soon(|| run_folders(temp.path()).is_empty()));
}

#[test]
fn a_server_that_is_slow_to_end_keeps_its_folders_until_it_has() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut owner = Owner::spawn(Some(&dir), temp.path());
    let server = owner.server();
    // A shutdown waits for every backend.
    let mut client = connect(&server.url);
    let backend = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let stopped = Stopped::stop(Pid::from_raw(backend).unwrap());
    owner.kill();

    // Another start sweeps meanwhile.
    Owner::spawn(None, temp.path()).server();
    assert!(is_held(&dir) && is_held(&server.socket_dir));

    drop(stopped);
    assert!(soon(|| !is_held(&dir) && !server.socket_dir.exists()));
}

#[test]
fn signals_to_everything_in_reach_do_not_part_a_server_from_its_owner() {
    let temp = open_folder();
    let mut owner = Owner::spawn(None, temp.path());
    let server = owner.server();
    // As a service manager or a closed terminal would.
    for pid in members_of(group_of(server.pid)).into_iter().filter(|pid| *pid != server.pid) {
        for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
            kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
        }
    }
    connect(&server.url).batch_execute("SELECT 1").unwrap();
    owner.kill();
    assert!(soon(|| !is_alive(server.pid) && !server.socket_dir.exists()));
}

#[test]
fn ctrl_c_reaches_the_owner_only() {
    let temp = open_folder();
    let mut owner = Owner::spawn(None, temp.path());
    let server = owner.server();
    assert_ne!(group_of(server.pid), group_of(owner.id()));
}

#[test]
#[cfg(target_os = "linux")]
fn no_process_of_the_server_holds_a_stream_of_its_owner() {
    let temp = open_folder();
    let mut owner = Owner::spawn(None, temp.path());
    let server = owner.server();
    let link = |pid: &str, fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok();
    let streams = [link(&owner.id().to_string(), "0").unwrap(), link(&owner.id().to_string(), "1").unwrap()];
    assert!(streams.iter().all(|stream| stream.to_string_lossy().starts_with("pipe:")), "{streams:?}");

    let members = members_of(group_of(server.pid));
    assert_eq!(members.len(), 3, "{members:?}");
    for pid in members {
        for fd in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = link(&pid.to_string(), fd.unwrap().file_name().to_str().unwrap());
            assert!(target.is_none_or(|target| !streams.contains(&target)), "process {pid} holds one");
        }
    }
}

/// The supervisor's two shells and the server; each of the server's own children leads a group of its own.
fn members_of(group: Pid) -> Vec<u32> {
    let processes = Command::new("ps").args(["-e", "-o", "pid=", "-o", "pgid="]).output().unwrap();
    String::from_utf8(processes.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(_, pgid)| pgid.trim() == group.as_raw_nonzero().to_string())
        .map(|(pid, _)| pid.parse().unwrap())
        .collect()
}

fn group_of(pid: u32) -> Pid {
    getpgid(Pid::from_raw(i32::try_from(pid).unwrap())).unwrap()
}

/// A process that is stopped until this is dropped; a failed test lets it continue, too.
struct Stopped(Pid);

impl Stopped {
    fn stop(process: Pid) -> Self {
        kill_process(process, Signal::STOP).unwrap();
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}
