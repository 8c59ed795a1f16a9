//! How applications reach a development server: chosen once, kept in the file `connection` of the server's folder.
//!
//! The file has mode 0600 and belongs to the server's user. Whoever can read it can connect, so a file that others can
//! read or have written is refused.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::NoTls;

use crate::Error;
use crate::account::Account;
use crate::address::{encode, password};
use crate::aside::aside_within;
use crate::run_folder::{LONGEST_SOCKET_DIR, base};
use crate::server::Listen;
use crate::untrusted;

/// The file in the server's folder.
pub(crate) const FILE: &str = "connection";

/// The folder of the socket, below the server's folder.
pub(crate) const SOCKET: &str = "socket";

/// The start of the name of a socket's folder for temporary files, where the path of the server's folder is too long.
const TEMPORARY: &str = "migrate-dev-";

/// How many bytes of the file are read.
const LONGEST: u64 = 16 << 10;

/// The first port that is chosen, and the number of them: below the ports that systems give to outgoing connections.
const PORTS: (u16, u16) = (20_000, 12_000);

/// How long a server may take to answer: one that is stopped as a process accepts connections, and says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many ports are tried.
const PORT_ATTEMPTS: usize = 50;

/// The address, the role, the password and the database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) socket_dir: PathBuf,
    pub(crate) port: u16,
    pub(crate) role: String,
    password: String,
    pub(crate) database: String,
}

impl Access {
    /// What the folder's file says; none without a file.
    pub(crate) fn read(dir: &Path, account: &Account) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        let problem = |problem: &str| Error::ConnectionFile { path: path.clone(), problem: problem.to_owned() };
        let file = match untrusted::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(problem("it belongs to another user"));
            }
            Err(source) => return Err(Error::io("read", &path)(source)),
        };
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        if !account.owns(&metadata) {
            return Err(problem("it belongs to another user"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(problem("other users can read or change it"));
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(Error::io("read", &path))?;
        // The text is not repeated: it holds the password.
        Self::parse(&text).map(Some).ok_or_else(|| problem("it is incomplete or was changed by hand"))
    }

    /// Chooses everything anew; `name` is the role's and the database's.
    pub(crate) fn choose(dir: &Path, name: &str, account: &Account) -> Result<Self, Error> {
        let random = || password().map_err(Error::io("read", Path::new("/dev/urandom")));
        Ok(Self {
            socket_dir: choose_socket_dir(dir, account)?,
            port: choose_port(&random()?),
            role: name.to_owned(),
            password: random()?,
            database: name.to_owned(),
        })
    }

    /// The same access, with what cannot be used any more chosen anew; the folder's lock is held, and no server runs.
    pub(crate) fn made_usable(mut self, dir: &Path, account: &Account) -> Result<Self, Error> {
        if !is_free(self.port) {
            let random = password().map_err(Error::io("read", Path::new("/dev/urandom")))?;
            let port = choose_port(&random);
            log::warn!(
                "another program listens on port {} of 127.0.0.1, so the development server moves to port {port}, and \
                 its URL changes",
                self.port
            );
            self.port = port;
        }
        if !make_socket_dir(&self.socket_dir, account) {
            self.socket_dir = choose_socket_dir(dir, account)?;
        }
        self.remove_stale_socket(account)?;
        Ok(self)
    }

    /// Writes the file.
    pub(crate) fn write(&self, dir: &Path, account: &Account) -> Result<(), Error> {
        let path = dir.join(FILE);
        account.write(&path, &self.text()).map_err(Error::io("write", &path))
    }

    pub(crate) fn listen(&self) -> Listen {
        Listen::Fixed { socket_dir: self.socket_dir.clone(), port: self.port }
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The major version of the server at the socket; none when no server is ready there.
    pub(crate) fn major(&self, account: &Account) -> Option<u32> {
        if !is_private(&self.socket_dir, account) {
            return None;
        }
        let mut config = postgres::Config::new();
        config.host_path(&self.socket_dir).port(self.port).user(&self.role).dbname(&self.database);
        let problem = match aside_within(PATIENCE, move || ask_major(&config)) {
            Ok(Some(Ok(major))) => return u32::try_from(major).ok(),
            Ok(Some(Err(error))) => error.to_string(),
            Ok(None) => format!("it has not answered within {PATIENCE:?}"),
            Err(error) => format!("no thread could be started to ask: {error}"),
        };
        log::debug!("no server is ready at {}: {problem}", self.socket_dir.display());
        None
    }

    /// `postgres://orders:…@127.0.0.1:23456/orders`
    pub(crate) fn url(&self) -> String {
        let [role, password, database] = self.encoded();
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same database through the socket, where no password is needed.
    pub(crate) fn socket_url(&self) -> String {
        let [role, _, database] = self.encoded();
        let host = encode(std::os::unix::ffi::OsStrExt::as_bytes(self.socket_dir.as_os_str()));
        format!("postgres://{role}@{host}:{}/{database}", self.port)
    }

    fn encoded(&self) -> [String; 3] {
        [&self.role, &self.password, &self.database].map(|text| encode(text.as_bytes()))
    }

    /// A server that was killed leaves its socket, and a lock file with a process id that may be another process's by
    /// now. The caller holds the folder's lock and has found no process of the server.
    fn remove_stale_socket(&self, account: &Account) -> Result<(), Error> {
        let socket = self.socket_dir.join(format!(".s.PGSQL.{}", self.port));
        let lock = socket.with_added_extension("lock");
        if [&socket, &lock].iter().all(|path| fs::symlink_metadata(path).is_err()) {
            return Ok(());
        }
        account.shell(r#"rm -f -- "$1" "$2""#, &[&socket, &lock], None).map_err(Error::io("remove", &socket))
    }

    fn text(&self) -> String {
        format!(
            "# How to reach this folder's server. Remove the file while no server runs to choose everything anew.\n\
             socket={}\nport={}\nrole={}\npassword={}\ndatabase={}\n",
            self.socket_dir.display(),
            self.port,
            self.role,
            self.password,
            self.database
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find_map(|(name, value)| (name == key && !value.is_empty()).then(|| value.to_owned()))
        };
        let access = Self {
            socket_dir: PathBuf::from(value("socket")?),
            port: value("port")?.parse().ok()?,
            role: value("role")?,
            password: value("password")?,
            database: value("database")?,
        };
        // The password becomes a part of a statement.
        let is_valid = access.port != 0
            && access.socket_dir.is_absolute()
            && access.password.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_valid.then_some(access)
    }
}

fn ask_major(config: &postgres::Config) -> Result<i32, postgres::Error> {
    let mut client = config.connect(NoTls)?;
    let row = client.query_one("SELECT current_setting('server_version_num')::int4 / 10000", &[])?;
    row.try_get(0)
}

/// Leaves out the password.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("socket_dir", &self.socket_dir)
            .field("port", &self.port)
            .field("role", &self.role)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// A free port; the random digits decide where the search begins. When none of them is free, the system chooses.
fn choose_port(random: &str) -> u16 {
    let start = u16::from_str_radix(random.get(..4).unwrap_or_default(), 16).unwrap_or_default() % PORTS.1;
    let candidates = (0..PORTS.1).map(|step| PORTS.0 + (start + step) % PORTS.1);
    candidates.take(PORT_ATTEMPTS).find(|port| is_free(*port)).unwrap_or_else(|| {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        any.map_or(PORTS.0, |address| address.port())
    })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A folder for the socket: below the server's folder, or where its path is too long for a socket, among the temporary
/// files.
fn choose_socket_dir(dir: &Path, account: &Account) -> Result<PathBuf, Error> {
    let below = dir.join(SOCKET);
    // The server's settings name the folder and have to be UTF-8, and the file has one line for it.
    let fits = below.as_os_str().len() <= LONGEST_SOCKET_DIR
        && below.to_str().is_some_and(|path| !path.contains(char::is_control));
    if fits && make_socket_dir(&below, account) {
        return Ok(below);
    }
    let base = base(account)?;
    let folder = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(Error::io("create a folder in", &base))?
        .keep();
    let handle = File::open(&folder).map_err(Error::io("open", &folder))?;
    account.own(&handle).map_err(Error::io("give the server's user the folder", &folder))?;
    Ok(folder)
}

/// Creates the folder if it is missing. Whether only the server's user can enter it.
fn make_socket_dir(path: &Path, account: &Account) -> bool {
    if fs::symlink_metadata(path).is_err() {
        let _ = account.shell(r#"mkdir -m 700 -- "$1""#, &[path], None);
    }
    is_private(path, account)
}

/// Whether this is a folder that only the server's user can enter; in `/tmp`, another user can create one of any name.
fn is_private(path: &Path, account: &Account) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.mode() & 0o777 == 0o700 && account.owns(&metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            socket_dir: "/tmp/a b".into(),
            port: 20_123,
            role: "orders".to_owned(),
            password: "00ff".to_owned(),
            database: "orders".to_owned(),
        }
    }

    #[test]
    fn the_file_is_read_back_and_a_damaged_one_is_not() {
        let text = access().text();
        assert_eq!(Access::parse(&text), Some(access()));
        for damage in [
            ("port=20123", "port=0"),
            ("port=20123", "port=x"),
            ("password=00ff", "password='; DROP"),
            ("password=00ff", "password="),
            ("socket=/tmp", "socket=tmp"),
            ("role=orders\n", ""),
        ] {
            assert_eq!(Access::parse(&text.replace(damage.0, damage.1)), None, "{damage:?}");
        }
    }

    #[test]
    fn a_url_names_the_role_the_password_the_port_and_the_database() {
        assert_eq!(access().url(), "postgres://orders:00ff@127.0.0.1:20123/orders");
        assert_eq!(access().socket_url(), "postgres://orders@%2Ftmp%2Fa%20b:20123/orders");
        assert!(!format!("{:?}", access()).contains("00ff"));
    }

    #[test]
    fn a_port_that_is_taken_is_not_chosen() {
        let first = choose_port("0000");
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(choose_port("0000"), first);
        assert!((PORTS.0..PORTS.0 + PORTS.1).contains(&choose_port("ffff")));
    }
}
