//! A kept folder is protected: from another server, from the remains of a dead server, and from links and pipes that
//! would mislead root.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use migrations_embedded::{Error, Server};
use rustix::process::{Pid, Signal, kill_process};
use support::{Owner, connect, is_alive, is_root, open_folder, soon};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

fn start(dir: &Path) -> Server {
    Server::builder().start_kept(dir).unwrap()
}

/// A start that does not wait long.
fn try_start(dir: &Path) -> Result<Server, Error> {
    Server::builder().wait_for_folder(Duration::from_millis(300)).start_kept(dir)
}

fn refusal(dir: &Path) -> String {
    try_start(dir).unwrap_err().to_string()
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The user that servers run as, whichever user runs the tests.
fn servers_user() -> u32 {
    fs::metadata(Server::throwaway().unwrap().socket_dir()).unwrap().uid()
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_server_starts_in_the_place_of_a_folder_whose_server_still_runs() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let first = start(&dir);
    fs::remove_dir_all(&dir).unwrap();
    let error = try_start(&dir).unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    first.stop().unwrap();

    let second = start(&dir);
    connect(&second.url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    second.stop().unwrap();
    connect(&start(&dir).url("postgres")).batch_execute("TABLE notes").unwrap();
}

#[test]
fn what_was_put_in_the_place_of_a_running_servers_folder_is_left_alone() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let server = start(&dir);
    connect(&server.url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    server.stop().unwrap();
    let backup = temp.path().join("backup");
    assert!(Command::new("cp").arg("-a").arg(&dir).arg(&backup).status().unwrap().success());

    let server = start(&dir);
    let moved = temp.path().join("moved");
    fs::rename(&dir, &moved).unwrap();
    fs::rename(&backup, &dir).unwrap();
    let control = || fs::read(dir.join("data/global/pg_control")).unwrap();
    let before = control();
    let pid = server.pid();
    server.stop().unwrap();
    assert!(!is_alive(pid));
    assert_eq!(control(), before, "the server wrote into another server's folder");
    for dir in [dir, moved] {
        connect(&start(&dir).url("postgres")).batch_execute("TABLE notes").unwrap();
    }
}

#[test]
fn a_start_waits_for_what_a_killed_server_left_and_names_it() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let server = start(&dir);
    let mut client = connect(&server.url("postgres"));
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let backend = u32::try_from(backend).unwrap();
    client.batch_execute("CREATE TABLE begun ()").unwrap();
    let busy = thread::spawn(move || client.batch_execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$").is_err());
    let mut watcher = connect(&server.url("postgres"));
    let active = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE 'DO %'";
    let mut is_active = || !watcher.query(active, &[&i32::try_from(backend).unwrap()]).unwrap().is_empty();
    while !is_active() {}
    drop(watcher);

    kill(server.pid(), Signal::KILL);
    let dead = server.pid();
    assert!(soon(|| !is_alive(dead)));
    drop(server);
    assert!(is_alive(backend));
    let error = try_start(&dir).unwrap_err().to_string();
    assert!(error.contains(&format!("{backend}; waited")) && error.contains(&format!("kill {backend}")), "{error}");
    assert!(!error.contains(&dead.to_string()), "{error} blames a dead process");

    let next = thread::spawn({
        let dir = dir.clone();
        move || start(&dir)
    });
    kill(backend, Signal::TERM);
    assert!(busy.join().unwrap());
    connect(&next.join().unwrap().url("postgres")).batch_execute("TABLE begun").unwrap();
}

#[test]
fn a_process_number_that_is_another_programs_by_now_is_in_nobodys_way() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    let data = fs::metadata(dir.join("data")).unwrap();
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    if is_root() {
        // PostgreSQL ignores a process of another user, so this one has to be the server's user's.
        sleep.uid(data.uid()).gid(data.gid());
    }
    let other = Process(sleep.spawn().unwrap());
    let stale = dir.join("data/postmaster.pid");
    fs::write(&stale, format!("{}\n{}\n", other.0.id(), dir.join("data").display())).unwrap();
    chown(&stale, Some(data.uid()), Some(data.gid())).unwrap();

    connect(&start(&dir).url("postgres")).batch_execute("SELECT 1").unwrap();
    assert!(is_alive(other.0.id()));
}

#[test]
fn a_server_that_somebody_else_started_on_the_folder_is_left_alone() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    let data = dir.join("data");
    let user = fs::metadata(&data).unwrap();
    let mut postgres = Command::new(PathBuf::from(support::real_programs()).join("postgres"));
    postgres.arg("-D").arg(&data).args(["-c", "listen_addresses="]);
    postgres.arg("-c").arg(format!("unix_socket_directories={}", temp.path().display())).current_dir("/");
    if is_root() {
        postgres.uid(user.uid()).gid(user.gid());
    }
    let foreign = Process(postgres.stderr(std::process::Stdio::null()).spawn().unwrap());
    assert!(soon(|| fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.contains("ready"))));
    let error = try_start(&dir).unwrap_err();
    assert!(matches!(error, Error::InUse { server: Some(pid), .. } if pid == foreign.0.id()), "{error}");
    kill(foreign.0.id(), Signal::INT);
}

#[test]
fn the_environment_of_its_owner_is_not_the_servers() {
    let temp = open_folder();
    let mut owner = Owner::spawn_with(None, temp.path(), &[("APP_SECRET", "hunter2")]);
    let server = owner.server();
    let mut client = connect(&server.url);
    client.batch_execute("CREATE TEMP TABLE environment (line text); COPY environment FROM PROGRAM 'env'").unwrap();
    let lines = client.query("SELECT line FROM environment WHERE line LIKE '%hunter2%'", &[]).unwrap();
    assert!(lines.is_empty());
    #[cfg(target_os = "linux")]
    {
        let parent = fs::read_to_string(format!("/proc/{}/stat", server.pid)).unwrap();
        let supervisor = parent.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().to_owned();
        for pid in [server.pid.to_string(), supervisor] {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
            assert!(!String::from_utf8_lossy(&environment).contains("hunter2"), "process {pid}");
        }
    }
}

#[test]
fn no_link_in_a_folder_is_followed_and_no_pipe_is_waited_for() {
    let temp = open_folder();
    let secret = temp.path().join("secret");
    fs::write(&secret, "root:$6$hash\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    let version = dir.join("data/PG_VERSION");
    let kept = fs::read(&version).unwrap();

    fs::remove_file(&version).unwrap();
    symlink(&secret, &version).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("PG_VERSION") && !error.contains("hash"), "{error}");

    fs::remove_file(&version).unwrap();
    assert!(Command::new("mkfifo").arg(&version).status().unwrap().success());
    let (told, answer) = std::sync::mpsc::channel();
    thread::spawn({
        let dir = dir.clone();
        move || told.send(refusal(&dir))
    });
    let error = answer.recv_timeout(support::PATIENCE).expect("it waits for the pipe");
    assert!(error.contains("not a regular file"), "{error}");

    fs::remove_file(&version).unwrap();
    fs::write(&version, "root:$6$hash\n").unwrap();
    let error = refusal(&dir);
    assert!(error.contains("PG_VERSION") && !error.contains("hash"), "{error}");

    fs::write(&version, kept).unwrap();
    let log = dir.join("server.log");
    fs::remove_file(&log).unwrap();
    symlink(&secret, &log).unwrap();
    let error = Server::builder().setting("work_memory", "1MB").start_kept(&dir).unwrap_err().to_string();
    assert!(!error.contains("hash"), "{error}");
}

#[test]
fn a_folder_that_others_can_lock_is_told_from_one_that_is_in_use() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let stranger = File::open(&dir).unwrap();
    stranger.try_lock().unwrap();
    let error = refusal(&dir);
    assert!(error.contains("mode 755") && error.contains(&format!("chmod 700 {}", dir.display())), "{error}");
    drop(stranger);
    start(&dir).stop().unwrap();
}

#[test]
fn a_lock_file_that_is_somebody_elses_is_named() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    symlink(temp.path().join("elsewhere"), temp.path().join("db.lock")).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("db.lock is to be the lock"), "{error}");
    assert!(!temp.path().join("elsewhere").exists());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_with_the_way_out() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(servers_user()), None).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o500)).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("cannot write to") && error.contains("chmod u+w"), "{error}");
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn names_that_are_not_utf8_do_not_get_in_the_way() {
    let temp = open_folder();
    let name = OsStr::from_bytes(b"caf\xe9");
    let odd = temp.path().join(name);
    fs::create_dir(&odd).unwrap();
    fs::set_permissions(&odd, Permissions::from_mode(0o1777)).unwrap();
    connect(&Owner::spawn(None, &odd).server().url).batch_execute("SELECT 1").unwrap();
    connect(&start(&odd.join(name)).url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    connect(&start(&odd.join(name)).url("postgres")).batch_execute("TABLE notes").unwrap();
}

#[test]
fn no_data_is_kept_as_a_user_that_services_share() {
    if !is_root() {
        return;
    }
    let temp = open_folder();
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(65_534), None).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("nobody") && error.contains("chown -R postgres"), "{error}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_user_who_is_in_no_list_of_users_is_told_how_to_get_there() {
    if !is_root() {
        return;
    }
    let temp = open_folder();
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(54_321), None).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("user with id 54321") && error.contains("useradd"), "{error}");
}

#[test]
fn a_path_without_the_systems_programs_is_enough() {
    let temp = open_folder();
    let mut owner = Owner::spawn_with(None, temp.path(), &[("PATH", "/nowhere")]);
    connect(&owner.server().url).batch_execute("SELECT 1").unwrap();
}
