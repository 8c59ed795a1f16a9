//! The driver's configuration: what the parameters mean to it.

use std::path::PathBuf;
use std::time::Duration;

use postgres::Config;
use postgres::config::{ChannelBinding, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};

use super::hosts::{Server, servers};
use super::parameters::Parameters;
use super::sources::Collected;
use super::tls::{ClientCertificate, TlsMode, TlsRoots, TlsSettings};
use super::{Variable, password_file, refused, role};
use crate::report::Error;

/// The shortest time that libpq allows for an attempt to connect.
const SHORTEST_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that says how to connect. Not `Debug`, because the application's own clients may need more of it than a
/// log should have.
pub(crate) struct Conninfo {
    /// The driver's configuration, without `ssl_mode`: `tls` has the mode.
    pub(crate) config: Config,
    pub(crate) tls: TlsSettings,
    /// The source of the role, in words.
    pub(crate) role_from: String,
    /// The source of the time that an attempt to connect may take, in words. `None`: no source names one.
    pub(crate) connect_timeout_from: Option<String>,
}

/// The configuration for these parameters.
pub(super) fn conninfo(collected: &Collected, variable: Variable<'_>) -> Result<Conninfo, Error> {
    let parameters = &collected.parameters;
    refused::refuse(parameters)?;
    let (role, role_from) = role::role(collected, variable);
    let servers = servers(parameters)?;
    let mut config = Config::new();
    add_servers(&mut config, &servers);
    let database = parameters.value("dbname").or(role.as_deref());
    if let Some(role) = &role {
        config.user(role);
    }
    if let Some(database) = database {
        config.dbname(database);
    }
    let of_file = || {
        let (database, role) = (database.unwrap_or_default(), role.as_deref().unwrap_or_default());
        password_file::password(parameters, &servers, database, role, variable)
    };
    let named = parameters.value("password").map(str::to_owned);
    if let Some(password) = named.map_or_else(of_file, |password| Ok(Some(password)))? {
        config.password(password);
    }
    if let Some(options) = parameters.value("options") {
        config.options(options);
    }
    if let Some(name) = ["application_name", "fallback_application_name"].iter().find_map(|key| parameters.value(key)) {
        config.application_name(name);
    }
    add_choices(&mut config, parameters)?;
    add_timeouts(&mut config, parameters)?;
    let tls = tls(parameters, variable("HOME").map(PathBuf::from))?;
    let connect_timeout_from = parameters.get("connect_timeout").map(|parameter| parameter.origin.to_string());
    Ok(Conninfo { config, tls, role_from, connect_timeout_from })
}

fn add_servers(config: &mut Config, servers: &[Server]) {
    for server in servers {
        config.host(&server.host).port(server.port);
        if let Some(address) = server.address {
            config.hostaddr(address);
        }
    }
}

fn add_choices(config: &mut Config, parameters: &Parameters) -> Result<(), Error> {
    let binding = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    if let Some(binding) = parameters.choice("channel_binding", &binding)? {
        config.channel_binding(binding);
    }
    let balance = [("disable", LoadBalanceHosts::Disable), ("random", LoadBalanceHosts::Random)];
    if let Some(balance) = parameters.choice("load_balance_hosts", &balance)? {
        config.load_balance_hosts(balance);
    }
    let attributes = [
        ("any", Some(TargetSessionAttrs::Any)),
        ("read-write", Some(TargetSessionAttrs::ReadWrite)),
        ("read-only", Some(TargetSessionAttrs::ReadOnly)),
        ("primary", None),
        ("standby", None),
        ("prefer-standby", None),
    ];
    match (parameters.choice("target_session_attrs", &attributes)?, parameters.get("target_session_attrs")) {
        (Some(Some(attributes)), _) => {
            config.target_session_attrs(attributes);
        }
        (Some(None), Some(parameter)) => {
            let problem = "the driver does not know this value; write read-write, which is what migrations need";
            return Err(parameter.problem("target_session_attrs", problem));
        }
        _ => {}
    }
    let negotiation = [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
    if let Some(negotiation) = parameters.choice("sslnegotiation", &negotiation)? {
        config.ssl_negotiation(negotiation);
    }
    Ok(())
}

/// Timeouts and probes of the connection. A number that is not positive stands for the system's default, as in libpq.
fn add_timeouts(config: &mut Config, parameters: &Parameters) -> Result<(), Error> {
    let positive = |keyword| -> Result<Option<u32>, Error> {
        let number = parameters.number(keyword)?;
        Ok(number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0))
    };
    let seconds = |number: u32| Duration::from_secs(u64::from(number));
    if let Some(timeout) = positive("connect_timeout")? {
        config.connect_timeout(seconds(timeout).max(SHORTEST_CONNECT_TIMEOUT));
    }
    if let Some(timeout) = positive("tcp_user_timeout")? {
        config.tcp_user_timeout(Duration::from_millis(u64::from(timeout)));
    }
    if let Some(number) = parameters.number("keepalives")? {
        config.keepalives(number != 0);
    }
    if let Some(idle) = positive("keepalives_idle")? {
        config.keepalives_idle(seconds(idle));
    }
    if let Some(interval) = positive("keepalives_interval")? {
        config.keepalives_interval(seconds(interval));
    }
    for keyword in ["keepalives_retries", "keepalives_count"] {
        if let Some(count) = positive(keyword)? {
            config.keepalives_retries(count);
        }
    }
    Ok(())
}

fn tls(parameters: &Parameters, home: Option<PathBuf>) -> Result<TlsSettings, Error> {
    let modes = [
        ("disable", TlsMode::Disable),
        ("allow", TlsMode::Allow),
        ("prefer", TlsMode::Prefer),
        ("require", TlsMode::Require),
        ("verify-ca", TlsMode::VerifyCa),
        ("verify-full", TlsMode::VerifyFull),
    ];
    let named = parameters.choice("sslmode", &modes)?;
    let roots = parameters.get("sslrootcert");
    let asks_for_the_systems = roots.is_some_and(|roots| roots.value == "system");
    // Roots that anybody can get a certificate from say nothing without the name of the host.
    let mode = named.unwrap_or(if asks_for_the_systems { TlsMode::VerifyFull } else { TlsMode::Prefer });
    if let Some(roots) = roots.filter(|_| asks_for_the_systems && mode != TlsMode::VerifyFull) {
        return Err(roots.problem("sslrootcert", "system needs sslmode=verify-full, which is the default with it"));
    }
    let is_weak = matches!(mode, TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer);
    if let Some(direct) = parameters.get("sslnegotiation").filter(|found| found.value == "direct" && is_weak) {
        return Err(direct.problem("sslnegotiation", "direct needs sslmode=require, verify-ca or verify-full"));
    }
    let roots = roots.map(|roots| match roots.value.as_str() {
        "system" => TlsRoots::System,
        file => TlsRoots::File(PathBuf::from(file)),
    });
    let gives_no_certificate = parameters.value("sslcertmode") == Some("disable");
    let file = |keyword| parameters.value(keyword).filter(|_| !gives_no_certificate).map(PathBuf::from);
    let certificate = match file("sslcert") {
        _ if gives_no_certificate => ClientCertificate::Disabled,
        Some(file) => ClientCertificate::File(file),
        None => ClientCertificate::Default,
    };
    Ok(TlsSettings { mode, roots, certificate, key: file("sslkey"), home })
}
