//! A migration set: what is compiled into the binary, checked and in order.
//!
//! Everything that can be known without a database is checked here: names, versions, directives and text when a migration
//! is added, statements that it cannot hold when the set is used, since exceptions for files that are applied already are
//! made in code. It does not touch a server.

mod blocks;
mod check;
mod digest;
mod error;
mod extension;
mod facts;
mod file_name;
mod isolation;
mod migration;
mod outside;
mod session;
mod statement;
mod targets;

use std::fmt;

use include_dir::{Dir, DirEntry};

pub use digest::Digest;
pub use error::SetError;
pub(crate) use extension::Extension;
pub use migration::Migration;
pub(crate) use migration::Whose;
pub(crate) use outside::{Action, Kind, Unit, drop_index};
pub(crate) use targets::Qualified;

use error::Problem;

/// The name of a set, as in `shared` or `tenant`: a word for messages and for the registry.
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
/// Files come from [`include_dir!`](include_dir::include_dir), migrations written in Rust from
/// [`with_migration`](Self::with_migration); one set can hold both.
///
/// `include_dir!` does not notice a file that is added to its folder. A crate that embeds one needs a `build.rs` that
/// prints `cargo::rerun-if-changed=` and the folder.
///
/// ```
/// use migrations_core::MigrationSet;
///
/// let set = MigrationSet::new("tenant")?
///     .with_migration("V1__notes", || "CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL)".to_owned())?
///     .with_migration("V2__authors", || "ALTER TABLE notes ADD COLUMN author text".to_owned())?;
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
    /// When the name is not made of `a-z`, `0-9`, `-` and `_`.
    pub fn new(name: &str) -> Result<Self, crate::Error> {
        let good = !name.is_empty() && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
        if !good {
            return Err(SetError::file(name, name, Problem::SetName).into());
        }
        Ok(Self { name: SetName(name.to_owned()), migrations: Vec::new(), digests: vec![Digest::EMPTY] })
    }

    /// The set in a folder that is embedded with `include_dir!`, sub-folders included.
    ///
    /// Every file must be a migration, named `V{version}__{snake_name}.sql`; only files whose names start with a dot
    /// are passed over.
    ///
    /// # Errors
    ///
    /// A [`SetError`] for the first file that is misnamed, not UTF-8, has a version that another one has, an unknown
    /// directive, or a quote that is never closed. Whether each can be run is for [`check`](Self::check) to say, since
    /// what is said of a migration in code, behind this call, can change it.
    pub fn from_dir(name: &str, dir: &Dir<'_>) -> Result<Self, crate::Error> {
        let mut set = Self::new(name)?;
        set.add_dir(dir)?;
        Ok(set)
    }

    /// Adds a migration that is written in Rust, usually with barrel. `sql` is called once, here.
    ///
    /// What it returns is covered by the migration's checksum: it must be the same in every run.
    ///
    /// # Errors
    ///
    /// A [`SetError`], as in [`from_dir`](Self::from_dir).
    pub fn with_migration(mut self, title: &str, sql: impl FnOnce() -> String) -> Result<Self, crate::Error> {
        self.add(title, title, &sql())?;
        Ok(self)
    }

    /// Lets a migration change another schema, as `-- migrate: allow-schema NAME` on top of its file does. For a file that
    /// is applied already: its text, and so its checksum, has to stay.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_migration("V1__report", || "CREATE TABLE reporting.tenants (name text)".to_owned())?
    ///     .allow_schema("V1__report", "reporting")?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title, or the schema is not a name.
    pub fn allow_schema(mut self, title: &str, schema: &str) -> Result<Self, crate::Error> {
        let schema = schema.parse()?;
        self.migration_mut(title)?.allow_schema(&schema);
        Ok(self)
    }

    /// Lets a migration change what no schema holds, as `-- migrate: allow-database` on top of its file does: extensions,
    /// settings of the database, publications, default privileges of all schemas. For a file that is applied already.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn allow_database(mut self, title: &str) -> Result<Self, crate::Error> {
        self.migration_mut(title)?.allow_database();
        Ok(self)
    }

    /// Runs a migration statement by statement, as `-- migrate: no-transaction` on top of its file does. For a file that is
    /// applied already.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_migration("V1__index", || "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON notes (body)".to_owned())?
    ///     .no_transaction("V1__index")?;
    /// assert!(set.migrations()[0].is_outside_a_transaction());
    /// # set.check()?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn no_transaction(mut self, title: &str) -> Result<Self, crate::Error> {
        self.migration_mut(title)?.leave_the_transaction(false);
        Ok(self)
    }

    /// Runs a migration statement by statement, and takes those that cannot run in a transaction for safe to repeat after
    /// a crash, as `-- migrate: no-transaction idempotent` on top of its file does. For a file that is applied already.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn idempotent(mut self, title: &str) -> Result<Self, crate::Error> {
        self.migration_mut(title)?.leave_the_transaction(true);
        Ok(self)
    }

    /// Runs this SQL in place of a migration's file, which keeps its name and its checksum. For a file that is applied already,
    /// cannot be edited, and holds what is refused: `COPY … FROM stdin` as `INSERT`s, for one. Schemas that have the file
    /// are not touched; the SQL is for those that lack it, and has to do what the file did. It may have directives of its own;
    /// other exceptions for the migration are to be made behind this one.
    ///
    /// ```
    /// use migrations_core::MigrationSet;
    ///
    /// let set = MigrationSet::new("tenant")?
    ///     .with_migration("V1__plans", || "CREATE TABLE t (n int); COPY t FROM stdin;".to_owned())?
    ///     .run_instead("V1__plans", || "CREATE TABLE t (n int); INSERT INTO t VALUES (1)".to_owned())?;
    /// # set.check()?;
    /// # Ok::<(), migrations_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title, and a [`SetError`], as in [`with_migration`](Self::with_migration).
    pub fn run_instead(mut self, title: &str, sql: impl FnOnce() -> String) -> Result<Self, crate::Error> {
        let set = self.name.clone();
        self.migration_mut(title)?.run_instead(set.as_str(), &sql())?;
        Ok(self)
    }

    /// Lets a tenant's migration set its own `search_path` or role, as in `SET search_path = …` and `RESET ROLE`. For a
    /// file that is applied already and cannot be edited. What it sets holds until its end. Names that it changes are
    /// the tenant's all the same, unless it is [`as_written`](Self::as_written) too.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn allow_settings(mut self, title: &str) -> Result<Self, crate::Error> {
        self.migration_mut(title)?.allow_settings();
        Ok(self)
    }

    /// Sends a migration as it is written, without its schema in front of the names that it changes. For a file that is
    /// applied already, cannot be edited, and changed a shared table by its bare name; such a file is also to be named in
    /// [`allow_schema`](Self::allow_schema). An unqualified name falls through to what all tenants share wherever the tenant
    /// has nothing of that name, so this is to be used for no other file.
    ///
    /// # Errors
    ///
    /// When the set has no migration of this title.
    pub fn as_written(mut self, title: &str) -> Result<Self, crate::Error> {
        self.migration_mut(title)?.keep_as_written();
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

    /// The state of a schema to which exactly the first `applied` migrations are applied.
    pub(crate) fn digest_at(&self, applied: usize) -> Digest {
        self.digests[applied.min(self.migrations.len())]
    }

    /// Whether a constraint of the set can be checked at the end of a transaction only.
    pub(crate) fn defers(&self) -> bool {
        self.migrations.iter().any(Migration::defers)
    }

    /// Whether a commit belongs in front of a migration, when not all can be in one transaction: behind every one that adds
    /// a value to an enumeration. Where the text shows none that does, behind every one.
    pub(crate) fn commits_in_front_of(&self, index: usize) -> bool {
        let adds = |migration: &Migration| migration.adds_enum_value();
        index.checked_sub(1).is_some_and(|before| adds(&self.migrations[before])) || !self.migrations.iter().any(adds)
    }

    /// Checks that every migration of the set can be run, without a server: no statement that a migration cannot hold,
    /// and none that a transaction refuses without the directive that takes it out of one. What a tenants' set may not do
    /// beside that is for [`Migrator::check`](crate::Migrator::check).
    ///
    /// # Errors
    ///
    /// A [`SetError`] for the first migration that cannot be run.
    pub fn check(&self) -> Result<(), crate::Error> {
        self.problem().map_or(Ok(()), |problem| Err(problem.into()))
    }

    /// The first migration that cannot be run, and why.
    pub(crate) fn problem(&self) -> Option<SetError> {
        self.migrations.iter().find_map(|migration| migration.problem(self.name.as_str()))
    }

    /// The first migration that cannot be a tenant's, and why.
    pub(crate) fn isolation_violation(&self) -> Option<SetError> {
        self.migrations.iter().find_map(|migration| migration.isolation_violation(self.name.as_str()))
    }

    /// The extensions that its migrations ask for, in their order.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (&Migration, &Extension)> {
        self.migrations.iter().flat_map(|migration| migration.extensions().iter().map(move |found| (migration, found)))
    }

    /// Their names, each once.
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

    /// Those of these titles whose migrations may change more than their own schema.
    pub(crate) fn that_change_other_schemas(&self, mut titles: Vec<String>) -> Vec<String> {
        let reaches = |migration: &&Migration| !migration.allowed_schemas().is_empty() || migration.allows_database();
        let reaching: Vec<_> = self.migrations.iter().filter(reaches).map(Migration::title).collect();
        titles.retain(|title| reaching.contains(&title.as_str()));
        titles
    }

    /// Titles of these migrations, by their places in the set.
    pub(crate) fn titles(&self, places: std::ops::Range<usize>) -> Vec<String> {
        self.migrations[places].iter().map(|migration| migration.title().to_owned()).collect()
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
                    Problem::Twice { other: other.file().to_owned() }
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
