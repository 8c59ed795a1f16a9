//! What a server is asked to be before it is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::cache;
use crate::kept::KeptFolder;
use crate::programs::Programs;
use crate::run_folder::RunFolder;
use crate::server::{Home, Server};

/// How long a kept folder that is in use is waited for.
const FOLDER_PATIENCE: Duration = Duration::from_secs(30);

/// What every server gets: a log in a file of its own, and nowhere else.
const DEFAULTS: [(&str, &str); 2] = [("logging_collector", "off"), ("log_destination", "stderr")];

/// What a throwaway server gets: room for the tests of a whole process.
const THROWAWAY: [(&str, &str); 1] = [("max_connections", "200")];

/// What a server gets whose data need not survive the machine.
const NOT_DURABLE: [(&str, &str); 3] = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")];

/// A server to be started; made by [`Server::builder`].
///
/// ```no_run
/// use migrations_embedded::Server;
///
/// let server = Server::builder()
///     .setting("log_statement", "all")
///     .setting("max_connections", "20")
///     .start_throwaway()?;
/// println!("{}", server.url("postgres"));
/// # Ok::<(), migrations_embedded::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder starts nothing by itself"]
pub struct Builder {
    settings: Vec<(String, String)>,
    durable: Option<bool>,
    tcp: bool,
    programs: Option<PathBuf>,
    folder_patience: Option<Duration>,
    reset: bool,
}

impl Builder {
    /// Adds a setting of `postgresql.conf`; it takes precedence over this crate's own, and a later one over an earlier.
    ///
    /// Where the server listens (`port`, `listen_addresses`, `unix_socket_directories`) is not up for change.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().setting("work_mem", "64MB");
    /// ```
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Whether what is committed survives a crash of the machine (`fsync`, `full_page_writes`, `synchronous_commit`).
    ///
    /// By default a kept server is durable and a throwaway server is not. A benchmark wants a throwaway server that is.
    ///
    /// # Warning
    ///
    /// A kept server that is not durable can lose everything in it when the machine goes down.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().durable(true);
    /// ```
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Whether the server listens on a free port of 127.0.0.1 as well, with a password that is made up for each start.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().tcp(true);
    /// ```
    pub fn tcp(mut self, tcp: bool) -> Self {
        self.tcp = tcp;
        self
    }

    /// Takes PostgreSQL's programs from this folder, rather than the first place that has them.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().programs("/usr/lib/postgresql/17/bin");
    /// ```
    pub fn programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.programs = Some(folder.into());
        self
    }

    /// How long [`start_kept`](Self::start_kept) waits while another process runs the folder's server; 30 s by default.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = migrations_embedded::Server::builder().wait_for_folder(Duration::from_secs(5));
    /// ```
    pub fn wait_for_folder(mut self, patience: Duration) -> Self {
        self.folder_patience = Some(patience);
        self
    }

    /// Whether [`start_kept`](Self::start_kept) removes what the folder holds of an earlier server, data and logs, and begins
    /// anew. [`Server::removed`] says what that was.
    ///
    /// Nothing is removed before the folder's lock is held and no process of an earlier server is left, nor from a folder
    /// that holds other things than a server of this crate. Removing the folder by hand has neither certainty.
    ///
    /// # Warning
    ///
    /// What it removes is lost.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().reset(true);
    /// ```
    pub fn reset(mut self, reset: bool) -> Self {
        self.reset = reset;
        self
    }

    /// Starts a server on an empty cluster, which is removed with the server.
    ///
    /// The first start with a build of PostgreSQL runs `initdb`; later ones copy what that made. All of it is in the folder
    /// for temporary files (`TMPDIR`, or else `/tmp`); one in memory (`TMPDIR=/dev/shm`) halves the time of a start.
    ///
    /// # Errors
    ///
    /// Where the programs are missing, there is no user to run them as or no folder to run them in, or the server does not
    /// start (a bad setting): the error says which, with the server's log.
    ///
    /// ```no_run
    /// let server = migrations_embedded::Server::builder().start_throwaway()?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn start_throwaway(self) -> Result<Server, Error> {
        let account = Account::current()?;
        let programs = Programs::find(&account, self.programs.as_deref(), None)?;
        let run = RunFolder::create(&account)?;
        let data = run.path().join("data");
        cache::provide(&programs, &account, &run, &data)?;
        let settings = self.settings_over(&THROWAWAY, self.durable.unwrap_or(false));
        let home = Home { data, log: run.path().join("server.log"), run, kept: None };
        Server::start(home, account, &programs, &settings, self.tcp)
    }

    /// Starts a server on the cluster in `dir`, which is created where there is none and stays when the server stops.
    ///
    /// The data is in `dir/data`, the log in `dir/server.log`. As long as another process runs a server on the same
    /// folder, this waits. Where `PATH` has another major version than the data's, installed programs that fit are used.
    ///
    /// # Errors
    ///
    /// Where [`start_throwaway`](Self::start_throwaway) has one, and where the folder holds other things, or data of a
    /// version there are no programs for, belongs to somebody else, cannot be reached by the user the server runs as, or
    /// stays in use: nothing in it is touched then.
    ///
    /// ```no_run
    /// use migrations_embedded::Server;
    ///
    /// let dir = migrations_embedded::default_dir().expect("a home");
    /// let server = Server::builder().start_kept(&dir)?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn start_kept(self, dir: &Path) -> Result<Server, Error> {
        let patience = self.folder_patience.unwrap_or(FOLDER_PATIENCE);
        let (folder, account, programs) = KeptFolder::open(dir, self.programs.as_deref(), patience, self.reset)?;
        let run = RunFolder::create(&account)?;
        let settings = self.settings_over(&[], self.durable.unwrap_or(true));
        let home = Home { data: folder.data(), log: folder.log(), run, kept: Some(folder) };
        Server::start(home, account, &programs, &settings, self.tcp)
    }

    /// The settings in the order of their precedence, the weakest first.
    fn settings_over(&self, kind: &[(&str, &str)], durable: bool) -> Vec<(String, String)> {
        let relaxed: &[(&str, &str)] = if durable { &[] } else { &NOT_DURABLE };
        DEFAULTS
            .iter()
            .chain(kind)
            .chain(relaxed)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(self.settings.iter().cloned())
            .collect()
    }
}
