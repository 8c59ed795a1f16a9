//! The temporary folder of a running server: its socket, and for a throwaway server its data and its log.
//!
//! The folder is private (mode 0700, owned by the user that the server runs as) and locked as long as a process of the
//! server lives. The start of the next server removes the folders that are no longer locked: those that a machine
//! without power, or a killed supervisor, left behind.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::lock;
use crate::untrusted;

const PREFIX: &str = "migrate-pg-";

/// The prefix of a folder's name until it is locked.
const UNLOCKED: &str = "migrate-new-pg-";

/// When an unlocked folder is older than this, the process that created it has ended: locking takes less than a
/// millisecond.
const UNLOCKED_FOR: Duration = Duration::from_mins(10);

/// The longest path of a folder that run folders can be created in: a socket's path must stay below 104 bytes on macOS
/// (108 on Linux), and `/migrate-pg-XXXXXX/.s.PGSQL.65535` is appended to it.
const LONGEST_BASE: usize = 68;

/// The longest path of a folder with a socket in it.
pub(crate) const LONGEST_SOCKET_DIR: usize = LONGEST_BASE + "/migrate-pg-XXXXXX".len();

/// The folder, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    lock: File,
}

impl RunFolder {
    /// Removes the folders of dead servers, and creates a folder for a new one.
    pub(crate) fn create(account: &Account) -> Result<Self, Error> {
        let base = base(account)?;
        sweep(&base, account);
        loop {
            // Until the folder is locked, its name is one that other processes do not sweep.
            let folder = tempfile::Builder::new()
                .prefix(UNLOCKED)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(&base)
                .map_err(Error::io("create a folder in", &base))?;
            let lock = File::open(folder.path()).map_err(Error::io("open", folder.path()))?;
            if !lock::try_lock(&lock).map_err(Error::io("lock", folder.path()))? {
                continue;
            }
            let name = folder.path().file_name().unwrap_or_default().to_string_lossy().replace(UNLOCKED, PREFIX);
            let path = base.join(name);
            match fs::rename(folder.path(), &path) {
                // The name is taken by a folder that is not empty.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => continue,
                renamed => renamed.map_err(Error::io("rename a folder to", &path))?,
            }
            // The folder no longer exists under this name, so there is nothing to remove on drop.
            let _ = folder.keep();
            let made = Self { path, lock };
            account.own(&made.lock).map_err(Error::io("give the server's user the folder", &made.path))?;
            return Ok(made);
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The handle that holds the lock, to pass on to the server's processes.
    pub(crate) fn lock(&self) -> &File {
        &self.lock
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // The supervisor may have removed it; the next server sweeps a folder that cannot be removed.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The first folder for temporary files that the server's user can use and whose path is short enough for a socket.
pub(crate) fn base(account: &Account) -> Result<PathBuf, Error> {
    let mut tried: Vec<PathBuf> = Vec::new();
    for base in [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")] {
        if tried.contains(&base) {
            continue;
        }
        // The server's settings name the folder and have to be UTF-8.
        if base.is_absolute()
            && base.to_str().is_some()
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

/// Tries to write, since only the system knows about access lists and read-only mounts.
fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// Whether the path, without following a link, is still the folder that was opened.
pub(crate) fn is_still_there(path: &Path, handle: &File) -> bool {
    match (fs::symlink_metadata(path), handle.metadata()) {
        (Ok(named), Ok(held)) => (named.dev(), named.ino()) == (held.dev(), held.ino()),
        _ => false,
    }
}

/// Removes the folders of dead servers that ran as this user. A folder that cannot be removed is left alone: it does no
/// harm.
fn sweep(base: &Path, account: &Account) {
    let folders = fs::read_dir(base).into_iter().flatten().flatten().filter(|entry| {
        let is_named = |prefix: &str| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
        let Ok(metadata) = entry.metadata() else { return false };
        let is_server = is_named(PREFIX) || is_named(UNLOCKED) && is_older_than(&metadata, UNLOCKED_FOR);
        is_server && metadata.is_dir() && is_ours(&metadata, account)
    });
    for folder in folders {
        let path = folder.path();
        let Ok(handle) = untrusted::open_folder(&path) else {
            continue;
        };
        if matches!(lock::try_lock(&handle), Ok(true)) && is_still_there(&path, &handle) {
            match fs::remove_dir_all(&path) {
                Ok(()) => log::info!("removed {}, left behind by a server that has ended", path.display()),
                Err(error) => log::debug!("could not remove {}: {error}", path.display()),
            }
        }
    }
}

fn is_older_than(metadata: &fs::Metadata, age: Duration) -> bool {
    metadata.modified().is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Whether the folder belongs to the server's user, or to this process's user, who has not handed it over yet.
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
        // Renamed when it is complete: the tests of other processes sweep, too.
        let made = base.join(format!("{UNLOCKED}left-by-{}", std::process::id()));
        fs::create_dir(&made).unwrap();
        fs::write(made.join("log"), "").unwrap();
        fs::rename(&made, &dead).unwrap();

        let next = RunFolder::create(&account).unwrap();

        assert!(!dead.exists());
        assert!(alive.path().exists());
        assert!(next.path().exists());
    }

    #[test]
    fn a_folder_that_is_not_locked_yet_is_not_swept_until_whoever_made_it_is_gone() {
        let account = Account::current().unwrap();
        let base = RunFolder::create(&account).unwrap().path().parent().unwrap().to_owned();
        let [fresh, stale] = ["fresh", "stale"].map(|age| base.join(format!("{UNLOCKED}{age}-{}", std::process::id())));
        for folder in [&fresh, &stale] {
            fs::create_dir(folder).unwrap();
        }
        let long_ago = std::time::SystemTime::now() - 2 * UNLOCKED_FOR;
        File::open(&stale).unwrap().set_modified(long_ago).unwrap();

        RunFolder::create(&account).unwrap();
        let left = [fresh.exists(), stale.exists()];
        fs::remove_dir(&fresh).unwrap();
        assert_eq!(left, [true, false]);
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
