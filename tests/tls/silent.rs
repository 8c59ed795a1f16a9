//! Servers that accept a connection and say nothing more.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, Migrator};

/// Accepts connections. `answer`: what it says to the client's first message before it falls silent.
fn listener(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process; what it accepted stays open until then.
    thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((mut client, _)) = listener.accept() {
            let mut buffer = [0; 8];
            if !answer.is_empty() && client.read_exact(&mut buffer).is_ok() {
                let _ = client.write_all(answer);
            }
            open.push(client);
        }
    });
    address
}

fn database(address: SocketAddr, mode: &str) -> Database {
    let url = format!("postgres://app:secret@{address}/app?connect_timeout=2&sslmode={mode}");
    Database::from_url(&url).unwrap()
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_connect_timeout() {
    // Silent before it asks for a password, when it is asked for TLS, in the handshake, and after it declines TLS.
    let cases = [(&b""[..], "disable"), (b"", "prefer"), (b"", "require"), (b"S", "require"), (b"N", "prefer")];
    let attempt = |answer, mode| {
        let address = listener(answer);
        let start = Instant::now();
        let error = database(address, mode).connect().err().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{mode}: {:?}", start.elapsed());
        error.to_string().replace(&address.port().to_string(), "PORT")
    };
    let texts: Vec<String> = thread::scope(|scope| {
        let attempts = cases.map(|(answer, mode)| scope.spawn(move || attempt(answer, mode)));
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    });
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:#?}");
    insta::assert_snapshot!("silent_server", texts[0]);
}

#[test]
fn a_wait_and_a_run_end_too() {
    let silent = database(listener(b""), "require").with_wait(Duration::ZERO);
    let start = Instant::now();
    let error = silent.wait(Duration::from_millis(1500)).err().unwrap();
    assert!(error.to_string().contains("has not answered within 2.0s"), "{error}");
    let migrator = Migrator::new(MigrationSet::new("shared").unwrap(), MigrationSet::new("tenant").unwrap());
    assert!(migrator.run(&silent).is_err());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}
