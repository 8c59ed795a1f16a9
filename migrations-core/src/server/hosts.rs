//! The hosts of a configuration, one by one.
//!
//! The driver would try them all in one call, over one kind of connection. Each has to be tried by itself: a socket
//! never uses TLS, and the time limit is for one host.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use postgres::Config;
use postgres::config::{Host, LoadBalanceHosts};

use crate::report::Error;

/// One host of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Target {
    host: Host,
    address: Option<IpAddr>,
    port: u16,
}

impl Target {
    pub(super) fn is_socket(&self) -> bool {
        !matches!(self.host, Host::Tcp(_))
    }

    /// Whether the host is a name without an address.
    pub(super) fn is_looked_up(&self) -> bool {
        matches!(&self.host, Host::Tcp(name) if self.address.is_none() && name.parse::<IpAddr>().is_err())
    }

    /// The addresses of the host; one without an address for a socket.
    pub(super) fn addresses(&self) -> io::Result<Vec<Self>> {
        let Host::Tcp(name) = &self.host else { return Ok(vec![self.clone()]) };
        if self.address.is_some() {
            return Ok(vec![self.clone()]);
        }
        let found = (name.as_str(), self.port).to_socket_addrs()?;
        let mut addresses: Vec<Self> = found.map(|found| Self { address: Some(found.ip()), ..self.clone() }).collect();
        addresses.dedup_by_key(|target| target.address);
        if addresses.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(addresses) }
    }

    /// The configuration for this host alone.
    pub(super) fn config(&self, all: &Config) -> Config {
        // The callback for notices can only be cloned with the whole configuration.
        let is_only_one = all.get_hosts().len() <= 1 && all.get_hostaddrs().len() <= 1;
        let mut config = if is_only_one { all.clone() } else { without_hosts(all) };
        if config.get_hosts().is_empty() {
            match &self.host {
                Host::Tcp(name) => config.host(name),
                #[cfg(unix)]
                Host::Unix(path) => config.host_path(path),
            };
        }
        if let (Some(address), []) = (self.address, config.get_hostaddrs()) {
            config.hostaddr(address);
        }
        if config.get_ports().is_empty() {
            config.port(self.port);
        }
        config
    }
}

/// The hosts in the order in which they are tried.
pub(super) fn targets(config: &Config) -> Result<Vec<Target>, Error> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    let differ = |what: &str, number: usize| {
        Err(Error::Url { problem: format!("it has {count} hosts and {number} {what}; give one for each host") })
    };
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return differ("values of hostaddr", addresses.len().min(hosts.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return differ("ports", ports.len());
    }
    let target = |index: usize| {
        let address = addresses.get(index).copied();
        // TLS needs a name, and a certificate can be for an address.
        let host = hosts.get(index).cloned().or_else(|| Some(Host::Tcp(address?.to_string())))?;
        Some(Target { host, address, port: ports.get(index).or(ports.first()).copied().unwrap_or(5432) })
    };
    let mut targets: Vec<Target> = (0..count).filter_map(target).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        fastrand::shuffle(&mut targets);
    }
    Ok(targets)
}

/// A configuration with everything but the hosts and the callback for notices.
fn without_hosts(all: &Config) -> Config {
    let mut config = Config::new();
    if let Some(user) = all.get_user() {
        config.user(user);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    if let Some(name) = all.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = all.get_options() {
        config.options(options);
    }
    if let Some(name) = all.get_application_name() {
        config.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        config.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        config.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding());
    config
}
