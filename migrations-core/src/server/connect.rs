//! Opens connections, and waits for a server that is starting.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, NoTls};

use super::database::Database;
use super::interrupt::{Interrupt, Registration};
use super::lost;
use crate::names::Literal;
use crate::report::{ConnectError, Error};

/// How long a connection is idle before the operating system checks that the other end is still there.
const PROBED_AFTER: Duration = Duration::from_secs(20);

impl Database {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] if the server cannot be reached or refuses, [`Error::ServerGone`] if it is known to be gone.
    pub fn connect(&self) -> Result<Client, Error> {
        self.config.connect(NoTls).map_err(|source| self.refused(source))
    }

    /// Why there is no connection; the program that started the server may know more than the network.
    fn refused(&self, source: postgres::Error) -> Error {
        if let Some(reason) = self.gone.as_ref().and_then(|gone| gone()) {
            return Error::ServerGone { database: self.to_string(), reason };
        }
        let may_pass = lost::may_pass(&source);
        ConnectError::new(self.to_string(), source, may_pass).into()
    }

    /// Opens a connection whose session has these settings from its start. `false` if it does not have them: a pooler
    /// in transaction mode refuses such a connection, or sends statements to the sessions of other clients.
    pub(crate) fn connect_with(&self, settings: &[(&str, String)]) -> Result<(Client, bool), Error> {
        let mut config = self.config.clone();
        config.options(&startup_options(config.get_options(), settings));
        // Only the operating system's keepalives go over it while a long statement runs.
        if config.get_keepalives_idle() > PROBED_AFTER {
            config.keepalives_idle(PROBED_AFTER);
        }
        let mut client = match config.connect(NoTls) {
            Ok(client) => client,
            Err(error) if error.code() == Some(&SqlState::PROTOCOL_VIOLATION) => {
                return self.connect().map(|client| (client, false));
            }
            Err(source) => return Err(self.refused(source)),
        };
        let as_set = settings.iter().map(|(name, value)| {
            let (name, value) = (Literal(name), Literal(value));
            format!(
                "coalesce((SELECT setting FROM pg_settings WHERE name = {name}), current_setting({name})) = {value}"
            )
        });
        let query = format!("SELECT {}", as_set.collect::<Vec<_>>().join(" AND "));
        let rows = client.query_typed(&query, &[]);
        let rows = rows.map_err(|error| Error::from_driver("reading the settings of a new session", &error))?;
        Ok((client, rows.first().is_some_and(|row| row.get(0))))
    }

    /// Waits until the server accepts connections, and returns the first one.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] if it does not within `timeout`, or at once if waiting cannot help: a wrong password, a
    /// database that does not exist.
    pub fn wait(&self, timeout: Duration) -> Result<Client, Error> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let error = match self.connect() {
                Ok(client) => return Ok(client),
                Err(Error::Connect(error)) => error,
                Err(other) => return Err(other),
            };
            if self.interrupt.is_raised() {
                return Err(Error::Interrupted);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() || !error.may_pass() {
                return Err(error.after(start.elapsed()).into());
            }
            log::info!("waiting for {self}: {}", error.reason());
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// The same database, for work that `interrupt` can end.
    pub(crate) fn interrupted_by(&self, interrupt: &Interrupt) -> Self {
        Self { interrupt: interrupt.clone(), ..self.clone() }
    }

    /// Lets an interrupt cancel the statements on this connection, until the registration is dropped.
    pub(crate) fn register(&self, client: &Client) -> Registration {
        self.interrupt.register(client.cancel_token())
    }

    /// Opens a connection, waiting for the server as long as [`with_wait`](Self::with_wait) says.
    pub(crate) fn ready(&self) -> Result<Client, Error> {
        if self.interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        self.wait(self.wait)
    }

    /// The connection that was kept, if any.
    pub(crate) fn take_kept(&self) -> Option<Client> {
        self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|client| !client.is_closed())
    }

    /// Keeps a connection for the next call, if this database keeps connections.
    pub(crate) fn keep(&self, client: Client) {
        if let Some(kept) = &self.kept {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        }
    }
}

/// Adds settings for the start of a session to the options that are already set
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS>).
fn startup_options(before: Option<&str>, settings: &[(&str, String)]) -> String {
    let mut options = before.unwrap_or_default().to_owned();
    for (name, value) in settings {
        options.push_str(" -c ");
        options.push_str(name);
        options.push('=');
        for character in value.chars() {
            if character == '\\' || character.is_whitespace() {
                options.push('\\');
            }
            options.push(character);
        }
    }
    options
}
