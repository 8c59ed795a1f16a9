//! Shared by this crate's tests: processes that own a server, and checks for what is left of one.

#![allow(dead_code, reason = "each test binary uses another part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "for tests only")]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use migrations_embedded::{DevFolder, Project, Server};
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use tempfile::TempDir;

/// Names the kept folder for the owner process, or nothing for a throwaway server.
const OWNER_OF: &str = "TEST_OWNER_OF";

/// Set for an owner whose kept folder is a development server's.
pub const IS_DEV: &str = "TEST_OWNER_IS_DEV";

/// Longer than any test step takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

pub fn show(client: &mut Client, setting: &str) -> String {
    client.query_one(&format!("SHOW {setting}"), &[]).unwrap().get(0)
}

/// A folder that the server's user can work in, whichever user runs the tests.
pub struct OpenFolder(TempDir);

pub fn open_folder() -> OpenFolder {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    OpenFolder(folder)
}

impl OpenFolder {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Waits for the servers in it: a folder that another process writes to cannot be removed.
impl Drop for OpenFolder {
    fn drop(&mut self) {
        soon(|| !folders(self.path()).iter().any(|folder| is_held(folder)));
    }
}

pub fn is_root() -> bool {
    geteuid().is_root()
}

pub fn is_alive(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

/// Whether the condition becomes true in time.
pub fn soon(condition: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// The folders of running and dead servers in a folder for temporary files.
pub fn run_folders(temp: &Path) -> Vec<PathBuf> {
    let mut found = folders(temp);
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("migrate-pg-"));
    found
}

/// Whether a process still holds the folder's lock: its own, or that of the file beside it.
pub fn is_held(folder: &Path) -> bool {
    // The folder may disappear at any moment: the callers wait for that.
    let is_locked = |path: &Path| File::open(path).is_ok_and(|handle| handle.try_lock().is_err());
    is_locked(folder) || is_locked(&folder.with_added_extension("lock"))
}

/// A program that is a shell script.
///
/// Another process writes it: a process that another test starts at this moment could inherit our open file, and a file
/// that is open for writing cannot be executed.
pub fn script(folder: &Path, name: &str, body: &str) {
    let written = Command::new("/bin/sh")
        .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#, "script"])
        .arg(folder.join(name))
        .arg(body)
        .status();
    assert!(written.unwrap().success());
}

/// The folder of the machine's own programs.
pub fn real_programs() -> String {
    let server = Server::throwaway().unwrap();
    let command = Command::new("ps").args(["-o", "args=", "-p", &server.pid().to_string()]).output().unwrap();
    let command = String::from_utf8(command.stdout).unwrap();
    command.split_once("/postgres -D").unwrap().0.to_owned()
}

/// All entries below a folder, with contents and times, to detect any change.
pub fn snapshot(dir: &Path) -> Vec<(PathBuf, u32, SystemTime, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push((path.clone(), metadata.permissions().mode(), metadata.modified().unwrap(), fs::read(&path).ok()));
    }
    found.sort();
    found
}

/// A cluster that was created without this crate.
pub struct ForeignCluster {
    data: PathBuf,
    programs: PathBuf,
}

impl ForeignCluster {
    /// Runs `initdb` as the user that servers run as.
    pub fn create(dir: &Path, superuser: &str) -> Self {
        fs::create_dir(dir).unwrap();
        if is_root() {
            let user = fs::metadata(Server::throwaway().unwrap().socket_dir()).unwrap();
            chown(dir, Some(user.uid()), Some(user.gid())).unwrap();
        }
        let cluster = Self { data: dir.join("data"), programs: real_programs().into() };
        let mut initdb = cluster.command("initdb", dir);
        initdb.args(["-U", superuser, "-A", "trust", "--no-sync"]).stdout(Stdio::null());
        assert!(initdb.status().unwrap().success());
        cluster
    }

    /// A server on it, which ends with the test.
    pub fn start(&self, socket_dir: &Path) -> ForeignServer {
        let mut postgres = self.command("postgres", &self.data);
        postgres.args(["-c", "listen_addresses=", "-c"]);
        postgres.arg(format!("unix_socket_directories={}", socket_dir.display())).stderr(Stdio::null());
        let server = ForeignServer(postgres.spawn().unwrap());
        let pid = self.data.join("postmaster.pid");
        assert!(soon(|| fs::read_to_string(&pid).is_ok_and(|text| text.contains("ready"))));
        server
    }

    /// A program on the cluster, run as the owner of a folder.
    fn command(&self, program: &str, owned: &Path) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-D").arg(&self.data).current_dir("/");
        if is_root() {
            let user = fs::metadata(owned).unwrap();
            command.uid(user.uid()).gid(user.gid());
        }
        command
    }
}

/// A server that was started without this crate.
pub struct ForeignServer(Child);

impl Drop for ForeignServer {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        let _ = kill_process(pid, Signal::INT);
        let _ = self.0.wait();
    }
}

/// Another process that starts a server: this test binary again, with only its test `owner` to run.
pub struct Owner {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What an owner reports about its server.
#[derive(Debug)]
pub struct Owned {
    pub pid: u32,
    pub socket_dir: PathBuf,
    pub url: String,
}

impl Owner {
    /// Starts the process, which starts a server: on the folder, or else a throwaway one.
    pub fn spawn(kept: Option<&Path>, temp: &Path) -> Self {
        Self::spawn_with(kept, temp, &[])
    }

    pub fn spawn_with(kept: Option<&Path>, temp: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner", "--ignored", "--nocapture"])
            .env(OWNER_OF, kept.unwrap_or(Path::new("")))
            .env("TMPDIR", temp)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the server.
    pub fn server(&mut self) -> Owned {
        let line = self.answer();
        let [pid, socket_dir, url] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("the owner said {line:?}") };
        let pid = pid.parse().unwrap_or_else(|_| panic!("the owner said {line:?}"));
        Owned { pid, socket_dir: socket_dir.into(), url: url.to_owned() }
    }

    /// `stop`, `exit` or `abort`.
    pub fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// The next line that the owner itself prints, without the test harness's lines.
    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "the owner is gone");
            if let Some((_, said)) = line.split_once("owner: ") {
                return said.trim_end().to_owned();
            }
        }
    }

    /// `kill -9`, waited for.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    pub fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

/// A failed test leaves no owner behind.
impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The owner process's work; in any other run of the test binary it does nothing.
pub fn own_a_server() {
    let Some(kept) = std::env::var_os(OWNER_OF) else {
        return;
    };
    if std::env::var_os(IS_DEV).is_some() {
        return own_a_dev_server(Path::new(&kept));
    }
    let server = if kept.is_empty() { Server::throwaway() } else { Server::builder().start_kept(Path::new(&kept)) };
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            println!("owner: failed: {}", error.to_string().replace('\n', " "));
            return;
        }
    };
    println!("owner: {} {} {}", server.pid(), server.socket_dir().display(), server.url("postgres"));
    let mut server = Some(server);
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "stop" => {
                server.take().unwrap().stop().unwrap();
                println!("owner: stopped");
            }
            // Neither runs a destructor.
            "exit" => std::process::exit(0),
            "abort" => std::process::abort(),
            other => panic!("{other}?"),
        }
    }
}

/// The development server of a folder, as of a project that is called orders.
pub fn dev_folder(dir: &Path) -> DevFolder {
    let project = dir.parent().unwrap().join("orders");
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join("Cargo.toml"), "[workspace]\n").unwrap();
    DevFolder::at(dir, &Project::of_directory(&project).unwrap())
}

/// Joins or starts the server, says which, and keeps it until it is told to stop.
fn own_a_dev_server(dir: &Path) {
    let server = match dev_folder(dir).join_or_start() {
        Ok(server) => server,
        Err(error) => {
            println!("owner: failed: {}", error.to_string().replace('\n', " "));
            return;
        }
    };
    println!("owner: {} {} {}", server.pid(), server.is_owned(), server.url());
    let mut server = Some(server);
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "stop" => {
                server.take().unwrap().stop().unwrap();
                println!("owner: stopped");
            }
            "gone" => println!("owner: {:?}", server.as_ref().unwrap().liveness().gone()),
            other => panic!("{other}?"),
        }
    }
}
