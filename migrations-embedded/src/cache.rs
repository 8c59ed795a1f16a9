//! Clusters fresh from `initdb`, kept to be copied: a throwaway server then starts in a fraction of the time.
//!
//! Every user has a folder of their own, since a cluster that another user prepared could run anything as this user;
//! the folder has one cluster for every build of the programs. A cluster is built elsewhere and renamed into place, so
//! it is complete or absent. A job that cleans up temporary files may later remove some of its files: each copy checks
//! the number of entries, and a cluster that lacks any is rebuilt.

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
use crate::run_folder::{RunFolder, is_still_there};
use crate::untrusted;

/// How long to wait for another process that builds the same cluster, before building one without it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Moves the cluster that was built as `$1` to its place `$2`, over an incomplete one.
const PLACE: &str = r#"
    find "$1/data" | wc -l >"$1/entries" && rm -rf "$2" && mv "$1" "$2" || { rm -rf "$1"; false; }
"#;

/// Copies the prepared cluster `$1` to `$2`.
const COPY: &str = r#"
    umask 077
    cp -R "$1/data" "$2" && [ "$(find "$2" | wc -l)" -eq "$(cat "$1/entries")" ] || { rm -rf "$2"; false; }
"#;

/// Creates the folder `data` in `run` with a fresh cluster.
pub(crate) fn provide(programs: &Programs, account: &Account, run: &RunFolder, data: &Path) -> Result<(), Error> {
    if let Some(cache) = Cache::open(account, run) {
        let prepared = cache.prepared(programs);
        if prepared.copy_to(data, account, run) || cache.rebuild(&prepared, programs, account, run, data)? {
            return Ok(());
        }
        log::debug!("no prepared cluster can be kept in {}", cache.folder.display());
    }
    cluster::create(programs, account, data, Flush::No, run.lock())
}

/// The folder of one user's prepared clusters.
struct Cache {
    folder: PathBuf,
    handle: File,
}

impl Cache {
    /// None when the folder cannot be created, or another user has access to it.
    fn open(account: &Account, run: &RunFolder) -> Option<Self> {
        let folder = run.path().parent()?.join(format!("migrate-initdb-{}", account.uid()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            _ => {}
        }
        let handle = untrusted::open_folder(&folder).ok()?;
        // Root creates the folder and then changes its owner; another process may find it in between.
        if is_still_there(&folder, &handle) && handle.metadata().ok()?.uid() == rustix::process::geteuid().as_raw() {
            account.own(&handle).ok()?;
        }
        // Any user can create a folder or a link of this name before us.
        let metadata = fs::symlink_metadata(&folder).ok()?;
        let private = metadata.is_dir() && metadata.mode() & 0o777 == 0o700 && account.owns(&metadata);
        (private && is_still_there(&folder, &handle)).then_some(Self { folder, handle })
    }

    fn prepared(&self, programs: &Programs) -> Prepared {
        let mut hasher = DefaultHasher::new();
        (cluster::ARGUMENTS, programs.version(), programs.folder()).hash(&mut hasher);
        let name = format!("{}-{:016x}", programs.major(), hasher.finish());
        Prepared { folder: self.folder.join(name) }
    }

    /// Prepares a cluster, unless another process has just done so, and copies it; `Ok(false)` when that is impossible.
    fn rebuild(
        &self,
        prepared: &Prepared,
        programs: &Programs,
        account: &Account,
        run: &RunFolder,
        data: &Path,
    ) -> Result<bool, Error> {
        // Several processes that start at once need one cluster, not one each. Dropping the handle releases the lock.
        if !lock::lock_within(&self.handle, PATIENCE).unwrap_or(false) {
            return Ok(false);
        }
        if prepared.copy_to(data, account, run) {
            return Ok(true);
        }
        Ok(prepared.build(programs, account, run)? && prepared.copy_to(data, account, run))
    }
}

/// A cluster to be copied: its `data`, and the number of its entries in the file `entries`.
struct Prepared {
    folder: PathBuf,
}

impl Prepared {
    /// Whether it exists now.
    fn build(&self, programs: &Programs, account: &Account, run: &RunFolder) -> Result<bool, Error> {
        let building = run.path().join("initdb");
        cluster::create(programs, account, &building.join("data"), Flush::No, run.lock())?;
        Ok(account.shell(PLACE, &[&building, &self.folder], Some(run.lock())).is_ok())
    }

    /// Whether `data` is now a complete copy; otherwise it does not exist.
    fn copy_to(&self, data: &Path, account: &Account, run: &RunFolder) -> bool {
        self.folder.exists() && account.shell(COPY, &[&self.folder, data], Some(run.lock())).is_ok()
    }
}
