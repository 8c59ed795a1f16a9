//! The project that a directory belongs to, which owns a development server by its path: two checkouts of one
//! repository have a server each.

use std::env;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::kept::default_dir;

/// The file in a server's folder that names the project, for a person who looks for folders to delete.
pub(crate) const FILE: &str = "project";

/// The longest part of a project's name in the name of its folder: the path of a socket has to fit below it.
const LONGEST_NAME: usize = 32;

/// A project: the directory that holds everything which uses one development server.
///
/// ```
/// let project = migrations_embedded::Project::of_directory(".".as_ref())?;
/// assert!(project.root().is_absolute());
/// # Ok::<(), migrations_embedded::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project of the current directory. See [`of_directory`](Self::of_directory).
    ///
    /// # Errors
    ///
    /// When the current directory does not exist, or cannot be read.
    ///
    /// ```
    /// let project = migrations_embedded::Project::current()?;
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn current() -> Result<Self, Error> {
        let dot = Path::new(".");
        let directory = env::current_dir().map_err(Error::io("find the current directory", dot))?;
        Self::of_directory(&directory)
    }

    /// The project of a directory: the nearest directory upwards whose `Cargo.toml` has a `[workspace]`, or else the
    /// nearest one with a `Cargo.toml`, or else the nearest one with a `.git`, or else the directory itself.
    ///
    /// # Errors
    ///
    /// When the directory does not exist.
    pub fn of_directory(directory: &Path) -> Result<Self, Error> {
        let directory = fs::canonicalize(directory).map_err(Error::io("find the directory", directory))?;
        let nearest = |is_root: &dyn Fn(&Path) -> bool| directory.ancestors().find(|ancestor| is_root(ancestor));
        let root = nearest(&|ancestor| is_workspace(&ancestor.join("Cargo.toml")))
            .or_else(|| nearest(&|ancestor| ancestor.join("Cargo.toml").is_file()))
            .or_else(|| nearest(&|ancestor| ancestor.join(".git").exists()))
            .unwrap_or(&directory);
        Ok(Self { root: root.to_owned() })
    }

    /// The project's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the project's server: in the folder of [`default_dir`], named by the project's directory and a
    /// hash of its path. None when the user has no home.
    ///
    /// ```
    /// let project = migrations_embedded::Project::current()?;
    /// if let Some(folder) = project.folder() {
    ///     println!("{}", folder.display()); // ~/.local/share/migrate/orders-4f1d0c9a7be35128
    /// }
    /// # Ok::<(), migrations_embedded::Error>(())
    /// ```
    pub fn folder(&self) -> Option<PathBuf> {
        let name: String = self.name().chars().map(|c| if is_plain(c) { c } else { '-' }).take(LONGEST_NAME).collect();
        let hash = hash(self.root.as_os_str().as_bytes());
        default_dir().map(|folder| folder.with_file_name(format!("{name}-{hash:016x}")))
    }

    /// The name of the role and the database for the project's application.
    pub(crate) fn database_name(&self) -> String {
        database_name(&self.name())
    }

    fn name(&self) -> String {
        self.root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// Whether a manifest declares a workspace. One that cannot be read does not.
fn is_workspace(manifest: &Path) -> bool {
    let text = match fs::read_to_string(manifest) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                log::debug!("{} cannot be read: {error}", manifest.display());
            }
            return false;
        }
    };
    text.lines().map(str::trim_start).any(|line| line.starts_with("[workspace]") || line.starts_with("[workspace."))
}

/// The longest name of a role or a database, in bytes.
const LONGEST_DATABASE_NAME: usize = 63;

/// Names that PostgreSQL reserves for roles or databases of its own.
const RESERVED: [&str; 5] = ["postgres", "template0", "template1", "public", "none"];

/// A name that needs no quotes anywhere: lower-case letters, digits and underscores, beginning with a letter.
fn database_name(project: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = project.chars().map(plain).take(LONGEST_DATABASE_NAME - "app_".len()).collect();
    let name = name.trim_matches('_');
    let is_usable =
        name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.starts_with("pg_") && !RESERVED.contains(&name);
    match name {
        "" => "app".to_owned(),
        name if is_usable => name.to_owned(),
        name => format!("app_{name}"),
    }
}

/// FNV-1a: the name of a folder must not change with the version of the compiler, as the standard library's hashes may.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_directory_belongs_to_its_workspace_or_package_or_repository_or_to_itself() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        make(
            &root,
            &[
                ("work/Cargo.toml", "[package]\n[workspace.dependencies]\n"),
                ("work/member/Cargo.toml", "[package]\n"),
                ("work/member/src/lib.rs", ""),
                ("package/Cargo.toml", "[package]\n"),
                ("package/.git/HEAD", ""),
                ("package/src/lib.rs", ""),
                ("repository/.git/HEAD", ""),
                ("repository/a/b/file", ""),
                ("plain/a/file", ""),
            ],
        );
        for (directory, project) in [
            ("work/member/src", "work"),
            ("work", "work"),
            ("package/src", "package"),
            ("repository/a/b", "repository"),
            ("plain/a", "plain/a"),
        ] {
            let found = Project::of_directory(&root.join(directory)).unwrap();
            assert_eq!(found.root(), root.join(project), "{directory}");
        }
    }

    #[test]
    fn two_checkouts_of_a_project_have_two_folders() {
        let temp = tempfile::tempdir().unwrap();
        make(temp.path(), &[("one/orders/Cargo.toml", ""), ("two/orders/Cargo.toml", "")]);
        let [one, two] =
            ["one", "two"].map(|name| Project::of_directory(&temp.path().join(name).join("orders")).unwrap());
        assert_ne!(one.folder(), two.folder());
        let name = one.folder().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.starts_with("orders-") && name.len() == "orders-".len() + 16, "{name}");
    }

    #[test]
    fn the_hash_of_a_path_never_changes() {
        // The published values of FNV-1a.
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_database_is_named_so_that_nothing_needs_quotes() {
        for (project, name) in [
            ("orders", "orders"),
            ("My Shop.v2", "my_shop_v2"),
            ("2024-orders", "app_2024_orders"),
            ("postgres", "app_postgres"),
            ("pg_tools", "app_pg_tools"),
            ("-", "app"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(database_name(project), name);
        }
        assert_eq!(database_name(&"x".repeat(200)).len(), 59);
    }
}
