//! The database, as a URL or the environment names it.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use postgres::config::Host;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Config, Socket};

use super::interrupt::Interrupt;
use super::kept::Kept;
use super::opened::Opened;
use super::password::PasswordSource;
use super::tls::Connector;
use crate::conninfo::{self, Conninfo, TlsMode, TlsSettings};
use crate::report::Error;

/// How long [`Migrator::run`](crate::Migrator::run) waits for a server that does not answer yet.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than any operating system tries to connect.
const NO_CONNECT_TIMEOUT: Duration = Duration::from_hours(24);

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
    /// What a connection asks of TLS.
    pub(super) tls: TlsSettings,
    /// The application's own TLS.
    pub(super) connector: Option<Arc<dyn Connector>>,
    /// What the last connection was opened with.
    pub(super) opened: Arc<Opened>,
    /// Asked for the password of every connection.
    pub(super) password: Option<PasswordSource>,
    /// The configuration that chose the role, in words for an error: `the variable USER, because …`.
    pub(super) role_from: Option<String>,
    /// The source of the time that an attempt to connect may take, in words.
    pub(super) connect_timeout_from: Option<String>,
    pub(super) wait: Duration,
    /// Holds a connection between two calls, if connections are kept.
    pub(super) kept: Option<Arc<Kept>>,
    /// Ends the run that uses it.
    pub(super) interrupt: Interrupt,
    /// Asks the program that started the server.
    pub(super) gone: Option<Arc<Gone>>,
    /// Keeps the development server running, if this process has started it.
    #[cfg(feature = "embedded")]
    pub(super) server: Option<Arc<super::running::Running>>,
}

/// Why the server is gone for good, if it is.
pub(super) type Gone = dyn Fn() -> Option<String> + Send + Sync;

impl Database {
    /// A database from its URL, `postgres://user:password@host:port/name`, or from libpq's `key=value` pairs, with
    /// libpq's keywords, among them `service` and `passfile`. They have the meaning that libpq gives them, with one
    /// exception: `sslmode=verify-full` without root certificates uses those that the operating system trusts, where
    /// libpq refuses.
    ///
    /// Of the environment, it uses the default role (`USER`), and where libpq's files are (`HOME`): the password file,
    /// the files of TLS, and a service file if the text names a service. [`from_env`](Self::from_env) also reads what
    /// the URL does not say from libpq's variables.
    ///
    /// # Errors
    ///
    /// If the text is not a connection string, or a parameter cannot be used or honoured.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::from_conninfo(conninfo::from_text(url, &environment)?)
    }

    /// The database that the environment names, as libpq does, the highest source first:
    ///
    /// 1. `DATABASE_URL`, a URL or libpq's `key=value` pairs;
    /// 2. the service that it or `PGSERVICE` names, in a service file;
    /// 3. if nothing of this and no `PGHOST`, `PGHOSTADDR` or `PGDATABASE` names a database, the variables that
    ///    deployments use: `POSTGRES_HOST`, `POSTGRES_PORT`, `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB`, or
    ///    the same with `DB_` (`DB_NAME`);
    /// 4. libpq's variables, as `PGHOST` and `PGPASSWORD`, for whatever is not named yet;
    /// 5. the password file (`PGPASSFILE`, `~/.pgpass`), and libpq's defaults.
    ///
    /// # Errors
    ///
    /// [`Error::NoDatabase`] if the environment names none; and as in [`from_url`](Self::from_url).
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(environment)
    }

    /// The database that these variables name; otherwise as [`from_env`](Self::from_env). Use it for variables that
    /// are not those of the process. An empty value counts as not set.
    ///
    /// ```
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_variables(|name| match name {
    ///     "PGHOST" => Some("db".to_owned()),
    ///     "PGUSER" => Some("app".to_owned()),
    ///     _ => None,
    /// })?;
    /// assert_eq!(database.to_string(), "database app at db:5432 as app");
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As in [`from_env`](Self::from_env).
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        Self::from_conninfo(conninfo::from_variables(&variable)?)
    }

    /// A database from a configuration that the application has built. Its `ssl_mode` is libpq's `sslmode`, and
    /// certificates in their default place, `~/.postgresql`, are used. With more than one host, its callback for
    /// notices is not called.
    ///
    /// # Errors
    ///
    /// If the configuration names no host.
    pub fn from_config(mut config: Config) -> Result<Self, Error> {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Url { problem: "it names no host".to_owned() });
        }
        if config.get_application_name().is_none() {
            config.application_name("migrate");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let (mode, home) = (TlsMode::of_driver(config.get_ssl_mode()), std::env::home_dir());
        let tls = TlsSettings { mode, home, ..TlsSettings::default() };
        Ok(Self {
            config,
            tls,
            connector: None,
            opened: Arc::default(),
            password: None,
            role_from: None,
            connect_timeout_from: None,
            wait: DEFAULT_WAIT,
            kept: None,
            interrupt: Interrupt::default(),
            gone: None,
            #[cfg(feature = "embedded")]
            server: None,
        })
    }

    /// Sets how long a run waits for the server to accept connections. Default: five seconds.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how long one attempt to connect may take, for each address of a host; `None` or zero: as long as the
    /// operating system tries. Default: ten seconds, or what the connection string or `PGCONNECT_TIMEOUT` says.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_url("postgres://app@db/app")?.with_connect_timeout(Duration::from_secs(3));
    /// assert_eq!(database.config().get_connect_timeout(), Some(&Duration::from_secs(3)));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        // The driver has no way to take a timeout back, and does not wait at all for one of zero.
        let timeout = timeout.into().filter(|timeout| !timeout.is_zero()).unwrap_or(NO_CONNECT_TIMEOUT);
        self.config.connect_timeout(timeout);
        self.connect_timeout_from = None;
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

    /// Sets a function that returns the password. It is called for every new connection, also where one is replaced
    /// during a run: for servers whose passwords are tokens that expire. Its error is shown, the password never. Where
    /// a call waits for the server, it is asked again after an error.
    ///
    /// ```
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_url("postgres://app@db.example.com/app")?
    ///     .with_password(|| std::fs::read_to_string("/run/secrets/db-token"));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_password<E: Display>(
        mut self,
        password: impl Fn() -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.password = Some(PasswordSource::new(password));
        self
    }

    /// Sets the application's own TLS, which every connection and every cancellation uses. `sslmode` then only decides
    /// as in the driver: never (`disable`), where the server has it (`allow`, `prefer`) or always; the connector alone
    /// decides which certificates it accepts and sends.
    ///
    /// ```
    /// use migrations_core::Database;
    /// use postgres::NoTls;
    ///
    /// // In place of NoTls: postgres_native_tls::MakeTlsConnector, or another MakeTlsConnect.
    /// let database = Database::from_url("postgres://app@localhost/app")?.with_connector(NoTls);
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_connector<T>(mut self, connector: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::TlsConnect: Send,
        T::Stream: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// The parameters of TLS as libpq names them, without those that have their default: for a connection string of the
    /// application's own, beside [`config`](Self::config).
    ///
    /// ```
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_url("postgres://app@localhost/app?sslmode=verify-full&sslrootcert=ca.pem")?;
    /// let parameters = [("sslmode", "verify-full".to_owned()), ("sslrootcert", "ca.pem".to_owned())];
    /// assert_eq!(database.tls_parameters(), parameters);
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    pub fn tls_parameters(&self) -> Vec<(&'static str, String)> {
        self.tls.parameters()
    }

    /// The connection's parameters, for the application's own clients. Those of TLS are in
    /// [`tls_parameters`](Self::tls_parameters).
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The source of the time that an attempt to connect may take, in words for a log. `None`: no source names one, or
    /// [`with_connect_timeout`](Self::with_connect_timeout) has set it.
    ///
    /// ```
    /// use migrations_core::Database;
    ///
    /// let database = Database::from_url("postgres://app@db/app?connect_timeout=5")?;
    /// assert_eq!(database.connect_timeout_from(), Some("the URL"));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    pub fn connect_timeout_from(&self) -> Option<&str> {
        self.connect_timeout_from.as_deref()
    }

    fn from_conninfo(conninfo: Conninfo) -> Result<Self, Error> {
        let Conninfo { mut config, tls, role_from, connect_timeout_from } = conninfo;
        config.ssl_mode(tls.mode.for_driver());
        // No limit, as in libpq, if a source says so.
        let has_limit = config.get_connect_timeout().is_some() || connect_timeout_from.is_none();
        let mut database = Self::from_config(config)?;
        if !has_limit {
            database = database.with_connect_timeout(None);
        }
        Ok(Self { tls, role_from: Some(role_from), connect_timeout_from, ..database })
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

/// A variable of the process. Its home is known without `HOME` too, as to libpq.
fn environment(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = || std::env::home_dir().filter(|_| name == "HOME")?.into_os_string().into_string().ok();
    value.or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<String, String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Database::from_variables(find).map(|d| d.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_environment_names_a_database_in_several_ways() {
        assert_eq!(
            from(&[("DATABASE_URL", "postgres://a:b@db/c"), ("PGHOST", "other")]),
            Ok("database c at db:5432 as a".into())
        );
        assert_eq!(
            from(&[("PGHOST", "db"), ("PGPORT", "6000"), ("PGUSER", "u"), ("PGDATABASE", "d")]),
            Ok("database d at db:6000 as u".into())
        );
        assert_eq!(from(&[("DB_HOST", "db"), ("DB_USER", "u")]), Ok("database u at db:5432 as u".into()));
        assert!(from(&[]).is_err());
        assert!(from(&[("PGHOST", "db"), ("PGPORT", "x")]).is_err_and(|error| error.contains("PGPORT")));
    }

    #[test]
    fn a_timeout_of_zero_is_no_limit_and_none_is_ten_seconds() {
        let timeout = |url| Database::from_url(url).map(|database| database.config().get_connect_timeout().copied());
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert!(timeout("postgres://a@h/d").is_ok_and(|timeout| timeout == seconds(10)));
        assert!(timeout("postgres://a@h/d?connect_timeout=1").is_ok_and(|timeout| timeout == seconds(2)));
        for url in ["postgres://a@h/d?connect_timeout=0", "host=h user=a connect_timeout=-1"] {
            assert!(timeout(url).is_ok_and(|timeout| timeout == Some(NO_CONNECT_TIMEOUT)), "{url}");
        }
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
    fn every_way_to_name_a_database_can_ask_for_tls() {
        for url in
            ["postgres://h/d?sslmode=require", "host=h sslmode = 'verify-full'", "postgres://h/d?a=b&sslmode=verify-ca"]
        {
            let url = url.replace("a=b", "application_name=b");
            assert!(Database::from_url(&url).is_ok_and(|database| database.tls.mode >= TlsMode::Require), "{url}");
        }
        let variables = |name: &str| match name {
            "PGHOST" => Some("h".to_owned()),
            "PGSSLMODE" => Some("require".to_owned()),
            _ => None,
        };
        assert!(Database::from_variables(variables).is_ok_and(|database| database.tls.mode == TlsMode::Require));
        let mut config = Config::new();
        config.host("h").ssl_mode(postgres::config::SslMode::Require);
        assert!(Database::from_config(config).is_ok_and(|database| database.tls.mode == TlsMode::Require));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_is_refused_rather_than_left_out() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let database = Database::from_url(&format!("postgres://127.0.0.1:1/d?sslmode={mode}"));
            let refused = database.and_then(|database| database.connect());
            assert!(matches!(refused, Err(Error::Tls { sslmode }) if sslmode == mode), "{mode}");
        }
    }
}
