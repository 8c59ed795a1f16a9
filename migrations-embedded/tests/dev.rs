//! A development server: one for all processes of a project, at one address, with a role that is no superuser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests only")]

mod support;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use migrations_embedded::{DevServer, Error, Server};
use postgres::Client;
use support::{IS_DEV, OpenFolder, Owner, connect, dev_folder, is_alive, is_held, open_folder, show, soon};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

/// A cluster that nothing was created in: a copy takes a fraction of the time of `initdb`.
static CLUSTER: LazyLock<OpenFolder> = LazyLock::new(|| {
    let folder = open_folder();
    Server::builder().start_kept(&folder.path().join("db")).unwrap().stop().unwrap();
    folder
});

/// A folder with a cluster that nothing was created in.
fn folder_in(temp: &OpenFolder) -> PathBuf {
    let dir = temp.path().join("db");
    fs::create_dir(&dir).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-a").args([CLUSTER.path().join("db/data"), dir.join("data")]);
    assert!(copy.status().unwrap().success());
    dir
}

fn start(dir: &Path) -> DevServer {
    dev_folder(dir).join_or_start().unwrap()
}

fn refusal(dir: &Path) -> String {
    dev_folder(dir).join_or_start().unwrap_err().to_string()
}

/// Another process that joins the folder's server or starts it.
fn spawn(dir: &Path, temp: &Path) -> Owner {
    Owner::spawn_with(Some(dir), temp, &[(IS_DEV, "yes")])
}

/// What such a process says: the server's process, whether it owns the server, and the URL.
fn said(owner: &mut Owner) -> (u32, bool, String) {
    let line = owner.answer();
    let [pid, is_owned, url] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    (pid.parse().unwrap_or_else(|_| panic!("{line}")), is_owned == "true", url.to_owned())
}

fn text(client: &mut Client, query: &str) -> String {
    client.query_one(query, &[]).unwrap().get(0)
}

#[test]
fn the_address_is_the_same_at_every_start_and_the_data_stays() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let before = dev_folder(&dir).url().unwrap();
    assert!(!dir.join("data").exists(), "asking for the URL starts nothing");

    let server = start(&dir);
    assert_eq!(server.url(), before);
    connect(&server.url()).batch_execute("CREATE TABLE notes ()").unwrap();
    let [url, socket_url] = [server.url(), server.socket_url()];
    server.stop().unwrap();
    assert!(dev_folder(&dir).join().unwrap().is_none());

    let server = start(&dir);
    assert_eq!([server.url(), server.socket_url()], [url, socket_url]);
    for url in [server.url(), server.socket_url()] {
        connect(&url).batch_execute("TABLE notes").unwrap();
    }
}

#[test]
fn the_role_owns_its_database_and_is_no_superuser() {
    let temp = open_folder();
    let server = start(&folder_in(&temp));
    assert!(server.url().starts_with("postgres://orders:") && server.url().ends_with("/orders"), "{}", server.url());
    let mut client = connect(&server.url());
    assert_eq!(show(&mut client, "is_superuser"), "off");
    let owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()";
    assert_eq!(text(&mut client, owner), "orders");
    client.batch_execute("CREATE SCHEMA acme; CREATE TABLE acme.notes ()").unwrap();
    client.batch_execute("CREATE DATABASE orders_test").unwrap();
    let trusted = "SELECT name::text FROM pg_available_extension_versions
                   WHERE trusted AND NOT installed AND requires IS NULL LIMIT 1";
    for row in client.query(trusted, &[]).unwrap() {
        client.batch_execute(&format!("CREATE EXTENSION {}", row.get::<_, String>(0))).unwrap();
    }
    assert!(client.batch_execute("CREATE ROLE somebody").is_err());

    // Over TCP, nobody connects without the password, and the superuser not at all.
    let without = server.url().replace(server.variables()[4].1.as_str(), "wrong");
    for url in [without.clone(), without.replace("//orders:", "//postgres:")] {
        let Err(error) = Client::connect(&url, postgres::NoTls) else { panic!("{url} let everybody in") };
        assert_eq!(error.code().unwrap().code(), "28P01", "{error}");
    }
    assert_eq!(server.variables()[1].1, "127.0.0.1");
    let listen = connect(&server.socket_url().replace("//orders@", "//postgres@"));
    assert_eq!(show(&mut { listen }, "listen_addresses"), "127.0.0.1");
}

#[test]
fn the_password_is_in_one_private_file_and_in_no_log() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let server = start(&dir);
    let password = server.variables()[4].1.clone();
    let file = dir.join("connection");
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert_eq!(metadata.uid(), fs::metadata(server.folder().join("data")).unwrap().uid());
    assert_eq!(fs::metadata(server.socket_dir()).unwrap().mode() & 0o777, 0o700);
    assert!(fs::read_to_string(&file).unwrap().contains(&password));
    assert!(!fs::read_to_string(dir.join("server.log")).unwrap().contains(&password));
    assert!(!format!("{server:?}").contains(&password));
}

#[test]
fn a_connection_file_that_others_can_read_or_that_is_damaged_is_refused() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let url = dev_folder(&dir).url().unwrap();
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let file = dir.join("connection");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("other users can read or change it") && !error.contains(&password), "{error}");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();

    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("port=", "part=")).unwrap();
    let error = refusal(&dir);
    assert!(error.contains("incomplete or was changed by hand") && !error.contains(&password), "{error}");

    fs::remove_file(&file).unwrap();
    assert_ne!(start(&dir).url(), url);
}

#[test]
fn a_port_that_another_program_has_taken_is_replaced_for_good() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let before = dev_folder(&dir).url().unwrap();
    let port: u16 = before.rsplit([':', '/']).nth(1).unwrap().parse().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = start(&dir);
    assert_ne!(server.port(), port);
    connect(&server.url()).batch_execute("CREATE TABLE notes ()").unwrap();
    let url = server.url();
    server.stop().unwrap();
    drop(taken);
    assert_eq!(dev_folder(&dir).url().unwrap(), url);
    connect(&start(&dir).url()).batch_execute("TABLE notes").unwrap();
}

#[test]
fn the_socket_of_a_folder_with_a_long_path_is_elsewhere() {
    let temp = open_folder();
    let dir = temp.path().join("x".repeat(120));
    let socket_dir = || {
        let server = start(&dir);
        connect(&server.socket_url()).batch_execute("SELECT 1").unwrap();
        server.socket_dir().to_owned()
    };
    let first = socket_dir();
    assert!(first.as_os_str().len() < 90 && !first.starts_with(&dir), "{}", first.display());
    assert_eq!(fs::metadata(&first).unwrap().mode() & 0o777, 0o700);
    assert_eq!(socket_dir(), first);
    // A job that cleans up temporary files has removed it.
    fs::remove_dir_all(&first).unwrap();
    let second = socket_dir();
    fs::remove_dir_all(second).unwrap();
}

#[test]
fn the_second_process_joins_at_once_and_is_told_when_the_first_ends_the_server() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let mut first = spawn(&dir, temp.path());
    let (pid, is_owned, url) = said(&mut first);
    assert!(is_owned);
    let mut second = spawn(&dir, temp.path());
    assert_eq!(said(&mut second), (pid, false, url.clone()));

    // The joiner's end changes nothing.
    let mut third = spawn(&dir, temp.path());
    said(&mut third);
    third.command("stop");
    assert_eq!(third.answer(), "stopped");
    connect(&url).batch_execute("SELECT 1").unwrap();
    second.command("gone");
    assert_eq!(second.answer(), "None");

    let owner = first.id();
    first.command("stop");
    assert_eq!(first.answer(), "stopped");
    assert!(soon(|| !is_alive(pid)));
    second.command("gone");
    let answer = second.answer();
    assert!(answer.contains(&format!("has ended, because process {owner} (")), "{answer}");
}

#[test]
fn processes_that_start_at_once_on_an_empty_folder_share_one_server() {
    let temp = open_folder();
    let dir = temp.path().join("db");
    let mut owners: Vec<Owner> = (0..5).map(|_| spawn(&dir, temp.path())).collect();
    let said: Vec<_> = owners.iter_mut().map(said).collect();
    assert_eq!(said.iter().filter(|(_, is_owned, _)| *is_owned).count(), 1, "{said:?}");
    assert!(said.iter().all(|(pid, _, url)| (pid, url) == (&said[0].0, &said[0].2)), "{said:?}");
}

#[test]
fn after_kill_9_of_the_owner_no_server_is_left_and_the_next_start_has_the_same_address() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let mut owner = spawn(&dir, temp.path());
    let (mut pid, _, url) = said(&mut owner);
    connect(&url).batch_execute("CREATE TABLE notes ()").unwrap();
    for _ in 0..3 {
        owner.kill();
        // At once: the server may still be shutting down.
        owner = spawn(&dir, temp.path());
        let (next, is_owned, same) = said(&mut owner);
        assert!(is_owned && next != pid && same == url, "{next} {is_owned} {same}");
        assert!(!is_alive(pid));
        connect(&url).batch_execute("TABLE notes").unwrap();
        pid = next;
    }
    owner.kill();
    assert!(soon(|| !is_alive(pid) && !is_held(&dir)));
}

#[test]
fn an_owner_that_ends_while_others_start_leaves_one_of_them_as_the_owner() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let mut owner = spawn(&dir, temp.path());
    let (_, _, url) = said(&mut owner);
    for round in 0..6 {
        let mut next = spawn(&dir, temp.path());
        owner.command("stop");
        assert_eq!(owner.answer(), "stopped");
        let (_, is_owned, same) = said(&mut next);
        assert_eq!(same, url);
        if !is_owned {
            // It joined at the last moment, and knows why the server is gone.
            next.command("gone");
            let answer = next.answer();
            assert!(answer.contains("has ended"), "round {round}: {answer}");
            next = spawn(&dir, temp.path());
            assert!(said(&mut next).1, "round {round}");
        }
        connect(&url).batch_execute("SELECT 1").unwrap();
        owner = next;
    }
}

#[test]
fn a_reset_keeps_the_address_and_is_refused_while_another_process_runs_the_server() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let mut owner = spawn(&dir, temp.path());
    let (_, _, url) = said(&mut owner);
    connect(&url).batch_execute("CREATE TABLE notes ()").unwrap();
    let error = dev_folder(&dir).reset().unwrap_err();
    assert!(matches!(&error, Error::Owned { owner: Some(named), .. } if named.pid() == owner.id()), "{error}");
    connect(&url).batch_execute("TABLE notes").unwrap();
    owner.command("stop");
    assert_eq!(owner.answer(), "stopped");

    let server = dev_folder(&dir).reset().unwrap();
    assert_eq!(server.removed(), [dir.join("data"), dir.join("server.log")]);
    assert_eq!(server.url(), url);
    assert!(connect(&url).batch_execute("TABLE notes").is_err());
}

#[test]
fn a_folder_of_an_earlier_release_stays_in_use_as_it_is() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let old = Server::builder().start_kept(&dir).unwrap();
    connect(&old.url("postgres")).batch_execute("CREATE SCHEMA acme; CREATE TABLE acme.notes ()").unwrap();
    old.stop().unwrap();

    // Only the server knows, so it is started for the URL.
    let url = dev_folder(&dir).url().unwrap();
    for _ in 0..2 {
        let server = start(&dir);
        assert!(server.is_of_an_earlier_release());
        assert_eq!(server.url(), url);
        let mut client = connect(&url);
        client.batch_execute("TABLE acme.notes").unwrap();
        assert_eq!(text(&mut client, "SELECT current_user || ' ' || current_database()"), "postgres postgres");
    }

    let server = dev_folder(&dir).reset().unwrap();
    assert!(!server.is_of_an_earlier_release());
    assert_eq!(text(&mut connect(&server.url()), "SELECT current_user || ' ' || current_database()"), "orders orders");
}

#[test]
fn a_cluster_that_nothing_was_created_in_gets_a_role_and_a_database() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let server = start(&dir);
    assert!(!server.is_of_an_earlier_release());
    assert_eq!(server.database(), "orders");
}

#[test]
fn a_folder_with_other_things_in_it_gets_no_connection_file() {
    let temp = open_folder();
    let dir = temp.path().join("photos");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("cat.jpg"), "meow").unwrap();
    for error in [dev_folder(&dir).url().unwrap_err(), dev_folder(&dir).join_or_start().unwrap_err()] {
        assert!(matches!(&error, Error::NotACluster { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// The other child of the process's parent.
fn sibling(pid: u32) -> u32 {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let pairs = listed.lines().filter_map(|line| line.trim().split_once(' '));
    let pairs: Vec<(u32, u32)> =
        pairs.map(|(pid, parent)| (pid.parse().unwrap(), parent.trim().parse().unwrap())).collect();
    let parent = pairs.iter().find(|(child, _)| *child == pid).unwrap().1;
    pairs.iter().find(|(child, of)| *of == parent && *child != pid).unwrap().0
}

#[test]
fn a_server_that_this_process_is_stopping_is_not_joined() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let server = start(&dir);
    let first = server.pid();
    // The server's sibling tells it to end; while that is held, the server answers.
    let watcher = sibling(first);
    signal(watcher, "STOP");
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        std::thread::sleep(Duration::from_millis(300));
        let next = scope.spawn(|| start(&dir));
        std::thread::sleep(Duration::from_millis(300));
        signal(watcher, "CONT");
        stopping.join().unwrap().unwrap();
        let next = next.join().unwrap();
        assert!(next.is_owned() && next.pid() != first);
        connect(&next.url()).batch_execute("SELECT").unwrap();
    });
}

#[test]
fn a_server_whose_process_is_stopped_does_not_hang_a_command() {
    let temp = open_folder();
    let dir = folder_in(&temp);
    let server = start(&dir);
    signal(server.pid(), "STOP");
    let started = Instant::now();
    let joined = dev_folder(&dir).join();
    signal(server.pid(), "CONT");
    assert!(joined.unwrap().is_none());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(dev_folder(&dir).join().unwrap().is_some());
}
