//! An application without `DATABASE_URL` uses the same server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use migrations_core::Database;
use tokio::runtime::Builder;

use crate::site::{Dev, binary, clean, connect, make_project, stdout, succeeded};

/// The application: another run of this test binary.
pub(crate) fn be_an_application() {
    let Ok(kind) = std::env::var("TEST_APPLICATION") else { return };
    if kind == "async" {
        be_an_async_application();
        return;
    }
    let database = Database::from_env_or_embedded().unwrap();
    let report = migrate::migrator().unwrap().run(&database).unwrap();
    assert!(report.is_success());
    let again = Database::from_env_or_embedded().unwrap();
    drop(database);
    // The server runs as long as one of them is there.
    again.connect().unwrap().batch_execute("SELECT FROM migrations.tenants").unwrap();
    println!("application: {again}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let config = again.config().clone();
    drop(again);
    println!("application: {}", config.connect(postgres::NoTls).is_ok());
}

/// The same in runtimes of both kinds, on the thread that drives them: each drops its server and asks again.
fn be_an_async_application() {
    for runtime in [Builder::new_current_thread(), Builder::new_multi_thread()].map(|mut kind| kind.build().unwrap()) {
        runtime.block_on(async {
            for _ in 0..2 {
                let database = Database::from_env_or_embedded().unwrap();
                let used = database.clone();
                let used = tokio::task::spawn_blocking(move || used.connect().map(drop)).await.unwrap();
                println!("application: {database} {}", used.is_ok());
                let dropped = Instant::now();
                drop(database);
                assert!(dropped.elapsed() < Duration::from_millis(100), "{:?}", dropped.elapsed());
            }
            let database = Database::from_env_or_embedded().unwrap();
            // A server that was ending would be gone by now.
            std::thread::sleep(Duration::from_secs(1));
            let ready = tokio::task::spawn_blocking(move || database.connect().map(drop)).await.unwrap();
            println!("application: {}", ready.is_ok());
        });
    }
}

fn application(project: &Path, data: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    clean(&mut command);
    command.args(["--exact", "application", "--ignored", "--nocapture"]).env("TEST_APPLICATION", "yes");
    command.env("XDG_DATA_HOME", data).current_dir(project);
    command
}

/// The application's own lines, without the test harness's.
fn line(application: &mut impl BufRead) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(application.read_line(&mut line).unwrap(), 0, "the application has ended");
        if let Some((_, said)) = line.split_once("application: ") {
            return said.trim_end().to_owned();
        }
    }
}

/// The default folder of a project, removed with its lock at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_file(self.0.with_added_extension("lock"));
    }
}

/// A project, the folder for the data, and the server's folder.
fn project(home: &Path) -> (PathBuf, PathBuf, Folder) {
    fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
    let (project, data) = (home.join("orders"), home.join("data"));
    make_project(&project);
    let folder = migrations_embedded::Project::of_directory(&project).unwrap().folder().unwrap();
    let is_roots = folder.starts_with("/var/lib/migrate");
    let folder = Folder(if is_roots { folder } else { data.join("migrate").join(folder.file_name().unwrap()) });
    (project, data, folder)
}

#[test]
fn an_async_application_uses_the_server_on_the_thread_that_drives_its_runtime() {
    let home = tempfile::tempdir().unwrap();
    let (project, data, _folder) = project(home.path());
    let output = application(&project, &data).env("TEST_APPLICATION", "async").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> =
        text.lines().filter_map(|line| line.split_once("application: ")).map(|(_, said)| said).collect();
    let is_well = lines.len() == 6 && lines.iter().all(|line| line.ends_with("true"));
    assert!(output.status.success() && is_well, "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_application_without_a_url_starts_the_server_of_its_project_or_joins_it() {
    let home = tempfile::tempdir().unwrap();
    let (project, data, folder) = project(home.path());

    let start = || {
        let mut child = application(&project, &data).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        (child, stdout)
    };
    let (mut first, mut said) = start();
    let database = line(&mut said);
    assert!(database.starts_with("database orders at 127.0.0.1:") && database.ends_with(" as orders"), "{database}");

    // The command line has the same server, and so has a second application.
    let mut url = binary(&project);
    let url = stdout(&succeeded(url.args(["dev", "url"]).env("XDG_DATA_HOME", &data).output().unwrap()));
    connect(url.trim_end()).batch_execute("SELECT FROM migrations.tenants").unwrap();
    let (mut second, mut also_said) = start();
    assert_eq!(line(&mut also_said), database);
    writeln!(second.stdin.take().unwrap()).unwrap();
    assert_eq!(line(&mut also_said), "true", "the joiner's end leaves the server alone");
    assert!(second.wait().unwrap().success());

    writeln!(first.stdin.take().unwrap()).unwrap();
    assert_eq!(line(&mut said), "false", "the last clone of the owner stops the server");
    assert!(first.wait().unwrap().success());
    assert!(!folder.0.join("data/postmaster.pid").exists());

    let mut dev = binary(&project);
    dev.args(["dev"]).env("XDG_DATA_HOME", &data);
    assert_eq!(format!("{}\n", Dev::spawn(dev).first_line), url);
}

#[test]
fn a_database_that_the_environment_names_is_used() {
    let home = tempfile::tempdir().unwrap();
    let mut command = application(home.path(), home.path());
    let output = command.env("DATABASE_URL", "postgres://h/d").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("database d at h:5432"), "{said}");
}
