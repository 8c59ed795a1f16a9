//! Hosts, addresses and ports.

use std::net::IpAddr;
use std::path::Path;

use super::parameters::Parameters;
use crate::report::Error;

const DEFAULT_PORT: u16 = 5432;

/// The folders in which libpq looks for a server's socket by default: Debian's, and PostgreSQL's own.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// A name, an address, or the folder of a socket.
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

impl Server {
    pub(super) fn is_socket(&self) -> bool {
        is_folder(&self.host)
    }

    /// The host as the password file names it.
    pub(super) fn in_password_file(&self) -> &str {
        if SOCKET_FOLDERS.contains(&self.host.as_str()) { "localhost" } else { &self.host }
    }
}

/// The servers, in the order in which they are tried.
pub(super) fn servers(parameters: &Parameters) -> Result<Vec<Server>, Error> {
    let hosts = list(parameters, "host");
    let addresses = addresses(parameters)?;
    let count = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        let problem = format!("it has {} entries, and host has {}", addresses.len(), hosts.len());
        return Err(problem_of(parameters, "hostaddr", problem));
    }
    let ports = ports(parameters, count)?;
    let servers = ports.into_iter().enumerate().map(|(index, port)| {
        let address = addresses.get(index).copied();
        let host = hosts.get(index).filter(|host| !host.is_empty()).map(|host| (*host).to_owned());
        let host = host.or_else(|| address.map(|address| address.to_string()));
        Server { host: host.unwrap_or_else(|| default_host(&SOCKET_FOLDERS, port)), address, port }
    });
    let servers: Vec<_> = servers.collect();
    if servers.iter().any(|server| server.host.starts_with('@')) {
        let problem = "a socket in the abstract namespace is not supported; write the folder of the server's socket";
        return Err(problem_of(parameters, "host", problem.to_owned()));
    }
    let (sockets, addresses) = (servers.iter().any(Server::is_socket), !addresses.is_empty());
    if sockets && addresses {
        return Err(problem_of(parameters, "hostaddr", "a socket has no address; name one of the two".to_owned()));
    }
    Ok(servers)
}

fn list<'a>(parameters: &'a Parameters, keyword: &str) -> Vec<&'a str> {
    parameters.value(keyword).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
}

fn addresses(parameters: &Parameters) -> Result<Vec<IpAddr>, Error> {
    let Some(parameter) = parameters.get("hostaddr") else { return Ok(Vec::new()) };
    let invalid = |_| parameter.invalid("hostaddr", "a numeric address, or one for each host with commas between");
    list(parameters, "hostaddr").into_iter().map(|address| address.parse().map_err(invalid)).collect()
}

/// A port for each server. One port is that of all of them.
fn ports(parameters: &Parameters, count: usize) -> Result<Vec<u16>, Error> {
    let Some(parameter) = parameters.get("port") else { return Ok(vec![DEFAULT_PORT; count]) };
    let read =
        |text: &str| if text.is_empty() { Some(DEFAULT_PORT) } else { text.parse().ok().filter(|port| *port > 0) };
    let ports: Option<Vec<u16>> = list(parameters, "port").into_iter().map(read).collect();
    let ports = ports.ok_or_else(|| parameter.invalid("port", "a number from 1 to 65535"))?;
    match ports.as_slice() {
        [port] => Ok(vec![*port; count]),
        ports if ports.len() == count => Ok(ports.to_vec()),
        _ => Err(parameter.problem("port", format!("it has {} entries for {count} hosts", ports.len()))),
    }
}

fn problem_of(parameters: &Parameters, keyword: &str, problem: String) -> Error {
    match parameters.get(keyword) {
        Some(parameter) => parameter.problem(keyword, problem),
        None => Error::Url { problem },
    }
}

fn is_folder(host: &str) -> bool {
    host.starts_with('/')
}

/// The first folder with a socket for this port, or else localhost.
fn default_host(folders: &[&str], port: u16) -> String {
    let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    let found = folders.iter().find(has_socket).filter(|_| cfg!(unix));
    found.map_or_else(|| "localhost".to_owned(), |folder| (*folder).to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::conninfo::origin::Origin;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Vec<String>, String> {
        let mut parameters = Parameters::default();
        for (keyword, value) in pairs {
            parameters.set(keyword, (*value).to_owned(), &Origin::Pairs);
        }
        let text = |server: Server| match server.address {
            Some(address) => format!("{}={address}:{}", server.host, server.port),
            None => format!("{}:{}", server.host, server.port),
        };
        servers(&parameters).map(|servers| servers.into_iter().map(text).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn hosts_addresses_and_ports_go_together() {
        for (pairs, expected) in [
            (&[("host", "db")][..], &["db:5432"][..]),
            (&[("host", "one,two"), ("port", "1")], &["one:1", "two:1"]),
            (&[("host", "one,two"), ("port", "1,")], &["one:1", "two:5432"]),
            (&[("hostaddr", "127.0.0.1,::1")], &["127.0.0.1=127.0.0.1:5432", "::1=::1:5432"]),
            (&[("host", "db,"), ("hostaddr", "::1,::2"), ("port", "7")], &["db=::1:7", "::2=::2:7"]),
            (&[("host", "/tmp,db")], &["/tmp:5432", "db:5432"]),
        ] {
            assert_eq!(read(pairs), Ok(expected.iter().map(|text| (*text).to_owned()).collect()), "{pairs:?}");
        }
    }

    #[test]
    fn lists_that_do_not_go_together_are_refused() {
        for (pairs, keyword) in [
            (&[("host", "one,two"), ("port", "1,2,3")][..], "port"),
            (&[("host", "one,two"), ("hostaddr", "::1")], "hostaddr"),
            (&[("host", "db"), ("hostaddr", "db")], "hostaddr"),
            (&[("host", "/tmp"), ("hostaddr", "::1")], "hostaddr"),
            (&[("host", "@abstract")], "host"),
            (&[("port", "x")], "port"),
            (&[("port", "0")], "port"),
            (&[("port", "65536")], "port"),
        ] {
            let named = format!("the connection parameter {keyword}, ");
            assert!(read(pairs).is_err_and(|error| error.starts_with(&named)), "{pairs:?}");
        }
    }

    #[test]
    fn the_default_host_is_a_socket_that_exists() -> std::io::Result<()> {
        let folder = std::env::temp_dir().join(format!("migrate-conninfo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(".s.PGSQL.5433"), "")?;
        let path = folder.to_string_lossy().into_owned();
        let (found, other) = (default_host(&["/nowhere", &path], 5433), default_host(&["/nowhere", &path], 5434));
        fs::remove_dir_all(&folder)?;
        assert_eq!((found, other.as_str()), (path, "localhost"));
        Ok(())
    }
}
