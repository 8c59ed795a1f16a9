//! The lock of a kept server's folder: a file beside it, and the folder itself.
//!
//! A lock on the folder alone is lost with the folder: after `rm -rf` and `mkdir`, another folder has its name and no
//! lock, while the server of the first folder still runs. So a file beside the folder is locked, whose name is the
//! folder's name followed by `.lock`. The file is private, so that no other user can take its lock, and it is never
//! removed.
//!
//! When the server's user cannot write to the parent folder, no such file can be created; that user cannot replace the
//! folder either, so the folder's own lock is enough. That lock is taken in any case: for processes that cannot create
//! the file, and for two paths that lead to the same folder.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;
use crate::account::Account;
use crate::run_folder::is_still_there;
use crate::{lock, untrusted};

/// Creates the file `$1` as the server's user, who may differ from the caller.
const MAKE: &str = r#"umask 077 && : >>"$1""#;

/// Both locks, held as long as a copy of their handles is open.
#[derive(Debug)]
pub(crate) struct FolderLock {
    folder: File,
    beside: Option<File>,
}

/// Which of the two locks another process holds.
#[derive(Debug)]
pub(crate) enum Held {
    Both,
    /// The folder's own lock, but not the file's.
    Folder,
    /// The file's lock, but not the lock of the folder that exists now.
    Beside(PathBuf),
}

impl FolderLock {
    /// Takes both locks as soon as they are free; none after `patience`. `make` creates the folder if it is missing,
    /// since the process that held the lock may have removed it.
    pub(crate) fn take(
        dir: &Path,
        account: &Account,
        patience: Duration,
        make: impl Fn() -> Result<(), Error>,
    ) -> Result<Option<Self>, Error> {
        let started = Instant::now();
        let left = || patience.saturating_sub(started.elapsed());
        loop {
            make()?;
            let Ok(path) = beside(dir) else { continue };
            let beside = path.as_deref().map_or(Ok(None), |path| open(path, account))?;
            if let (Some(file), Some(path)) = (&beside, &path) {
                if !lock::lock_within(file, left()).map_err(Error::io("lock", path))? {
                    return Ok(None);
                }
                if !is_still_there(path, file) {
                    continue;
                }
            }
            make()?;
            let folder = match untrusted::open_folder(dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(Error::io("open", dir))?,
            };
            if !lock::lock_within(&folder, left()).map_err(Error::io("lock", dir))? {
                return Ok(None);
            }
            // A process with the right to create the file has created and locked it since.
            if beside.is_none() && path.is_some_and(|path| path.exists()) {
                continue;
            }
            // A link to the folder is a valid name for it.
            if fs::canonicalize(dir).is_ok_and(|dir| is_still_there(&dir, &folder)) {
                return Ok(Some(Self { folder, beside }));
            }
        }
    }

    /// Which of the two another process holds.
    pub(crate) fn held(dir: &Path) -> Held {
        let is_taken = |opened: io::Result<File>| opened.is_ok_and(|file| matches!(lock::try_lock(&file), Ok(false)));
        let beside = beside(dir).ok().flatten().filter(|path| is_taken(untrusted::open(path)));
        match (is_taken(untrusted::open_folder(dir)), beside) {
            (true, None) => Held::Folder,
            (false, Some(path)) => Held::Beside(path),
            _ => Held::Both,
        }
    }

    /// The handle to pass on to the server's processes, which hold the lock as long as one of them lives.
    pub(crate) fn handle(&self) -> &File {
        self.beside.as_ref().unwrap_or(&self.folder)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &File {
        &self.folder
    }
}

/// The file beside the folder, after all links are resolved; none for `/`.
fn beside(dir: &Path) -> io::Result<Option<PathBuf>> {
    let dir = fs::canonicalize(dir)?;
    let named = dir.file_name().map(|name| {
        let mut name = OsString::from(name);
        name.push(".lock");
        dir.with_file_name(name)
    });
    Ok(named)
}

/// Opens the file, and creates it if it is missing; none when that is impossible.
fn open(path: &Path, account: &Account) -> Result<Option<File>, Error> {
    let missing = |opened: &io::Result<File>| matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound);
    let mut opened = untrusted::open(path);
    if missing(&opened) {
        // As the server's user first: root would follow that user's links.
        if account.shell(MAKE, &[path], None).is_err() && account.is_another() {
            make_as_root(path, account)?;
        }
        opened = untrusted::open(path);
    }
    match opened {
        Ok(file) => {
            let owner = file.metadata().map_err(Error::io("look at", path))?.uid();
            let caller = rustix::process::geteuid().as_raw();
            if [account.uid(), caller, 0].contains(&owner) {
                Ok(Some(file))
            } else {
                Err(Error::LockFile { path: path.to_owned() })
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::io("open the lock", path)(error)),
        Err(_) => Err(Error::LockFile { path: path.to_owned() }),
    }
}

/// Creates the file in a folder that only root may write to, and gives it to the server's user.
fn make_as_root(path: &Path, account: &Account) -> Result<(), Error> {
    let made = untrusted::open_with(OpenOptions::new().write(true).create_new(true).mode(0o600), path);
    match made {
        Ok(file) => account.own(&file).map_err(Error::io("give the server's user the lock", path)),
        // Another process was faster, or the file system is read-only.
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::ReadOnlyFilesystem) => {
            Ok(())
        }
        Err(error) => Err(Error::io("make the lock", path)(error)),
    }
}
