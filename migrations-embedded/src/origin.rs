//! Whether this crate made a cluster: no other one is started, changed or removed.
//!
//! A file in the cluster says so. Clusters of earlier releases lack it; they are recognised by the arguments that the
//! last server on them was started with, and get the file at the next start.

use std::fs;
use std::path::Path;

use crate::account::Account;
use crate::cluster::{self, Flush};
use crate::programs::Programs;
use crate::{Error, untrusted};

/// The file in every cluster that this crate made.
const MARKER: &str = "migrations-embedded";

const TEXT: &str = "This cluster was made by migrations-embedded, which may change it, and removes it on a reset.\n";

/// Where PostgreSQL notes a server's arguments.
const NOTED: &str = "postmaster.opts";

/// Arguments of every server that earlier releases started.
const EARLIER: &str = r#""-c" "logging_collector=off" "-c" "log_destination=stderr""#;

/// How many bytes of the arguments are read.
const LONGEST: u64 = 64 << 10;

/// Creates a cluster in `data`, a folder that does not exist yet, with the file that says who made it.
pub(crate) fn create(programs: &Programs, account: &Account, data: &Path, lock: &fs::File) -> Result<(), Error> {
    cluster::create(programs, account, data, Flush::Yes, lock)?;
    mark(data, account)
}

/// Adds the file to a cluster of an earlier release.
pub(crate) fn mark(data: &Path, account: &Account) -> Result<(), Error> {
    if is_marked(data) {
        return Ok(());
    }
    let marker = data.join(MARKER);
    account.write(&marker, TEXT).map_err(Error::io("write", &marker))?;
    untrusted::open_folder(data).and_then(|folder| folder.sync_all()).map_err(Error::io("flush", data))
}

/// Checks that this crate made the cluster.
pub(crate) fn must_be_ours(data: &Path) -> Result<(), Error> {
    if is_marked(data) || noted(data).is_some_and(|noted| noted.contains(EARLIER)) {
        return Ok(());
    }
    Err(Error::NotOurs { data: data.to_owned(), marker: data.join(MARKER) })
}

/// Checks that nobody else has used what looks like a cluster whose creation was cut off.
pub(crate) fn must_be_unfinished(data: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(data.join(NOTED)).is_ok() { must_be_ours(data) } else { Ok(()) }
}

fn is_marked(data: &Path) -> bool {
    fs::symlink_metadata(data.join(MARKER)).is_ok_and(|metadata| metadata.is_file())
}

fn noted(data: &Path) -> Option<String> {
    let bytes = untrusted::read(&data.join(NOTED), 0, LONGEST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
