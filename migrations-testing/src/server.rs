//! The server that all tests of a process share: the one `DATABASE_URL` names, or a throwaway one, started by the first
//! test that asks.

use std::env::VarError;
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

use migrations_core::Database;
use migrations_embedded::Server;
use postgres::Client;
use postgres::error::SqlState;

use crate::connection_string;
use crate::error::Error;
use crate::lease::{self, Lease};

/// The variable that names a server to use instead of a throwaway one.
const VARIABLE: &str = "DATABASE_URL";

/// A failed start is kept, so that not every test tries it again.
static SERVER: OnceLock<Mutex<Result<Server, String>>> = OnceLock::new();

/// The first test of a process sweeps a server that is not thrown away.
static SWEPT: Once = Once::new();

/// Whether the variable names a server.
fn is_given() -> Result<bool, Error> {
    match std::env::var(VARIABLE) {
        Ok(url) => Ok(!url.is_empty()),
        Err(VarError::NotPresent) => Ok(false),
        // No throwaway server instead: the caller has named a server.
        Err(VarError::NotUnicode(_)) => {
            let problem = "it is not UTF-8".to_owned();
            Err(Error::Migrations(migrations_core::Error::Url { problem }))
        }
    }
}

/// The database through which test databases are created. Libpq's variables and the password file supply what
/// `DATABASE_URL` does not say, as they do for an application.
pub(crate) fn maintenance() -> Result<Database, Error> {
    if is_given()? { Ok(Database::from_env()?) } else { throwaway("postgres").map(|(_, database)| database) }
}

/// A database of this name on the server of another one.
fn beside(maintenance: &Database, name: &str) -> Result<(String, Database), Error> {
    let mut config = maintenance.config().clone();
    let url = connection_string::url(config.dbname(name), &maintenance.tls_parameters());
    let database = Database::from_url(&url)?;
    Ok((url, database))
}

fn throwaway(name: &str) -> Result<(String, Database), Error> {
    let server = SERVER.get_or_init(|| Mutex::new(Server::throwaway().map_err(|error| error.to_string())));
    match &*server.lock().unwrap_or_else(PoisonError::into_inner) {
        Ok(server) => {
            let url = server.url(name);
            let liveness = server.liveness();
            let database = Database::from_url(&url)?.with_liveness(move || liveness.gone());
            Ok((url, database))
        }
        Err(problem) => Err(Error::Server(problem.clone())),
    }
}

/// A new database: its address, and the lease that keeps other processes from dropping it.
pub(crate) struct Created {
    pub(crate) url: String,
    pub(crate) database: Database,
    /// None on a throwaway server, which no other process uses.
    pub(crate) lease: Option<Lease>,
}

/// Creates an empty database, and makes sure that its URL leads there.
pub(crate) fn create(maintenance: &Database, name: &str) -> Result<Created, Error> {
    let is_given = is_given()?;
    let (url, database) = if is_given { beside(maintenance, name)? } else { throwaway(name)? };
    if is_given {
        SWEPT.call_once(|| lease::sweep(maintenance));
    }
    let mut client = maintenance.connect()?;
    let failed = |source| Error::Create { name: name.to_owned(), server: maintenance.to_string(), source };
    // Before the database exists, so that it counts as in use from its first moment on.
    let lease = if is_given { Lease::take(maintenance.connect()?, name).map_err(failed)? } else { None };
    create_database(&mut client, name, is_given).map_err(failed)?;
    let made = (|| {
        if is_given {
            lease::mark(&mut client, name).map_err(failed)?;
        }
        must_lead_to(&database, name)
    })();
    if let Err(error) = made {
        let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"));
        return Err(error);
    }
    Ok(Created { url, database, lease })
}

/// Checks that nothing will be written to a database other than the test's own.
fn must_lead_to(database: &Database, name: &str) -> Result<(), Error> {
    let failed = |source| Error::Create { name: name.to_owned(), server: database.to_string(), source };
    let mut client = database.connect()?;
    let found: String =
        lease::single(&mut client, "SELECT pg_catalog.current_database()::text", &[]).map_err(failed)?.get(0);
    if found == name { Ok(()) } else { Err(Error::Elsewhere { name: name.to_owned(), found }) }
}

/// Creates an empty database. `template0` is never in use, since it accepts no connections.
fn create_database(client: &mut Client, name: &str, is_given: bool) -> Result<(), postgres::Error> {
    let version: i32 =
        lease::single(client, "SELECT pg_catalog.current_setting('server_version_num')::int4", &[])?.get(0);
    // FILE_COPY takes two checkpoints: it is faster where nothing is flushed, and slower on a durable server. Servers
    // before 15 have no other strategy.
    let copy_files = version >= 150_000 && !is_given;
    let strategy = if copy_files { " STRATEGY FILE_COPY" } else { "" };
    let create = format!("CREATE DATABASE {name} TEMPLATE template0{strategy}");
    let mut tries = 0;
    loop {
        match client.batch_execute(&create) {
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}
