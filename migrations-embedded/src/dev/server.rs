//! A running development server: started by this process, or joined.

use std::path::{Path, PathBuf};

use super::access::Access;
use super::owner::Owner;
use super::roles;
use crate::Error;
use crate::liveness::Liveness;
use crate::server::Server;

/// A development server that this process uses: [`DevFolder::join_or_start`](super::DevFolder::join_or_start) returns
/// one.
///
/// The process that started the server is its owner; the server stops when the owner drops this, and when the owner
/// ends, in whatever way. For a process that has joined, dropping this changes nothing.
///
/// ```no_run
/// use migrations_embedded::{DevFolder, Project};
/// use postgres::{Client, NoTls};
///
/// let folder = DevFolder::of_project(&Project::current()?).expect("a home");
/// let server = folder.join_or_start()?;
/// let mut client = Client::connect(&server.url(), NoTls)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the server stops when its owner drops this"]
pub struct DevServer {
    pub(crate) dir: PathBuf,
    pub(crate) access: Access,
    /// None for a server that another process runs.
    pub(crate) server: Option<Server>,
    pub(crate) owner: Option<Owner>,
    pub(crate) liveness: Liveness,
    pub(crate) major: u32,
}

impl DevServer {
    /// The URL of the application's database over TCP, with the role and the password; the same at every start.
    ///
    /// ```no_run
    /// # let folder = migrations_embedded::DevFolder::of_project(&migrations_embedded::Project::current()?).unwrap();
    /// let server = folder.join_or_start()?;
    /// println!("{}", server.url()); // postgres://orders:…@127.0.0.1:23456/orders
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn url(&self) -> String {
        self.access.url()
    }

    /// The URL of the same database through the socket, which needs no password.
    pub fn socket_url(&self) -> String {
        self.access.socket_url()
    }

    /// The environment of an application that uses the server: `DATABASE_URL`, and libpq's `PGHOST`, `PGPORT`,
    /// `PGUSER`, `PGPASSWORD` and `PGDATABASE`.
    ///
    /// ```no_run
    /// # let folder = migrations_embedded::DevFolder::of_project(&migrations_embedded::Project::current()?).unwrap();
    /// let server = folder.join_or_start()?;
    /// std::process::Command::new("my-application").envs(server.variables()).status().expect("it runs");
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("DATABASE_URL", self.url()),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.access.port.to_string()),
            ("PGUSER", self.access.role.clone()),
            ("PGPASSWORD", self.access.password().to_owned()),
            ("PGDATABASE", self.access.database.clone()),
        ]
    }

    /// The folder of the socket, where the superuser `postgres` connects without a password (`psql -h … -U postgres`).
    pub fn socket_dir(&self) -> &Path {
        &self.access.socket_dir
    }

    /// The name of the application's database.
    pub fn database(&self) -> &str {
        &self.access.database
    }

    /// The port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.access.port
    }

    /// The folder with the data and the log.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// The process id of the server (the postmaster).
    pub fn pid(&self) -> u32 {
        self.liveness.pid()
    }

    /// PostgreSQL's major version, such as 17.
    pub fn version(&self) -> u32 {
        self.major
    }

    /// Whether this process runs the server. Otherwise another process does, and the server ends with that process.
    pub fn is_owned(&self) -> bool {
        self.server.is_some()
    }

    /// The process that runs the server, if it is known.
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Whether an earlier release made the data: then the database is `postgres` and the role is the superuser.
    pub fn is_of_an_earlier_release(&self) -> bool {
        roles::is_of_an_earlier_release(&self.access)
    }

    /// The files that [`DevFolder::reset`](super::DevFolder::reset) removed.
    pub fn removed(&self) -> &[PathBuf] {
        self.server.as_ref().map_or(&[], Server::removed)
    }

    /// Tells, also from other threads, whether the server still runs, and names the owner when that has ended it.
    pub fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }

    /// Stops the server and waits for it, if this process runs it. The data stays.
    ///
    /// # Errors
    ///
    /// As [`Server::stop`].
    pub fn stop(self) -> Result<(), Error> {
        self.server.map_or(Ok(()), Server::stop)
    }
}
