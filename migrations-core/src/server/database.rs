//! The database, as a URL or the environment names it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config};

use super::interrupt::Interrupt;
use crate::report::{Error, chain};

/// How long [`Migrator::run`](crate::Migrator::run) waits for a server that does not answer yet.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A PostgreSQL database, and how to reach it. Displays without the password.
///
/// ```
/// use migrations_core::Database;
///
/// let database = Database::from_url("postgres://app:secret@localhost/app")?;
/// assert_eq!(database.to_string(), "database app at localhost:5432 as app");
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    pub(super) config: Config,
    pub(super) wait: Duration,
    /// Holds a connection between two calls, if connections are kept.
    pub(super) kept: Option<Arc<Mutex<Option<Client>>>>,
    /// Ends the run that uses it.
    pub(super) interrupt: Interrupt,
    /// Asks the program that started the server.
    pub(super) gone: Option<Arc<Gone>>,
}

/// Why the server is gone for good, if it is.
pub(super) type Gone = dyn Fn() -> Option<String> + Send + Sync;

impl Database {
    /// A database from its URL, `postgres://user:password@host:port/name`, or from libpq's `key=value` pairs.
    ///
    /// # Errors
    ///
    /// If the text is not a connection string, names no host, or asks for TLS, which this release does not support.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        refuse_tls(sslmode(url))?;
        let problem = |problem: &str| Error::Url { problem: problem.to_owned() };
        if has_stray_at(url) {
            return Err(problem("it has more than one @; write one that is part of the password as %40"));
        }
        // Text that the driver cannot read is not repeated: it can be a part of the password.
        let config = Config::from_str(url).map_err(|source| {
            let text = chain(&source);
            problem(match text.split_once("invalid value for option") {
                Some(_) => &text,
                None if text.contains("unknown option") => "it has an option that is not known",
                None => "it is not a connection string",
            })
        })?;
        Self::from_config(config)
    }

    /// The database that the environment names: `DATABASE_URL`, or libpq's `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGUSER`,
    /// `PGPASSWORD`, `PGDATABASE`, `PGAPPNAME`, `PGOPTIONS`, `PGCONNECT_TIMEOUT` and `PGSSLMODE`.
    ///
    /// # Errors
    ///
    /// [`Error::NoDatabase`] if the environment names none; and as in [`from_url`](Self::from_url).
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// A database from a configuration that the application has built.
    ///
    /// # Errors
    ///
    /// If the configuration asks for TLS, which this release does not support, or names no host.
    pub fn from_config(mut config: Config) -> Result<Self, Error> {
        if config.get_ssl_mode() == SslMode::Require {
            refuse_tls(Some("require"))?;
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Url { problem: "it names no host".to_owned() });
        }
        if config.get_application_name().is_none() {
            config.application_name("migrate");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Ok(Self { config, wait: DEFAULT_WAIT, kept: None, interrupt: Interrupt::default(), gone: None })
    }

    /// Sets how long a run waits for the server to accept connections. Default: five seconds.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Keeps the connection of [`get_or_create_tenant`](crate::Migrator::get_or_create_tenant) open for the next call,
    /// which avoids a new connection and a backend with cold caches. At most one connection stays open, shared by all
    /// clones.
    #[must_use]
    pub fn keep_connection(mut self) -> Self {
        self.kept = Some(Arc::default());
        self
    }

    /// Sets a function that says why the server is gone for good, if it is; it is called whenever a connection fails.
    /// Use it for a server that only the application itself starts: a run then does not wait for a server that is gone,
    /// and ends at once with [`Error::ServerGone`] when it cannot continue.
    ///
    /// ```
    /// use migrations_core::{Database, Error};
    ///
    /// let database = Database::from_url("postgres://app@127.0.0.1:1/app")?.with_liveness(|| Some("it was stopped".to_owned()));
    /// assert!(matches!(database.connect(), Err(Error::ServerGone { .. })));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_liveness(mut self, gone: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.gone = Some(Arc::new(gone));
        self
    }

    /// The connection's parameters, for the application's own clients.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        if let Some(url) = variable("DATABASE_URL") {
            return Self::from_url(&url);
        }
        let host = variable("PGHOST");
        let address = variable("PGHOSTADDR");
        let name = variable("PGDATABASE");
        if host.is_none() && address.is_none() && name.is_none() {
            return Err(Error::NoDatabase);
        }
        refuse_tls(variable("PGSSLMODE").as_deref())?;
        let invalid = |name: &str| Error::Url { problem: format!("the variable {name} is not valid") };
        let mut config = Config::new();
        match (&host, &address) {
            (Some(host), _) => config.host(host),
            (None, Some(_)) => &mut config,
            (None, None) => config.host("localhost"),
        };
        if let Some(address) = address {
            config.hostaddr(address.parse().map_err(|_| invalid("PGHOSTADDR"))?);
        }
        if let Some(port) = variable("PGPORT") {
            config.port(port.parse().map_err(|_| invalid("PGPORT"))?);
        }
        if let Some(seconds) = variable("PGCONNECT_TIMEOUT") {
            config.connect_timeout(Duration::from_secs(seconds.parse().map_err(|_| invalid("PGCONNECT_TIMEOUT"))?));
        }
        let user = variable("PGUSER").or_else(|| variable("USER"));
        config.user(user.as_deref().unwrap_or("postgres"));
        if let Some(name) = name {
            config.dbname(&name);
        }
        if let Some(password) = variable("PGPASSWORD") {
            config.password(password);
        }
        if let Some(name) = variable("PGAPPNAME") {
            config.application_name(&name);
        }
        if let Some(options) = variable("PGOPTIONS") {
            config.options(&options);
        }
        Self::from_config(config)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or("the current user");
        let name = self.config.get_dbname().unwrap_or(user);
        write!(f, "database {name} at ")?;
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match host {
                Host::Tcp(host) => write!(f, "{separator}{host}:{}", port(index))?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{separator}{}", path.display())?,
            }
        }
        if self.config.get_hosts().is_empty() {
            for (index, address) in self.config.get_hostaddrs().iter().enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                write!(f, "{separator}{address}:{}", port(index))?;
            }
        }
        write!(f, " as {user}")
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.to_string()).finish()
    }
}

/// Whether a URL has another `@` after the one that ends the user and the password. Then a part of the password would
/// be taken for the host or the database, which are shown.
fn has_stray_at(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    rest.matches('@').count() > 1
}

/// The `sslmode` that a connection string asks for, in either of its forms.
fn sslmode(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("sslmode")?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches('\'');
    value.split(['&', ' ', '\'', '#']).next()
}

/// An error instead of a silent downgrade. `prefer` and `allow` permit a connection without TLS.
fn refuse_tls(sslmode: Option<&str>) -> Result<(), Error> {
    match sslmode {
        Some(mode @ ("require" | "verify-ca" | "verify-full")) => Err(Error::Tls { sslmode: mode.to_owned() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<String, String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Database::from_variables(find).map(|d| d.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_environment_names_a_database_in_two_ways() {
        assert_eq!(
            from(&[("DATABASE_URL", "postgres://a:b@db/c"), ("PGHOST", "other")]),
            Ok("database c at db:5432 as a".into())
        );
        assert_eq!(
            from(&[("PGHOST", "db"), ("PGPORT", "6000"), ("PGUSER", "u"), ("PGDATABASE", "d")]),
            Ok("database d at db:6000 as u".into())
        );
        assert!(from(&[]).is_err());
        assert!(from(&[("PGHOST", "db"), ("PGPORT", "x")]).is_err_and(|error| error.contains("PGPORT")));
    }

    #[test]
    fn a_password_is_never_shown() {
        let database = Database::from_url("postgres://app:hunter2@localhost/app").map(|d| format!("{d} {d:?}"));
        assert!(database.is_ok_and(|text| !text.contains("hunter2")));
        for url in ["postgres://app:hunter2@local host:x/app", "host=x password=hunter2 port=y"] {
            let error = Database::from_url(url).map(|_| ()).map_err(|e| format!("{e} {e:?}"));
            assert!(error.is_err_and(|text| !text.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn tls_is_refused_rather_than_left_out() {
        for url in
            ["postgres://h/d?sslmode=require", "host=h sslmode = 'verify-full'", "postgres://h/d?a=b&sslmode=verify-ca"]
        {
            assert!(matches!(Database::from_url(url), Err(Error::Tls { .. })), "{url}");
        }
        assert!(matches!(from(&[("PGHOST", "h"), ("PGSSLMODE", "require")]), Err(text) if text.contains("require")));
        assert!(Database::from_url("postgres://h/d?sslmode=prefer").is_ok());
    }
}
