//! One migration: its name, its text, and what is known about it without a database.

use std::ops::Range;

use refinery::Migration as Recorded;

use super::blocks::Blocks;
use super::error::{Problem, SetError};
use super::extension::Extension;
use super::facts::Facts;
use super::outside::{Action, Kind, Outside};
use super::session::{self, Leaving};
use super::statement::{Comment, Statement, comments, split};
use super::targets::{Qualified, Targets};
use super::{check, file_name, isolation};
use crate::excerpt::Excerpt;
use crate::name::SchemaName;

/// What introduces a directive in a comment on top of a file, in any case, with a colon behind it.
const DIRECTIVE: &str = "migrate";

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
    /// Whether it can leave the check of a constraint to the end of its transaction.
    defers: bool,
    /// Whether it adds a value to an enumeration.
    adds_enum_value: bool,
    recorded: Recorded,
    checksum_int4: Option<u64>,
}

/// What is said of it in code only.
#[derive(Clone, Copy, Debug, Default)]
struct InCode {
    /// Its names are sent as they are written.
    as_written: bool,
    /// It may change the path or the role that it runs with.
    settings: bool,
}

/// What its text means, with its directives and with what is said of it in code.
#[derive(Clone, Debug, Default)]
struct Reading {
    statements: Vec<Range<usize>>,
    targets: Targets,
    /// Its units, where it does not run in one transaction.
    outside: Option<Outside>,
    extensions: Vec<Extension>,
    /// `BEGIN` and `COMMIT`, which are left out.
    key_words: Vec<Range<usize>>,
    /// What else is left out in a transaction, `CONCURRENTLY` for one.
    blanks: Vec<Range<usize>>,
    /// Where it changes the path or the role that it runs with.
    leavings: Vec<Leaving>,
    /// Why it cannot be run, and where. What is said of it in code may help.
    problem: Option<(Problem, usize)>,
}

impl Migration {
    /// Reads a migration called `stem`, which stands in `file`.
    pub(super) fn read(set: &str, file: &str, stem: &str, sql: &str) -> Result<Self, SetError> {
        let (version, name) = file_name::parse(stem).map_err(|problem| SetError::file(set, file, problem))?;
        // As refinery would hash it on a platform with another line ending.
        let written = sql.replace("\r\n", "\n");
        let title = format!("V{version}__{name}");
        let recorded =
            Recorded::unapplied(&title, &written).map_err(|_| SetError::file(set, file, Problem::FileName))?;
        let checksum_int4 = i32::try_from(version).ok().map(|version| checksum_int4(&name, version, &written));
        // A byte order mark is no part of the SQL.
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

    /// The version, by which a set is ordered.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Version and name, as in `V7__add_notes`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The file it was read from, or its title where it is written in Rust.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The SQL that is run, with `\n` for line ends: the file's, unless the set runs another one instead.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Why it cannot be run at all.
    pub(super) fn problem(&self, set: &str) -> Option<SetError> {
        let as_written = || {
            let mut units = self.outside().filter(|_| self.in_code.as_written)?.units().iter();
            let alone = units.find(|unit| {
                matches!(&unit.kind, Kind::Alone(action) if action.relations().iter().any(|name| name.schema.is_none()))
            })?;
            Some((Problem::AsWrittenAlone, alone.range.start))
        };
        let (problem, offset) = self.reading.problem.clone().or_else(as_written)?;
        Some(SetError::at(set, &self.file, &self.sql, offset, problem))
    }

    /// Why it cannot be a tenant's: it changes what is not the tenant's, or leaves the tenant's path or role.
    pub(super) fn isolation_violation(&self, set: &str) -> Option<SetError> {
        let settings = self.reading.leavings.first().filter(|_| !self.in_code.settings).cloned();
        let settings =
            settings.map(|Leaving { statement, offset, .. }| (Problem::LeavesTheTenant { statement }, offset));
        let schema = || {
            let is_extension =
                |range: &&Range<usize>| self.reading.extensions.iter().any(|known| known.range == **range);
            let statements: Vec<_> =
                self.reading.statements.iter().filter(|range| !is_extension(range)).cloned().collect();
            let found = isolation::check(&self.sql, &statements, &self.directives.allowed_schemas)?;
            Some((Problem::Trespass { schema: found.schema }, found.offset))
        };
        let (problem, offset) =
            settings.or_else(|| self.changes_the_server()).or_else(schema).or_else(|| self.changes_others_alone())?;
        Some(SetError::at(set, &self.file, &self.sql, offset, problem))
    }

    /// A statement that runs alone is not inspected when it has run.
    fn changes_others_alone(&self) -> Option<(Problem, usize)> {
        self.outside()?.units().iter().find_map(|unit| {
            let Kind::Alone(action) = &unit.kind else { return None };
            let schemas = action.relations().into_iter().filter_map(|relation| relation.schema.clone());
            let is_others =
                |schema: &String| schema != "pg_catalog" && !self.directives.allowed_schemas.contains(schema);
            let found = schemas.into_iter().find(is_others)?;
            Some((Problem::Trespass { schema: found }, unit.range.start))
        })
    }

    fn changes_the_server(&self) -> Option<(Problem, usize)> {
        let units = self.outside()?.units();
        let found =
            units.iter().find(|unit| matches!(&unit.kind, Kind::Alone(action) if action.is_about_the_server()))?;
        (!self.directives.allows_database).then_some((Problem::ChangesTheServer, found.range.start))
    }

    /// refinery's checksum over name, version and SQL.
    pub fn checksum(&self) -> u64 {
        self.recorded.checksum()
    }

    /// Whether it runs statement by statement: its file says `-- migrate: no-transaction`, or its set does.
    pub fn is_outside_a_transaction(&self) -> bool {
        self.reading.outside.is_some()
    }

    /// Whether it cannot be part of the transaction that creates a schema either.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        self.outside().is_some_and(Outside::is_apart_for_a_new_schema)
    }

    /// Its units, where it does not run in one transaction.
    pub(crate) fn outside(&self) -> Option<&Outside> {
        self.reading.outside.as_ref()
    }

    /// Whether its statements are safe to repeat, by its author's word.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.directives.idempotent
    }

    /// The extensions that it asks for.
    pub(crate) fn extensions(&self) -> &[Extension] {
        &self.reading.extensions
    }

    /// The checksum that refinery writes when it is built without `int8-versions`, its default: the same hash over a
    /// version of four bytes.
    pub(crate) fn checksum_int4(&self) -> Option<u64> {
        self.checksum_int4
    }

    pub(crate) fn name(&self) -> &str {
        self.recorded.name()
    }

    pub(crate) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Schemas other than its own that it says it changes.
    pub(crate) fn allowed_schemas(&self) -> &[String] {
        &self.directives.allowed_schemas
    }

    pub(super) fn allow_schema(&mut self, schema: &SchemaName) {
        self.directives.allowed_schemas.push(schema.to_string());
        self.read_again();
    }

    /// Whether it says that it changes what no schema holds: extensions, settings of the database, publications.
    pub(crate) fn allows_database(&self) -> bool {
        self.directives.allows_database
    }

    pub(super) fn allow_database(&mut self) {
        self.directives.allows_database = true;
        self.read_again();
    }

    /// Sends its text as it is.
    pub(super) fn keep_as_written(&mut self) {
        self.in_code.as_written = true;
    }

    /// Runs this in place of its file, whose name and checksum stay.
    pub(super) fn run_instead(&mut self, set: &str, sql: &str) -> Result<(), SetError> {
        let instead = Self::read(set, &format!("{} (run instead)", self.file), &self.title, sql)?;
        *self = Self { recorded: self.recorded.clone(), checksum_int4: self.checksum_int4, ..instead };
        Ok(())
    }

    pub(super) fn allow_settings(&mut self) {
        self.in_code.settings = true;
    }

    /// Runs it statement by statement.
    pub(super) fn leave_the_transaction(&mut self, is_idempotent: bool) {
        self.directives.no_transaction = true;
        self.directives.idempotent |= is_idempotent;
        self.read_again();
    }

    /// Reads it again with what is said of it in code, which answers a comment that is almost a directive.
    fn read_again(&mut self) {
        self.directives.problem = None;
        let statements = split(&self.sql).unwrap_or_default();
        self.reading = Reading::new(&self.sql, &statements, &self.directives);
    }

    /// Whether its text mentions constraints that are deferred, in strings that it executes too.
    pub(super) fn defers(&self) -> bool {
        self.defers
    }

    /// Whether its text adds a value to an enumeration, in strings that it executes too.
    pub(crate) fn adds_enum_value(&self) -> bool {
        self.adds_enum_value
    }

    /// What is known of its costs.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where its statements stand in [`Self::sql`].
    pub(crate) fn statements(&self) -> &[Range<usize>] {
        &self.reading.statements
    }

    /// The text as it is sent to a schema, with the schema in front of every name that it changes: all of it, or one unit or
    /// setting. What cannot run in a transaction is left out of the whole.
    pub(crate) fn qualified(&self, schema: &str, part: Option<Range<usize>>, whose: Whose) -> Qualified {
        let mut blanks = self.reading.key_words.clone();
        if part.is_none() {
            blanks.extend_from_slice(&self.reading.blanks);
        }
        if whose == Whose::Tenant {
            blanks.extend(self.reading.extensions.iter().map(|extension| extension.range.clone()));
        }
        blanks.sort_unstable_by_key(|range| range.start);
        // What follows a path of the migration's own means other schemas, and is not ours to say.
        let path = self.reading.leavings.iter().find(|found| found.changes_path && whose == Whose::Shared);
        let as_written_from = if self.in_code.as_written { Some(0) } else { path.map(|found| found.offset) };
        let in_front = as_written_from.map(|offset| self.reading.targets.before(offset));
        let targets = in_front.as_ref().unwrap_or(&self.reading.targets);
        targets.qualify(&self.sql, part.unwrap_or(0..self.sql.len()), &blanks, schema)
    }

    /// How many of its statements change something by a name in front of which the schema is not written when they are
    /// sent, because their form or what they name is not known before the server runs them.
    pub fn unqualified_statements(&self) -> usize {
        if self.in_code.as_written { 0 } else { self.reading.targets.uncertain() }
    }

    /// The place `offset` bytes into [`Self::sql`].
    pub(crate) fn excerpt(&self, offset: usize) -> Excerpt {
        // Something that is left out can be longer in bytes than in characters.
        Excerpt::new(&self.file, &self.sql, self.sql.floor_char_boundary(offset))
    }
}

/// Whose schema a text is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Shared,
    /// One of many: what is the database's is done before.
    Tenant,
}

impl Reading {
    fn new(sql: &str, statements: &[Statement], directives: &Directives) -> Self {
        let mut reading = Self {
            statements: statements.iter().map(|statement| statement.range.clone()).collect(),
            targets: Targets::of(sql, statements, |statement| runs_alone(sql, statement)),
            extensions: statements.iter().filter_map(|statement| Extension::read(sql, statement)).collect(),
            leavings: statements.iter().filter_map(|statement| session::leaves_the_tenant(sql, statement)).collect(),
            problem: directives.problem.clone(),
            ..Self::default()
        };
        if let Err(problem) = reading.read_blocks(sql, statements, directives) {
            reading.problem.get_or_insert(problem);
        }
        reading
    }

    fn read_blocks(
        &mut self,
        sql: &str,
        statements: &[Statement],
        directives: &Directives,
    ) -> Result<(), (Problem, usize)> {
        let problem = statements.iter().find_map(|statement| {
            check::ambiguous(sql, statement)
                .or_else(|| check::copies_a_stream(sql, statement))
                .or_else(|| check::is_of_psql(sql, statement))
                .or_else(|| session::refused(sql, statement))
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        let blocks = Blocks::read(sql, statements)?;
        self.key_words = blocks.key_words().collect();
        let alone = |statement: &&Statement| runs_alone(sql, statement);
        // Its author divides it for what no transaction takes, or for a value of an enumeration to be committed before what
        // stands behind it uses it.
        let is_divided = blocks.divide_behind(|statement| alters_an_enumeration(sql, statement))
            || blocks.divide_behind(|_| true) && statements.iter().any(|statement| alone(&statement));
        if directives.no_transaction || is_divided {
            let outside = Outside::read(sql, &blocks, directives.idempotent)?;
            self.blanks = outside.blanks().collect();
            self.outside = Some(outside);
        } else if let Some(alone) = statements.iter().find(alone) {
            let words = if alone.starts_with(sql, &["vacuum"]) { 1 } else { 2 };
            let is_concurrent = alone.contains(sql, "concurrently");
            let statement = if is_concurrent { "CONCURRENTLY".to_owned() } else { alone.opening(sql, words) };
            return Err((Problem::NeedsNoTransaction { statement }, alone.range.start));
        } else if let Some(problem) = blocks.ends_too_early(sql) {
            return Err(problem);
        }
        Ok(())
    }
}

/// What the comments on top of a migration say.
#[derive(Clone, Debug, Default)]
struct Directives {
    no_transaction: bool,
    /// Its statements are safe to repeat, by its author's word.
    idempotent: bool,
    allowed_schemas: Vec<String>,
    allows_database: bool,
    /// A comment that is almost a directive, or one that is none that is known.
    problem: Option<(Problem, usize)>,
}

impl Directives {
    fn read(sql: &str) -> Self {
        // sqlx's own, which has to be the first thing in a file.
        let first_line = sql.lines().next().unwrap_or_default().trim_end();
        let mut directives = Self { no_transaction: first_line == "-- no-transaction", ..Self::default() };
        for comment in comments(sql) {
            if let Err(problem) = directives.comment(&comment) {
                directives.problem.get_or_insert((problem, comment.offset));
            }
        }
        directives
    }

    fn comment(&mut self, comment: &Comment<'_>) -> Result<(), Problem> {
        let Some(directive) = directive(comment.text) else {
            return misspelt(comment.text).map_or(Ok(()), |meant| Err(Problem::MisspeltDirective { meant }));
        };
        // A comment may go on behind the directive.
        let directive = directive.split(" --").next().unwrap_or_default().trim();
        let words: Vec<&str> = directive.split_whitespace().collect();
        let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
        // `up` and `down` are dbmate's, in whose files both directions stand.
        let is_meant = words.first().is_none_or(|word| {
            let letters = letters(word);
            ["no", "allow", "idem"].iter().any(|begins| letters.starts_with(begins))
                || ["up", "down"].contains(&letters.as_str())
        });
        if !is_meant {
            return Ok(());
        }
        if !comment.on_top {
            return Err(Problem::LateDirective);
        }
        match words[..] {
            [word] if is(word, "no-transaction") => self.no_transaction = true,
            [word, how] if is(word, "no-transaction") && is(how, "idempotent") => {
                (self.no_transaction, self.idempotent) = (true, true);
            }
            [word, schema] if is(word, "allow-schema") && schema.parse::<SchemaName>().is_ok() => {
                self.allowed_schemas.push(schema.to_owned());
            }
            [word] if is(word, "allow-database") => self.allows_database = true,
            [word, ..] if is(word, "allow-schema") => return Err(Problem::AllowSchema),
            _ => return Err(Problem::UnknownDirective { directive: directive.to_owned() }),
        }
        Ok(())
    }
}

/// What stands behind `migrate:`.
fn directive(comment: &str) -> Option<&str> {
    let (word, rest) = comment.split_at_checked(DIRECTIVE.len())?;
    let rest = rest.trim_start().strip_prefix(':')?;
    word.eq_ignore_ascii_case(DIRECTIVE).then(|| rest.trim())
}

/// The directive that a comment was meant to be which is almost one, as `migrate no-transaction` and
/// `migration: no_transaction` are. A comment that begins with `migrate` may say anything else.
fn misspelt(comment: &str) -> Option<&'static str> {
    let mut words = comment.split(|c: char| c.is_whitespace() || c == ':').filter(|word| !word.is_empty());
    let begins = words.next()?.get(..DIRECTIVE.len() - 1)?.eq_ignore_ascii_case(&DIRECTIVE[..DIRECTIVE.len() - 1]);
    let words: Vec<String> = words.map(letters).collect();
    let meant = |known: &str| words.first().is_some_and(|word| word == known) || words.concat() == known;
    let known = [
        ("notransaction", "no-transaction"),
        ("allowschema", "allow-schema NAME"),
        ("allowdatabase", "allow-database"),
    ];
    known.into_iter().find(|(spelt, _)| begins && meant(spelt)).map(|(_, meant)| meant)
}

fn letters(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

fn checksum_int4(name: &str, version: i32, sql: &str) -> u64 {
    use std::hash::{Hash, Hasher};

    let mut hasher = siphasher::sip::SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish()
}

/// Whether the statement is one that no transaction takes. The end of a detaching is none.
fn runs_alone(sql: &str, statement: &Statement) -> bool {
    Action::read(sql, statement).is_some_and(|action| !matches!(action, Action::Finalize { .. }))
}

fn alters_an_enumeration(sql: &str, statement: &Statement) -> bool {
    let adds = |pair: &[super::statement::Word]| pair[0].is(sql, "add") && pair[1].is(sql, "value");
    statement.starts_with(sql, &["alter", "type"]) && statement.words.windows(2).any(adds)
}

/// `ADD VALUE`, which nothing but `ALTER TYPE` has.
fn adds_enum_value(sql: &str) -> bool {
    let words: Vec<&str> =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("add") && pair[1].eq_ignore_ascii_case("value"))
}
