//! The user that the server's programs run as.
//!
//! PostgreSQL refuses to run as root, which is the usual user in a container. Root therefore runs each program as the
//! user that the distribution creates for PostgreSQL, or as `nobody`; in another user's folder, root works as that
//! folder's owner. Every other user runs the programs as themselves.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;

/// The users root may run the server as, the first that exists.
const CANDIDATES: [&str; 3] = ["postgres", "_postgres", SHARED];

/// The user that many services share: each of them could read and change the server's data.
const SHARED: &str = "nobody";

/// The variables that a program inherits from the caller besides `PATH`: those that its loader needs. The others can be
/// secrets, which the server's user could read in the server's environment, and every superuser by
/// `COPY … FROM PROGRAM 'env'`.
const PASSED_ON: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The shell that POSIX promises.
pub(crate) const SHELL: &str = "/bin/sh";

/// Where a shell finds `rm` and `id` even when the caller's `PATH` names other folders only.
const SYSTEM_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The user the server's programs run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    /// The group to switch to from root; none when the programs run as the caller.
    drop_to: Option<u32>,
}

impl Account {
    /// This process's own user, or for root the first candidate that exists.
    pub(crate) fn current() -> Result<Self, Error> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Ok(Self { name: format!("user {uid}"), uid, drop_to: None });
        }
        for name in CANDIDATES {
            if let Some((uid, gid)) = look_up(name)?.filter(|(uid, _)| *uid != 0) {
                return Ok(Self { name: format!("user {name}"), uid, drop_to: Some(gid) });
            }
        }
        Err(Error::NoAccount)
    }

    /// The user to work as in a kept server's folder: for root, the owner of its data, or else of the folder, or else
    /// of the nearest folder above it, unless that is root.
    pub(crate) fn for_folder(dir: &Path, data: &Path) -> Result<Self, Error> {
        let default = Self::current()?;
        if !default.is_another() {
            return Ok(default);
        }
        let owner = [data].into_iter().chain(dir.ancestors()).find_map(|path| fs::metadata(path).ok());
        let account = match owner.filter(|owner| owner.uid() != 0 && owner.uid() != default.uid) {
            None => default,
            Some(owner) => {
                let uid = owner.uid();
                let gid = look_up(&uid.to_string())?.map_or(owner.gid(), |(_, gid)| gid);
                Self { name: format!("user {uid}"), uid, drop_to: Some(gid) }
            }
        };
        if look_up(SHARED)?.is_some_and(|(uid, _)| uid == account.uid) {
            return Err(Error::SharedAccount { dir: dir.to_owned(), account: SHARED });
        }
        Ok(account)
    }

    /// The user's name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this user differs from the one this process runs as.
    pub(crate) fn is_another(&self) -> bool {
        self.drop_to.is_some()
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    pub(crate) fn owns(&self, metadata: &Metadata) -> bool {
        metadata.uid() == self.uid
    }

    /// Makes this user the owner of a folder that belongs to root; an ordinary user has nothing to do.
    ///
    /// It works on the handle, since the path may lead elsewhere by now.
    pub(crate) fn own(&self, folder: &File) -> io::Result<()> {
        match self.drop_to {
            Some(gid) => fchown(folder, Some(self.uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// A command that runs a program as this user, in `/`, with no terminal and a clean environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = plain(program);
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.current_dir("/");
        if let Some(gid) = self.drop_to {
            command.uid(self.uid).gid(gid);
        }
        command
    }

    /// Whether this user passes the shell's test `flags` (such as `-x`) on the path.
    ///
    /// The shell runs only for a user other than the caller: only the system knows about access lists and mounts.
    pub(crate) fn can(&self, flags: &[&str], path: &Path) -> bool {
        !self.is_another() || self.passes(flags, path)
    }

    /// The same, tested for the caller as well.
    pub(crate) fn passes(&self, flags: &[&str], path: &Path) -> bool {
        flags.iter().all(|flag| self.shell(r#"test "$1" "$2""#, &[flag.as_ref(), path], None).is_ok())
    }

    /// Writes a file as this user, with mode 0600. A crash leaves the old content or the new one.
    ///
    /// The content passes through a pipe: the arguments of a process are visible to every user of the machine.
    pub(crate) fn write(&self, path: &Path, content: &str) -> io::Result<()> {
        let line = r#"umask 077 && rm -f -- "$1.new" && cat >"$1.new" && mv -f -- "$1.new" "$1""#;
        let mut command = self.command(Path::new(SHELL));
        command.args(["-c", line, "sh"]).arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        // Dropping the pipe ends the content.
        let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(content.as_bytes()));
        let status = child.wait()?;
        written?;
        if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
    }

    /// Removes a file or a folder as this user, if there is one.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Error> {
        self.shell(r#"rm -rf -- "$1""#, &[path], None).map_err(Error::io("remove", path))
    }

    /// Runs a line of shell as this user and discards its output; it fails when the line does.
    ///
    /// Files are handled this way where another user can write: root would follow any link that this user puts there.
    pub(crate) fn shell(&self, line: &str, arguments: &[&Path], lock: Option<&File>) -> io::Result<()> {
        let mut command = self.command(Path::new(SHELL));
        command.args(["-c", line, "sh"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(lock) = lock {
            command.stdin(lock.try_clone()?);
        }
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
    }
}

/// A command with no terminal, whose environment contains only the `PATH` to the system's programs.
fn plain(program: &Path) -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", path)
        // The programs' messages are read by this crate, and by people who search for them.
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// A shell's exit status when a program was not found.
const NOT_FOUND: i32 = 127;

/// A user's id and group, from wherever the system keeps its users (`/etc/passwd`, a directory service). None when no
/// such user exists.
fn look_up(user: &str) -> Result<Option<(u32, u32)>, Error> {
    let output = plain(Path::new(SHELL))
        .args(["-c", r#"id "$1""#, "sh", user])
        .output()
        .map_err(|source| Error::Spawn { program: SHELL.into(), account: "the caller".to_owned(), source })?;
    if output.status.code() == Some(NOT_FOUND) {
        return Err(Error::NoIdProgram);
    }
    Ok(output.status.success().then(|| parse_id(&String::from_utf8_lossy(&output.stdout))).flatten())
}

/// `uid=101(postgres) gid=104(postgres) …`, the form POSIX gives to the output of `id`.
fn parse_id(output: &str) -> Option<(u32, u32)> {
    let number = |field: &str| {
        let value = output.split_whitespace().find_map(|word| word.strip_prefix(field))?;
        let digits = value.split('(').next()?;
        digits.parse().ok()
    };
    Some((number("uid=")?, number("gid=")?))
}

#[cfg(test)]
mod tests {
    use super::parse_id;

    #[test]
    fn the_output_of_id_is_read_with_and_without_names() {
        assert_eq!(
            parse_id("uid=101(postgres) gid=104(postgres) groups=104(postgres),103(ssl-cert)\n"),
            Some((101, 104))
        );
        assert_eq!(parse_id("uid=1000 gid=1001 groups=7"), Some((1000, 1001)));
        assert_eq!(parse_id("id: 'nobody2': no such user"), None);
    }
}
