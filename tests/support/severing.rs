//! A proxy on loopback between a client and PostgreSQL that cuts the connection at chosen messages.
//!
//! It reads both halves of the protocol as far as the messages' lengths and types go
//! (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use migrations_embedded::Server;

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// In the middle of the message: the server gets half of it.
    InTheMessage,
    /// As soon as the server has the message: whether it is done with it nobody knows.
    BehindTheMessage,
    /// When the server's whole answer is there: what the message commits is committed, and nobody was told.
    BeforeTheAnswer,
}

/// A running proxy. Its threads end with the connections they serve, the last one with the process.
pub(crate) struct Severing {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// The queries so far, on all connections.
    queries: Mutex<Vec<String>>,
    /// What to do at which of them.
    plan: BTreeMap<usize, Cut>,
    /// What was done, and to which query.
    done: Mutex<Vec<(Cut, String)>>,
}

impl Severing {
    /// A proxy in front of the server, which cuts at these queries, counted from 0 over all connections.
    pub(crate) fn start(server: &Server, plan: BTreeMap<usize, Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
        let state = Arc::new(State { queries: Mutex::default(), plan, done: Mutex::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                serve(client, &socket, &shared);
            }
        });
        Self { address, state }
    }

    /// The URL of a database, through the proxy. It does not know the message that asks for TLS.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}?sslmode=disable", self.address)
    }

    /// The queries so far; of one in the extended protocol, nothing.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.state.queries.lock().unwrap().clone()
    }

    /// The cuts so far, each with the beginning of the query.
    pub(crate) fn done(&self) -> Vec<(Cut, String)> {
        self.state.done.lock().unwrap().clone()
    }
}

fn serve(client: TcpStream, socket: &PathBuf, state: &Arc<State>) {
    client.set_nodelay(true).unwrap();
    // The server is down, perhaps: so is this connection.
    let Ok(server) = UnixStream::connect(socket) else { return };
    let is_doomed = Arc::new(AtomicBool::new(false));
    let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (shared, doomed) = (Arc::clone(state), Arc::clone(&is_doomed));
    thread::spawn(move || {
        let _ = frontend(&client, &server, &shared, &doomed);
        // A doomed connection is closed by the other half, once it has the answer.
        if !doomed.load(Ordering::SeqCst) {
            close(&client, &server);
        }
    });
    thread::spawn(move || {
        let _ = backend(&down, &up, &is_doomed);
        close(&up, &down);
    });
}

fn close(client: &TcpStream, server: &UnixStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// One message: its type, except for the first of a connection, its length, and the rest.
fn message(from: &mut impl Read, has_type: bool) -> io::Result<Vec<u8>> {
    let header = if has_type { 5 } else { 4 };
    let mut message = vec![0; header];
    from.read_exact(&mut message)?;
    let length: [u8; 4] = message[header - 4..].try_into().unwrap();
    let rest = (u32::from_be_bytes(length) as usize).saturating_sub(4);
    message.resize(header + rest, 0);
    from.read_exact(&mut message[header..])?;
    Ok(message)
}

fn frontend(mut client: &TcpStream, mut server: &UnixStream, state: &State, doomed: &AtomicBool) -> io::Result<()> {
    server.write_all(&message(&mut client, false)?)?;
    loop {
        let message = message(&mut client, true)?;
        // A simple query, or the end of an extended one.
        if !matches!(message[0], b'Q' | b'S') {
            server.write_all(&message)?;
            continue;
        }
        let text = String::from_utf8_lossy(&message[5..]).trim_end_matches('\0').to_owned();
        let number = {
            let mut queries = state.queries.lock().unwrap();
            queries.push(text.clone());
            queries.len() - 1
        };
        let Some(cut) = state.plan.get(&number) else {
            server.write_all(&message)?;
            continue;
        };
        state.done.lock().unwrap().push((*cut, text.chars().take(60).collect()));
        match cut {
            Cut::InTheMessage => {
                server.write_all(&message[..message.len() / 2])?;
                return Ok(());
            }
            Cut::BehindTheMessage => {
                server.write_all(&message)?;
                return Ok(());
            }
            Cut::BeforeTheAnswer => {
                doomed.store(true, Ordering::SeqCst);
                return server.write_all(&message);
            }
        }
    }
}

fn backend(mut server: &UnixStream, mut client: &TcpStream, doomed: &AtomicBool) -> io::Result<()> {
    loop {
        let message = message(&mut server, true)?;
        if !doomed.load(Ordering::SeqCst) {
            client.write_all(&message)?;
        } else if message[0] == b'Z' {
            return Ok(());
        }
    }
}
