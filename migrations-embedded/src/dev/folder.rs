//! Joins the server of a folder, or starts it.
//!
//! The folder's lock decides: its holder runs the server, and everybody else joins. A process that finds neither a free
//! lock nor a server that answers meets an owner that starts or stops at this moment, and tries both again.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::access::Access;
use super::owner::Owner;
use super::project::{self, Project};
use super::roles;
use super::server::DevServer;
use crate::account::Account;
use crate::builder::Builder;
use crate::kept::{DATA, KeptFolder, LOG, has_cluster};
use crate::liveness::Liveness;
use crate::programs::Programs;
use crate::run_folder::RunFolder;
use crate::server::{Home, Server};
use crate::stopping::is_stopping;
use crate::{Error, cluster};

/// How long to wait for an owner that starts or stops.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pause between two attempts.
const INTERVAL: Duration = Duration::from_millis(20);

/// The folder of a development server, which may not exist yet.
///
/// Besides the data and the log, it contains `connection`, with the address and the password (mode 0600), `project`,
/// with the path of the project, and `owner`, with the process that runs the server.
///
/// ```no_run
/// use migrations_embedded::{DevFolder, Project};
///
/// let folder = DevFolder::of_project(&Project::current()?).expect("a home");
/// println!("{}", folder.url()?);
/// # Ok::<(), migrations_embedded::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DevFolder {
    pub(crate) dir: PathBuf,
    /// The project that the folder belongs to; none for a folder that was named.
    project: Option<PathBuf>,
    name: String,
    pub(crate) builder: Builder,
}

impl DevFolder {
    /// The folder of a project's server ([`Project::folder`]). None when the user has no home.
    pub fn of_project(project: &Project) -> Option<Self> {
        let folder = Self::at(project.folder()?, project);
        Some(Self { project: Some(project.root().to_owned()), ..folder })
    }

    /// A folder that was named. The project only names the role and the database in a new cluster.
    pub fn at(dir: impl Into<PathBuf>, project: &Project) -> Self {
        Self { dir: dir.into(), project: None, name: project.database_name(), builder: Builder::default() }
    }

    /// The settings and the programs of a server that this process starts.
    #[must_use]
    pub fn with(self, builder: Builder) -> Self {
        Self { builder, ..self }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Whether the folder has data.
    pub fn has_data(&self) -> bool {
        has_cluster(&self.dir)
    }

    /// Joins the server that another process runs, or starts it.
    ///
    /// A server that starts or stops at this moment is waited for, for a minute at most.
    ///
    /// # Errors
    ///
    /// As [`Builder::start_kept`](crate::Builder::start_kept), and when the file `connection` cannot be used.
    ///
    /// ```no_run
    /// # let folder = migrations_embedded::DevFolder::of_project(&migrations_embedded::Project::current()?).unwrap();
    /// let server = folder.join_or_start()?;
    /// match server.owner() {
    ///     Some(owner) if !server.is_owned() => println!("joined the server of {owner}"),
    ///     _ => println!("this process runs the server"),
    /// }
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn join_or_start(&self) -> Result<DevServer, Error> {
        self.obtain(false, Ok)
    }

    /// Joins the server that another process runs; none when no server answers, and when this process is stopping it.
    ///
    /// # Errors
    ///
    /// When the file `connection` cannot be used, or there is no user to run a server as.
    pub fn join(&self) -> Result<Option<DevServer>, Error> {
        let dir = self.absolute()?;
        let data = dir.join(DATA);
        let account = Account::for_folder(&dir, &data)?;
        let Some(access) = Access::read(&dir, &account)? else { return Ok(None) };
        let Some(major) = access.major(&account) else { return Ok(None) };
        let Some(pid) = cluster::postmaster(&data).filter(|pid| !is_stopping(*pid)) else {
            return Ok(None);
        };
        let owner = Owner::read(&dir);
        let name = owner.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string);
        let liveness = Liveness::of_another(pid, dir.join(LOG), name);
        Ok(Some(DevServer { dir, access, server: None, owner, liveness, major }))
    }

    /// Removes the data and the logs, and starts a server on an empty cluster. The address and the password stay.
    ///
    /// # Warning
    ///
    /// The removed data is lost.
    ///
    /// # Errors
    ///
    /// At once [`Error::Owned`] while another process runs the server, or [`Error::StillRuns`] when that server cannot
    /// be joined; and as in [`join_or_start`](Self::join_or_start).
    ///
    /// ```no_run
    /// # let folder = migrations_embedded::DevFolder::of_project(&migrations_embedded::Project::current()?).unwrap();
    /// let server = folder.reset()?;
    /// println!("removed {:?}", server.removed());
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn reset(&self) -> Result<DevServer, Error> {
        self.obtain(true, |server| Err(owned(&server)))
    }

    /// The URL of the application's database, also while no server runs: it is chosen now, if that has not been done.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, as in [`join_or_start`](Self::join_or_start).
    pub fn url(&self) -> Result<String, Error> {
        let started = Instant::now();
        let dir = self.absolute()?;
        loop {
            let account = Account::for_folder(&dir, &dir.join(DATA))?;
            if let Some(access) = Access::read(&dir, &account)? {
                return Ok(access.url());
            }
            if self.has_data() {
                // Only the server knows which database an earlier release has used.
                let server = self.join_or_start()?;
                let url = server.url();
                return server.stop().map(|()| url);
            }
            match KeptFolder::reserve(&dir, Duration::ZERO) {
                Err(error) if error.is_in_use() && started.elapsed() < PATIENCE => thread::sleep(INTERVAL),
                Err(error) => return Err(error.after(started.elapsed())),
                Ok((_lock, account)) => {
                    // Another process may have chosen since.
                    if Access::read(&dir, &account)?.is_none() {
                        Access::choose(&dir, &self.name, &account)?.write(&dir, &account)?;
                        self.name_project(&dir, &account)?;
                    }
                }
            }
        }
    }

    /// Joins, which `found` may refuse, or starts.
    fn obtain(&self, reset: bool, found: fn(DevServer) -> Result<DevServer, Error>) -> Result<DevServer, Error> {
        let started = Instant::now();
        let mut is_told = false;
        loop {
            if let Some(server) = self.join()? {
                return found(server);
            }
            match self.start(reset) {
                Err(error) if (error.is_in_use() || error.is_port_taken()) && started.elapsed() < PATIENCE => {
                    if !is_told {
                        log::info!("waiting for the server of {}, which starts or stops", self.dir.display());
                        is_told = true;
                    }
                    thread::sleep(INTERVAL);
                }
                Err(error) => return Err(error.after(started.elapsed())),
                started => return started,
            }
        }
    }

    /// Starts the server, if the folder's lock is free.
    fn start(&self, reset: bool) -> Result<DevServer, Error> {
        let dir = self.absolute()?;
        let programs = self.builder.programs.as_deref();
        let (folder, account, programs) = KeptFolder::open(&dir, programs, Duration::ZERO, reset)?;
        self.start_in(dir, folder, &account, &programs)
    }

    /// Starts the server in a folder whose lock is held.
    pub(crate) fn start_in(
        &self,
        dir: PathBuf,
        folder: KeptFolder,
        account: &Account,
        programs: &Programs,
    ) -> Result<DevServer, Error> {
        let access = match Access::read(&dir, account)? {
            Some(access) => access,
            None => Access::choose(&dir, &self.name, account)?,
        };
        let access = access.made_usable(&dir, account)?;
        let owner = Owner::this_process();
        owner.write(&dir, account)?;
        self.name_project(&dir, account)?;
        // Before the start: a process that joins reads the port from the file.
        access.write(&dir, account)?;
        let run = RunFolder::create(account)?;
        let home = Home { data: folder.data(), log: folder.log(), run, kept: Some(folder) };
        let settings = self.builder.kept_settings();
        let server = Server::start(home, account.clone(), programs, &settings, &access.listen())?;
        let provided = roles::provide(&server, access.clone(), &self.name)?;
        if provided != access {
            provided.write(&dir, account)?;
        }
        let (liveness, major) = (server.liveness(), server.version());
        Ok(DevServer { dir, access: provided, server: Some(server), owner: Some(owner), liveness, major })
    }

    /// Writes the project's path into the folder, for a person who looks for old folders.
    fn name_project(&self, dir: &Path, account: &Account) -> Result<(), Error> {
        let Some(project) = &self.project else { return Ok(()) };
        let path = dir.join(project::FILE);
        let text = format!("{}\n", project.display());
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        account.write(&path, &text).map_err(Error::io("write", &path))
    }

    pub(crate) fn absolute(&self) -> Result<PathBuf, Error> {
        std::path::absolute(&self.dir).map_err(Error::io("find", &self.dir))
    }
}

/// The error for what only the owner may do.
pub(crate) fn owned(server: &DevServer) -> Error {
    Error::Owned { dir: server.dir.clone(), owner: server.owner.clone() }
}
