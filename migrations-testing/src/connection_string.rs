//! A connection string, written from its parsed form.
//!
//! Tests that edit the text of a URL end up in the wrong database: `?dbname=prod` wins over the path, in any spelling
//! that percent-encoding allows, and a password may contain a `/` or a `?`. So `Database` reads the text, the name is
//! set in its configuration, and every part is written again with its special characters encoded.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use postgres::Config;
use postgres::config::{ChannelBinding, Host, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};

/// What `Database` adds where a connection string says nothing.
const NAME: &str = "migrate";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The URL of the configuration, without the settings that are the defaults of the driver and of `Database`. `tls`: the
/// parameters of TLS, which the driver's configuration cannot hold.
pub(crate) fn url(config: &Config, tls: &[(&'static str, String)]) -> String {
    let mut url = String::from("postgres://");
    if let Some(user) = config.get_user() {
        url += &encode(user.as_bytes());
        if let Some(password) = config.get_password() {
            url = url + ":" + &encode(password);
        }
        url.push('@');
    }
    url += &hosts(config);
    url.push('/');
    url += &encode(config.get_dbname().unwrap_or_default().as_bytes());
    let mut parameters: Vec<String> = parameters(config)
        .iter()
        .chain(tls)
        .map(|(name, value)| format!("{name}={}", encode(value.as_bytes())))
        .collect();
    if let (None, Some(password)) = (config.get_user(), config.get_password()) {
        // Before the host it would need an empty user, which is not the same as none.
        parameters.push(format!("password={}", encode(password)));
    }
    if !parameters.is_empty() {
        url = url + "?" + &parameters.join("&");
    }
    url
}

/// `host:port,host:port`. A host that is given by its address alone becomes a parameter instead.
fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
        let name = match host {
            Host::Tcp(name) if name.contains(':') => format!("[{}]", encode(name.as_bytes())),
            Host::Tcp(name) => encode(name.as_bytes()),
            #[cfg(unix)]
            Host::Unix(path) => encode(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())),
        };
        match port(index) {
            5432 => name,
            port => format!("{name}:{port}"),
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}

fn parameters(config: &Config) -> Vec<(&'static str, String)> {
    let default = Config::new();
    let mut found: Vec<(&'static str, Option<String>)> = Vec::new();
    let list = |values: Vec<String>| (!values.is_empty()).then(|| values.join(","));
    found.push(("hostaddr", list(config.get_hostaddrs().iter().map(ToString::to_string).collect())));
    if config.get_hosts().is_empty() {
        found.push(("port", list(config.get_ports().iter().map(ToString::to_string).collect())));
    }
    found.push(("options", config.get_options().map(ToOwned::to_owned)));
    found.push(("application_name", config.get_application_name().filter(|name| *name != NAME).map(ToOwned::to_owned)));
    let direct = config.get_ssl_negotiation() == SslNegotiation::Direct;
    found.push(("sslnegotiation", direct.then(|| "direct".to_owned())));
    found.push((
        "connect_timeout",
        config.get_connect_timeout().filter(|timeout| **timeout != CONNECT_TIMEOUT).map(seconds),
    ));
    // The only one in milliseconds, as in libpq.
    found.push(("tcp_user_timeout", config.get_tcp_user_timeout().map(|timeout| timeout.as_millis().to_string())));
    found.push(("keepalives", (!config.get_keepalives()).then(|| "0".to_owned())));
    let idle = config.get_keepalives_idle();
    found.push(("keepalives_idle", (idle != default.get_keepalives_idle()).then(|| seconds(&idle))));
    found.push(("keepalives_interval", config.get_keepalives_interval().as_ref().map(seconds)));
    found.push(("keepalives_retries", config.get_keepalives_retries().map(|retries| retries.to_string())));
    found.push(("target_session_attrs", session_attrs(config.get_target_session_attrs()).map(ToOwned::to_owned)));
    found.push(("channel_binding", channel_binding(config.get_channel_binding()).map(ToOwned::to_owned)));
    let random = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
    found.push(("load_balance_hosts", random.then(|| "random".to_owned())));
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn seconds(duration: &Duration) -> String {
    duration.as_secs().to_string()
}

fn session_attrs(attrs: TargetSessionAttrs) -> Option<&'static str> {
    match attrs {
        TargetSessionAttrs::ReadWrite => Some("read-write"),
        TargetSessionAttrs::ReadOnly => Some("read-only"),
        _ => None,
    }
}

fn channel_binding(binding: ChannelBinding) -> Option<&'static str> {
    match binding {
        ChannelBinding::Disable => Some("disable"),
        ChannelBinding::Require => Some("require"),
        _ => None,
    }
}

/// Characters that RFC 3986 calls unreserved stay as they are.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a part of a URL.
fn encode(bytes: &[u8]) -> String {
    percent_encode(bytes, &RESERVED).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "for tests only")]
mod tests {
    use migrations_core::Database;

    use super::*;

    fn renamed(text: &str) -> String {
        let database = Database::from_url(text).unwrap();
        let mut config = database.config().clone();
        config.dbname("test_1");
        url(&config, &database.tls_parameters())
    }

    #[test]
    fn no_spelling_of_another_database_survives() {
        for text in [
            "postgres://u@h/app",
            "postgres://u@h",
            "postgresql://u@h/",
            "postgres://u@h/app?dbname=prod",
            "postgres://u@h/app?dbname=prod&dbname=prod",
            "postgres://u@h/app?%64bname=prod",
            "postgres://u@h?d%62n%61me=pr%6Fd",
            "host=h user=u dbname=prod",
            "dbname = 'prod' user=u host=h",
        ] {
            assert_eq!(renamed(text), "postgres://u@h/test_1", "{text}");
        }
    }

    #[test]
    fn a_written_url_is_read_back_as_the_same_configuration() {
        for text in [
            "postgres://u:p/a?s#s%40w%3Ao%25rd@h:6000/app",
            "postgres://%C3%BC:@h/app",
            "postgres://u@one,two:6000,three/app?target_session_attrs=read-write&load_balance_hosts=random",
            "postgres://u@[::1]:6000,[fe80::1]/app",
            "postgres://postgres@%2Ftmp%2Fa%20b%2Cc/app?options=-c%20geqo%3Doff%20-c%20search_path%3Da%5C%20b",
            "host=h hostaddr=127.0.0.1 port=7000 user=u",
            "hostaddr=127.0.0.1,127.0.0.2 port=7000,7001 user=u password='a b'",
            "postgres:///app?host=%2Ftmp&user=u&application_name=me%26you&sslmode=disable&sslnegotiation=postgres",
            "postgres://u@h/app?connect_timeout=7&tcp_user_timeout=8&keepalives=0&keepalives_idle=9\
             &keepalives_interval=10&keepalives_retries=11&channel_binding=disable",
            "postgres://h/app",
            "host=h password='p@ss'",
            "postgres://u@h/app?sslmode=verify-full&sslrootcert=%2Fa%20b%2Fca.pem&sslcert=me.crt&sslkey=me.key",
            "host=h sslrootcert=system sslnegotiation=direct",
        ] {
            let database = Database::from_url(text).unwrap();
            let mut expected = database.config().clone();
            expected.dbname("test_1");
            // The driver gives each host of a URL a port; it treats none and 5432 alike.
            let written = Database::from_url(&renamed(text)).unwrap();
            assert_eq!(written.tls_parameters(), database.tls_parameters(), "{text}");
            let read = written.config().clone();
            let comparable = |config: &Config| format!("{config:?}").replace("port: []", "port: [5432]");
            assert_eq!(comparable(&read), comparable(&expected), "{text}");
            assert_eq!(read.get_password(), expected.get_password(), "{text}");
        }
    }
}
