//! Opens connections, and waits for a server that is starting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, Config};

use super::attempt;
use super::database::Database;
use super::interrupt::{Interrupt, Registration};
use super::runtime;
use crate::names::Literal;
use crate::report::{ConnectCause, ConnectError, Error};

/// How long a connection is idle before the operating system checks that the other end is still there.
const PROBED_AFTER: Duration = Duration::from_secs(20);

impl Database {
    /// Opens a connection. Each host has the time that `connect_timeout` says, ten seconds by default, to accept it,
    /// agree on TLS and check the password.
    ///
    /// The connection blocks, also when it is dropped. In an async application, use the application's own client with
    /// the [`config`](Self::config).
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] if the server cannot be reached or refuses, [`Error::ServerGone`] if it is known to be gone,
    /// [`Error::TlsSetting`] if a certificate or a key cannot be used, [`Error::InsideRuntime`] in an async function.
    pub fn connect(&self) -> Result<Client, Error> {
        self.open(self.config.clone(), Interrupt::is_raised)
    }

    /// `is_over`: whether the interrupt ends the attempts.
    fn open(&self, mut config: Config, is_over: fn(&Interrupt) -> bool) -> Result<Client, Error> {
        runtime::must_be_outside()?;
        if let Some(password) = &self.password {
            let password = password.get();
            config.password(password.map_err(|reason| self.connect_error(ConnectCause::Password(reason), false))?);
        }
        attempt::open(self, &config, is_over).map_err(|error| match error {
            Error::Connect(error) => self.refused(error),
            other => other,
        })
    }

    /// Why there is no connection; the program that started the server may know more than the network.
    fn refused(&self, error: Box<ConnectError>) -> Error {
        match self.gone.as_ref().and_then(|gone| gone()) {
            Some(reason) => Error::ServerGone { database: self.to_string(), reason },
            None => Error::Connect(error),
        }
    }

    /// The error for this database.
    pub(super) fn connect_error(&self, cause: ConnectCause, may_pass: bool) -> ConnectError {
        let error = ConnectError::new(self.to_string(), cause, may_pass);
        error.for_role(self.config.get_user(), self.role_from.as_deref())
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
        let mut client = match self.open(config, Interrupt::is_raised) {
            Ok(client) => client,
            Err(error) if error.sqlstate() == Some(SqlState::PROTOCOL_VIOLATION.code()) => {
                return self.connect().map(|client| (client, false));
            }
            Err(other) => return Err(other),
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
    /// database that does not exist. A [source of passwords](Self::with_password) that fails is asked again. As
    /// [`connect`](Self::connect) otherwise.
    pub fn wait(&self, timeout: Duration) -> Result<Client, Error> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let error = match self.open(self.config.clone(), Interrupt::is_draining) {
                Ok(client) => return Ok(client),
                Err(Error::Connect(error)) => error,
                Err(other) => return Err(other),
            };
            if self.interrupt.is_draining() {
                return Err(Error::Interrupted);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() || !error.is_worth_waiting() {
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
        let connector = self.connector.clone().unwrap_or_else(|| self.opened.connector());
        let token = client.cancel_token();
        self.interrupt.register(Arc::new(move || connector.cancel(&token).map_err(|error| error.to_string())))
    }

    /// Opens a connection, waiting for the server as long as [`with_wait`](Self::with_wait) says.
    pub(crate) fn ready(&self) -> Result<Client, Error> {
        if self.interrupt.is_draining() {
            return Err(Error::Interrupted);
        }
        self.wait(self.wait)
    }

    /// The connection that was kept, if any.
    pub(crate) fn take_kept(&self) -> Result<Option<Client>, Error> {
        runtime::must_be_outside()?;
        Ok(self.kept.as_ref().and_then(|kept| kept.take()).filter(|client| !client.is_closed()))
    }

    /// Keeps a connection for the next call, if this database keeps connections.
    pub(crate) fn keep(&self, client: Client) {
        if let Some(kept) = &self.kept {
            kept.put(client);
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

#[cfg(test)]
// Tests fail by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use migrations_embedded::Server;

    use super::*;

    #[test]
    fn the_configuration_that_chose_the_role_is_named_where_the_role_is_the_problem() {
        let server = Server::builder().tcp(true).start_throwaway().unwrap();
        let port = server.tcp_port().unwrap();
        let help = |url: &str| {
            let mut database = Database::from_url(url).unwrap();
            database.role_from = Some("USER, because neither the URL nor PGUSER names a role".to_owned());
            let text = database.connect().err().unwrap().to_string();
            text.lines().last().unwrap_or_default().to_owned()
        };
        let from = "; the role nobody comes from USER, because neither the URL nor PGUSER names a role";
        let texts = [
            (server.url("postgres").replace("postgres@", "nobody@"), "create the role"),
            (format!("postgres://nobody:wrong@127.0.0.1:{port}/postgres"), "check the password of nobody"),
            (format!("postgres://nobody@127.0.0.1:{port}/postgres"), "the server asks for a password"),
        ];
        for (url, start) in texts {
            let help = help(&url);
            assert!(help.contains(start) && help.ends_with(from), "{help}");
        }
        assert!(!help(&server.url("nowhere")).contains("comes from"), "the role is not the problem");
    }

    /// Each host accepts a connection and says nothing.
    #[test]
    fn an_interrupt_ends_the_attempts_between_two_hosts() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let hosts = ["127.0.0.1"; 4].join(",");
        let url = format!("postgres://app@{hosts}/app?port={port}&connect_timeout=2");
        for is_drained in [false, true] {
            let interrupt = Interrupt::new();
            let database = Database::from_url(&url).unwrap().interrupted_by(&interrupt);
            let started = Instant::now();
            let refused = std::thread::scope(|scope| {
                let connecting = scope.spawn(|| database.wait(Duration::ZERO).map(drop));
                std::thread::sleep(Duration::from_millis(200));
                if is_drained {
                    interrupt.drain(Duration::from_mins(1));
                } else {
                    interrupt.raise();
                }
                connecting.join().unwrap()
            });
            assert!(matches!(refused, Err(Error::Interrupted)), "{refused:?}");
            assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        }
    }
}
