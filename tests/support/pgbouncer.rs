//! PgBouncer in transaction mode, on a free port of loopback.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use migrations_embedded::Server;
use postgres::{Client, NoTls};

/// A running PgBouncer. It ends when this is dropped, and when its server's process does.
pub(crate) struct PgBouncer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl PgBouncer {
    /// `None` where the program is not installed, or may not run: root has to give its rights up to somebody.
    pub(crate) fn start(server: &Server, settings: &str) -> Option<Self> {
        let server = format!("host={} port={}", server.socket_dir().display(), server.port());
        Self::start_between(&server, settings, |url| {
            Client::connect(url, NoTls).map(|_| ()).map_err(|error| error.to_string())
        })
    }

    /// The same for a server that is reached in this way, with a function that connects to the pooler as it has to be.
    pub(crate) fn start_between(
        server: &str,
        settings: &str,
        connect: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let program = program.into_iter().find(|program| Path::new(program).exists())?;
        let is_root = command("id", &["-u"])? == "0";
        if is_root {
            command("id", &["-u", "postgres"])?;
        }
        let user = if is_root { "user = postgres" } else { "" };
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let folder = tempfile::tempdir().ok()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).ok()?;
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "\"postgres\" \"\"\n").ok()?;
        let ini = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\nmax_client_conn = 200\n\
             admin_users = postgres\n{user}\n{settings}\n",
            users.display(),
        );
        std::fs::File::create(&ini).ok()?.write_all(text.as_bytes()).ok()?;
        let log = std::fs::File::create(folder.path().join("log")).ok()?;
        let mut pooler = Command::new(program);
        pooler.arg("-q").arg(&ini).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut pooler = Self { child: pooler.spawn().ok()?, port, folder };
        let start = Instant::now();
        while let Err(error) = connect(&pooler.url("pgbouncer")) {
            let is_over = pooler.child.try_wait().unwrap().is_some();
            assert!(!is_over && start.elapsed() < Duration::from_secs(10), "{error}\n{}", pooler.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(pooler)
    }

    /// The URL of a database, through the pooler.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has to say.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn command(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
