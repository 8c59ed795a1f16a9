//! The process that runs a folder's server, as the other processes of the project see it.
//!
//! The owner writes its process id into a file under the folder's lock. The file only names the process: the lock
//! decides who owns the folder, so the file stays when its process has ended, and does no harm.

use std::env;
use std::fmt;
use std::path::Path;

use crate::Error;
use crate::account::Account;
use crate::{processes, untrusted};

/// The file in the server's folder.
pub(crate) const FILE: &str = "owner";

/// How many bytes of the file are read.
const LONGEST: u64 = 4096;

/// The process that runs a development server; it displays as `process 4711 (migrate)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pid: u32,
    program: String,
}

impl Owner {
    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file name of the process's program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// This process. Only the program's name is told: its arguments can hold a password.
    pub(crate) fn this_process() -> Self {
        let program = env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Self { pid: std::process::id(), program: program.unwrap_or_else(|| "an unknown program".to_owned()) }
    }

    /// The process that the folder's file names, if it still runs.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let bytes = untrusted::read(&dir.join(FILE), 0, LONGEST).ok()?;
        let owner = Self::parse(&String::from_utf8_lossy(&bytes))?;
        processes::is_alive(owner.pid).then_some(owner)
    }

    pub(crate) fn write(&self, dir: &Path, account: &Account) -> Result<(), Error> {
        let path = dir.join(FILE);
        account.write(&path, &format!("{}\n{}\n", self.pid, self.program)).map_err(Error::io("write", &path))
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, program) = text.trim_end().split_once('\n')?;
        let program = program.chars().filter(|character| !character.is_control()).collect();
        Some(Self { pid: pid.parse().ok()?, program })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_a_process_or_nothing() {
        let owner = Owner::parse("4711\nmigrate\n").unwrap();
        assert_eq!(owner.to_string(), "process 4711 (migrate)");
        assert_eq!(Owner::parse("4711\n\u{1b}[2Jx\n").unwrap().program(), "[2Jx");
        for text in ["", "4711", "x\nmigrate"] {
            assert_eq!(Owner::parse(text), None, "{text:?}");
        }
    }
}
