//! How clients reach a server: a socket in a folder that only its user can enter, and on request a port of this
//! machine.
//!
//! Any user of the machine can connect to a port, so the port requires a password, generated for each start; the
//! folder's mode protects the socket.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::cluster::SUPERUSER;

/// PostgreSQL's own default: no other server has a socket in the folder, so the port cannot collide.
const DEFAULT_PORT: u16 = 5432;

/// Where a server listens.
pub(crate) struct Address {
    socket_dir: PathBuf,
    port: u16,
    /// Whether the server listens on the port of 127.0.0.1, too.
    tcp: bool,
    /// The superuser's password over TCP; without one, the superuser cannot connect over TCP.
    password: Option<String>,
}

impl Address {
    pub(crate) fn socket_only(socket_dir: &Path) -> Self {
        Self { socket_dir: socket_dir.to_owned(), port: DEFAULT_PORT, tcp: false, password: None }
    }

    /// The same address at every start; the superuser connects through the socket only.
    pub(crate) fn fixed(socket_dir: &Path, port: u16) -> Self {
        Self { socket_dir: socket_dir.to_owned(), port, tcp: true, password: None }
    }

    /// Picks a port that is free now; another program may still take it before the server does.
    pub(crate) fn with_tcp(socket_dir: &Path) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        Ok(Self { socket_dir: socket_dir.to_owned(), port, tcp: true, password: Some(password()?) })
    }

    pub(crate) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn tcp_port(&self) -> Option<u16> {
        self.tcp.then_some(self.port)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let host = encode(self.socket_dir.as_os_str().as_bytes());
        let port = if self.port == DEFAULT_PORT { String::new() } else { format!(":{}", self.port) };
        format!("postgres://{SUPERUSER}@{host}{port}/{}", encode(database.as_bytes()))
    }

    pub(crate) fn tcp_url(&self, database: &str) -> Option<String> {
        let password = self.password()?;
        let database = encode(database.as_bytes());
        Some(format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{database}", self.port))
    }

    /// The settings that make the server listen here.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let hosts = if self.tcp { "127.0.0.1" } else { "" };
        // The setting is a list: a comma in the path needs the quotes.
        let folder = self.socket_dir.to_string_lossy().replace('"', "\"\"");
        [
            ("unix_socket_directories", format!("\"{folder}\"")),
            ("listen_addresses", hosts.to_owned()),
            ("port", self.port.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// Leaves out the password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("socket_dir", &self.socket_dir)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// 128 random bits, in hexadecimal.
pub(crate) fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Characters that RFC 3986 calls unreserved stay as they are.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a part of a URL.
pub(crate) fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, &RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres::config::Host;

    #[test]
    fn a_url_is_read_back_as_the_socket_the_port_and_the_database() {
        let mut address = Address::socket_only(Path::new("/tmp/migrate-pg-a b,c"));
        assert_eq!(address.url("app"), "postgres://postgres@%2Ftmp%2Fmigrate-pg-a%20b%2Cc/app");
        address.port = 6000;
        let config: postgres::Config = address.url("app/ü?").parse().unwrap();
        assert_eq!(config.get_hosts(), [Host::Unix("/tmp/migrate-pg-a b,c".into())]);
        assert_eq!(config.get_ports(), [6000]);
        assert_eq!(config.get_dbname(), Some("app/ü?"));
        assert_eq!(config.get_user(), Some("postgres"));
    }

    #[test]
    fn a_port_comes_with_a_password_that_is_new_each_time_and_never_shown() {
        let [one, two] = [(); 2].map(|()| Address::with_tcp(Path::new("/tmp")).unwrap());
        assert_ne!(one.password(), two.password());
        let password = one.password().unwrap();
        assert_eq!(password.len(), 32);
        assert!(one.tcp_url("app").unwrap().contains(password));
        assert!(!format!("{one:?}").contains(password));
    }
}
