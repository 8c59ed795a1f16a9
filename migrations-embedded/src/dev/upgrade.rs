//! Brings a folder's data to another major version of PostgreSQL, by a dump.
//!
//! At every moment, the old data is either in `data` or, for the time between two renames, in `data.old-15`: an upgrade
//! that is cut off begins again from there. The old data is removed only after the new server has answered.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::folder::{DevFolder, owned};
use super::server::DevServer;
use crate::account::{Account, SHELL};
use crate::builder::Builder;
use crate::cluster::{self, SUPERUSER};
use crate::kept::{DATA, DUMPS, KeptFolder, UPGRADED, old_data, old_data_name};
use crate::origin;
use crate::programs::{self, Programs, Wanted};
use crate::run_folder::RunFolder;
use crate::server::{Home, Listen, Server};
use crate::{Error, untrusted};

/// How long to wait for a folder that is in use.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last line of a complete dump.
const COMPLETE: &str = "-- PostgreSQL database cluster dump complete";

/// What an upgrade did.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Upgrade {
    /// The version that wrote the data before.
    pub from: u32,
    /// The version of the running server.
    pub to: u32,
    /// The server on the upgraded data, which this process runs.
    pub server: DevServer,
}

impl DevFolder {
    /// Brings the data to the major version of the programs that a new folder would get: those of
    /// [`Builder::programs`], of `MIGRATIONS_POSTGRES_BIN`, or the first that are found.
    ///
    /// The programs of the data's version are needed, too: those in `old_programs`, or the first that are found. They
    /// run once more, for a dump by `pg_dumpall`, which `psql` restores. When the data has the version already, nothing
    /// is changed.
    ///
    /// # Errors
    ///
    /// [`Error::Owned`] while another process runs the server; when programs are missing, or one of them fails. The old
    /// data is then as it was.
    ///
    /// ```no_run
    /// use migrations_embedded::{DevFolder, Project};
    ///
    /// let folder = DevFolder::of_project(&Project::current()?).expect("a home");
    /// let upgrade = folder.upgrade(None)?;
    /// println!("PostgreSQL {} → {}", upgrade.from, upgrade.to);
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn upgrade(&self, old_programs: Option<&Path>) -> Result<Upgrade, Error> {
        if let Some(server) = self.join()? {
            return Err(owned(&server));
        }
        let dir = self.absolute()?;
        let account = Account::for_folder(&dir, &dir.join(DATA))?;
        let new = Programs::find(&account, self.builder.programs.as_deref(), None)?;
        let Some(from) = major_of(&dir)? else { return Err(Error::NothingToUpgrade { dir }) };
        if new.major() < from {
            return Err(Error::Downgrade {
                dir,
                cluster: from,
                programs: new.major(),
                folder: new.folder().to_owned(),
            });
        }
        let old = if new.major() == from { new.clone() } else { find_old(&account, from, &dir, old_programs)? };
        let (folder, account, old) = KeptFolder::open(&dir, Some(old.folder()), PATIENCE, false)?;
        let folder = if new.major() == from {
            folder
        } else {
            let work = Work { dir: &dir, account: &account, old: &old, new: &new };
            let folder = work.restore(work.dump(folder)?)?;
            work.exchange(&folder)?;
            folder
        };
        // A complete upgrade leaves nothing; one that was cut off after the second rename is completed here.
        let leftover = old_data(&dir);
        let from = leftover.as_deref().and_then(|data| cluster_major(data).ok().flatten()).unwrap_or(from);
        let server = self.start_in(dir.clone(), folder, &account, &new)?;
        for path in leftover.into_iter().chain(DUMPS.map(|name| dir.join(name))) {
            account.remove(&path)?;
        }
        Ok(Upgrade { from, to: new.major(), server })
    }
}

/// The version of the folder's data, also of data that an unfinished upgrade has renamed.
fn major_of(dir: &Path) -> Result<Option<u32>, Error> {
    match cluster_major(&dir.join(DATA))? {
        Some(major) => Ok(Some(major)),
        None => old_data(dir).map_or(Ok(None), |data| cluster_major(&data)),
    }
}

fn cluster_major(data: &Path) -> Result<Option<u32>, Error> {
    Ok(cluster::version(data)?.and_then(|version| version.parse().ok()))
}

fn find_old(account: &Account, major: u32, dir: &Path, named: Option<&Path>) -> Result<Programs, Error> {
    let wanted = Wanted { major, dir };
    let found = match named {
        Some(folder) => Programs::find(account, Some(folder), Some(wanted)),
        None => Programs::find_installed(account, wanted),
    };
    found.map_err(|error| match error {
        Error::VersionMismatch { programs, .. } => {
            Error::NoOldPrograms { dir: dir.to_owned(), cluster: major, found: programs }
        }
        other => other,
    })
}

/// An upgrade under the folder's lock.
struct Work<'a> {
    dir: &'a Path,
    account: &'a Account,
    old: &'a Programs,
    new: &'a Programs,
}

impl Work<'_> {
    /// Writes everything in the old cluster into a file.
    fn dump(&self, folder: KeptFolder) -> Result<KeptFolder, Error> {
        let tool = self.tool("pg_dumpall")?;
        let [dump, unfinished] = DUMPS.map(|name| self.dir.join(name));
        self.account.remove(&unfinished)?;
        log::info!("dumping the data of PostgreSQL {}", self.old.major());
        let data = folder.data();
        let server = self.start(folder, data, self.old)?;
        let mut command = self.client(&tool, &server);
        command.arg("--file").arg(&unfinished).stdin(Stdio::null());
        let output = command.output().map_err(|source| self.spawn(&tool, source))?;
        self.must_succeed("pg_dumpall", output.status, &output.stderr)?;
        let folder = self.stop(server)?;
        if !ends_with(&unfinished, COMPLETE).map_err(Error::io("read", &unfinished))? {
            return Err(Error::UpgradeTool {
                dir: self.dir.to_owned(),
                program: "pg_dumpall",
                status: output.status,
                output: "its dump is incomplete".to_owned(),
            });
        }
        folder.rename(&unfinished, &dump, self.account)?;
        Ok(folder)
    }

    /// Creates a cluster of the new version, and runs the dump in it.
    fn restore(&self, folder: KeptFolder) -> Result<KeptFolder, Error> {
        let tool = self.tool("psql")?;
        let (dump, data) = (self.dir.join(DUMPS[0]), self.dir.join(UPGRADED));
        self.account.remove(&data)?;
        log::info!("restoring the data with PostgreSQL {}", self.new.major());
        origin::create(self.new, self.account, &data, folder.lock_handle())?;
        let server = self.start(folder, data, self.new)?;
        let mut command = self.client(&tool, &server);
        command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", "postgres"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.spawn(&tool, source))?;
        let fed = child.stdin.take().map_or(Ok(()), |pipe| feed(&dump, pipe));
        let output = child.wait_with_output().map_err(Error::io("wait for psql on", &dump))?;
        // A `psql` that has failed reads no further: its own message comes first.
        self.must_succeed("psql", output.status, &output.stderr)?;
        fed.map_err(Error::io("read", &dump))?;
        self.stop(server)
    }

    /// Puts the new data in the place of the old.
    fn exchange(&self, folder: &KeptFolder) -> Result<(), Error> {
        let data = folder.data();
        folder.rename(&data, &self.dir.join(old_data_name(self.old.major())), self.account)?;
        folder.rename(&self.dir.join(UPGRADED), &data, self.account)
    }

    /// A server that only this process knows of: its socket is in a new folder, and it has no port.
    fn start(&self, folder: KeptFolder, data: PathBuf, programs: &Programs) -> Result<Server, Error> {
        let run = RunFolder::create(self.account)?;
        let home = Home { data, log: folder.log(), run, kept: Some(folder) };
        Server::start(home, self.account.clone(), programs, &Builder::default().kept_settings(), &Listen::Socket)
    }

    fn stop(&self, server: Server) -> Result<KeptFolder, Error> {
        let kept = server.stop_and_keep_folder()?;
        kept.ok_or_else(|| Error::io("keep the lock of", self.dir)(io::ErrorKind::Other.into()))
    }

    /// The old version's program, or else the new version's, or else any.
    fn tool(&self, name: &'static str) -> Result<PathBuf, Error> {
        let own = [self.old, self.new].map(|programs| programs.folder().join(name));
        let found = own.into_iter().find(|path| path.is_file()).or_else(|| programs::client(name));
        found.ok_or_else(|| Error::ClientMissing { program: name })
    }

    /// A program that connects as the superuser, and creates files that only the server's user can read.
    fn client(&self, tool: &Path, server: &Server) -> Command {
        let mut command = self.account.command(Path::new(SHELL));
        command.args(["-c", r#"umask 077 && exec "$@""#, "sh"]).arg(tool).arg("--host").arg(server.socket_dir());
        command.args(["--port", &server.port().to_string(), "--username", SUPERUSER, "--no-password"]);
        command
    }

    fn must_succeed(
        &self,
        program: &'static str,
        status: std::process::ExitStatus,
        output: &[u8],
    ) -> Result<(), Error> {
        if status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(output).trim().to_owned();
        Err(Error::UpgradeTool { dir: self.dir.to_owned(), program, status, output })
    }

    fn spawn(&self, program: &Path, source: io::Error) -> Error {
        Error::Spawn { program: program.to_owned(), account: self.account.name().to_owned(), source }
    }
}

/// Sends the dump, without the statement that creates the superuser: `initdb` has created that role.
fn feed(dump: &Path, mut pipe: impl Write) -> io::Result<()> {
    let mut dump = BufReader::new(untrusted::open(dump)?);
    let superuser = format!("CREATE ROLE {SUPERUSER};");
    let mut line = Vec::new();
    // The roles come first; from the first `\connect` on, a line can be data.
    while dump.read_until(b'\n', &mut line)? > 0 {
        if line.trim_ascii_end() != superuser.as_bytes() {
            pipe.write_all(&line)?;
        }
        if line.starts_with(b"\\connect ") {
            break;
        }
        line.clear();
    }
    io::copy(&mut dump, &mut pipe)?;
    Ok(())
}

/// Whether the last lines of a file contain this line.
fn ends_with(path: &Path, line: &str) -> io::Result<bool> {
    const SEARCHED: u64 = 4096;
    let length = untrusted::open(path)?.metadata()?.len();
    let end = untrusted::read(path, length.saturating_sub(SEARCHED), SEARCHED)?;
    Ok(String::from_utf8_lossy(&end).lines().any(|found| found == line))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_statement_that_creates_the_superuser_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("dump");
        let data = "\\connect template1\nCREATE ROLE postgres;\n";
        fs::write(&dump, format!("CREATE ROLE orders;\nCREATE ROLE postgres;\n{data}")).unwrap();
        let mut sent = Vec::new();
        feed(&dump, &mut sent).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), format!("CREATE ROLE orders;\n{data}"));
    }
}
