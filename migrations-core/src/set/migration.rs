//! One migration: its name, its text, and what is known about it without a database.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use refinery::Migration as Recorded;

use super::directives::Directives;
use super::error::SetError;
use super::excerpt::Excerpt;
use super::extension::Extension;
use super::facts::Facts;
use super::outside::{Kind, Outside};
use super::problem::Problem;
use super::reading::Reading;
use super::session::PathOrRoleChange;
use super::statement::split;
use super::targets::Qualified;
use super::{file_name, isolation};
use crate::names::SchemaName;

/// One migration of a set.
#[derive(Clone, Debug)]
pub struct Migration {
    version: i64,
    title: String,
    file: String,
    sql: String,
    directives: Directives,
    reading: Reading,
    facts: Facts,
    in_code: InCode,
    /// Whether it may defer the check of a constraint to the end of its transaction.
    defers: bool,
    /// Whether it adds a value to an enumeration.
    adds_enum_value: bool,
    recorded: Recorded,
    checksum_int4: Option<u64>,
}

/// Exceptions that only code can make.
#[derive(Clone, Copy, Debug, Default)]
struct InCode {
    /// The names in it are sent as they are written.
    as_written: bool,
    /// It may change the path or the role with which it runs.
    settings: bool,
}

impl Migration {
    /// Reads the migration `stem` from the text of `file`.
    pub(super) fn read(set: &str, file: &str, stem: &str, sql: &str) -> Result<Self, SetError> {
        let (version, name) = file_name::parse(stem).map_err(|problem| SetError::file(set, file, problem))?;
        // The checksum must not depend on the platform's line endings.
        let written = sql.replace("\r\n", "\n");
        let title = format!("V{version}__{name}");
        let recorded =
            Recorded::unapplied(&title, &written).map_err(|_| SetError::file(set, file, Problem::FileName))?;
        let checksum_int4 = i32::try_from(version).ok().map(|version| checksum(&name, version, &written));
        // A byte order mark is not part of the SQL.
        let sql = written.strip_prefix('\u{feff}').map_or(written.clone(), str::to_owned);
        let fail = |offset, problem| SetError::at(set, file, &sql, offset, problem);
        if let Some(offset) = sql.find('\0') {
            return Err(fail(offset, Problem::NulByte));
        }
        let directives = Directives::read(&sql);
        let statements = split(&sql).map_err(|found| fail(found.offset, Problem::Unterminated { what: found.what }))?;
        let adds_enum_value = adds_enum_value(&sql);
        Ok(Self {
            version,
            title,
            file: file.to_owned(),
            reading: Reading::new(&sql, &statements, &directives),
            directives,
            in_code: InCode::default(),
            defers: sql.to_ascii_lowercase().contains("deferr"),
            adds_enum_value,
            facts: Facts::of(&sql, &statements),
            checksum_int4,
            recorded,
            sql,
        })
    }

    /// The version, which gives the order within a set.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The version and the name, as in `V7__add_notes`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The file from which it was read, or its title if it is not from a file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The SQL that runs, with `\n` as line ending: the file's, unless the set runs other SQL instead.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Why it cannot run at all.
    pub(super) fn problem(&self, set: &str) -> Option<SetError> {
        let as_written = || {
            let mut units = self.outside().filter(|_| self.in_code.as_written)?.units().iter();
            let alone = units.find(|unit| {
                matches!(&unit.kind, Kind::Alone(action) if action.relations().iter().any(|name| name.schema.is_none()))
            })?;
            Some((Problem::NonTransactionalAsWritten, alone.range.start))
        };
        let (problem, offset) = self.reading.problem.clone().or_else(as_written)?;
        Some(SetError::at(set, &self.file, &self.sql, offset, problem))
    }

    /// Why it cannot be a tenant's: it changes something that is not the tenant's, or the tenant's path or role.
    pub(super) fn isolation_violation(&self, set: &str) -> Option<SetError> {
        let change = self.reading.path_or_role_changes.first().filter(|_| !self.in_code.settings).cloned();
        let path_or_role =
            change.map(|PathOrRoleChange { statement, offset, .. }| (Problem::ChangesPathOrRole { statement }, offset));
        let schema = || {
            let is_extension =
                |range: &&Range<usize>| self.reading.extensions.iter().any(|known| known.range == **range);
            let statements: Vec<_> =
                self.reading.statements.iter().filter(|range| !is_extension(range)).cloned().collect();
            let found = isolation::check(&self.sql, &statements, &self.directives.allowed_schemas)?;
            Some((Problem::ChangesOtherSchema { schema: found.schema }, found.offset))
        };
        let (problem, offset) = path_or_role
            .or_else(|| self.changes_the_server())
            .or_else(schema)
            .or_else(|| self.changes_others_alone())?;
        Some(SetError::at(set, &self.file, &self.sql, offset, problem))
    }

    /// A statement that runs alone is not inspected after it has run, so its text has to be enough.
    fn changes_others_alone(&self) -> Option<(Problem, usize)> {
        self.outside()?.units().iter().find_map(|unit| {
            let Kind::Alone(action) = &unit.kind else { return None };
            let schemas = action.relations().into_iter().filter_map(|relation| relation.schema.clone());
            let is_others =
                |schema: &String| schema != "pg_catalog" && !self.directives.allowed_schemas.contains(schema);
            let found = schemas.into_iter().find(is_others)?;
            Some((Problem::ChangesOtherSchema { schema: found }, unit.range.start))
        })
    }

    fn changes_the_server(&self) -> Option<(Problem, usize)> {
        let units = self.outside()?.units();
        let found =
            units.iter().find(|unit| matches!(&unit.kind, Kind::Alone(action) if action.affects_the_server()))?;
        (!self.directives.allows_database).then_some((Problem::ChangesTheServer, found.range.start))
    }

    /// refinery's checksum of the name, the version and the SQL.
    pub fn checksum(&self) -> u64 {
        self.recorded.checksum()
    }

    /// Whether it runs statement by statement: its file says `-- migrate: no-transaction`, its set says the same in
    /// code, or the file has a `COMMIT` in its middle because a statement needs that.
    pub fn is_outside_a_transaction(&self) -> bool {
        self.reading.outside.is_some()
    }

    /// Whether it cannot even be part of the transaction that creates a schema.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        self.outside().is_some_and(Outside::is_apart_for_a_new_schema)
    }

    /// Its units, if it does not run in one transaction.
    pub(crate) fn outside(&self) -> Option<&Outside> {
        self.reading.outside.as_ref()
    }

    /// Whether its author says that its statements are safe to repeat.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.directives.idempotent
    }

    /// The extensions that it creates.
    pub(crate) fn extensions(&self) -> &[Extension] {
        &self.reading.extensions
    }

    /// The checksum that refinery writes when it is built without `int8-versions`, which is its default: the same hash
    /// with a version of four bytes.
    pub(crate) fn checksum_int4(&self) -> Option<u64> {
        self.checksum_int4
    }

    pub(crate) fn name(&self) -> &str {
        self.recorded.name()
    }

    /// The text that the checksum covers.
    pub(super) fn written(&self) -> &str {
        self.recorded.sql().unwrap_or(&self.sql)
    }

    pub(crate) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// The schemas beside its own that it may change.
    pub(crate) fn allowed_schemas(&self) -> &[String] {
        &self.directives.allowed_schemas
    }

    pub(super) fn allow_schema(&mut self, schema: &SchemaName) {
        self.directives.allowed_schemas.push(schema.as_str().to_owned());
        self.read_again();
    }

    /// Whether it may change what belongs to no schema: extensions, settings of the database, publications.
    pub(crate) fn allows_database(&self) -> bool {
        self.directives.allows_database
    }

    pub(super) fn allow_database(&mut self) {
        self.directives.allows_database = true;
        self.read_again();
    }

    /// Sends its text as it is written.
    pub(super) fn send_as_written(&mut self) {
        self.in_code.as_written = true;
    }

    /// Runs this SQL in place of the file's. Name and checksum stay.
    pub(super) fn run_instead(&mut self, set: &str, sql: &str) -> Result<(), SetError> {
        let instead = Self::read(set, &format!("{} (run instead)", self.file), &self.title, sql)?;
        *self = Self { recorded: self.recorded.clone(), checksum_int4: self.checksum_int4, ..instead };
        Ok(())
    }

    pub(super) fn allow_settings(&mut self) {
        self.in_code.settings = true;
    }

    /// Runs it statement by statement.
    pub(super) fn run_outside_a_transaction(&mut self, is_idempotent: bool) {
        self.directives.no_transaction = true;
        self.directives.idempotent |= is_idempotent;
        self.read_again();
    }

    /// Reads the text again with what code says about it, which also settles a comment that is almost a directive.
    fn read_again(&mut self) {
        self.directives.problem = None;
        let statements = split(&self.sql).unwrap_or_default();
        self.reading = Reading::new(&self.sql, &statements, &self.directives);
    }

    /// Whether its text mentions deferred constraints, also in strings, since a string may be executed.
    pub(super) fn defers(&self) -> bool {
        self.defers
    }

    /// Whether its text adds a value to an enumeration, also in strings, since a string may be executed.
    pub(crate) fn adds_enum_value(&self) -> bool {
        self.adds_enum_value
    }

    /// Estimates of its costs.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The ranges of its statements in [`Self::sql`].
    pub(crate) fn statements(&self) -> &[Range<usize>] {
        &self.reading.statements
    }

    /// The text as it is sent to a schema, with the schema before every name that it changes: all of it, or one unit or
    /// setting. The whole text leaves out what cannot run inside a transaction.
    pub(crate) fn qualified(&self, schema: &str, part: Option<Range<usize>>, whose: Whose) -> Qualified {
        let mut blanks = self.reading.key_words.clone();
        if part.is_none() {
            blanks.extend_from_slice(&self.reading.blanks);
        }
        if whose == Whose::Tenant {
            blanks.extend(self.reading.extensions.iter().map(|extension| extension.range.clone()));
        }
        blanks.sort_unstable_by_key(|range| range.start);
        // After the migration has set a path of its own, its names mean schemas that are not known here.
        let path = self.reading.path_or_role_changes.iter().find(|found| found.changes_path && whose == Whose::Shared);
        let as_written_from = if self.in_code.as_written { Some(0) } else { path.map(|found| found.offset) };
        let before = as_written_from.map(|offset| self.reading.targets.before(offset));
        let targets = before.as_ref().unwrap_or(&self.reading.targets);
        targets.qualify(&self.sql, part.unwrap_or(0..self.sql.len()), &blanks, schema)
    }

    /// How many of its statements change something by a name that is sent without the schema before it, because the
    /// form of the statement, or what it names, is known only when the server runs it.
    pub fn unqualified_statements(&self) -> usize {
        if self.in_code.as_written { 0 } else { self.reading.targets.uncertain() }
    }

    /// The place `offset` bytes into [`Self::sql`].
    pub(crate) fn excerpt(&self, offset: usize) -> Excerpt {
        // What is left out is sent as one blank for each byte, so the offset can be inside a character.
        Excerpt::new(&self.file, &self.sql, self.sql.floor_char_boundary(offset))
    }
}

/// The owner of the schema to which a text is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Shared,
    /// One of many: what belongs to the database was done before the tenants.
    Tenant,
}

pub(super) fn checksum(name: &str, version: impl Hash, sql: &str) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish()
}

/// Looks for `ADD VALUE`, which only `ALTER TYPE` has.
fn adds_enum_value(sql: &str) -> bool {
    let words: Vec<&str> =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("add") && pair[1].eq_ignore_ascii_case("value"))
}
