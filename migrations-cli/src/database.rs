//! Which database a command uses: a URL, libpq's variables, or a private server.

#[cfg(feature = "embedded")]
use std::thread;
#[cfg(feature = "embedded")]
use std::time::{Duration, Instant};

use migrations_core::Database;
#[cfg(feature = "embedded")]
use migrations_core::Error as Core;
#[cfg(feature = "embedded")]
use migrations_embedded::DevServer;

use crate::args::Global;
#[cfg(feature = "embedded")]
use crate::embedded;
use crate::error::Error;
#[cfg(feature = "embedded")]
use crate::error::Exit;
use crate::output::Output;
use crate::password_command::password_command;
use crate::variables::Variables;

/// The database of one command, with its server if this process started it.
pub(crate) struct Chosen {
    pub(crate) database: Database,
    #[cfg(feature = "embedded")]
    server: Option<DevServer>,
}

impl Chosen {
    /// Finds the database that the options or the environment name; starts the server for `--embedded`.
    pub(crate) fn open(global: &Global, variables: &Variables, output: &mut Output<'_>) -> Result<Self, Error> {
        #[cfg(feature = "embedded")]
        if global.embedded.is_some() {
            let server = embedded::open(global, output)?;
            return Ok(Self { database: embedded::database(&server)?, server: Some(server) });
        }
        #[cfg(not(feature = "embedded"))]
        let _ = output;
        named(global, variables).map(Self::remote)
    }

    /// Stops the server, if this process started it. Its data stays.
    #[cfg_attr(
        not(feature = "embedded"),
        expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "there is nothing to stop")
    )]
    pub(crate) fn close(self) -> Result<(), Error> {
        #[cfg(feature = "embedded")]
        if let Some(server) = self.server {
            server.stop()?;
        }
        Ok(())
    }

    fn remote(database: Database) -> Self {
        Self {
            database,
            #[cfg(feature = "embedded")]
            server: None,
        }
    }

    /// Adds to the command's error that the server of another process has ended, if that is why it failed.
    #[cfg(feature = "embedded")]
    pub(crate) fn explain(&self, done: Result<Exit, Error>) -> Result<Exit, Error> {
        let Some(server) = self.server.as_ref().filter(|server| !server.is_owned()) else { return done };
        let error = match done {
            Err(error @ Error::Core(Core::Lost { .. } | Core::Connect(_) | Core::Server { .. })) => error,
            other => return other,
        };
        // A server that is stopping disconnects its clients before it ends.
        let (liveness, started) = (server.liveness(), Instant::now());
        let is_lost = !matches!(&error, Error::Core(Core::Server { .. })) || is_shutdown(&error);
        while is_lost && started.elapsed() < STOPPING {
            if let Some(reason) = liveness.gone() {
                return Err(Error::ServerEndedMeanwhile { error: Box::new(error), reason });
            }
            thread::sleep(INTERVAL);
        }
        Err(error)
    }
}

/// The database that the options and the variables name.
fn named(global: &Global, variables: &Variables) -> Result<Database, Error> {
    let url = global.database_url.clone().filter(|url| !url.is_empty());
    let database = Database::from_variables(|name| match name {
        "DATABASE_URL" if url.is_some() => url.clone(),
        _ => variables.get(name),
    });
    let database = database.map_err(|error| match error {
        migrations_core::Error::NoDatabase => Error::NoDatabase,
        other => other.into(),
    })?;
    Ok(match &global.password_command {
        Some(command) => database.with_password(password_command(command)),
        None => database,
    })
}

/// How long a server that has disconnected its clients may take to end.
#[cfg(feature = "embedded")]
const STOPPING: Duration = Duration::from_secs(5);

/// The pause between two looks at it.
#[cfg(feature = "embedded")]
const INTERVAL: Duration = Duration::from_millis(20);

/// Whether the server has ended the session, because it stops.
#[cfg(feature = "embedded")]
fn is_shutdown(error: &Error) -> bool {
    matches!(error, Error::Core(error) if error.sqlstate().is_some_and(|sqlstate| sqlstate.starts_with("57P")))
}
