//! The server that all tests of a process share: the one `DATABASE_URL` names, or a throwaway one, started by the first
//! test that asks.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use migrations_core::Database;
use migrations_embedded::Server;
use postgres::error::SqlState;

use crate::error::Error;

/// The variable that names a server to use instead of a throwaway one.
const VARIABLE: &str = "DATABASE_URL";

/// A start that failed is not tried again by every test.
static SERVER: OnceLock<Mutex<Result<Server, String>>> = OnceLock::new();

/// A server that names databases by URL.
enum Place {
    Given(String),
    Throwaway,
}

fn place() -> Place {
    match std::env::var(VARIABLE) {
        Ok(url) if !url.is_empty() => Place::Given(url),
        _ => Place::Throwaway,
    }
}

/// The database in which others are made.
pub(crate) fn maintenance() -> Result<Database, Error> {
    match place() {
        Place::Given(url) => Ok(Database::from_url(&url)?),
        Place::Throwaway => Ok(Database::from_url(&throwaway_url("postgres")?)?),
    }
}

/// A database of this name, on the same server.
pub(crate) fn database(name: &str) -> Result<(String, Database), Error> {
    let url = match place() {
        Place::Given(url) => with_database(&url, name),
        Place::Throwaway => throwaway_url(name)?,
    };
    let database = Database::from_url(&url)?;
    Ok((url, database))
}

fn throwaway_url(database: &str) -> Result<String, Error> {
    let server = SERVER.get_or_init(|| Mutex::new(Server::throwaway().map_err(|error| error.to_string())));
    match &*server.lock().unwrap_or_else(PoisonError::into_inner) {
        Ok(server) => Ok(server.url(database)),
        Err(problem) => Err(Error::Server(problem.clone())),
    }
}

/// The same connection string with another database: the path of a URL, or one more `dbname`, of which the last counts.
fn with_database(url: &str, name: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url} dbname={name}") };
    let (front, query) =
        rest.split_once('?').map_or((rest, String::new()), |(front, query)| (front, format!("?{query}")));
    let authority = front.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

/// Makes an empty database. `template0` is never busy, since nobody can connect to it.
pub(crate) fn create_database(maintenance: &Database, name: &str) -> Result<(), Error> {
    let mut client = maintenance.connect()?;
    let failed = |source| Error::Create { name: name.to_owned(), server: maintenance.to_string(), source };
    let version: i32 =
        client.query_one("SELECT current_setting('server_version_num')::int4", &[]).map_err(failed)?.get(0);
    // Copying files takes two checkpoints: the faster way where nothing is flushed, the slower one on a server that has
    // data to lose. Servers before 15 know no other way.
    let copy_files = version >= 150_000 && matches!(place(), Place::Throwaway);
    let strategy = if copy_files { " STRATEGY FILE_COPY" } else { "" };
    let create = format!("CREATE DATABASE {name} TEMPLATE template0{strategy}");
    let mut tries = 0;
    loop {
        match client.batch_execute(&create) {
            Ok(()) => return Ok(()),
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) && tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn a_connection_string_keeps_everything_but_the_database() {
        for (url, expected) in [
            ("postgres://u:p@h:5433/app?sslmode=disable", "postgres://u:p@h:5433/test?sslmode=disable"),
            ("postgres://u@h", "postgres://u@h/test"),
            ("postgres://postgres@%2Ftmp%2Fs/app?a=b/c", "postgres://postgres@%2Ftmp%2Fs/test?a=b/c"),
            ("host=h dbname=app", "host=h dbname=app dbname=test"),
        ] {
            assert_eq!(with_database(url, "test"), expected);
        }
    }
}
