//! Opens files and folders in places where another user can write, as root may have to.
//!
//! Such a user can put anything in the place of a file: a link to one that only root may read, a pipe that never ends, a
//! file that fills the memory. So no link to a file is followed, nothing is waited for, only a regular file is read, and no
//! more of it than was asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a folder; a link to one will do.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    with_flags(OpenOptions::new().read(true), OFlags::DIRECTORY).open(path)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file with these options.
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // A pipe is opened without waiting for its other end, and then refused.
    let file = with_flags(options, OFlags::NOFOLLOW | OFlags::NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The bytes of a file from `start` on, `most` at the most.
pub(crate) fn read(path: &Path, start: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn with_flags(options: &mut OpenOptions, flags: OFlags) -> &mut OpenOptions {
    options.custom_flags(flags.bits().cast_signed())
}
