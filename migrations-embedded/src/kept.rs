//! The folder of a kept server: its data in `data`, its log in `server.log`.
//!
//! A folder is inspected before anything in it is touched; a folder with other files, with a cluster that this crate
//! did not make (`origin`), or with data of another version, stays as it is. One process at a time runs the server of a
//! folder: the others wait for the folder's lock (`folder_lock`), and for the processes that a killed server left
//! running.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::account::Account;
use crate::cluster;
use crate::dev;
use crate::folder_lock::{FolderLock, Held};
use crate::origin;
use crate::processes;
use crate::programs::{Programs, Wanted};
use crate::untrusted;

pub(crate) const DATA: &str = "data";
pub(crate) const LOG: &str = "server.log";
const OLD_LOG: &str = "server.log.old";
/// Where `initdb` works before the result is renamed to [`DATA`]: a crash leaves a whole cluster or none.
const UNFINISHED: &str = "data.new";

/// Where an upgrade restores the data before the result is renamed to [`DATA`].
pub(crate) const UPGRADED: &str = "data.upgrade";
/// The dump of an upgrade, and the dump while it is written.
pub(crate) const DUMPS: [&str; 2] = ["upgrade.sql", "upgrade.sql.part"];
/// The start of the name that the data of an earlier version, such as 15, have until the upgrade is complete.
const OLD_DATA: &str = "data.old-";

/// What may be in a folder that has no cluster yet: our own files, and what a file system puts into its root.
const HARMLESS: [&str; 7] = [LOG, OLD_LOG, UNFINISHED, UPGRADED, DUMPS[0], DUMPS[1], "lost+found"];

/// How long a server takes at most to notice that its owner has ended, and how often it is looked at.
const OWNERS_END: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(20);

/// A log that has grown beyond this size is renamed at the next start.
const LARGEST_LOG: u64 = 4 << 20;

/// The default folder of a kept server that belongs to no project; a development server's is [`Project::folder`].
///
/// [`Project::folder`]: crate::Project::folder
///
/// For root it is `/var/lib/migrate/postgres`, since the server runs as another user, who cannot enter `/root`; for
/// every other user it is `migrate/postgres` in the platform's folder for a user's data: `$XDG_DATA_HOME`, else
/// `~/.local/share` (on macOS `~/Library/Application Support`). None when the user has no home.
///
/// ```
/// if let Some(dir) = migrations_embedded::default_dir() {
///     assert!(dir.ends_with("migrate/postgres"));
/// }
/// ```
pub fn default_dir() -> Option<PathBuf> {
    let is_root = rustix::process::geteuid().is_root();
    data_folder(is_root, cfg!(target_os = "macos"), |name| env::var_os(name))
        .map(|folder| folder.join("migrate").join("postgres"))
}

fn data_folder(is_root: bool, is_macos: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG specification: a relative path is to be ignored.
    let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if is_root {
        Some(PathBuf::from("/var/lib"))
    } else if is_macos {
        folder("HOME").map(|home| home.join("Library").join("Application Support"))
    } else {
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local").join("share")))
    }
}

/// A suitable folder, locked for this process and the server it starts.
#[derive(Debug)]
pub(crate) struct KeptFolder {
    dir: PathBuf,
    lock: FolderLock,
    removed: Vec<PathBuf>,
}

/// What an inspected folder contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Nothing,
    /// A cluster, with the major version of the programs that it needs.
    Cluster(u32),
}

impl KeptFolder {
    /// Inspects the folder, finds programs of the right version, waits for the lock, and creates what is missing.
    pub(crate) fn open(
        dir: &Path,
        named_programs: Option<&Path>,
        patience: Duration,
        reset: bool,
    ) -> Result<(Self, Account, Programs), Error> {
        let look_at = if reset { look_at_what_goes } else { look_at };
        let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
        let account = Account::for_folder(&dir, &dir.join(DATA))?;
        is_reachable(&dir, &account)?;
        let content = look_at(&dir, &account)?;
        if reset {
            no_server_runs(&dir)?;
        }
        let programs = fitting_programs(&dir, content, &account, named_programs)?;
        let mut folder = Self::lock(dir, &account, patience)?;
        look_at(&folder.dir, &account)?;
        if reset {
            folder.remove_all(&account)?;
        }
        folder.undo_unfinished_upgrade(&account)?;
        // The process that held the lock may have created the first cluster meanwhile, even of another version.
        let content = self::look_at(&folder.dir, &account)?;
        let programs = match content {
            Content::Cluster(major) if major != programs.major() => {
                fitting_programs(&folder.dir, content, &account, named_programs)?
            }
            _ => programs,
        };
        folder.is_writable(content, &account)?;
        if content == Content::Nothing {
            folder.fill(&programs, &account)?;
        } else {
            origin::mark(&folder.data(), &account)?;
        }
        cluster::remove_stale_pid(&folder.data(), &account)?;
        folder.put_old_log_aside(&account)?;
        Ok((folder, account, programs))
    }

    /// Inspects the folder, creates it and takes its lock; no cluster is created.
    pub(crate) fn reserve(dir: &Path, patience: Duration) -> Result<(Self, Account), Error> {
        let account = Account::for_folder(dir, &dir.join(DATA))?;
        is_reachable(dir, &account)?;
        look_at(dir, &account)?;
        Self::lock(dir.to_owned(), &account, patience).map(|folder| (folder, account))
    }

    /// Creates the folder, takes its lock, and makes sure that no server process runs in it.
    fn lock(dir: PathBuf, account: &Account, patience: Duration) -> Result<Self, Error> {
        let started = Instant::now();
        let data = dir.join(DATA);
        let Some(lock) = FolderLock::take(&dir, account, patience, || create(&dir, account))? else {
            return Err(in_use(dir, patience));
        };
        if let Err(pids) = processes::wait_for_none(&data, patience.saturating_sub(started.elapsed())) {
            return Err(at_work(dir, pids, patience));
        }
        Ok(Self { dir, lock, removed: Vec::new() })
    }

    /// The files that were removed before the server's start.
    pub(crate) fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// The handle that holds the lock, to pass on to the server's processes.
    pub(crate) fn lock_handle(&self) -> &File {
        self.lock.handle()
    }

    /// Puts the old data back when an upgrade was cut off between its two renames.
    fn undo_unfinished_upgrade(&self, account: &Account) -> Result<(), Error> {
        let data = self.data();
        let Some(old) = old_data(&self.dir).filter(|_| fs::symlink_metadata(&data).is_err()) else { return Ok(()) };
        log::warn!("an upgrade of {} was cut off; the old data is put back and nothing is lost", self.dir.display());
        self.rename(&old, &data, account)
    }

    /// Renames a cluster in the folder, and makes sure that the disk has its new name.
    pub(crate) fn rename(&self, from: &Path, to: &Path, account: &Account) -> Result<(), Error> {
        account.shell(RENAME, &[from, to], None).map_err(Error::io("rename", from))?;
        self.lock.folder().sync_all().map_err(Error::io("flush", &self.dir))
    }

    fn fill(&self, programs: &Programs, account: &Account) -> Result<(), Error> {
        let (unfinished, data) = (self.dir.join(UNFINISHED), self.data());
        account.remove(&unfinished)?;
        origin::create(programs, account, &unfinished, self.lock.handle())?;
        self.rename(&unfinished, &data, account)
    }

    fn put_old_log_aside(&self, account: &Account) -> Result<(), Error> {
        let log = self.log();
        if fs::symlink_metadata(&log).is_ok_and(|metadata| metadata.len() > LARGEST_LOG) {
            account.shell(RENAME, &[&log, &self.dir.join(OLD_LOG)], None).map_err(Error::io("rename", &log))?;
        }
        Ok(())
    }

    /// Removes an earlier server's files.
    fn remove_all(&mut self, account: &Account) -> Result<(), Error> {
        no_server_runs(&self.dir)?;
        let whole = old_data(&self.dir).into_iter().chain([self.data()]);
        let unfinished = self.dir.join(UNFINISHED);
        self.remove(unfinished.clone(), account)?;
        // Old data goes first: without new data beside it, it would be put back. A cluster that is removed in part has
        // another name: what is left counts as unfinished.
        for path in whole.filter(|path| fs::symlink_metadata(path).is_ok()) {
            self.rename(&path, &unfinished, account)?;
            account.remove(&unfinished)?;
            self.removed.push(path);
        }
        for name in [UPGRADED, DUMPS[0], DUMPS[1], LOG, OLD_LOG] {
            self.remove(self.dir.join(name), account)?;
        }
        Ok(())
    }

    fn remove(&mut self, path: PathBuf, account: &Account) -> Result<(), Error> {
        if fs::symlink_metadata(&path).is_ok() {
            account.remove(&path)?;
            self.removed.push(path);
        }
        Ok(())
    }

    /// Checks that the server's user can write where it has to.
    fn is_writable(&self, content: Content, account: &Account) -> Result<(), Error> {
        let dir = if content == Content::Nothing { self.dir.clone() } else { self.data() };
        if account.passes(&["-w", "-x"], &dir) {
            Ok(())
        } else {
            Err(Error::ReadOnly { dir, account: account.name().to_owned() })
        }
    }
}

/// Whether the folder has a cluster, of any version.
pub(crate) fn has_cluster(dir: &Path) -> bool {
    let is_cluster = |data: &Path| cluster::version(data).is_ok_and(|version| version.is_some());
    is_cluster(&dir.join(DATA)) || old_data(dir).is_some_and(|data| is_cluster(&data))
}

/// The data of an earlier version that an upgrade has left in the folder.
pub(crate) fn old_data(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut old: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(is_old_data)).map(|entry| entry.path()).collect();
    old.sort();
    old.pop()
}

/// The name that the data of this major version has during an upgrade.
pub(crate) fn old_data_name(major: u32) -> String {
    format!("{OLD_DATA}{major}")
}

fn is_old_data(name: &str) -> bool {
    name.strip_prefix(OLD_DATA)
        .is_some_and(|major| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Renames `$1` to `$2`, which does not exist, or is a file.
const RENAME: &str = r#"mv -f -- "$1" "$2""#;

/// Inspects a folder whose data, of whatever version, is to be removed: it counts as empty, or cannot be used.
fn look_at_what_goes(dir: &Path, account: &Account) -> Result<Content, Error> {
    if let Some(old) = old_data(dir) {
        usable_version(&old, account)?;
    }
    let is_cluster = usable_version(&dir.join(DATA), account)?.is_some();
    // A `data` folder that is not a cluster belongs to another program.
    no_other_things(dir, if is_cluster { &[DATA] } else { &[] }).map(|()| Content::Nothing)
}

/// Why the lock is not free.
fn in_use(dir: PathBuf, waited: Duration) -> Error {
    let pids = processes::at_work_in(&dir.join(DATA));
    if !pids.is_empty() {
        return at_work(dir, pids, waited);
    }
    let mode = fs::metadata(&dir).map_or(0, |metadata| metadata.mode() & 0o7777);
    match FolderLock::held(&dir) {
        Held::Folder if mode & 0o044 != 0 => Error::LockedByOthers { dir, mode, waited },
        Held::Beside(lock) => Error::Replaced { dir, lock, waited },
        _ => Error::InUse { dir, server: None, waited },
    }
}

/// The error for a running server, or for the processes that a killed one left.
fn at_work(dir: PathBuf, pids: Vec<u32>, waited: Duration) -> Error {
    match cluster::postmaster(&dir.join(DATA)).filter(|pid| pids.contains(pid)) {
        Some(server) => Error::InUse { dir, server: Some(server), waited },
        None => Error::Orphans { dir, pids, waited },
    }
}

/// What the folder contains, or why it cannot be used. Touches nothing.
fn look_at(dir: &Path, account: &Account) -> Result<Content, Error> {
    let data = dir.join(DATA);
    // An upgrade that was cut off leaves the old data under another name.
    let data = if data.exists() { data } else { old_data(dir).unwrap_or(data) };
    if let Some(version) = usable_version(&data, account)? {
        // `9.6` and the like: no program this crate runs can fit, and 0 is no version.
        return Ok(Content::Cluster(version.parse().map_err(|_| Error::VersionMismatch {
            dir: dir.to_owned(),
            cluster: version.clone(),
            programs: "newer".to_owned(),
        })?));
    }
    no_other_things(dir, &[]).map(|()| Content::Nothing)
}

/// The version of a cluster that this crate made, for this user; none where there is no cluster.
fn usable_version(data: &Path, account: &Account) -> Result<Option<String>, Error> {
    let version = cluster::version(data)?;
    if version.is_some() {
        is_owned(data, account)?;
        origin::must_be_ours(data)?;
    }
    Ok(version)
}

/// Checks that no server runs on the data, whoever started it. One that stops already is waited for elsewhere.
fn no_server_runs(dir: &Path) -> Result<(), Error> {
    let data = dir.join(DATA);
    let started = Instant::now();
    loop {
        let server = cluster::postmaster(&data).filter(|pid| processes::is_server_of(*pid, &data));
        let Some(server) = server.filter(|_| !cluster::is_stopping(&data)) else { return Ok(()) };
        if started.elapsed() > OWNERS_END {
            return Err(Error::StillRuns { dir: dir.to_owned(), server });
        }
        thread::sleep(INTERVAL);
    }
}

/// Checks that the folder contains only harmless or expected entries. A missing folder counts as empty.
fn no_other_things(dir: &Path, expected: &[&str]) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read the folder", dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(Error::io("read the folder", dir))?.file_name();
        let is_ours = name.to_str().is_some_and(|name| dev::FILES.contains(&name) || is_old_data(name));
        if !is_ours && !HARMLESS.iter().chain(expected).any(|known| name == *known) {
            let entry = name.to_string_lossy().into_owned();
            return Err(Error::NotACluster { dir: dir.to_owned(), entry });
        }
    }
    [UNFINISHED, UPGRADED].iter().try_for_each(|name| origin::must_be_unfinished(&dir.join(name)))
}

fn is_owned(path: &Path, account: &Account) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("look at", path))?;
    if account.owns(&metadata) {
        Ok(())
    } else {
        Err(Error::NotOwner { path: path.to_owned(), owner: metadata.uid(), account: account.name().to_owned() })
    }
}

/// Checks that the server's user can reach the folder, which may not exist yet.
fn is_reachable(dir: &Path, account: &Account) -> Result<(), Error> {
    let way: Vec<&Path> = dir.ancestors().skip(1).filter(|ancestor| ancestor.exists()).collect();
    // The nearest one decides for all of them; the closed one is only searched for when it matters.
    if way.first().is_none_or(|nearest| account.can(&["-x"], nearest)) {
        return Ok(());
    }
    let closed = way.iter().rev().find(|ancestor| !account.can(&["-x"], ancestor));
    Err(Error::Unreachable {
        dir: dir.to_owned(),
        closed: closed.map_or_else(|| dir.to_owned(), |closed| closed.to_path_buf()),
        account: account.name().to_owned(),
    })
}

fn fitting_programs(dir: &Path, content: Content, account: &Account, named: Option<&Path>) -> Result<Programs, Error> {
    let wanted = match content {
        Content::Nothing => None,
        Content::Cluster(major) => Some(Wanted { major, dir }),
    };
    Programs::find(account, named, wanted)
}

/// Creates the folder and its missing parents, and gives it to the server's user unless it already belongs to another
/// user.
fn create(dir: &Path, account: &Account) -> Result<(), Error> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    let nearest = dir.ancestors().nth(missing.len()).and_then(|nearest| fs::metadata(nearest).ok());
    if account.is_another() && nearest.is_some_and(|metadata| account.owns(&metadata)) {
        account.shell(r#"umask 077 && mkdir -p "$1""#, &[dir], None).map_err(Error::io("create", dir))?;
    } else {
        for folder in missing.into_iter().rev() {
            make(folder, if folder == dir { 0o700 } else { 0o755 }, account)?;
        }
    }
    let folder = untrusted::open_folder(dir).map_err(Error::io("open", dir))?;
    let metadata = folder.metadata().map_err(Error::io("look at", dir))?;
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        account.own(&folder).map_err(Error::io("give the server's user the folder", dir))
    } else {
        is_owned(dir, account)
    }
}

/// Creates a folder. For a user other than the caller it gets exactly this mode, whatever the caller's umask: that user
/// has to pass through it. A folder that another process has created meanwhile stays as it is.
fn make(folder: &Path, mode: u32, account: &Account) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) if account.is_another() => {
            fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(Error::io("set the mode of", folder))
        }
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::io("create", folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(is_root: bool, is_macos: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        data_folder(is_root, is_macos, |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_default_folder_follows_the_platform() {
        let home = [("HOME", "/home/ada")];
        assert_eq!(folder(true, false, &home), Some("/var/lib".into()));
        assert_eq!(folder(false, false, &home), Some("/home/ada/.local/share".into()));
        assert_eq!(folder(false, true, &home), Some("/home/ada/Library/Application Support".into()));
        assert_eq!(folder(false, false, &[("XDG_DATA_HOME", "/data"), home[0]]), Some("/data".into()));
        assert_eq!(folder(false, false, &[("XDG_DATA_HOME", "data"), home[0]]), Some("/home/ada/.local/share".into()));
        assert_eq!(folder(false, false, &[]), None);
    }
}
