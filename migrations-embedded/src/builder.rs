//! The description of a server before it is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::cache;
use crate::kept::KeptFolder;
use crate::programs::Programs;
use crate::run_folder::RunFolder;
use crate::server::{Home, Listen, Server};

/// How long a start waits for a kept folder that is in use.
const FOLDER_PATIENCE: Duration = Duration::from_secs(30);

/// Every server's settings: it logs to a file of its own, and nowhere else.
const DEFAULTS: [(&str, &str); 2] = [("logging_collector", "off"), ("log_destination", "stderr")];

/// A throwaway server's settings: enough connections for the tests of a whole process.
const THROWAWAY: [(&str, &str); 1] = [("max_connections", "200")];

/// The settings of a server whose data need not survive a crash of the machine.
const NOT_DURABLE: [(&str, &str); 3] = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")];

/// A server to be started; [`Server::builder`] returns one.
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
    pub(crate) programs: Option<PathBuf>,
    folder_patience: Option<Duration>,
    reset: bool,
}

impl Builder {
    /// Adds a setting of `postgresql.conf`. It overrides this crate's own settings, and a later one overrides an
    /// earlier one.
    ///
    /// The settings for the server's address (`port`, `listen_addresses`, `unix_socket_directories`) cannot be changed.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().setting("work_mem", "64MB");
    /// ```
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Whether committed data survives a crash of the machine (`fsync`, `full_page_writes`, `synchronous_commit`).
    ///
    /// By default a kept server is durable and a throwaway server is not. A benchmark needs a durable throwaway server.
    ///
    /// # Warning
    ///
    /// A kept server that is not durable can lose all its data when the machine goes down.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().durable(true);
    /// ```
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = Some(durable);
        self
    }

    /// Whether the server also listens on a free port of 127.0.0.1, with a password that is generated for each start.
    ///
    /// ```
    /// let builder = migrations_embedded::Server::builder().tcp(true);
    /// ```
    pub fn tcp(mut self, tcp: bool) -> Self {
        self.tcp = tcp;
        self
    }

    /// Takes PostgreSQL's programs from this folder, rather than from the first place that has them.
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

    /// Whether [`start_kept`](Self::start_kept) removes an earlier server's data and logs from the folder, and starts
    /// from scratch. [`Server::removed`] lists the removed files.
    ///
    /// Nothing is removed before the folder's lock is held and the last process of an earlier server has ended, nor
    /// from a folder that contains anything but a server of this crate: a cluster that another program made is refused
    /// ([`Error::NotOurs`]). So is, without waiting, a folder whose server still runs ([`Error::StillRuns`]). Removing
    /// the folder by hand has none of these guarantees.
    ///
    /// # Warning
    ///
    /// The removed data is lost.
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
    /// The first start with a build of PostgreSQL runs `initdb`; later starts copy its result. All files are in the
    /// folder for temporary files (`TMPDIR`, or else `/tmp`); a folder in memory (`TMPDIR=/dev/shm`) halves the time of
    /// a start.
    ///
    /// # Errors
    ///
    /// When the programs are missing, when there is no user to run them as or no folder to run them in, or when the
    /// server does not start (a bad setting): the error says which, with the server's log.
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
        Server::start(home, account, &programs, &settings, &self.listen())
    }

    /// Starts a server on the cluster in `dir`, which is created if it does not exist and stays when the server stops.
    ///
    /// The data is in `dir/data`, the log in `dir/server.log`. While another process runs a server on the same folder,
    /// this waits. When `PATH` has another major version than the data, installed programs of the data's version are
    /// used.
    ///
    /// # Errors
    ///
    /// As [`start_throwaway`](Self::start_throwaway). Also when the folder contains other files, a cluster that another
    /// program made, or data of a version whose programs are not installed; when it belongs to another user, or the
    /// server's user cannot reach it; and when it stays in use. In these cases nothing in the folder is touched.
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
        let settings = self.kept_settings();
        let home = Home { data: folder.data(), log: folder.log(), run, kept: Some(folder) };
        Server::start(home, account, &programs, &settings, &self.listen())
    }

    fn listen(&self) -> Listen {
        if self.tcp { Listen::AnyPort } else { Listen::Socket }
    }

    /// The settings of a kept server.
    pub(crate) fn kept_settings(&self) -> Vec<(String, String)> {
        self.settings_over(&[], self.durable.unwrap_or(true))
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
