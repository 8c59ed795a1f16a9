//! A server with TLS, and the files of its clients.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use migrations_core::{Database, Error};
use migrations_embedded::Server;
use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::authority::{Authority, Issued, write};

/// The tests connect through the socket, however TCP is guarded.
const SOCKET: &str = "local all postgres trust\n";

/// Only with TLS, and with a password.
pub(crate) const TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// The password of the role `app`.
pub(crate) const PASSWORD: &str = "Zq app's";

/// A server that listens on 127.0.0.1, with the superuser `app`.
pub(crate) struct Site {
    pub(crate) server: Server,
    /// Issues the server's certificate, and trusts the clients'.
    pub(crate) authority: Authority,
    folder: TempDir,
}

impl Site {
    /// A server with a certificate for `localhost`, and these lines in `pg_hba.conf`.
    pub(crate) fn new(hba: &str) -> Self {
        let site = Self::without_tls("");
        site.certify(&site.authority.server(&["localhost"]));
        site.permit(hba);
        site
    }

    /// A server without TLS.
    pub(crate) fn without_tls(hba: &str) -> Self {
        let server = Server::builder().tcp(true).start_throwaway().unwrap();
        let site = Self { server, authority: Authority::new("our root"), folder: tempfile::tempdir().unwrap() };
        let literal = PASSWORD.replace('\'', "''");
        site.execute(&format!("CREATE ROLE app SUPERUSER LOGIN PASSWORD '{literal}'"));
        if !hba.is_empty() {
            site.permit(hba);
        }
        site
    }

    /// Gives the server this certificate, and turns TLS on.
    pub(crate) fn certify(&self, issued: &Issued) {
        self.write_for_server("server.crt", &issued.certificate);
        self.write_for_server("server.key", &issued.key);
        self.write_for_server("clients.crt", &self.authority.root);
        for setting in ["ssl = on", "ssl_ca_file = 'clients.crt'"] {
            self.execute(&format!("ALTER SYSTEM SET {setting}"));
        }
        self.reload();
    }

    /// Replaces `pg_hba.conf`.
    pub(crate) fn permit(&self, hba: &str) {
        self.write_for_server("pg_hba.conf", &format!("{SOCKET}{hba}"));
        self.reload();
    }

    /// Writes a file that the server's user owns.
    fn write_for_server(&self, name: &str, text: &str) {
        let data = self.server.data_dir();
        let path = write(data, name, text);
        let owner = std::fs::metadata(data).unwrap();
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    fn reload(&self) {
        let loaded = "SELECT extract(epoch FROM pg_conf_load_time())::text";
        let time = |client: &mut Client| client.query_one(loaded, &[]).unwrap().get::<_, String>(0);
        let before = time(&mut self.admin());
        self.execute("SELECT pg_reload_conf()");
        wait_until("the configuration is read", || time(&mut self.admin()) != before);
    }

    /// A connection of the superuser through the socket, which never uses TLS.
    pub(crate) fn admin(&self) -> Client {
        Client::connect(&self.server.url("postgres"), NoTls).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.admin().batch_execute(sql).unwrap();
    }

    pub(crate) fn count(&self, query: &str) -> i64 {
        self.admin().query_one(query, &[]).unwrap().get(0)
    }

    /// A file of the client.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        write(self.folder.path(), name, text)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root certificate of the server's authority.
    pub(crate) fn root(&self) -> PathBuf {
        self.file("root.crt", &self.authority.root)
    }

    /// The URL of the role `app` over TCP, with its password and these parameters.
    pub(crate) fn url(&self, parameters: &str) -> String {
        self.url_of("app:Zq%20app%27s", parameters)
    }

    /// The same for another role.
    pub(crate) fn url_of(&self, role: &str, parameters: &str) -> String {
        let port = self.server.tcp_port().unwrap();
        format!("postgres://{role}@localhost:{port}/postgres?hostaddr=127.0.0.1&{parameters}")
    }

    pub(crate) fn database(&self, parameters: &str) -> Database {
        Database::from_url(&self.url(parameters)).unwrap()
    }

    /// The parameters of a client that checks everything.
    pub(crate) fn verified(&self) -> String {
        format!("sslmode=verify-full&sslrootcert={}", self.root().display())
    }

    /// The text of the error, with what differs from run to run replaced.
    pub(crate) fn refusal(&self, database: &Database) -> String {
        self.text(&database.connect().err().expect("the server refuses the connection"))
    }

    pub(crate) fn text(&self, error: &Error) -> String {
        let text = error.to_string().replace(&self.folder.path().display().to_string(), "FOLDER");
        assert!(!text.contains("Zq"), "the password: {text}");
        text.replace(&self.server.tcp_port().unwrap().to_string(), "PORT")
            .replace(&self.server.socket_dir().display().to_string(), "SOCKET")
    }
}

/// Whether the connection uses TLS, according to the server.
pub(crate) fn is_encrypted(client: &mut Client) -> bool {
    client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).unwrap().get(0)
}

/// Polls a condition.
pub(crate) fn wait_until(what: &str, mut is_met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_met() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: not after {:?}", start.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
}
