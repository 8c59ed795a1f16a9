//! A hot standby of a server: read-only, as an operator who connects to the wrong host meets it.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use migrations_embedded::Server;
use postgres::{Client, NoTls};

/// A running standby. It stops when this is dropped, and on its own after two minutes.
pub(crate) struct Standby {
    child: Child,
    folder: tempfile::TempDir,
}

/// The user and the group that the server's programs run as; `None` for the test's own.
fn account() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    (number(&["-u"])? == 0).then_some((number(&["-u", "postgres"])?, number(&["-g", "postgres"])?))
}

/// A program of the server's own release: others refuse to work with it. `None`, with a message, if it is not
/// installed.
pub(crate) fn program(name: &str, major: u32) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))]);
    let is_right = |program: &PathBuf| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(&format!("(PostgreSQL) {major}.")))
    };
    let found = folders.map(|folder| folder.join(name)).find(is_right);
    if found.is_none() {
        eprintln!("SKIPPED: {name} of PostgreSQL {major} is not installed");
    }
    found
}

fn command(program: &Path, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command
}

impl Standby {
    /// `None` where `pg_basebackup` is not installed.
    pub(crate) fn of(server: &Server) -> Option<Self> {
        let backup = program("pg_basebackup", server.version())?;
        let postgres = program("postgres", server.version())?;
        let account = account();
        let folder = tempfile::tempdir().unwrap();
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        let status = command(&backup, account)
            .args(["-U", "postgres", "-X", "stream", "-c", "fast", "-R", "--no-sync"])
            .arg("-h")
            .arg(server.socket_dir())
            .args(["-p", &server.port().to_string()])
            .arg("-D")
            .arg(&data)
            .status()
            .unwrap();
        assert!(status.success(), "pg_basebackup");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command(Path::new("timeout"), account)
            .args(["-s", "QUIT", "120"])
            .arg(postgres)
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "logging_collector=off", "-c"])
            // At least as many as on the primary.
            .arg(format!("unix_socket_directories={}", folder.path().display()))
            .args(["-c", "max_connections=200"])
            .stderr(log)
            .spawn()
            .unwrap();
        let standby = Self { child, folder };
        let start = Instant::now();
        while let Err(error) = Client::connect(&standby.url("postgres"), NoTls) {
            let log = std::fs::read_to_string(standby.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(30), "{error}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(standby)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let host = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}/{database}")
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
        }
        let _ = self.child.wait();
    }
}
