//! A migration set: the migrations that are compiled into the binary, checked and in order.
//!
//! This module checks everything that can be known without a server. It checks names, versions and quotes when a
//! migration is added, and directives and statements when the set is used, because code can still make an exception for
//! a file that is already applied.
//!
//! | file | what it is |
//! | --- | --- |
//! | `excerpt` | a place in a migration, and how it is shown |
//! | `problem`, `error` | everything that can be wrong with a set, and the error that says so |
//! | `running_hash`, `digest` | hashes of texts, and the digest chain of a set |
//! | `file_name` | a migration's name |
//! | `statement` | the statements of a text, by PostgreSQL's lexical rules |
//! | `directives` | comments above the first statement that say how a migration runs |
//! | `check`, `session`, `extension`, `blocks`, `isolation` | what a statement says, sets, creates, opens or changes |
//! | `targets` | where the schema is written before a name |
//! | `outside` | the units of a migration that runs outside a transaction |
//! | `facts` | what a migration's text tells about its costs |
//! | `reading` | what a migration's text means: what is sent, left out or refused |
//! | `migration` | one migration |
//! | `variant` | which form of a migration's text has a checksum that was recorded |

mod blocks;
mod check;
mod digest;
mod directives;
mod error;
mod excerpt;
mod extension;
mod facts;
mod file_name;
mod isolation;
mod migration;
mod outside;
mod problem;
mod reading;
mod running_hash;
mod session;
mod statement;
mod targets;
mod variant;

use std::fmt;

use include_dir::{Dir, DirEntry};

pub use digest::Digest;
pub use error::SetError;
pub use excerpt::Excerpt;
pub(crate) use extension::Extension;
pub use migration::Migration;
pub(crate) use migration::Whose;
pub(crate) use outside::{Action, Kind, Unit, drop_index};
pub use problem::SetErrorKind;
pub(crate) use running_hash::write as hash_text;
pub(crate) use targets::Qualified;
pub(crate) use variant::variant;

use crate::names::NameError;

use problem::Problem;

/// The name of a set, such as `shared` or `tenant`, for messages and for the registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetName(String);

impl SetName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A set of migrations in the order of their versions.
///
/// A set holds files that are embedded with [`include_dir!`](include_dir::include_dir), migrations given as text
/// ([`with_sql`](Self::with_sql)) and migrations that Rust code writes ([`with_migration`](Self::with_migration)), in
/// any mixture.
///
/// `include_dir!` does not notice a file that is added to its folder. A crate that embeds a folder needs a `build.rs`
/// that prints `cargo::rerun-if-changed=` with the folder's name.
///
/// ```
/// use migrations_core::MigrationSet;
///
/// let set = MigrationSet::new("tenant")?
///     .with_sql("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL)")?
///     .with_sql("V2__authors", "ALTER TABLE notes ADD COLUMN author text")?;
/// assert_eq!(set.latest(), Some(2));
/// # Ok::<(), migrations_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MigrationSet {
    name: SetName,
    migrations: Vec<Migration>,
    /// `digests[k]`: exactly the first `k` migrations are applied.
    digests: Vec<Digest>,
}

impl MigrationSet {
    /// A set without migrations.
    ///
    /// # Errors
    ///
    /// When the name is empty or has characters other than `a-z`, `0-9`, `-` and `_`.
    pub fn new(name: &str) -> Result<Self, SetError> {
        let good = !name.is_empty() && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
        if !good {
            return Err(SetError::file(name, name, Problem::SetName));
        }
        Ok(Self { name: SetName(name.to_owned()), migrations: Vec::new(), digests: vec![Digest::EMPTY] })
    }

    /// A set without migrations, whose name is spelled in this crate.
    pub(crate) fn empty(name: &'static str) -> Self {
        Self { name: SetName(name.to_owned()), migrations: Vec::new(), digests: vec![Digest::EMPTY] }
    }

    /// The set in a folder that is embedded with `include_dir!`, including its sub-folders.
    ///
    /// Every file must be a migration named `V{version}__{snake_name}.sql`. Files whose names start with a dot are
    /// ignored.
    ///
    /// # Errors
    ///
    /// A [`SetError`] for the first file that is misnamed, is not UTF-8, contains a NUL byte or a quote that is never
    /// closed, or has the version of another file. Directives and statements are left to [`check`](Self::check),
    /// because a later call can make an exception for a migration.
    pub fn from_dir(name: &str, dir: &Dir<'_>) -> Result<Self, SetError> {
        let mut set = Self::new(name)?;
        set.add_dir(dir)?;
        Ok(set)
    }

    /// Adds a migration given as text, such as a `String` or what `include_str!` returns. It is read like a file.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("shared")?
    ///     .with_sql("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)")?
    ///     .with_sql("V2__free", "INSERT INTO plans VALUES ('free')")?;
    /// assert_eq!(set.migrations()[1].title(), "V2__free");
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`SetError`], as in [`from_dir`](Self::from_dir).
    pub fn with_sql(mut self, title: &str, text: impl Into<String>) -> Result<Self, SetError> {
        self.add(title, title, &text.into())?;
        Ok(self)
    }

    /// Adds a migration that Rust code writes, usually with barrel. `sql` is called once, here.
    ///
    /// The migration's checksum covers the text that `sql` returns, so the text must be the same in every run.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let columns = ["author", "editor"];
    /// let set = MigrationSet::new("tenant")?
    ///     .with_sql("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY)")?
    ///     .with_migration("V2__people", || {
    ///         columns.map(|column| format!("ALTER TABLE notes ADD COLUMN {column} text;")).join("\n")
    ///     })?;
    /// assert_eq!(set.latest(), Some(2));
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`SetError`], as in [`from_dir`](Self::from_dir).
    pub fn with_migration(self, title: &str, sql: impl FnOnce() -> String) -> Result<Self, SetError> {
        self.with_sql(title, sql())
    }

    /// Lets a migration change another schema, as `-- migrate: allow-schema NAME` on top of its file does. This is for
    /// a file that is already applied, whose text has to stay because its checksum is recorded.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_sql("V1__report", "CREATE TABLE reporting.tenants (name text)")?
    ///     .allow_schema("V1__report", "reporting")?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title, or `schema` is not a valid name.
    pub fn allow_schema(mut self, title: &str, schema: &str) -> Result<Self, SetError> {
        let bad = |error: NameError| SetError::file(self.name.as_str(), title, Problem::SchemaName(error.to_string()));
        let schema = schema.parse().map_err(bad)?;
        self.migration_mut(title)?.allow_schema(&schema);
        Ok(self)
    }

    /// Lets a migration change what belongs to no schema, as `-- migrate: allow-database` on top of its file does:
    /// extensions, settings of the database, publications, default privileges of all schemas. This is for a file that
    /// is already applied.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn allow_database(mut self, title: &str) -> Result<Self, SetError> {
        self.migration_mut(title)?.allow_database();
        Ok(self)
    }

    /// Runs a migration statement by statement, as `-- migrate: no-transaction` on top of its file does. This is for a
    /// file that is already applied.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_sql("V1__index", "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON notes (body)")?
    ///     .no_transaction("V1__index")?;
    /// assert!(set.migrations()[0].is_outside_a_transaction());
    /// # set.check()?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn no_transaction(mut self, title: &str) -> Result<Self, SetError> {
        self.migration_mut(title)?.run_outside_a_transaction(false);
        Ok(self)
    }

    /// Runs a migration statement by statement, as `-- migrate: no-transaction idempotent` on top of its file does: its
    /// author vouches that the statements that cannot run inside a transaction are safe to repeat after a crash. This
    /// is for a file that is already applied.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn idempotent(mut self, title: &str) -> Result<Self, SetError> {
        self.migration_mut(title)?.run_outside_a_transaction(true);
        Ok(self)
    }

    /// Runs this SQL in place of a migration's file, which keeps its name and its checksum. This is for a file that is
    /// already applied and holds a statement that is refused: `INSERT` can replace `COPY … FROM stdin`, for example.
    /// Schemas to which the file is applied do not change; the SQL runs in all others, and must do what the file did.
    /// It may have directives of its own. Make other exceptions for the migration after this call.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_sql("V1__plans", "CREATE TABLE t (n int); COPY t FROM stdin;")?
    ///     .run_instead("V1__plans", || "CREATE TABLE t (n int); INSERT INTO t VALUES (1)".to_owned())?;
    /// # set.check()?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title, and a [`SetError`] for the SQL, as in [`with_sql`](Self::with_sql).
    pub fn run_instead(mut self, title: &str, sql: impl FnOnce() -> String) -> Result<Self, SetError> {
        let set = self.name.clone();
        self.migration_mut(title)?.run_instead(set.as_str(), &sql())?;
        Ok(self)
    }

    /// Lets a tenant's migration set its own `search_path` or role, as in `SET search_path = …` and `RESET ROLE`. This
    /// is for a file that is already applied. The settings hold until the end of the file. The names that it changes
    /// still get the tenant's schema, unless the migration is sent [`as_written`](Self::as_written) too.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn allow_settings(mut self, title: &str) -> Result<Self, SetError> {
        self.migration_mut(title)?.allow_settings();
        Ok(self)
    }

    /// Sends a migration as it is written, without the schema before the names that it changes. This is for a file that
    /// is already applied and changes a shared table by its unqualified name; it needs
    /// [`allow_schema`](Self::allow_schema) too. Do not use it for any other file: an unqualified name that the
    /// tenant's schema does not have falls through to the objects that all tenants share.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn as_written(mut self, title: &str) -> Result<Self, SetError> {
        self.migration_mut(title)?.send_as_written();
        Ok(self)
    }

    fn migration_mut(&mut self, title: &str) -> Result<&mut Migration, SetError> {
        let missing = SetError::file(self.name.as_str(), title, Problem::NoSuchMigration);
        self.migrations.iter_mut().find(|migration| migration.title() == title).ok_or(missing)
    }

    /// The set's name.
    pub fn name(&self) -> &SetName {
        &self.name
    }

    /// The migrations, in the order of their versions.
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The version of the last migration; `None` for an empty set.
    pub fn latest(&self) -> Option<i64> {
        self.migrations.last().map(Migration::version)
    }

    /// The set as it was when `version` was its latest: without the migrations above it.
    #[must_use]
    pub fn up_to(&self, version: i64) -> Self {
        let kept = self.migrations.partition_point(|migration| migration.version() <= version);
        let migrations = self.migrations[..kept].to_vec();
        Self { name: self.name.clone(), migrations, digests: self.digests[..=kept].to_vec() }
    }

    /// The state of a schema to which the whole set is applied.
    pub fn digest(&self) -> Digest {
        self.digests[self.migrations.len()]
    }

    /// The states of a schema to which the first none, one, … and all migrations are applied.
    pub(crate) fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The state of a schema to which exactly the first `applied` migrations are applied.
    pub(crate) fn digest_at(&self, applied: usize) -> Digest {
        self.digests[applied.min(self.migrations.len())]
    }

    /// Whether the set may defer the check of a constraint to the end of a transaction.
    pub(crate) fn defers(&self) -> bool {
        self.migrations.iter().any(Migration::defers)
    }

    /// Whether to commit before a migration when they cannot all be in one transaction: after each that adds a value to
    /// an enumeration. If no text shows such a value, after every migration.
    pub(crate) fn commits_in_front_of(&self, index: usize) -> bool {
        let adds = |migration: &Migration| migration.adds_enum_value();
        index.checked_sub(1).is_some_and(|before| adds(&self.migrations[before])) || !self.migrations.iter().any(adds)
    }

    /// Checks, without a server, that every migration of the set can run: that it holds no statement that is refused,
    /// and that one with statements that cannot run inside a transaction says so.
    /// [`Migrator::check`](crate::Migrator::check) also checks what a tenants' set may not do.
    ///
    /// # Errors
    ///
    /// A [`SetError`] for the first migration that cannot run.
    pub fn check(&self) -> Result<(), SetError> {
        self.problem().map_or(Ok(()), Err)
    }

    /// The tables that a migration refers to by foreign keys, and that this set does not create.
    pub(crate) fn shared_references<'a>(&'a self, migration: &'a Migration) -> impl Iterator<Item = &'a String> {
        let is_own =
            move |table: &String| self.migrations.iter().any(|migration| migration.facts().creates.contains(table));
        migration.facts().references.iter().filter(move |table| !is_own(table))
    }

    /// An error for a set whose name says that it belongs in the other set's place.
    pub(crate) fn misplaced(&self, other: &str, place: &'static str) -> Option<SetError> {
        let is_others = self.name.as_str() == other;
        is_others.then(|| SetError::file(self.name.as_str(), other, Problem::Misplaced { place }))
    }

    /// The first migration that cannot run, and why.
    pub(crate) fn problem(&self) -> Option<SetError> {
        self.migrations.iter().find_map(|migration| migration.problem(self.name.as_str()))
    }

    /// The first migration that cannot be a tenant's, and why.
    pub(crate) fn isolation_violation(&self) -> Option<SetError> {
        self.migrations.iter().find_map(|migration| migration.isolation_violation(self.name.as_str()))
    }

    /// The extensions that its migrations create, in order.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (&Migration, &Extension)> {
        self.migrations.iter().flat_map(|migration| migration.extensions().iter().map(move |found| (migration, found)))
    }

    /// The names of these extensions, each once.
    pub(crate) fn extension_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.extensions().map(|(_, extension)| extension.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// How many migrations are applied to a schema in this state; `None` when it is not a state of this set.
    pub(crate) fn position(&self, digest: Digest) -> Option<usize> {
        self.digests.iter().position(|known| *known == digest)
    }

    /// The version after the first `applied` migrations.
    pub(crate) fn version_at(&self, applied: usize) -> Option<i64> {
        applied.checked_sub(1).and_then(|last| self.migrations.get(last)).map(Migration::version)
    }

    /// From these titles, those of migrations that may change more than their own schema.
    pub(crate) fn that_change_other_schemas(&self, mut titles: Vec<String>) -> Vec<String> {
        let may = |migration: &&Migration| !migration.allowed_schemas().is_empty() || migration.allows_database();
        let kept: Vec<_> = self.migrations.iter().filter(may).map(Migration::title).collect();
        titles.retain(|title| kept.contains(&title.as_str()));
        titles
    }

    /// The titles of the migrations at these positions in the set.
    pub(crate) fn titles(&self, positions: std::ops::Range<usize>) -> Vec<String> {
        self.migrations[positions].iter().map(|migration| migration.title().to_owned()).collect()
    }

    fn add_dir(&mut self, dir: &Dir<'_>) -> Result<(), SetError> {
        for entry in dir.entries() {
            match entry {
                DirEntry::Dir(dir) => self.add_dir(dir)?,
                DirEntry::File(file) => {
                    let path = file.path().to_string_lossy().into_owned();
                    let file_name = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                    if file_name.starts_with('.') {
                        continue;
                    }
                    let fail = |problem| SetError::file(self.name.as_str(), &path, problem);
                    let stem = file_name.strip_suffix(".sql").ok_or_else(|| fail(Problem::FileName))?;
                    let sql = file.contents_utf8().ok_or_else(|| fail(Problem::NotUtf8))?;
                    self.add(&path, stem, sql)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &str, stem: &str, sql: &str) -> Result<(), SetError> {
        let migration = Migration::read(self.name.as_str(), file, stem, sql)?;
        let at = match self.migrations.binary_search_by_key(&migration.version(), Migration::version) {
            Err(at) => at,
            Ok(taken) => {
                let other = &self.migrations[taken];
                let version = other.version();
                let problem = if other.title() == migration.title() {
                    Problem::Duplicate { other: other.file().to_owned() }
                } else {
                    Problem::SameVersion { other: other.file().to_owned(), version }
                };
                return Err(SetError::file(self.name.as_str(), file, problem));
            }
        };
        self.migrations.insert(at, migration);
        self.digests.truncate(at + 1);
        for migration in &self.migrations[at..] {
            let before = self.digests.last().copied().unwrap_or(Digest::EMPTY);
            self.digests.push(before.then(migration.version(), migration.checksum()));
        }
        Ok(())
    }
}
