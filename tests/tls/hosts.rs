//! Several hosts in one URL.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use migrations_core::Database;
use postgres::Config;

use crate::site::{PASSWORD, Site, TLS_ONLY, is_encrypted};

fn through(hosts: &[&str], ports: &[u16], parameters: &str) -> Database {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let password = PASSWORD.replace('\'', "\\'");
    let (hosts, ports) = (hosts.join(","), ports.join(","));
    let text = format!("host={hosts} port={ports} user=app password='{password}' dbname=postgres {parameters}");
    Database::from_url(&text).unwrap()
}

#[test]
fn sockets_and_names_may_stand_in_one_url() {
    let site = Site::new(&format!("local all app scram-sha-256\n{TLS_ONLY}"));
    let socket = site.server.socket_dir().to_str().unwrap();
    let port = site.server.tcp_port().unwrap();
    let verified = site.verified().replace('&', " ");
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let mut client = through(&["localhost", socket], &[nowhere, port], &verified).connect().unwrap();
    assert!(!is_encrypted(&mut client), "the socket");
    let mut client = through(&["/nowhere", "localhost"], &[1, port], &verified).connect().unwrap();
    assert!(is_encrypted(&mut client), "over TCP");
}

#[test]
fn a_host_that_says_nothing_leaves_time_for_the_next() {
    let site = Site::new(TLS_ONLY);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [silent.local_addr().unwrap().port(), site.server.tcp_port().unwrap()];
    let database = through(&["localhost", "localhost"], &ports, "sslmode=require connect_timeout=1");
    let start = Instant::now();
    assert!(is_encrypted(&mut database.connect().unwrap()));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn the_answer_of_a_server_is_shown_before_a_network_without_one() {
    let site = Site::new(TLS_ONLY);
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = [site.server.tcp_port().unwrap(), nowhere];
    let error = through(&["127.0.0.1", "127.0.0.1"], &ports, "sslmode=disable").connect().err().unwrap();
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
}

#[test]
fn hosts_and_ports_that_do_not_match_are_refused() {
    let mut config = Config::new();
    config.host("a").host("b").hostaddr("127.0.0.1".parse().unwrap());
    let error = Database::from_config(config).unwrap().connect().err().unwrap().to_string();
    assert!(error.contains("it has 2 hosts"), "{error}");
    for text in ["host=a,b hostaddr=127.0.0.1", "host=a,b port=1,2,3"] {
        let error = Database::from_url(text).err().unwrap().to_string();
        assert!(error.contains("host"), "{error}");
    }
}
