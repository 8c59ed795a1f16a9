//! Creates and drops the database itself, over a connection to another database of the same server.

use std::fmt::Write;

use postgres::Client;
use postgres::error::SqlState;

use super::database::Database;
use crate::names::{Ident, Literal, RoleName};
use crate::report::Error;

/// The databases that every server has, and that a connection for maintenance uses, the first that accepts one.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// The databases that come with a server. They are never dropped.
const SERVERS_OWN: [&str; 3] = ["postgres", "template0", "template1"];

impl Database {
    /// Creates the database, unless it exists; returns whether it was created. `owner`: the role that owns it, instead
    /// of the connection's role. `template`: the database that it is copied from, instead of `template1`.
    ///
    /// The connection goes to database `postgres`, or `template1`, of the same server. The role needs the right to
    /// create databases.
    ///
    /// ```no_run
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_env()?;
    /// if database.create(None, None)? {
    ///     println!("created {database}");
    /// }
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] if the server cannot be reached or refuses; [`Error::Server`] if it does not create the
    /// database.
    pub fn create(&self, owner: Option<&RoleName>, template: Option<&str>) -> Result<bool, Error> {
        let name = self.name()?;
        let mut client = self.maintenance()?;
        if find(&mut client, name)?.is_some() {
            return Ok(false);
        }
        let mut statement = format!("CREATE DATABASE {}", Ident(name));
        for (option, value) in [("OWNER", owner.map(RoleName::as_str)), ("TEMPLATE", template)] {
            if let Some(value) = value {
                let _ = write!(statement, " {option} {}", Ident(value));
            }
        }
        match client.batch_execute(&statement) {
            Ok(()) => Ok(true),
            // Another process was faster.
            Err(error) if is(&error, &[SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION]) => Ok(false),
            Err(error) => Err(Error::from_driver(format!("creating database {name}"), &error)),
        }
    }

    /// Drops the database with everything in it, if it exists; returns whether it was dropped. `force`: ends the
    /// sessions that are connected to it, which otherwise keep it.
    ///
    /// ```no_run
    /// use migrations_core::Database;
    ///
    /// let dropped = Database::from_url("postgres://app@localhost/app_test")?.drop_database(false)?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotDropped`] if the database is one of the server's own or a template; [`Error::Connect`] if the server
    /// cannot be reached or refuses; [`Error::Server`] if it does not drop the database.
    pub fn drop_database(&self, force: bool) -> Result<bool, Error> {
        let name = self.name()?;
        let not_dropped = || Error::NotDropped { database: name.to_owned() };
        if SERVERS_OWN.contains(&name) {
            return Err(not_dropped());
        }
        let mut client = self.maintenance()?;
        match find(&mut client, name)? {
            None => return Ok(false),
            Some(Found { is_template: true }) => return Err(not_dropped()),
            Some(Found { is_template: false }) => {}
        }
        let force = if force { " WITH (FORCE)" } else { "" };
        match client.batch_execute(&format!("DROP DATABASE {}{force}", Ident(name))) {
            Ok(()) => Ok(true),
            Err(error) if is(&error, &[SqlState::INVALID_CATALOG_NAME]) => Ok(false),
            Err(error) => Err(Error::from_driver(format!("dropping database {name}"), &error)),
        }
    }

    /// The database's name.
    fn name(&self) -> Result<&str, Error> {
        let name = self.config.get_dbname().or(self.config.get_user());
        name.ok_or_else(|| Error::Url { problem: "it names no database".to_owned() })
    }

    /// A connection to another database of the server.
    fn maintenance(&self) -> Result<Client, Error> {
        let to = |name: &str| {
            let mut database = self.clone();
            database.config.dbname(name);
            database.ready()
        };
        let [first, second] = MAINTENANCE;
        match to(first) {
            // It was dropped, or the role must not use it.
            Err(Error::Connect(error)) if matches!(error.sqlstate(), Some("3D000" | "42501")) => to(second),
            connected => connected,
        }
    }
}

/// What the server knows about a database.
struct Found {
    is_template: bool,
}

fn find(client: &mut Client, name: &str) -> Result<Option<Found>, Error> {
    // As an identifier in a statement, a long name is cut off by the cast.
    let query = format!("SELECT datistemplate FROM pg_catalog.pg_database WHERE datname = {}::name", Literal(name));
    let rows = client.query_typed(&query, &[]);
    let rows = rows.map_err(|error| Error::from_driver(format!("looking for database {name}"), &error))?;
    Ok(rows.first().map(|row| Found { is_template: row.get(0) }))
}

fn is(error: &postgres::Error, codes: &[SqlState]) -> bool {
    error.code().is_some_and(|code| codes.contains(code))
}
