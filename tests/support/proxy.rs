//! A proxy on loopback between a client and PostgreSQL: counts round trips, adds time to them, cuts connections.
//!
//! It reads the frontend's half of the protocol as far as the types of messages go
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

// Each test binary and benchmark uses its part of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use migrations_core::Database;
use postgres::Config;
use postgres::config::{Host, SslMode};

/// A running proxy. Its threads end with the connections they serve, the last one with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    config: Config,
    round_trips: Arc<AtomicUsize>,
}

/// Either end of a connection.
trait Stream: Read + Write + Send + 'static {
    fn twin(&self) -> Box<dyn Stream>;
    fn close(&self);
}

impl Stream for TcpStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().unwrap())
    }
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> Box<dyn Stream> {
        Box::new(self.try_clone().unwrap())
    }
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// A proxy in front of the database's server, which adds `delay` to every round trip.
    pub(crate) fn start(database: &Database, delay: Duration) -> Self {
        let config = database.config().clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let round_trips = Arc::new(AtomicUsize::new(0));
        let (counter, target) = (Arc::clone(&round_trips), config.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                client.set_nodelay(true).unwrap();
                let server = connect(&target);
                let client: Box<dyn Stream> = Box::new(client);
                let counter = Arc::clone(&counter);
                let (up, down) = (client.twin(), server.twin());
                thread::spawn(move || copy(up, server, delay / 2, Some(Frontend::new(counter))));
                thread::spawn(move || copy(down, client, delay / 2, None));
            }
        });
        Self { address, config, round_trips }
    }

    /// The database, through the proxy.
    pub(crate) fn database(&self) -> Database {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port());
        config.user(self.config.get_user().unwrap_or("postgres"));
        config.dbname(self.config.get_dbname().unwrap_or("postgres"));
        if let Some(password) = self.config.get_password() {
            config.password(password);
        }
        // It does not know the message that asks for TLS.
        config.ssl_mode(SslMode::Disable);
        Database::from_config(config).unwrap()
    }

    /// Round trips so far: messages that the server answers with "ready for query".
    pub(crate) fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }
}

fn connect(config: &Config) -> Box<dyn Stream> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match &config.get_hosts()[0] {
        Host::Unix(folder) => Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).unwrap()),
        Host::Tcp(host) => {
            let stream = TcpStream::connect((host.as_str(), port)).unwrap();
            stream.set_nodelay(true).unwrap();
            Box::new(stream)
        }
    }
}

fn copy(mut from: Box<dyn Stream>, mut to: Box<dyn Stream>, delay: Duration, mut frontend: Option<Frontend>) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let Some(frontend) = &mut frontend {
            frontend.see(&buffer[..length]);
        }
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    from.close();
    to.close();
}

/// Follows the frontend's messages: the first has no type, the others a byte of type and four of length.
struct Frontend {
    counter: Arc<AtomicUsize>,
    header: Vec<u8>,
    is_started: bool,
    skip: usize,
}

impl Frontend {
    fn new(counter: Arc<AtomicUsize>) -> Self {
        Self { counter, header: Vec::new(), is_started: false, skip: 0 }
    }

    fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let wanted = if self.is_started { 5 } else { 4 };
            let taken = (wanted - self.header.len()).min(bytes.len());
            if self.skip > 0 || taken == 0 {
                continue;
            }
            self.header.extend(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.header.len() == wanted {
                let length: [u8; 4] = self.header[wanted - 4..].try_into().unwrap();
                self.skip = u32::from_be_bytes(length) as usize - 4;
                // A simple query, or the end of an extended one.
                if self.is_started && matches!(self.header[0], b'Q' | b'S') {
                    self.counter.fetch_add(1, Ordering::SeqCst);
                }
                self.is_started = true;
                self.header.clear();
            }
        }
    }
}
