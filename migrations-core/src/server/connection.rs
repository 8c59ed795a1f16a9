//! A connection that is used for many schemas. It is replaced when it is lost or when its backend has grown.

use postgres::Client;

use super::database::Database;
use super::flush::flush;
use super::interrupt::Registration;
use super::transient::{TRIES, TransientErrors};
use crate::report::Error;

/// How much a backend's caches grow with a schema that is migrated, relative to one that is created. (Measured: one
/// twelfth for a column and an index, so one quarter is on the safe side.)
const PARTS: usize = 4;

/// The work that a connection was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A schema was created, with everything in it.
    Creation,
    /// An existing schema was changed.
    Change,
}

/// A connection to a database. An interrupt cancels its statements.
pub(crate) struct Connection<'a> {
    database: &'a Database,
    pub(crate) client: Client,
    /// How much the connection's backend keeps in its caches, relative to a new schema.
    seen: usize,
    /// Whether a connection that is opened with settings has them; `None` until one was opened.
    pub(crate) keeps_settings: Option<bool>,
    /// Lets an interrupt cancel the connection's statements, until it is dropped.
    registration: Registration,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(database: &'a Database, client: Client) -> Self {
        let registration = database.register(&client);
        Self { database, client, seen: 0, keeps_settings: None, registration }
    }

    /// Opens one, waiting for the server as long as the database says.
    pub(crate) fn open(database: &'a Database) -> Result<Self, Error> {
        database.ready().map(|client| Self::new(database, client))
    }

    /// The driver's connection. An interrupt no longer cancels its statements.
    pub(crate) fn into_client(self) -> Client {
        self.client
    }

    pub(crate) fn database(&self) -> &'a Database {
        self.database
    }

    /// Replaces the connection.
    pub(crate) fn reconnect(&mut self) -> Result<(), Error> {
        self.client = self.database.ready()?;
        self.registration = self.database.register(&self.client);
        self.seen = 0;
        Ok(())
    }

    /// Waits until everything that was committed so far is on disk.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        flush(&mut self.client)
    }

    /// Sends a query that is safe to repeat: a lost connection is replaced, as often as other work is tried.
    pub(crate) fn ask<T>(
        &mut self,
        errors: &TransientErrors,
        mut question: impl FnMut(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match question(&mut self.client) {
                Err(error) if error.is_lost_connection() => {
                    errors.add_lost_connection();
                    if tries == TRIES {
                        return Err(error);
                    }
                    log::warn!("{error}");
                    tries += 1;
                    self.reconnect()?;
                }
                answer => return answer,
            }
        }
    }

    /// Counts one more schema that the connection was used for.
    pub(crate) fn used(&mut self, use_: Use) {
        self.seen += match use_ {
            Use::Creation => PARTS,
            Use::Change => 1,
        };
    }

    /// Replaces a connection that created this many schemas, or changed four times as many: a backend's caches grow
    /// with each schema and are never emptied.
    pub(crate) fn renew_after(&mut self, schemas: usize, errors: &TransientErrors) -> Result<(), Error> {
        if self.seen < schemas.saturating_mul(PARTS) {
            return Ok(());
        }
        // The new connection would not notice that the server crashed and lost what was committed over this one.
        if let Err(error) = self.flush() {
            log::warn!("{error}");
            errors.add_lost_connection();
        }
        self.reconnect()
    }
}
