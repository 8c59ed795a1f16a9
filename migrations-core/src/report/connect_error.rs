//! Why there is no connection, and whether waiting can help.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use postgres::error::{DbError, SqlState};

use super::cause::chain;
use super::tls_problem::TlsProblem;

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectError {
    database: String,
    cause: ConnectCause,
    /// What is wrong with TLS, if that is the cause.
    tls: Option<TlsProblem>,
    /// Whether a connection with TLS was tried.
    is_tls_tried: bool,
    /// Why the way that was tried before was refused, with a word for that way.
    before: Option<String>,
    /// The role, and the configuration that chose it, if that is worth a word.
    role: Option<String>,
    role_from: Option<String>,
    waited: Option<Duration>,
    may_pass: bool,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum ConnectCause {
    /// The driver's error: the server refuses, or cannot be reached.
    Driver(postgres::Error),
    /// Something before the driver: the host's name has no address, or there is no thread.
    Network(io::Error),
    /// The server accepted the connection, and sent nothing for this long.
    Silent(Duration),
    /// The application has no password, for this reason.
    Password(String),
}

impl ConnectError {
    /// `may_pass`: whether the same attempt can succeed a moment later.
    pub(crate) fn new(database: String, cause: ConnectCause, may_pass: bool) -> Self {
        Self {
            database,
            cause,
            tls: None,
            is_tls_tried: false,
            before: None,
            role: None,
            role_from: None,
            waited: None,
            may_pass,
        }
    }

    /// Names the role, and the configuration that chose it.
    pub(crate) fn for_role(mut self, role: Option<&str>, from: Option<&str>) -> Self {
        self.role = role.map(str::to_owned);
        self.role_from = from.map(str::to_owned);
        self
    }

    /// Says whether TLS was tried, and what is wrong with it.
    pub(crate) fn over(mut self, is_tls_tried: bool, tls: Option<TlsProblem>) -> Self {
        self.is_tls_tried = is_tls_tried;
        self.may_pass &= !tls.as_ref().is_some_and(TlsProblem::is_final);
        self.tls = tls;
        self
    }

    /// The error of two ways to connect, of which the other one was tried before.
    pub(crate) fn following(mut self, before: Self) -> Self {
        // The server refuses the first way and does not know the second.
        if self.tls == Some(TlsProblem::NotThere) {
            return before;
        }
        let is_new = before.reason() != self.reason();
        let way = if before.is_tls_tried { "with TLS" } else { "without TLS" };
        self.before = is_new.then(|| format!("{way}: {}", before.reason()));
        self.is_tls_tried |= before.is_tls_tried;
        if self.server().is_some_and(|error| error.code() == &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) {
            self.tls = self.tls.or(before.tls);
        }
        self
    }

    pub(crate) fn after(mut self, waited: Duration) -> Self {
        self.waited = Some(waited);
        self
    }

    /// How much the error says about the server: more if it has answered.
    pub(crate) fn weight(&self) -> u8 {
        if self.server().is_some() { 2 } else { u8::from(self.tls.is_some()) }
    }

    /// The server's SQLSTATE, if a server answered.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|error| error.code().code())
    }

    /// The server's message, if one answered.
    pub(crate) fn server(&self) -> Option<&DbError> {
        match &self.cause {
            ConnectCause::Driver(error) => error.as_db_error(),
            _ => None,
        }
    }

    pub(super) fn cause(&self) -> &ConnectCause {
        &self.cause
    }

    pub(super) fn tls(&self) -> Option<&TlsProblem> {
        self.tls.as_ref()
    }

    pub(super) fn is_tls_tried(&self) -> bool {
        self.is_tls_tried
    }

    /// The role that the connection is for.
    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The configuration that chose the role.
    pub(super) fn role_from(&self) -> Option<&str> {
        self.role_from.as_deref()
    }

    /// The message of the server or of the operating system, in one line.
    pub(crate) fn reason(&self) -> String {
        match (&self.cause, self.server()) {
            (_, Some(error)) => format!("{}: {}", error.code().code(), error.message()),
            (ConnectCause::Driver(error), None) => chain(error),
            (ConnectCause::Network(error), None) => format!("error connecting to server: {error}"),
            (ConnectCause::Silent(limit), None) => {
                format!("the server accepted the connection and has not answered within {limit:.1?}")
            }
            (ConnectCause::Password(reason), None) => format!("there is no password: {reason}"),
        }
    }

    /// Whether the same attempt can succeed a moment later: the server cannot be reached, is starting or is full.
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// Whether waiting can help: also where the application's own source of passwords fails, which is a service too.
    pub(crate) fn is_worth_waiting(&self) -> bool {
        self.may_pass || matches!(self.cause, ConnectCause::Password(_))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.database)?;
        if let Some(waited) = self.waited.filter(|waited| *waited > Duration::from_secs(1)) {
            write!(f, ", tried for {waited:.1?}")?;
        }
        write!(f, "\n   = {}", self.reason())?;
        if let Some(before) = &self.before {
            write!(f, "\n   = {before}")?;
        }
        write!(f, "\n   = help: {}", self.advice())
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            ConnectCause::Driver(error) => Some(error),
            ConnectCause::Network(error) => Some(error),
            ConnectCause::Silent(_) | ConnectCause::Password(_) => None,
        }
    }
}
