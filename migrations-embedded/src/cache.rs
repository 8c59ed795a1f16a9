//! Clusters fresh from `initdb`, kept to be copied: a throwaway server then starts in a fraction of the time.
//!
//! One folder a user, since a cluster somebody else prepared could run anything as this user; one cluster in it for every
//! build of the programs. A cluster is built elsewhere and renamed into its place, so there is a whole one or none. What
//! clears out folders for temporary files may later take some files away: the number of entries is checked with each copy,
//! and a cluster that lacks any is built anew.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::account::Account;
use crate::cluster::{self, Flush};
use crate::lock;
use crate::programs::Programs;

/// How long to wait for another process that builds the same cluster, before building one without it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fills `data` with a fresh cluster. `workshop` is a folder on the same file system that is removed after a crash.
pub(crate) fn provide(programs: &Programs, account: &Account, workshop: &Path, data: &Path) -> Result<(), Error> {
    if let Some(cache) = Cache::open(account, workshop) {
        let entry = cache.entry(programs);
        if entry.copy_to(data, account) {
            return Ok(());
        }
        match cache.rebuild(&entry, programs, account, workshop, data) {
            Ok(true) => return Ok(()),
            Ok(false) => log::debug!("no prepared cluster could be kept in {}", cache.folder.display()),
            Err(error) => return Err(error),
        }
    }
    cluster::create(programs, account, data, Flush::No)
}

/// The folder of one user's prepared clusters.
struct Cache {
    folder: PathBuf,
    handle: File,
}

impl Cache {
    /// None where the folder cannot be made, or is not ours alone.
    fn open(account: &Account, workshop: &Path) -> Option<Self> {
        let folder = workshop.parent()?.join(format!("migrate-initdb-{}", account.uid()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            _ => {}
        }
        // Root makes the folder and then gives it away; another process may find it in between.
        if fs::symlink_metadata(&folder).ok()?.uid() == rustix::process::geteuid().as_raw() {
            account.own(&folder).ok()?;
        }
        // Anybody can make a folder of this name before us.
        let metadata = fs::symlink_metadata(&folder).ok()?;
        let private = metadata.is_dir() && metadata.mode() & 0o777 == 0o700 && account.owns(&metadata);
        private.then_some(())?;
        let handle = File::open(&folder).ok()?;
        Some(Self { folder, handle })
    }

    fn entry(&self, programs: &Programs) -> Prepared {
        let mut hasher = DefaultHasher::new();
        (cluster::ARGUMENTS, programs.version(), programs.folder()).hash(&mut hasher);
        let name = format!("{}-{:016x}", programs.major(), hasher.finish());
        Prepared { folder: self.folder.join(name) }
    }

    /// Puts a cluster into its place, unless another process has just done so, and copies it; `Ok(false)` where that
    /// cannot be done.
    fn rebuild(
        &self,
        entry: &Prepared,
        programs: &Programs,
        account: &Account,
        workshop: &Path,
        data: &Path,
    ) -> Result<bool, Error> {
        // Several processes that start at once need one cluster, not one each.
        if !lock::lock_within(&self.handle, PATIENCE).unwrap_or(false) {
            return Ok(false);
        }
        let done = if entry.copy_to(data, account) {
            Ok(true)
        } else {
            entry.build(programs, account, workshop).map(|built| built && entry.copy_to(data, account))
        };
        // The handle's end would do the same: said here because the order matters.
        let _ = self.handle.unlock();
        done
    }
}

/// A cluster to be copied: its `data`, and the number of its entries in the file `entries`.
struct Prepared {
    folder: PathBuf,
}

impl Prepared {
    fn build(&self, programs: &Programs, account: &Account, workshop: &Path) -> Result<bool, Error> {
        let building = workshop.join("initdb");
        cluster::create(programs, account, &building.join("data"), Flush::No)?;
        let placed = count(&building.join("data"))
            .and_then(|entries| fs::write(building.join("entries"), entries.to_string()))
            .and_then(|()| clear(&self.folder))
            .and_then(|()| fs::rename(&building, &self.folder));
        if let Err(error) = &placed {
            log::debug!("could not keep a cluster as {}: {error}", self.folder.display());
            clear(&building).map_err(Error::io("remove", &building))?;
        }
        Ok(placed.is_ok())
    }

    /// Whether `data` is now a whole copy; it does not exist otherwise.
    fn copy_to(&self, data: &Path, account: &Account) -> bool {
        let whole = fs::read_to_string(self.folder.join("entries"))
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
            .is_some_and(|entries| {
                copy(&self.folder.join("data"), data, account).is_ok_and(|copied| copied == entries)
            });
        whole || {
            let _ = clear(data);
            false
        }
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn count(folder: &Path) -> io::Result<usize> {
    let mut entries = 1;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(entries)
}

/// Copies a folder of folders and files, and returns how many there were; the copy belongs to the account.
fn copy(from: &Path, to: &Path, account: &Account) -> io::Result<usize> {
    DirBuilder::new().mode(0o700).create(to)?;
    account.own(to)?;
    let mut entries = 1;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            entries += copy(&entry.path(), &target, account)?;
        } else {
            fs::copy(entry.path(), &target)?;
            account.own(&target)?;
            entries += 1;
        }
    }
    Ok(entries)
}
