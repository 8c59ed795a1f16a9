//! A kept server: its data stays, only one server runs in its folder at a time, and an unsuitable folder is left alone.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use migrations_embedded::{Error, Server};
use support::{ForeignCluster, Owner, connect, is_root, open_folder, show, snapshot};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

fn start(dir: &Path) -> Server {
    Server::builder().start_kept(dir).unwrap()
}

fn refusal(dir: &Path) -> Error {
    let error = Server::builder().start_kept(dir).unwrap_err();
    assert!(error.to_string().contains(dir.to_str().unwrap()), "{error} does not name {}", dir.display());
    error
}

#[test]
fn data_survives_stop_and_start_in_a_folder_that_had_to_be_made() {
    let temp = open_folder();
    // Longer than a socket's path may be.
    let dir = temp.path().join("not").join("there").join("x".repeat(120));
    let server = start(&dir);
    assert!(server.socket_dir().as_os_str().len() < 90);
    assert_eq!(server.data_dir(), dir.join("data"));
    connect(&server.url("postgres")).batch_execute("CREATE TABLE notes AS SELECT 'kept' AS body").unwrap();
    let socket_dir = server.socket_dir().to_owned();
    server.stop().unwrap();
    assert!(!socket_dir.exists());

    let server = start(&dir);
    let body: String = connect(&server.url("postgres")).query_one("TABLE notes", &[]).unwrap().get(0);
    assert_eq!(body, "kept");
    let log = fs::read_to_string(dir.join("server.log")).unwrap();
    assert!(log.contains("database system was shut down at") && !log.contains("not properly shut down"), "{log}");
}

#[test]
fn it_is_durable_unless_told_otherwise() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let fsync = |server: &Server| show(&mut connect(&server.url("postgres")), "fsync");
    assert_eq!(fsync(&start(&dir)), "on");
    assert_eq!(fsync(&Server::builder().durable(false).start_kept(&dir).unwrap()), "off");
}

#[test]
fn an_empty_folder_that_exists_will_do() {
    let temp = open_folder();
    let dir = temp.path().join("mount");
    fs::create_dir(&dir).unwrap();
    fs::create_dir(dir.join("lost+found")).unwrap();
    start(&dir).stop().unwrap();
    assert!(dir.join("data/PG_VERSION").exists());
}

#[test]
fn a_first_start_that_was_cut_off_is_begun_anew() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    fs::rename(dir.join("data"), dir.join("data.new")).unwrap();
    fs::remove_dir_all(dir.join("data.new/base")).unwrap();
    connect(&start(&dir).url("postgres")).batch_execute("SELECT 1").unwrap();
    assert!(!dir.join("data.new").exists());
}

#[test]
fn a_crash_of_the_server_loses_nothing_committed() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut server = start(&dir);
    connect(&server.url("postgres")).batch_execute("CREATE TABLE notes ()").unwrap();
    server.kill_immediate().unwrap();
    drop(server);
    connect(&start(&dir).url("postgres")).batch_execute("TABLE notes").unwrap();
}

#[test]
fn threads_take_turns_on_a_folder() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    thread::scope(|scope| {
        for number in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                let server = start(dir);
                let mut client = connect(&server.url("postgres"));
                client.batch_execute(&format!("CREATE TABLE turn_{number} ()")).unwrap();
            });
        }
    });
    let server = start(&dir);
    let turns = connect(&server.url("postgres"))
        .query("SELECT 1 FROM pg_tables WHERE tablename LIKE 'turn%'", &[])
        .unwrap()
        .len();
    assert_eq!(turns, 4);
}

#[test]
fn processes_take_turns_on_a_folder() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut first = Owner::spawn(Some(&dir), temp.path());
    let first_server = first.server();
    let mut second = Owner::spawn(Some(&dir), temp.path());
    // Time enough for the second to start, if it did not wait.
    thread::sleep(Duration::from_secs(1));
    assert!(support::is_alive(first_server.pid));
    connect(&first_server.url).batch_execute("CREATE TABLE first ()").unwrap();

    first.command("stop");
    assert_eq!(first.answer(), "stopped");

    connect(&second.server().url).batch_execute("TABLE first").unwrap();
}

#[test]
fn a_folder_that_stays_in_use_is_an_error_that_names_it_and_the_server() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let server = start(&dir);
    let started = Instant::now();
    let error = Server::builder().wait_for_folder(Duration::from_secs(1)).start_kept(&dir).unwrap_err();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(
        error.to_string(),
        format!(
            "{} is in use by another process (its server is process {}); waited 1 s for it to finish; try again after \
             that, or name another folder",
            dir.display(),
            server.pid()
        )
    );
    connect(&server.url("postgres")).batch_execute("SELECT 1").unwrap();
}

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let temp = open_folder();
    let dir = temp.path().join("photos");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("cat.jpg"), "meow").unwrap();
    let before = snapshot(&dir);
    let error = refusal(&dir);
    assert!(matches!(&error, Error::NotACluster { entry, .. } if entry == "cat.jpg"), "{error}");
    assert_eq!(snapshot(&dir), before);
}

#[test]
fn a_file_is_no_folder() {
    let temp = open_folder();
    let file = temp.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(refusal(&file), Error::Io { .. }));
    assert!(matches!(refusal(&file.join("below")), Error::Io { .. } | Error::Unreachable { .. }));
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[test]
fn data_of_another_version_is_left_alone() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    for version in ["99", "9.6"] {
        fs::write(dir.join("data/PG_VERSION"), format!("{version}\n")).unwrap();
        let before = snapshot(&dir);
        let error = refusal(&dir);
        assert!(matches!(&error, Error::VersionMismatch { cluster, .. } if cluster == version), "{error}");
        assert_eq!(snapshot(&dir), before);
    }
}

#[test]
fn a_folder_the_servers_user_cannot_reach_is_left_alone() {
    let temp = open_folder();
    let closed = temp.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let mode = if is_root() { 0o700 } else { 0o500 };
    fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    let error = refusal(&closed.join("db"));
    if is_root() {
        assert!(matches!(&error, Error::Unreachable { closed: named, .. } if *named == closed), "{error}");
    } else {
        assert!(matches!(&error, Error::Io { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

/// A user that exists on every system (daemon), and that root's servers do not run as by default.
const SOMEBODY: u32 = 1;

fn owner_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

#[test]
fn root_works_on_somebodys_folder_as_that_somebody() {
    if !is_root() {
        return;
    }
    let temp = open_folder();
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(SOMEBODY), None).unwrap();
    let server = start(&dir);
    assert_eq!(owner_of(server.data_dir()), SOMEBODY);
    assert_eq!(owner_of(server.socket_dir()), SOMEBODY);
    server.stop().unwrap();
    start(&dir).stop().unwrap();
    assert_eq!(owner_of(&dir), SOMEBODY);
}

#[test]
fn root_makes_a_folder_in_somebodys_home_as_that_somebody() {
    if !is_root() {
        return;
    }
    let temp = open_folder();
    let home = temp.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    chown(&home, Some(SOMEBODY), None).unwrap();
    let server = start(&home.join("not/there"));
    assert_eq!(owner_of(server.data_dir()), SOMEBODY);
    assert_eq!(owner_of(&home.join("not")), SOMEBODY);
}

#[test]
fn a_cluster_that_became_roots_is_refused_with_the_way_out() {
    if !is_root() {
        return;
    }
    let temp = open_folder();
    let dir = temp.path().join("db");
    start(&dir).stop().unwrap();
    for path in [dir.join("data"), dir.clone()] {
        chown(path, Some(0), Some(0)).unwrap();
    }
    let error = refusal(&dir);
    assert!(matches!(error, Error::NotOwner { owner: 0, .. }), "{error}");
    assert!(error.to_string().contains("chown -R"), "{error}");
}

/// The file in the data that tells this crate's clusters from others.
const MARKER: &str = "data/migrations-embedded";

#[test]
fn a_cluster_that_another_program_made_is_left_alone_until_it_is_marked_by_hand() {
    let temp = open_folder();
    let dir = temp.path().join("f5");
    let _cluster = ForeignCluster::create(&dir, "postgres");
    let before = snapshot(&dir);
    let error = refusal(&dir);
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    let marker = dir.join(MARKER);
    assert!(error.to_string().contains(&format!("touch {}", marker.display())), "{error}");
    assert_eq!(snapshot(&dir), before);

    fs::write(&marker, "").unwrap();
    start(&dir).stop().unwrap();
}

#[test]
fn a_foreign_cluster_is_not_taken_for_an_unfinished_one() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let _cluster = ForeignCluster::create(&dir, "postgres");
    for name in ["data.new", "data.upgrade"] {
        fs::rename(dir.join("data"), dir.join(name)).unwrap();
        fs::write(dir.join(name).join("postmaster.opts"), "postgres \"-D\" \"x\"\n").unwrap();
        let error = refusal(&dir);
        assert!(matches!(&error, Error::NotOurs { data, .. } if *data == dir.join(name)), "{error}");
        fs::rename(dir.join(name), dir.join("data")).unwrap();
    }
}

#[test]
fn a_folder_of_an_earlier_release_is_recognised_and_marked() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let marker = dir.join(MARKER);
    start(&dir).stop().unwrap();
    assert!(marker.exists());
    fs::remove_file(&marker).unwrap();

    start(&dir).stop().unwrap();
    assert!(marker.exists());
    fs::remove_file(&marker).unwrap();
    let server = Server::builder().reset(true).start_kept(&dir).unwrap();
    assert_eq!(server.removed()[0], dir.join("data"));
}

#[test]
fn what_the_server_says_when_it_cannot_be_prepared_is_shown() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let server = start(&dir);
    connect(&server.url("postgres")).batch_execute("CREATE ROLE boss SUPERUSER LOGIN").unwrap();
    let url = server.url("postgres").replacen("postgres@", "boss@", 1);
    connect(&url).batch_execute("ALTER ROLE postgres RENAME TO chief").unwrap();
    server.stop().unwrap();
    assert!(refusal(&dir).to_string().contains("role \"postgres\" does not exist"));
}
