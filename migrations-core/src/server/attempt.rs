//! Tries the hosts of a database, each in the ways that the settings of TLS allow.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::LoadBalanceHosts;
use postgres::{Client, Config};

use super::database::Database;
use super::hosts::{self, Target};
use super::interrupt::Interrupt;
use super::lost;
use super::tls::{self, Connector, Way};
use super::within::{Late, within};
use crate::report::{ConnectCause, ConnectError, Error};

/// Opens a connection to the first host that accepts it.
/// `is_over`: whether the interrupt ends the attempts; the first one is always made.
pub(super) fn open(database: &Database, config: &Config, is_over: fn(&Interrupt) -> bool) -> Result<Client, Error> {
    database.tls.check(config.get_ssl_negotiation(), database.connector.is_some())?;
    let mut attempts = Attempts { database, config, is_over, has_tried: false, connector: None };
    let mut refusals = Refusals::default();
    for target in hosts::targets(config)? {
        match attempts.host(&target)? {
            Ok(client) => {
                if let Some(connector) = attempts.connector {
                    database.opened.put(connector);
                }
                return Ok(client);
            }
            Err(error) => refusals.add(error),
        }
    }
    Err(refusals.0.map_or_else(|| Error::Url { problem: "it names no host".to_owned() }, Error::from))
}

/// The refusal that says most: the answer of a server rather than a network without one, and the last of its kind.
#[derive(Default)]
struct Refusals(Option<ConnectError>);

impl Refusals {
    fn add(&mut self, error: ConnectError) {
        if self.0.as_ref().is_none_or(|before| error.weight() >= before.weight()) {
            self.0 = Some(error);
        }
    }
}

struct Attempts<'a> {
    database: &'a Database,
    config: &'a Config,
    is_over: fn(&Interrupt) -> bool,
    has_tried: bool,
    /// Made when it is needed first.
    connector: Option<Arc<dyn Connector>>,
}

/// Another error than that a server cannot be reached or refuses.
type Reached = Result<Result<Client, ConnectError>, Error>;

impl Attempts<'_> {
    fn host(&mut self, target: &Target) -> Reached {
        self.must_go_on()?;
        let mut addresses = match self.addresses(target) {
            Ok(addresses) => addresses,
            Err(error) => return Ok(Err(self.error(ConnectCause::Network(error)))),
        };
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            fastrand::shuffle(&mut addresses);
        }
        let mut refusals = Refusals::default();
        for (number, address) in addresses.into_iter().enumerate() {
            if number > 0 {
                self.must_go_on()?;
            }
            match self.address(&address)? {
                Ok(client) => return Ok(Ok(client)),
                Err(error) => refusals.add(error),
            }
        }
        let nowhere = || self.error(ConnectCause::Network(io::Error::other("the name has no address")));
        Ok(Err(refusals.0.unwrap_or_else(nowhere)))
    }

    /// Refuses a further attempt once the interrupt ends them.
    fn must_go_on(&mut self) -> Result<(), Error> {
        let is_first = !std::mem::replace(&mut self.has_tried, true);
        if is_first || !(self.is_over)(&self.database.interrupt) { Ok(()) } else { Err(Error::Interrupted) }
    }

    /// The addresses of a host. Only a name has to be looked up, which can take long.
    fn addresses(&self, target: &Target) -> io::Result<Vec<Target>> {
        if !target.is_looked_up() {
            return target.addresses();
        }
        let lookup = target.clone();
        match within(limit(self.config), move || lookup.addresses()) {
            Ok(found) => found,
            Err(Late::NoThread(error)) => Err(error),
            Err(Late::TimedOut) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the name of the host was not resolved"))
            }
        }
    }

    /// Tries the ways one after the other, while the server refuses the way and not the client.
    fn address(&mut self, target: &Target) -> Reached {
        let ways =
            if target.is_socket() { &[Way::Plain] } else { self.database.tls.ways(self.database.connector.is_some()) };
        let mut before: Option<ConnectError> = None;
        for (number, way) in ways.iter().enumerate() {
            if number > 0 {
                self.must_go_on()?;
            }
            let (error, is_refused_way) = match self.once(target, *way)? {
                Ok(client) => return Ok(Ok(client)),
                Err(refused) => refused,
            };
            let error = match before.take() {
                Some(before) => error.following(before),
                None => error,
            };
            if !is_refused_way || number + 1 == ways.len() {
                return Ok(Err(error));
            }
            before = Some(error);
        }
        let nothing = io::Error::other("there is no way to connect");
        Ok(Err(before.unwrap_or_else(|| self.error(ConnectCause::Network(nothing)))))
    }

    /// Opens a connection in one way. With the error: whether the server refuses the way rather than the client.
    fn once(&mut self, target: &Target, way: Way) -> Result<Result<Client, (ConnectError, bool)>, Error> {
        let connector = if way == Way::Plain { tls::plain() } else { self.connector()? };
        let mut config = target.config(self.config);
        config.ssl_mode(way.ssl_mode());
        let limit = limit(self.config);
        let done = within(limit, move || connector.connect(&config));
        let error = match done {
            Ok(Ok(client)) => return Ok(Ok(client)),
            Ok(Err(error)) => error,
            Err(Late::TimedOut) => {
                let limit = limit.unwrap_or_default();
                return Ok(Err((self.error(ConnectCause::Silent(limit)), false)));
            }
            Err(Late::NoThread(error)) => return Ok(Err((self.error(ConnectCause::Network(error)), false))),
        };
        let problem = tls::problem(&error);
        let is_refused_way = tls::is_refused_way(&error, problem.as_ref(), way == Way::Plain);
        let error = self.error(ConnectCause::Driver(error)).over(way != Way::Plain, problem);
        Ok(Err((error, is_refused_way)))
    }

    fn connector(&mut self) -> Result<Arc<dyn Connector>, Error> {
        if let Some(made) = &self.connector {
            return Ok(Arc::clone(made));
        }
        let made = tls_connector(self.database, self.config)?;
        Ok(Arc::clone(self.connector.insert(made)))
    }

    fn error(&self, cause: ConnectCause) -> ConnectError {
        let may_pass = match &cause {
            ConnectCause::Driver(error) => lost::may_pass(error),
            ConnectCause::Silent(_) | ConnectCause::Network(_) => true,
            ConnectCause::Password(_) => false,
        };
        self.database.connect_error(cause, may_pass)
    }
}

/// The connector for TLS: the application's own, or the one for the settings.
fn tls_connector(database: &Database, config: &Config) -> Result<Arc<dyn Connector>, Error> {
    match &database.connector {
        Some(own) => Ok(Arc::clone(own)),
        None => tls::connector(&database.tls, config.get_ssl_negotiation()),
    }
}

fn limit(config: &Config) -> Option<Duration> {
    config.get_connect_timeout().copied()
}
