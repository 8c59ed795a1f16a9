//! The project's development server, where the environment names no database.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use migrations_embedded::{DevFolder, Project};

use super::database::Database;
use super::running::Running;
use crate::report::Error;

/// How long a server may take to stop.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// The server that this process uses: every [`Database`] of the process shares it.
static USED: Mutex<Option<Used>> = Mutex::new(None);

/// A server as the whole process knows it.
struct Used {
    server: Weak<Running>,
    /// Nothing is ever sent: its other end is dropped once the server has ended.
    ended: Receiver<()>,
}

impl Database {
    /// The database that the environment names, as in [`from_env`](Self::from_env), or else the one of the project's
    /// development server, which is joined, or started by this process.
    ///
    /// The project is the one that the current directory belongs to (`migrations_embedded::Project`), so the
    /// application and the command line use the same server. A server that this process has started stops when the last
    /// clone of the database is dropped, and when the process ends, in whatever way. Its data stays. A line of the log,
    /// at the level of a warning, names the server.
    ///
    /// It works in an async `main` too: it returns when the server is ready, and blocks the thread until then, some
    /// seconds at the first start. Dropping the last clone inside a runtime does not wait for the server's end.
    ///
    /// This is for development: it exists with the feature `embedded` only, which a release should not enable.
    ///
    /// # Errors
    ///
    /// [`Error::NoServer`] if there is no server to join and none can be started; and as in
    /// [`from_env`](Self::from_env), if the environment names a database that cannot be used.
    ///
    /// ```no_run
    /// # #[cfg(feature = "embedded")]
    /// # fn main() -> Result<(), migrations_core::Error> {
    /// let database = migrations_core::Database::from_env_or_embedded()?;
    /// let client = database.connect()?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "embedded"))]
    /// # fn main() {}
    /// ```
    pub fn from_env_or_embedded() -> Result<Self, Error> {
        match Self::from_env() {
            Err(Error::NoDatabase) => Self::embedded(),
            named => named,
        }
    }

    fn embedded() -> Result<Self, Error> {
        let running = running()?;
        let Some(server) = running.server() else { return Err(Error::NoDatabase) };
        let database = Self::from_url(&server.url())?;
        let owner = match server.owner() {
            _ if server.is_owned() => "started by this process".to_owned(),
            Some(owner) => format!("run by {owner}"),
            None => "run by another process".to_owned(),
        };
        log::warn!(
            "the environment names no database, so the development server is used: {database}, {owner}, with its data \
             in {}",
            server.folder().display()
        );
        let liveness = server.liveness();
        let mut database = database.with_liveness(move || liveness.gone());
        database.server = Some(running);
        Ok(database)
    }
}

/// The server that this process uses already, or else the project's.
fn running() -> Result<Arc<Running>, Error> {
    let refused = |reason: String| Error::NoServer { reason };
    let project = Project::current().map_err(|error| refused(error.to_string()))?;
    let folder = DevFolder::of_project(&project)
        .ok_or_else(|| refused("the platform names no folder for a user's data (is HOME set?)".to_owned()))?;
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(used) = &*used {
        match used.server.upgrade() {
            Some(running) if running.is_usable(&folder) => return Ok(running),
            // Its folder is another one, or it has ended by itself.
            Some(_) => {}
            // Its last user is stopping it; until its end, it would look like another process's.
            None => drop(used.ended.recv_timeout(STOP_PATIENCE)),
        }
    }
    let server = folder.join_or_start().map_err(|error| refused(error.to_string()))?;
    let (running, ended) = Running::new(server);
    let running = Arc::new(running);
    *used = Some(Used { server: Arc::downgrade(&running), ended });
    Ok(running)
}
