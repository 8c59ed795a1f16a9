//! A running server: its start, its addresses, its end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use crate::Error;
use crate::account::Account;
use crate::address::Address;
use crate::aside::aside;
use crate::builder::Builder;
use crate::cluster::{self, SUPERUSER};
use crate::kept::KeptFolder;
use crate::liveness::Liveness;
use crate::log_tail;
use crate::processes;
use crate::programs::Programs;
use crate::run_folder::RunFolder;
use crate::stopping::Stopping;
use crate::supervisor::{AtEnd, Launch, Supervisor};

/// How long a server may take until it accepts connections.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// How long a server may take to stop; the same as `pg_ctl`'s.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// The pause between two connection attempts while the server starts.
const INTERVAL: Duration = Duration::from_millis(3);

/// How many ports are tried when other programs take them first.
const PORT_ATTEMPTS: usize = 5;

/// A running private server; it stops when this is dropped, and when this process ends, in whatever way.
///
/// The superuser `postgres` connects without a password through a socket that only the server's user and root can
/// reach.
///
/// ```no_run
/// use migrations_embedded::Server;
/// use postgres::{Client, NoTls};
///
/// let server = Server::throwaway()?;
/// let mut client = Client::connect(&server.url("postgres"), NoTls)?;
/// let one: i32 = client.query_one("SELECT 1", &[])?.get(0);
/// assert_eq!(one, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a server stops when it is dropped"]
pub struct Server {
    // Before `home`: fields are dropped in order, and the server has to end before its folder is removed.
    supervisor: Supervisor,
    launch: Launch,
    account: Account,
    address: Address,
    home: Home,
    major: u32,
    liveness: Liveness,
}

/// Where a server's files are.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) run: RunFolder,
    /// None for a throwaway server, whose files are all in `run`.
    pub(crate) kept: Option<KeptFolder>,
}

impl Server {
    /// Starts a server on an empty cluster, which is removed with the server.
    ///
    /// # Errors
    ///
    /// The same as [`Builder::start_throwaway`].
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn throwaway() -> Result<Self, Error> {
        Self::builder().start_throwaway()
    }

    /// A builder that describes a server and starts it.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().durable(true).tcp(true);
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts the server in its home. When another program takes the port first, it tries another port.
    pub(crate) fn start(
        home: Home,
        account: Account,
        programs: &Programs,
        settings: &[(String, String)],
        listen: &Listen,
    ) -> Result<Self, Error> {
        let mut attempts_left = if matches!(listen, Listen::AnyPort) { PORT_ATTEMPTS } else { 1 };
        loop {
            attempts_left -= 1;
            let address = listen.address(&home)?;
            let launch = launch(&home, programs, settings, &address);
            match launch_and_wait(&launch, &home, &account, &address) {
                Ok((supervisor, pid)) => {
                    let liveness = Liveness::new(pid, home.log.clone());
                    return Ok(Self { supervisor, launch, account, address, home, major: programs.major(), liveness });
                }
                Err(Error::Start { log, .. }) if attempts_left > 0 && log.contains("could not bind") => {
                    log::debug!("another program took port {} first", address.port());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The URL of one of the server's databases, through its socket: `postgres://postgres@%2Ftmp%2F…/app`.
    ///
    /// The host is the socket's folder, percent-encoded, as rust-postgres and libpq (`psql`) read it.
    ///
    /// ```no_run
    /// # let server = migrations_embedded::Server::throwaway()?;
    /// let client = postgres::Client::connect(&server.url("postgres"), postgres::NoTls)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// The URL of one of the server's databases over TCP, password included; none without [`Builder::tcp`].
    ///
    /// Each start generates a new password, except [`restart`](Self::restart) and
    /// [`crash_and_restart`](Self::crash_and_restart).
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::builder().tcp(true).start_throwaway()?;
    /// assert!(server.tcp_url("postgres").is_some());
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn tcp_url(&self, database: &str) -> Option<String> {
        self.address.tcp_url(database)
    }

    /// The port of 127.0.0.1 the server listens on; none without [`Builder::tcp`].
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// assert_eq!(server.tcp_port(), None);
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn tcp_port(&self) -> Option<u16> {
        self.address.tcp_port()
    }

    /// The folder of the server's socket, for clients that take it separately from the port (`psql -h`, PgBouncer).
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// println!("psql -h {} -p {} -U postgres", server.socket_dir().display(), server.port());
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn socket_dir(&self) -> &Path {
        self.address.socket_dir()
    }

    /// The server's port: part of the socket's name, and the TCP port if there is one.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// assert_eq!(server.port(), 5432);
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server's data directory, with its `PG_VERSION` and `postgresql.conf`.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// assert!(server.data_dir().join("PG_VERSION").is_file());
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn data_dir(&self) -> &Path {
        &self.home.data
    }

    /// The last lines of the server's log, up to 8 KiB, without the statements that it quotes below an error; empty when
    /// it cannot be read.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// assert!(server.log().contains("database system is ready to accept connections"));
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn log(&self) -> String {
        log_tail::read(&self.home.log, 0)
    }

    /// The process id of the server (the postmaster); it changes with [`restart`](Self::restart) and
    /// [`crash_and_restart`](Self::crash_and_restart).
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// println!("ps -p {}", server.pid());
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.liveness.pid()
    }

    /// Tells, also from other threads, whether the server still runs.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// let liveness = server.liveness();
    /// std::thread::spawn(move || assert_eq!(liveness.gone(), None));
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }

    /// The files that [`Builder::reset`] removed before the server started; empty without it, or when there were none.
    ///
    /// ```no_run
    /// # let dir = std::path::Path::new("/nowhere");
    /// let server = migrations_embedded::Server::builder().reset(true).start_kept(dir)?;
    /// for path in server.removed() {
    ///     println!("removed {}", path.display());
    /// }
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn removed(&self) -> &[PathBuf] {
        self.home.kept.as_ref().map_or(&[], KeptFolder::removed)
    }

    /// PostgreSQL's major version, such as 17.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// assert!(server.version() >= 14);
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn version(&self) -> u32 {
        self.major
    }

    /// Stops the server and waits for it: a kept server writes everything to disk (PostgreSQL's fast shutdown), and a
    /// throwaway server's folder is removed. Clients are disconnected.
    ///
    /// # Errors
    ///
    /// When the server still runs after 60 s. It has been told to stop, and still does so once it can.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::throwaway()?;
    /// server.stop()?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn stop(mut self) -> Result<(), Error> {
        self.end()
    }

    /// Ends the server as a crash does (PostgreSQL's immediate shutdown) and leaves its files as they are; for fault
    /// tests.
    ///
    /// On a server that is not [durable](Builder::durable), this can lose the commits of the last second.
    ///
    /// # Errors
    ///
    /// When the server still runs after 60 s.
    ///
    /// ```no_run
    /// let mut server = migrations_embedded::Server::throwaway()?;
    /// server.kill_immediate()?;
    /// // … the program under test finds no server …
    /// server.restart()?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn kill_immediate(&mut self) -> Result<(), Error> {
        let crashed = self.supervisor.crash(STOP_PATIENCE);
        self.must_be_over(crashed)
    }

    /// Ends the server as a crash does ([`kill_immediate`](Self::kill_immediate)), waits until its last process has
    /// ended, and starts it again on the same data, socket and port; returns when it accepts connections. For fault
    /// tests.
    ///
    /// Every connection is lost. The server recovers the committed data: all of it when it is
    /// [durable](Builder::durable), otherwise possibly without the commits of the last second.
    ///
    /// # Errors
    ///
    /// When the server does not stop, when one of its processes still runs after 60 s, or when it does not start again;
    /// another program may have taken its port.
    ///
    /// ```no_run
    /// use migrations_embedded::Server;
    /// use postgres::{Client, NoTls};
    ///
    /// let mut server = Server::builder().durable(true).start_throwaway()?;
    /// let mut client = Client::connect(&server.url("postgres"), NoTls)?;
    /// client.batch_execute("CREATE TABLE notes (body text)")?;
    ///
    /// server.crash_and_restart()?;
    /// assert!(client.batch_execute("TABLE notes").is_err(), "the old connection is lost");
    /// Client::connect(&server.url("postgres"), NoTls)?.batch_execute("TABLE notes")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.kill_immediate()?;
        processes::wait_for_none(&self.home.data, STOP_PATIENCE).map_err(|pids| Error::Orphans {
            dir: self.home.data.clone(),
            pids,
            waited: STOP_PATIENCE,
        })?;
        let (supervisor, pid) = launch_and_wait(&self.launch, &self.home, &self.account, &self.address)?;
        self.supervisor = supervisor;
        self.liveness.set_pid(pid);
        Ok(())
    }

    /// Starts a server again that has ended, by [`kill_immediate`](Self::kill_immediate) or by itself. A server that
    /// still runs is ended first: this is [`crash_and_restart`](Self::crash_and_restart).
    ///
    /// # Errors
    ///
    /// As [`crash_and_restart`](Self::crash_and_restart).
    ///
    /// ```no_run
    /// let mut server = migrations_embedded::Server::throwaway()?;
    /// let url = server.url("postgres");
    /// server.kill_immediate()?;
    /// server.restart()?;
    /// assert_eq!(server.url("postgres"), url);
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn restart(&mut self) -> Result<(), Error> {
        self.crash_and_restart()
    }

    /// Stops the server and returns its folder, still locked. None for a throwaway server.
    pub(crate) fn stop_and_keep_folder(mut self) -> Result<Option<KeptFolder>, Error> {
        self.end()?;
        Ok(self.home.kept.take())
    }

    fn end(&mut self) -> Result<(), Error> {
        let _stopping = Stopping::new(self.pid());
        let ended = self.supervisor.end(STOP_PATIENCE);
        self.must_be_over(ended)
    }

    fn must_be_over(&self, over: std::io::Result<bool>) -> Result<(), Error> {
        match over {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Stop { data: self.home.data.clone(), pid: self.pid(), waited: STOP_PATIENCE }),
            Err(source) => Err(Error::io("wait for the server on", &self.home.data)(source)),
        }
    }
}

/// Does what [`Server::stop`] does; errors are only logged.
impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!("{error}");
        }
    }
}

/// Where a server is to listen.
#[derive(Debug, Clone)]
pub(crate) enum Listen {
    /// On a socket in its run folder.
    Socket,
    /// The same, and on any free port.
    AnyPort,
    /// On the socket of this folder, and on this port.
    Fixed { socket_dir: PathBuf, port: u16 },
}

impl Listen {
    fn address(&self, home: &Home) -> Result<Address, Error> {
        let folder = home.run.path();
        match self {
            Self::Socket => Ok(Address::socket_only(folder)),
            Self::AnyPort => Address::with_tcp(folder)
                .map_err(Error::io("find a free port and a password for the server in", folder)),
            Self::Fixed { socket_dir, port } => Ok(Address::fixed(socket_dir, *port)),
        }
    }
}

fn launch(home: &Home, programs: &Programs, settings: &[(String, String)], address: &Address) -> Launch {
    let mut arguments = vec![OsString::from("-D"), home.data.clone().into()];
    // The last of several settings wins in PostgreSQL: nothing overrides the address.
    for (name, value) in settings.iter().cloned().chain(address.settings()) {
        arguments.push("-c".into());
        arguments.push(format!("{name}={value}").into());
    }
    Launch {
        data: home.data.clone(),
        at_end: if home.kept.is_some() { AtEnd::Fast } else { AtEnd::Immediate },
        folder: home.run.path().to_owned(),
        log: home.log.clone(),
        postgres: programs.postgres(),
        arguments,
    }
}

/// Returns once the server accepts connections, with its process id; when this fails, the server has ended.
fn launch_and_wait(
    launch: &Launch,
    home: &Home,
    account: &Account,
    address: &Address,
) -> Result<(Supervisor, u32), Error> {
    let log_from = log_tail::length(&home.log);
    let locks = [Some(home.run.lock()), home.kept.as_ref().map(KeptFolder::lock_handle)];
    let mut supervisor = Supervisor::start(launch, account, locks)?;
    let ready =
        aside(|| connect(&mut supervisor, home, address, log_from).and_then(|client| prepare(client, home, address)))
            .unwrap_or_else(|error| Err(Error::io("start a thread that waits for the server on", &home.data)(error)));
    match (ready, cluster::postmaster(&home.data)) {
        (Ok(()), Some(pid)) => Ok((supervisor, pid)),
        (Ok(()), None) => {
            let path = home.data.join("postmaster.pid");
            Err(Error::io("read the server's process id in", &path)(std::io::ErrorKind::InvalidData.into()))
        }
        (Err(error), _) => {
            // Its folder is removed with `home`, or the next attempt still needs it: only the server ends here.
            let _ = supervisor.crash(STOP_PATIENCE);
            Err(error)
        }
    }
}

/// The first connection that the server accepts.
fn connect(supervisor: &mut Supervisor, home: &Home, address: &Address, log_from: u64) -> Result<Client, Error> {
    let started = Instant::now();
    let mut config = postgres::Config::new();
    config.host_path(address.socket_dir()).port(address.port()).user(SUPERUSER).dbname("postgres");
    loop {
        let failure = match config.connect(NoTls) {
            Ok(client) => return Ok(client),
            Err(failure) => failure,
        };
        if let Some(status) = supervisor.ended().map_err(Error::io("wait for the server on", &home.data))? {
            let log = log_tail::read(&home.log, log_from);
            return Err(Error::Start { data: home.data.clone(), status, log });
        }
        if failure.code().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW) {
            return Err(Error::Prepare { data: home.data.clone(), purpose: "connecting", source: failure.into() });
        }
        if started.elapsed() > START_PATIENCE {
            return Err(Error::NotReady {
                data: home.data.clone(),
                waited: START_PATIENCE,
                source: failure.into(),
                log: log_tail::read(&home.log, log_from),
            });
        }
        thread::sleep(INTERVAL);
    }
}

/// Gives the superuser the password that a TCP connection requires.
fn prepare(mut client: Client, home: &Home, address: &Address) -> Result<(), Error> {
    let Some(password) = address.password() else {
        return Ok(());
    };
    client
        // Hexadecimal digits need no quoting; the setting keeps them out of the log.
        .batch_execute(&format!("SET log_statement = 'none'; ALTER ROLE {SUPERUSER} PASSWORD '{password}'"))
        .map_err(|source| Error::Prepare {
            data: home.data.clone(),
            purpose: "a password for TCP connections",
            source: source.into(),
        })
}
