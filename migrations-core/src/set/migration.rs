//! One migration: its name, its text, and what is known about it without a database.

use std::ops::Range;

use refinery::Migration as Recorded;

use super::error::{Problem, SetError};
use super::facts::Facts;
use super::outside::{Outside, Refused};
use super::statement::{Statement, comments, split};
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
    mode: Mode,
    statements: Vec<Range<usize>>,
    facts: Facts,
    targets: Targets,
    allowed_schemas: Vec<String>,
    /// Whether it may change what no schema holds.
    allows_database: bool,
    /// Whether it can leave the check of a constraint to the end of its transaction.
    defers: bool,
    /// Whether it adds a value to an enumeration.
    adds_enum_value: bool,
    recorded: Recorded,
    checksum_int4: Option<u64>,
}

/// How a migration is run.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Together with its neighbours, in one transaction.
    Transactional,
    /// Statement by statement, outside a transaction; `in_transaction` is the text for a brand-new schema: as long as
    /// the original, with blanks where `CONCURRENTLY` stood, so that positions in errors stay true.
    Outside { statements: Vec<Outside>, in_transaction: String },
}

impl Migration {
    /// Reads a migration called `stem`, which stands in `file`.
    pub(super) fn read(set: &str, file: &str, stem: &str, sql: &str) -> Result<Self, SetError> {
        let (version, name) = file_name::parse(stem).map_err(|problem| SetError::file(set, file, problem))?;
        // As refinery would hash it on a platform with another line ending.
        let sql = sql.replace("\r\n", "\n");
        let fail = |offset, problem| SetError::at(set, file, &sql, offset, problem);
        if sql.starts_with('\u{feff}') {
            return Err(SetError::file(set, file, Problem::ByteOrderMark));
        }
        if let Some(offset) = sql.find('\0') {
            return Err(fail(offset, Problem::NulByte));
        }
        let Directives { no_transaction, idempotent, allowed_schemas, allows_database } =
            directives(&sql).map_err(|(problem, offset)| fail(offset, problem))?;
        let statements = split(&sql).map_err(|found| fail(found.offset, Problem::Unterminated { what: found.what }))?;
        if statements.is_empty() {
            return Err(SetError::file(set, file, Problem::Empty));
        }
        if let Some((what, offset)) = statements.iter().find_map(|statement| check::ambiguous(&sql, statement)) {
            return Err(fail(offset, Problem::Ambiguous { what }));
        }
        let mode =
            if no_transaction { outside(&sql, &statements, idempotent) } else { transactional(&sql, &statements) };
        let mode = mode.map_err(|(problem, offset)| fail(offset, problem))?;
        let mut targets = Targets::of(&sql, &statements);
        if let Mode::Outside { in_transaction, .. } = &mode {
            // There is no name where a statement is blanked out.
            targets.retain(|offset| sql.as_bytes()[offset] == in_transaction.as_bytes()[offset]);
        }
        let title = format!("V{version}__{name}");
        let recorded = Recorded::unapplied(&title, &sql).map_err(|_| SetError::file(set, file, Problem::FileName))?;
        Ok(Self {
            version,
            title,
            file: file.to_owned(),
            mode,
            allowed_schemas,
            allows_database,
            defers: sql.to_ascii_lowercase().contains("deferr"),
            adds_enum_value: adds_enum_value(&sql),
            facts: Facts::of(&sql, &statements),
            targets,
            statements: statements.into_iter().map(|statement| statement.range).collect(),
            checksum_int4: i32::try_from(version).ok().map(|version| checksum_int4(&name, version, &sql)),
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

    /// The SQL, with `\n` for line ends.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The first change to a schema that the file does not allow itself.
    pub(super) fn trespass(&self, set: &str) -> Option<SetError> {
        let found = isolation::check(&self.sql, &self.statements, &self.allowed_schemas)?;
        let problem = Problem::Trespass { schema: found.schema };
        Some(SetError::at(set, &self.file, &self.sql, found.offset, problem))
    }

    /// refinery's checksum over name, version and SQL.
    pub fn checksum(&self) -> u64 {
        self.recorded.checksum()
    }

    /// Whether the file says `-- migrate: no-transaction`.
    pub fn is_outside_a_transaction(&self) -> bool {
        matches!(self.mode, Mode::Outside { .. })
    }

    /// Whether it cannot be part of the transaction that creates a schema either.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        matches!(&self.mode, Mode::Outside { statements, .. } if statements.iter().any(Outside::is_apart_for_a_new_schema))
    }

    /// The checksum that refinery writes when it is built without `int8-versions`, its default: the same hash over a
    /// version of four bytes.
    pub(crate) fn checksum_int4(&self) -> Option<u64> {
        self.checksum_int4
    }

    pub(crate) fn name(&self) -> &str {
        self.recorded.name()
    }

    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    pub(crate) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Schemas other than its own that it says it changes.
    pub(crate) fn allowed_schemas(&self) -> &[String] {
        &self.allowed_schemas
    }

    pub(super) fn allow_schema(&mut self, schema: &SchemaName) {
        self.allowed_schemas.push(schema.to_string());
    }

    /// Whether it says that it changes what no schema holds: extensions, settings of the database, publications.
    pub(crate) fn allows_database(&self) -> bool {
        self.allows_database
    }

    /// Sends its text as it is.
    pub(super) fn keep_as_written(&mut self) {
        self.targets = Targets::default();
    }

    pub(super) fn allow_database(&mut self) {
        self.allows_database = true;
    }

    /// Whether its text mentions constraints that are deferred, in strings that it executes too.
    pub(super) fn defers(&self) -> bool {
        self.defers
    }

    /// Whether its text adds a value to an enumeration, in strings that it executes too.
    pub(super) fn adds_enum_value(&self) -> bool {
        self.adds_enum_value
    }

    /// What is known of its costs.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where its statements stand in [`Self::sql`].
    pub(crate) fn statements(&self) -> &[Range<usize>] {
        &self.statements
    }

    /// The text to run inside a transaction on a brand-new schema.
    pub(crate) fn sql_in_a_transaction(&self) -> &str {
        match &self.mode {
            Mode::Transactional => &self.sql,
            Mode::Outside { in_transaction, .. } => in_transaction,
        }
    }

    /// The text to run inside a transaction, with the schema in front of every name that it changes.
    pub(crate) fn qualified(&self, schema: &str) -> Qualified {
        self.targets.qualify(self.sql_in_a_transaction(), schema)
    }

    /// How many of its statements change something by a name in front of which the schema is not written when they are
    /// sent, because their form or what they name is not known before the server runs them.
    pub fn unqualified_statements(&self) -> usize {
        self.targets.uncertain()
    }

    /// The place `offset` bytes into [`Self::sql`].
    pub(crate) fn excerpt(&self, offset: usize) -> Excerpt {
        Excerpt::new(&self.file, &self.sql, offset)
    }
}

/// What the comments on top of a migration say.
#[derive(Default)]
struct Directives {
    no_transaction: bool,
    /// Its statements are safe to repeat, by its author's word.
    idempotent: bool,
    allowed_schemas: Vec<String>,
    allows_database: bool,
}

fn directives(sql: &str) -> Result<Directives, (Problem, usize)> {
    let mut directives = Directives::default();
    for comment in comments(sql) {
        let Some(directive) = directive(comment.text) else {
            if let Some(meant) = misspelt(comment.text) {
                return Err((Problem::MisspeltDirective { meant }, comment.offset));
            }
            continue;
        };
        if !comment.on_top {
            return Err((Problem::LateDirective, comment.offset));
        }
        let words: Vec<&str> = directive.split_whitespace().collect();
        let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
        match words[..] {
            [word] if is(word, "no-transaction") => directives.no_transaction = true,
            [word, how] if is(word, "no-transaction") && is(how, "idempotent") => {
                (directives.no_transaction, directives.idempotent) = (true, true);
            }
            [word, schema] if is(word, "allow-schema") && schema.parse::<SchemaName>().is_ok() => {
                directives.allowed_schemas.push(schema.to_owned());
            }
            [word] if is(word, "allow-database") => directives.allows_database = true,
            [word, ..] if is(word, "allow-schema") => return Err((Problem::AllowSchema, comment.offset)),
            _ => return Err((Problem::UnknownDirective { directive: directive.to_owned() }, comment.offset)),
        }
    }
    Ok(directives)
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

fn transactional(sql: &str, statements: &[Statement]) -> Result<Mode, (Problem, usize)> {
    match statements.iter().find_map(|statement| check::transactional(sql, statement)) {
        Some(found) => Err(found),
        None => Ok(Mode::Transactional),
    }
}

fn outside(sql: &str, statements: &[Statement], idempotent: bool) -> Result<Mode, (Problem, usize)> {
    let mut in_transaction = sql.to_owned();
    let mut found = Vec::new();
    for statement in statements {
        let outside = Outside::read(sql, statement, idempotent).map_err(|(refused, offset)| {
            let why = match refused {
                Refused::Unsupported => "this statement cannot be run outside a transaction",
                Refused::IfNotExists => {
                    "IF NOT EXISTS would take the invalid index of an interrupted build for a good one"
                }
                Refused::Unnamed => "the index needs a name, by which an interrupted build is found",
                Refused::NotIdempotent => {
                    "it may have committed a part of its work when a run is cut off, and is then run again: when that is \
                     safe, say so with `-- migrate: no-transaction idempotent` on top"
                }
                Refused::Qualified => "the schema is written in front of the name by the framework; leave it out",
            };
            (Problem::Outside { why }, offset)
        })?;
        if let Some(range) = outside.blanked_in_a_transaction() {
            let blanks: String = sql[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
            in_transaction.replace_range(range, &blanks);
        }
        found.push(outside);
    }
    Ok(Mode::Outside { statements: found, in_transaction })
}

fn checksum_int4(name: &str, version: i32, sql: &str) -> u64 {
    use std::hash::{Hash, Hasher};

    let mut hasher = siphasher::sip::SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish()
}

/// `ADD VALUE`, which nothing but `ALTER TYPE` has.
fn adds_enum_value(sql: &str) -> bool {
    let words: Vec<&str> =
        sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|pair| pair[0].eq_ignore_ascii_case("add") && pair[1].eq_ignore_ascii_case("value"))
}
