//! A throwaway server: its properties, and that nothing of it stays.

#![allow(clippy::unwrap_used, reason = "for tests only")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;
use std::time::{Duration, Instant};

use migrations_embedded::{Error, Server};
use postgres::error::SqlState;
use postgres::{Client, NoTls};
use support::{Owner, connect, is_alive, open_folder, show};

#[test]
#[ignore = "a process for the other tests, not a test"]
fn owner() {
    support::own_a_server();
}

#[test]
fn it_answers_as_the_superuser_of_an_empty_utf8_cluster() {
    let server = Server::throwaway().unwrap();
    let mut client = connect(&server.url("postgres"));
    let user: String = client.query_one("SELECT current_user::text", &[]).unwrap().get(0);
    assert_eq!(user, "postgres");
    assert_eq!(show(&mut client, "server_encoding"), "UTF8");
    assert_eq!(show(&mut client, "timezone"), "UTC");
    let version = show(&mut client, "server_version_num").parse::<u32>().unwrap() / 10_000;
    assert_eq!(server.version(), version);
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    assert!(is_alive(u32::try_from(pid).unwrap()) && is_alive(server.pid()));
    assert_eq!((server.port(), server.tcp_port(), server.tcp_url("postgres")), (5432, None, None));
    assert!(server.log().contains("ready to accept connections"), "{}", server.log());
}

#[test]
fn it_is_fast_by_default_and_durable_on_request() {
    let settings = |server: &Server| {
        let mut client = connect(&server.url("postgres"));
        ["fsync", "full_page_writes", "synchronous_commit", "max_connections"].map(|name| show(&mut client, name))
    };
    let server = Server::throwaway().unwrap();
    assert_eq!(settings(&server), ["off", "off", "off", "200"]);
    let server = Server::builder().durable(true).start_throwaway().unwrap();
    assert_eq!(settings(&server), ["on", "on", "on", "200"]);
    let server = Server::builder().setting("max_connections", "7").setting("fsync", "on").start_throwaway().unwrap();
    assert_eq!(settings(&server), ["on", "off", "off", "7"]);
}

#[test]
fn its_process_and_its_folder_are_gone_after_stop_and_after_drop() {
    let ends: [fn(Server); 2] = [|server| server.stop().unwrap(), drop];
    for end in ends {
        let server = Server::throwaway().unwrap();
        let (pid, folder) = (server.pid(), server.socket_dir().to_owned());
        assert!(is_alive(pid) && server.data_dir().starts_with(&folder));
        // A client that stays connected must not delay the end.
        let mut client = connect(&server.url("postgres"));
        end(server);
        assert!(!is_alive(pid));
        assert!(!folder.exists());
        assert!(client.simple_query("SELECT 1").is_err());
    }
}

#[test]
fn only_its_user_can_enter_its_folder() {
    let server = Server::throwaway().unwrap();
    let metadata = fs::metadata(server.socket_dir()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    assert_eq!(metadata.uid(), fs::metadata(server.data_dir()).unwrap().uid());
    assert_ne!(metadata.uid(), 0, "a server never runs as root");
}

#[test]
fn many_start_at_once_and_do_not_meet() {
    let started: Vec<Server> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Server::throwaway().unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for (number, server) in started.iter().enumerate() {
        connect(&server.url("postgres")).batch_execute(&format!("CREATE TABLE only_here_{number} ()")).unwrap();
    }
    for server in &started {
        let tables = connect(&server.url("postgres"))
            .query("SELECT 1 FROM pg_tables WHERE tablename LIKE 'only_here%'", &[])
            .unwrap();
        assert_eq!(tables.len(), 1);
    }
}

#[test]
fn a_bad_setting_fails_at_once_with_the_servers_own_words() {
    let started = Instant::now();
    let error = Server::builder().setting("work_memory", "1MB").start_throwaway().unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let Error::Start { data, log, .. } = &error else { panic!("{error}") };
    assert!(!data.exists());
    assert!(log.contains("unrecognized configuration parameter \"work_memory\""), "{log}");
    assert!(error.to_string().ends_with(log.as_str()), "{error}");
}

#[test]
fn tcp_takes_the_password_that_its_url_has() {
    let server = Server::builder().tcp(true).start_throwaway().unwrap();
    let url = server.tcp_url("postgres").unwrap();
    assert_eq!(show(&mut connect(&url), "listen_addresses"), "127.0.0.1");
    assert_eq!(show(&mut connect(&server.url("postgres")), "port"), server.tcp_port().unwrap().to_string());

    let mut guess: postgres::Config = url.parse().unwrap();
    let refused = guess.password("guess").connect(NoTls).err().expect("a guess gets in");
    assert_eq!(refused.code(), Some(&SqlState::INVALID_PASSWORD));
    assert!(!server.log().contains(&url[22..54]), "{}", server.log());
}

#[test]
fn without_tcp_nothing_listens_on_the_network() {
    let server = Server::throwaway().unwrap();
    assert_eq!(show(&mut connect(&server.url("postgres")), "listen_addresses"), "");
}

#[test]
fn a_restart_is_a_crash_that_keeps_the_address_and_what_was_committed() {
    let mut server = Server::builder().tcp(true).durable(true).start_throwaway().unwrap();
    let addresses = |server: &Server| (server.url("postgres"), server.tcp_url("postgres"));
    let (before, pid) = (addresses(&server), server.pid());
    let mut client = connect(&before.0);
    client.batch_execute("CREATE TABLE committed ()").unwrap();
    client.batch_execute("BEGIN; CREATE TABLE lost ()").unwrap();

    server.kill_immediate().unwrap();
    assert!(!is_alive(pid));
    assert!(server.data_dir().exists());
    assert!(client.simple_query("SELECT 1").is_err());
    assert!(Client::connect(&before.0, NoTls).is_err());

    server.restart().unwrap();
    assert_eq!(addresses(&server), before);
    assert!(is_alive(server.pid()) && server.pid() != pid);
    assert!(server.log().contains("not properly shut down"), "{}", server.log());
    let mut client = connect(&server.tcp_url("postgres").unwrap());
    let tables: Vec<String> = client
        .query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(tables, ["committed"]);
}

#[test]
fn a_crash_and_restart_keeps_what_was_committed_and_loses_every_connection() {
    let mut server = Server::builder().tcp(true).durable(true).start_throwaway().unwrap();
    let address = |server: &Server| (server.url("postgres"), server.tcp_url("postgres"), server.data_dir().to_owned());
    let (before, pid, liveness) = (address(&server), server.pid(), server.liveness());
    let mut writer = connect(&before.0);
    let mut idle = connect(before.1.as_ref().unwrap());
    writer.batch_execute("CREATE TABLE notes AS SELECT 'committed' AS body").unwrap();
    writer.batch_execute("BEGIN; INSERT INTO notes VALUES ('lost')").unwrap();

    for _ in 0..2 {
        server.crash_and_restart().unwrap();
        // At once: it returns when the server accepts connections.
        let rows = connect(&server.url("postgres")).query("SELECT body FROM notes", &[]).unwrap();
        assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["committed"]);
    }
    assert_eq!(address(&server), before);
    assert!(!is_alive(pid) && is_alive(server.pid()));
    assert_eq!(liveness.gone(), None);
    assert!(server.log().contains("not properly shut down"), "{}", server.log());
    for client in [&mut writer, &mut idle] {
        assert!(client.simple_query("SELECT 1").is_err(), "a connection outlived the crash");
    }
}

#[test]
fn stopping_a_server_that_died_is_no_error() {
    let mut server = Server::throwaway().unwrap();
    let folder = server.socket_dir().to_owned();
    server.kill_immediate().unwrap();
    server.stop().unwrap();
    assert!(!folder.exists());
}

#[test]
fn the_environment_of_its_owner_does_not_change_it() {
    let temp = open_folder();
    // The server reads some of libpq's variables too, and does not start with an invalid one.
    let environment = [("PGDATESTYLE", "nonsense"), ("PGPORT", "1"), ("PGDATA", "/nowhere")];
    let mut owner = Owner::spawn_with(None, temp.path(), &environment);
    let mut client = connect(&owner.server().url);
    assert_eq!(show(&mut client, "port"), "5432");
}
