//! Which database a command uses: a URL, libpq's variables, or a private server that is started for the command.

use migrations_core::Database;
#[cfg(feature = "embedded")]
use migrations_embedded::Server;

use crate::args::Global;
use crate::error::Error;
use crate::output::Output;

/// The database of one command, with its server if this process started it.
pub(crate) struct Chosen {
    pub(crate) database: Database,
    #[cfg(feature = "embedded")]
    server: Option<Server>,
}

impl Chosen {
    /// Finds the database that the options or the environment name; starts the server for `--embedded`.
    pub(crate) fn open(global: &Global, output: &mut Output<'_>) -> Result<Self, Error> {
        #[cfg(feature = "embedded")]
        if let Some(folder) = &global.embedded {
            return Self::start(folder.as_deref(), global.reset, output);
        }
        #[cfg(not(feature = "embedded"))]
        let _ = output;
        let url = global.database_url.as_deref().filter(|url| !url.is_empty());
        let database = url.map_or_else(Database::from_env, Database::from_url).map_err(|error| match error {
            migrations_core::Error::NoDatabase => Error::NoDatabase,
            other => other.into(),
        })?;
        Ok(Self::remote(database))
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

    #[cfg(feature = "embedded")]
    fn start(folder: Option<&std::path::Path>, reset: bool, output: &mut Output<'_>) -> Result<Self, Error> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            // Each program has its own folder: the sets of two applications in one database would find each other's
            // migrations.
            None => migrations_embedded::default_dir().ok_or(Error::NoDataFolder)?.with_file_name(output.program()),
        };
        let server = Server::builder().reset(reset).start_kept(&folder)?;
        for path in server.removed() {
            output.note(&format!("removed {}", path.display()));
        }
        output.note(&format!("private server with its data in {}, which is kept", folder.display()));
        let liveness = server.liveness();
        let database = Database::from_url(&server.url("postgres"))?.with_liveness(move || liveness.gone());
        Ok(Self { database, server: Some(server) })
    }
}
