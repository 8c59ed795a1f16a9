//! Opens files and folders in places where another user can write, as root may have to.
//!
//! Such a user can replace a file with anything: a link to a file that only root may read, a pipe that never ends, a
//! file that fills the memory. So these functions follow no link to a file, wait for nothing, and read only regular
//! files, and no more bytes than the caller asks for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a folder; a link to a folder is followed.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    with_flags(OpenOptions::new().read(true), OFlags::DIRECTORY).open(path)
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file with these options.
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // This opens a pipe without waiting for its other end; it is then refused.
    let file = with_flags(options, OFlags::NOFOLLOW | OFlags::NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The bytes of a file from `start` on, at most `most`.
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
