//! A project with a folder for its server, and the binary in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use tempfile::TempDir;

/// More than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Site {
    home: TempDir,
    pub(crate) folder: PathBuf,
}

/// A cluster that nothing was created in: a copy takes a fraction of the time of `initdb`.
static CLUSTER: LazyLock<TempDir> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    migrations_embedded::Server::builder().start_kept(&home.path().join("server")).unwrap().stop().unwrap();
    home
});

impl Site {
    /// A site whose folder has a cluster.
    pub(crate) fn new() -> Self {
        let site = Self::empty();
        fs::create_dir(&site.folder).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").args([CLUSTER.path().join("server/data"), site.folder.join("data")]);
        assert!(copy.status().unwrap().success());
        site
    }

    /// A site whose folder does not exist.
    pub(crate) fn empty() -> Self {
        let home = tempfile::tempdir().unwrap();
        // As root, the server runs as another user, who has to get to the folder.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = home.path().join("server");
        make_project(&home.path().join("orders"));
        Self { home, folder }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The binary in the project, with the site's folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary(&self.home.path().join("orders"));
        command.arg(format!("--embedded={}", self.folder.display())).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// `dev` in the background, with the first line that it or its command prints.
    pub(crate) fn dev(&self, args: &[&str]) -> Dev {
        Dev::spawn(self.command(&[&["dev"], args].concat()))
    }

    /// Whether no process holds the folder's locks any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_free = |path: &Path| File::open(path).map_or(true, |handle| handle.try_lock().is_ok());
        soon(|| is_free(&self.folder) && is_free(&self.folder.with_added_extension("lock")))
    }
}

/// Waits for a server that is stopping: a folder that another process writes to cannot be removed.
impl Drop for Site {
    fn drop(&mut self) {
        self.is_at_rest();
    }
}

pub(crate) fn make_project(root: &Path) {
    fs::create_dir_all(root).unwrap();
    fs::write(root.join("Cargo.toml"), "[workspace]\n").unwrap();
}

/// The binary in a directory, in an environment that names no database.
pub(crate) fn binary(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    clean(&mut command);
    command.current_dir(directory).stdin(Stdio::null());
    command
}

pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PG") || ["DATABASE_URL", "RUST_LOG"].contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
}

/// A process that runs until it is told to end. A failed test leaves none behind.
pub(crate) struct Dev {
    pub(crate) child: Child,
    pub(crate) first_line: String,
    pub(crate) stdout: BufReader<ChildStdout>,
}

impl Dev {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let read = stdout.read_line(&mut line).unwrap();
        assert!(read > 0, "{}", stderr(&child.wait_with_output().unwrap()));
        Self { child, first_line: line.trim_end().to_owned(), stdout }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits for the end: the exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

pub(crate) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn succeeded(output: Output) -> Output {
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    output
}

/// Whether the condition becomes true in time.
pub(crate) fn soon(mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Whether a program is there; otherwise its test is reported as skipped.
pub(crate) fn has_program(name: &str) -> bool {
    let found = migrations_embedded::client_program(name).is_some();
    if !found {
        eprintln!("SKIPPED: {name} was not found");
    }
    found
}
