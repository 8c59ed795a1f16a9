//! The temporary folder of a running server: its socket, and for a throwaway server its data and its log.
//!
//! The folder is private (mode 0700, owned by the user the server runs as) and locked for as long as a process of the
//! server lives. Whoever starts the next server removes the folders that nobody holds any more: what a machine that lost
//! its power, or a supervisor that was itself killed, has left behind.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;
use crate::account::Account;
use crate::lock;

const PREFIX: &str = "migrate-pg-";

/// The longest path of a folder that run folders can be made in: a socket's path must stay below 104 bytes on macOS (108
/// on Linux), and `/migrate-pg-XXXXXX/.s.PGSQL.65535` comes on top.
const LONGEST_BASE: usize = 68;

/// The folder, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    folder: TempDir,
    lock: File,
}

impl RunFolder {
    /// Removes what dead servers left, and makes a folder for a new one.
    pub(crate) fn create(account: &Account) -> Result<Self, Error> {
        let base = base(account)?;
        sweep(&base, account);
        // Another process may sweep the folder between its creation and its lock: then make another.
        loop {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(&base)
                .map_err(Error::io("create a folder in", &base))?;
            let path = folder.path();
            let lock = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(Error::io("open", path))?,
            };
            let locked = lock::try_lock(&lock).map_err(Error::io("lock", path))?;
            if locked && is_still_there(path, &lock) {
                account.own(&lock).map_err(Error::io("give the server's user the folder", path))?;
                return Ok(Self { folder, lock });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The handle that holds the lock, to be passed on to the server's processes.
    pub(crate) fn lock(&self) -> &File {
        &self.lock
    }
}

/// The first folder for temporary files that the server's user can use and whose path is short enough for a socket.
fn base(account: &Account) -> Result<PathBuf, Error> {
    let mut tried: Vec<PathBuf> = Vec::new();
    for base in [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")] {
        if tried.contains(&base) {
            continue;
        }
        if base.is_absolute()
            && base.as_os_str().len() <= LONGEST_BASE
            && is_writable(&base)
            && account.can(&["-w", "-x"], &base)
        {
            return Ok(base);
        }
        tried.push(base);
    }
    Err(Error::NoTempFolder { tried, account: account.name().to_owned(), longest: LONGEST_BASE })
}

/// Tries it, since only the system knows about access lists and read-only mounts.
fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// Whether the path, followed through no link, is still the folder that was opened.
pub(crate) fn is_still_there(path: &Path, handle: &File) -> bool {
    match (fs::symlink_metadata(path), handle.metadata()) {
        (Ok(named), Ok(held)) => (named.dev(), named.ino()) == (held.dev(), held.ino()),
        _ => false,
    }
}

/// Removes the folders of dead servers that ran as this user. What cannot be removed is left alone: it is in nobody's way.
fn sweep(base: &Path, account: &Account) {
    let folders = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.is_dir() && is_ours(&metadata, account)));
    for folder in folders {
        let path = folder.path();
        let Ok(handle) = File::open(&path) else {
            continue;
        };
        if matches!(lock::try_lock(&handle), Ok(true)) && is_still_there(&path, &handle) {
            match fs::remove_dir_all(&path) {
                Ok(()) => log::info!("removed {}, left behind by a server that is gone", path.display()),
                Err(error) => log::debug!("could not remove {}: {error}", path.display()),
            }
        }
    }
}

/// A folder of the server's user, or one that this process's user made and has not given away yet.
fn is_ours(metadata: &fs::Metadata, account: &Account) -> bool {
    account.owns(metadata) || metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_nobody_holds_is_swept_and_one_in_use_is_not() {
        let account = Account::current().unwrap();
        let alive = RunFolder::create(&account).unwrap();
        let base = alive.path().parent().unwrap();
        let dead = base.join(format!("{PREFIX}left-by-{}", std::process::id()));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("log"), "").unwrap();

        let next = RunFolder::create(&account).unwrap();

        assert!(!dead.exists());
        assert!(alive.path().exists());
        assert!(next.path().exists());
    }

    #[test]
    fn folders_made_at_once_do_not_sweep_each_other() {
        let account = Account::current().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let folder = RunFolder::create(&account).unwrap();
                        assert!(folder.path().exists());
                    }
                });
            }
        });
    }

    #[test]
    fn the_folder_is_private_and_gone_when_dropped() {
        let account = Account::current().unwrap();
        let folder = RunFolder::create(&account).unwrap();
        let metadata = fs::metadata(folder.path()).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o700);
        assert_eq!(metadata.uid(), account.uid());
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
