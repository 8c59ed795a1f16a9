//! Everything that can be wrong with a migration set, and the text of each problem.

use std::fmt;

/// The kind of a [`SetError`](crate::SetError).
///
/// ```
/// use migrations_core::{MigrationSet, SetErrorKind};
///
/// let set = MigrationSet::new("tenant")?;
/// let misnamed = set.clone().with_sql("add_notes", "SELECT 1");
/// assert_eq!(misnamed.unwrap_err().kind(), SetErrorKind::FileName);
/// let refused = set.with_sql("V1__notes", "CREATE TABLE notes (id bigint); SAVEPOINT a")?.check();
/// assert_eq!(refused.unwrap_err().kind(), SetErrorKind::RefusedStatement);
/// # Ok::<(), migrations_core::SetError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetErrorKind {
    /// The name of the set has other characters than `a-z`, `0-9`, `-` and `_`, or none; or the set called `tenant` is
    /// given as the shared one, or the other way round.
    SetName,
    /// The name of a schema in [`MigrationSet::allow_schema`](crate::MigrationSet::allow_schema).
    SchemaName,
    /// A file or title is not named `V{version}__{snake_name}`, or its version does not fit into 64 bits.
    FileName,
    /// Two migrations have the same version.
    DuplicateVersion,
    /// The text cannot be split into statements reliably: it is not UTF-8, contains a NUL byte or a quote that is never
    /// closed, or servers of different versions split it differently.
    UnreadableText,
    /// A directive is unknown, almost right, in the wrong place, or has a wrong argument.
    Directive,
    /// Code names a migration that the set does not have.
    UnknownMigration,
    /// The migration can run only with a directive that it does not have, or with the same said in code.
    NeedsDirective,
    /// No migration of any set can hold the statement.
    RefusedStatement,
    /// The statement cannot be a tenant's: it changes what does not belong to the tenant, or the tenant's path or role.
    IsolationViolation,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    SetName,
    /// `allow_schema` is given a text that is not a schema's name.
    SchemaName(String),
    /// A set is given in the place of the other one.
    Misplaced {
        place: &'static str,
    },
    FileName,
    Unversioned,
    VersionTooLarge,
    NotUtf8,
    NulByte,
    /// Two migrations have the same version and name.
    Duplicate {
        other: String,
    },
    SameVersion {
        other: String,
        version: i64,
    },
    UnknownDirective {
        directive: String,
    },
    MisspeltDirective {
        meant: &'static str,
    },
    LateDirective,
    AllowSchema,
    NoSuchMigration,
    Unterminated {
        what: &'static str,
    },
    Ambiguous {
        what: &'static str,
    },
    TransactionControl {
        statement: String,
    },
    TransactionMode {
        statement: String,
    },
    NeverCommitted,
    /// A statement that cannot run inside a transaction stands in a block.
    NonTransactionalInBlock,
    /// The effect of a statement would outlive the `COMMIT` at which it is meant to end.
    OutlivesItsBlock {
        statement: String,
    },
    /// A tenant's migration changes its path or its role.
    ChangesPathOrRole {
        statement: String,
    },
    /// The server would read strings differently from how they are read here.
    ChangesStringSyntax {
        statement: String,
    },
    /// A statement sets something for the session, and does something else too.
    MixedSetting,
    /// A statement would wait for the locks of the run that executes it.
    WaitsForOwnLocks {
        statement: String,
    },
    /// A statement that cannot run inside a transaction is in a migration that is sent as it is written.
    NonTransactionalAsWritten,
    /// A statement that cannot run inside a transaction is of a form that is not understood.
    UnknownForm,
    PsqlCommand {
        command: String,
    },
    NeedsNoTransaction {
        statement: String,
    },
    NotIdempotent,
    CopyStream,
    /// A tenant's migration changes the whole server.
    ChangesTheServer,
    /// A tenant's migration changes a schema that is not the tenant's.
    ChangesOtherSchema {
        schema: String,
    },
}

impl Problem {
    pub(super) fn kind(&self) -> SetErrorKind {
        match self {
            Self::SetName | Self::Misplaced { .. } => SetErrorKind::SetName,
            Self::SchemaName(_) => SetErrorKind::SchemaName,
            Self::FileName | Self::Unversioned | Self::VersionTooLarge => SetErrorKind::FileName,
            Self::Duplicate { .. } | Self::SameVersion { .. } => SetErrorKind::DuplicateVersion,
            Self::NotUtf8 | Self::NulByte | Self::Unterminated { .. } | Self::Ambiguous { .. } => {
                SetErrorKind::UnreadableText
            }
            Self::UnknownDirective { .. }
            | Self::MisspeltDirective { .. }
            | Self::LateDirective
            | Self::AllowSchema => SetErrorKind::Directive,
            Self::NoSuchMigration => SetErrorKind::UnknownMigration,
            Self::NeedsNoTransaction { .. }
            | Self::NotIdempotent
            | Self::MixedSetting
            | Self::OutlivesItsBlock { .. } => SetErrorKind::NeedsDirective,
            Self::TransactionControl { .. }
            | Self::TransactionMode { .. }
            | Self::NeverCommitted
            | Self::NonTransactionalInBlock
            | Self::NonTransactionalAsWritten
            | Self::ChangesStringSyntax { .. }
            | Self::WaitsForOwnLocks { .. }
            | Self::UnknownForm
            | Self::PsqlCommand { .. }
            | Self::CopyStream => SetErrorKind::RefusedStatement,
            Self::ChangesPathOrRole { .. } | Self::ChangesTheServer | Self::ChangesOtherSchema { .. } => {
                SetErrorKind::IsolationViolation
            }
        }
    }

    /// Whether nothing that code can say about the migration helps: other SQL has to run in its place.
    fn needs_other_sql(&self) -> bool {
        match self {
            Self::Ambiguous { .. } | Self::UnknownDirective { .. } | Self::LateDirective | Self::AllowSchema => true,
            other => other.kind() == SetErrorKind::RefusedStatement,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)?;
        if self.needs_other_sql() {
            f.write_str(" (MigrationSet::run_instead in code, for a file that is applied already)")?;
        }
        Ok(())
    }
}

impl Problem {
    #[allow(clippy::too_many_lines, reason = "it is one list of texts")]
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SchemaName(problem) => f.write_str(problem),
            Self::Misplaced { place } => write!(
                f,
                "this set is given as the {place} set, which its name says it is not; are the two sets swapped?"
            ),
            Self::SetName => f.write_str("a set's name consists of a-z, 0-9, - and _"),
            Self::FileName => f.write_str(
                "not the name of a migration; name it V{version}__{snake_name}.sql, as in V7__add_notes.sql, or move \
                 it out of the folder",
            ),
            Self::Unversioned => f.write_str(
                "unversioned migrations (U…) are not supported, because the order in which they run is not fixed; give \
                 it a version (V…)",
            ),
            Self::VersionTooLarge => f.write_str("the version does not fit into 64 bits; use a smaller number"),
            Self::NotUtf8 => f.write_str("not UTF-8; save the file as UTF-8"),
            Self::NulByte => f.write_str("contains a NUL byte, which PostgreSQL's protocol cannot carry; remove it"),
            Self::Duplicate { other } => write!(f, "the same version and name as {other}; keep one of them"),
            Self::SameVersion { other, version } => {
                write!(f, "version {version} is already used by {other}; give one of them the next free version")
            }
            Self::NoSuchMigration => {
                f.write_str("the set has no such migration; use the name of its file without .sql, as in V7__add_notes")
            }
            Self::UnknownDirective { directive } => write!(
                f,
                "unknown directive {directive:?}; the known ones are no-transaction, no-transaction idempotent, \
                 allow-schema NAME and allow-database"
            ),
            Self::MisspeltDirective { meant } => write!(
                f,
                "this is almost a directive, and would be ignored; write it `-- migrate: {meant}`, or say the same in \
                 code (MigrationSet::no_transaction, allow_schema, allow_database), for a file that is applied already"
            ),
            Self::LateDirective => f.write_str("a directive must stand above the first statement"),
            Self::AllowSchema => {
                f.write_str("allow-schema takes the name of one schema, as in `allow-schema reporting`")
            }
            Self::Unterminated { what } => write!(f, "this {what} is never closed"),
            Self::Ambiguous { what } => {
                write!(f, "where this ends depends on the server's version, because {what}; write it differently")
            }
            Self::TransactionControl { statement } => write!(
                f,
                "{statement} has no place in a migration, whose transaction is the framework's: it commits when the \
                 whole migration has succeeded, and rolls back when a statement fails; remove it"
            ),
            Self::TransactionMode { statement } => write!(
                f,
                "{statement} asks for another transaction mode than the framework's, which is READ COMMITTED and READ \
                 WRITE; leave the mode out"
            ),
            Self::NeverCommitted => f.write_str("this BEGIN is never committed; add the COMMIT, or remove the BEGIN"),
            Self::NonTransactionalInBlock => f.write_str(
                "this statement cannot run inside a transaction, but stands between BEGIN and COMMIT; move it out of \
                 the block",
            ),
            Self::OutlivesItsBlock { statement } => write!(
                f,
                "the effect of {statement} ends at its COMMIT, but the statements after that would run in the same \
                 transaction; say `-- migrate: no-transaction` on top, so that the block is a transaction of its own \
                 (MigrationSet::no_transaction in code, for a file that is applied already)"
            ),
            Self::ChangesPathOrRole { statement } => write!(
                f,
                "after {statement}, names would mean another schema than the tenant's, or statements would have \
                 another role's rights; remove it: the path is set for every tenant, and Migrator::tenant_role sets the role \
                 (MigrationSet::allow_settings in code, for a file that is applied already)"
            ),
            Self::ChangesStringSyntax { statement } => write!(
                f,
                "after {statement}, the server would read strings differently from how they are read here; write E'…' \
                 where a backslash is an escape"
            ),
            Self::MixedSetting => f.write_str(
                "this changes a setting for the statements after it, but also does something else, which may not be \
                 safe to repeat for each of them; use SET, or say `-- migrate: no-transaction idempotent` on top \
                 (MigrationSet::idempotent in code, for a file that is applied already)",
            ),
            Self::WaitsForOwnLocks { statement } => write!(
                f,
                "{statement} locks every table, including those in which the run itself holds locks, so it would wait \
                 for ever; name the tables, or run it by hand"
            ),
            Self::NonTransactionalAsWritten => f.write_str(
                "this statement cannot run inside a transaction, and after a crash its result is looked up by the \
                 names in it, so MigrationSet::as_written cannot be used here; write the schema before each name",
            ),
            Self::UnknownForm => f.write_str(
                "this statement cannot run inside a transaction, and its form is not understood, so that a run could \
                 not find out after a crash whether it was done; write one statement for each object",
            ),
            Self::PsqlCommand { command } => {
                write!(f, "{command} is a command of psql, which the server does not understand; remove the line")
            }
            Self::NeedsNoTransaction { statement } => write!(
                f,
                "{statement} cannot run inside a transaction; move the statement into a file of its own with \
                 `-- migrate: no-transaction` on top (MigrationSet::no_transaction in code, for a file that is applied \
                 already)"
            ),
            Self::NotIdempotent => f.write_str(
                "this statement cannot run inside a transaction, and after a crash a run would not know whether it was \
                 done; if it is safe to repeat, say `-- migrate: no-transaction idempotent` on top \
                 (MigrationSet::idempotent in code, for a file that is applied already)",
            ),
            Self::CopyStream => f.write_str(
                "COPY from or to the client needs a data stream, which a migration does not have; use INSERT … VALUES",
            ),
            Self::ChangesTheServer => f.write_str(
                "this changes the whole server, and every tenant would do it again; do it once, in a migration of the \
                 shared set, or say `-- migrate: allow-database` on top if that is what is meant \
                 (MigrationSet::allow_database in code, for a file that is applied already)",
            ),
            Self::ChangesOtherSchema { schema } => write!(
                f,
                "changes schema {schema}, which is not the tenant's and would be changed by every tenant; leave the \
                 schema out, or say `-- migrate: allow-schema {schema}` on top if that is what is meant \
                 (MigrationSet::allow_schema in code, for a file that is applied already)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each.
    fn all() -> Vec<(Problem, SetErrorKind)> {
        let statement = || "STATEMENT".to_owned();
        let other = || "V1__other.sql".to_owned();
        vec![
            (Problem::SetName, SetErrorKind::SetName),
            (Problem::Misplaced { place: "shared" }, SetErrorKind::SetName),
            (Problem::SchemaName("schema name \"\" is empty".to_owned()), SetErrorKind::SchemaName),
            (Problem::FileName, SetErrorKind::FileName),
            (Problem::Unversioned, SetErrorKind::FileName),
            (Problem::VersionTooLarge, SetErrorKind::FileName),
            (Problem::Duplicate { other: other() }, SetErrorKind::DuplicateVersion),
            (Problem::SameVersion { other: other(), version: 1 }, SetErrorKind::DuplicateVersion),
            (Problem::NotUtf8, SetErrorKind::UnreadableText),
            (Problem::NulByte, SetErrorKind::UnreadableText),
            (Problem::Unterminated { what: "string" }, SetErrorKind::UnreadableText),
            (Problem::Ambiguous { what: "a reason" }, SetErrorKind::UnreadableText),
            (Problem::UnknownDirective { directive: "x".to_owned() }, SetErrorKind::Directive),
            (Problem::MisspeltDirective { meant: "no-transaction" }, SetErrorKind::Directive),
            (Problem::LateDirective, SetErrorKind::Directive),
            (Problem::AllowSchema, SetErrorKind::Directive),
            (Problem::NoSuchMigration, SetErrorKind::UnknownMigration),
            (Problem::NeedsNoTransaction { statement: statement() }, SetErrorKind::NeedsDirective),
            (Problem::NotIdempotent, SetErrorKind::NeedsDirective),
            (Problem::MixedSetting, SetErrorKind::NeedsDirective),
            (Problem::OutlivesItsBlock { statement: statement() }, SetErrorKind::NeedsDirective),
            (Problem::TransactionControl { statement: statement() }, SetErrorKind::RefusedStatement),
            (Problem::TransactionMode { statement: statement() }, SetErrorKind::RefusedStatement),
            (Problem::NeverCommitted, SetErrorKind::RefusedStatement),
            (Problem::NonTransactionalInBlock, SetErrorKind::RefusedStatement),
            (Problem::NonTransactionalAsWritten, SetErrorKind::RefusedStatement),
            (Problem::ChangesStringSyntax { statement: statement() }, SetErrorKind::RefusedStatement),
            (Problem::WaitsForOwnLocks { statement: statement() }, SetErrorKind::RefusedStatement),
            (Problem::UnknownForm, SetErrorKind::RefusedStatement),
            (Problem::PsqlCommand { command: "\\echo".to_owned() }, SetErrorKind::RefusedStatement),
            (Problem::CopyStream, SetErrorKind::RefusedStatement),
            (Problem::ChangesPathOrRole { statement: statement() }, SetErrorKind::IsolationViolation),
            (Problem::ChangesTheServer, SetErrorKind::IsolationViolation),
            (Problem::ChangesOtherSchema { schema: "other".to_owned() }, SetErrorKind::IsolationViolation),
        ]
    }

    /// Every problem in the text of an applied file has a way out in code, and its kind tells which.
    #[test]
    fn the_kind_of_a_problem_tells_its_way_out() {
        for (problem, kind) in all() {
            assert_eq!(problem.kind(), kind, "{problem:?}");
            let text = problem.to_string();
            let names = |method: &str| text.contains(&format!("(MigrationSet::{method}"));
            let way_out = match kind {
                SetErrorKind::RefusedStatement => names("run_instead"),
                SetErrorKind::NeedsDirective => {
                    text.contains("`-- migrate: no-transaction") && (names("no_transaction") || names("idempotent"))
                }
                SetErrorKind::IsolationViolation => names("allow_"),
                SetErrorKind::Directive => names("run_instead") || names("no_transaction"),
                SetErrorKind::UnreadableText | SetErrorKind::UnknownMigration => true,
                SetErrorKind::SetName
                | SetErrorKind::SchemaName
                | SetErrorKind::FileName
                | SetErrorKind::DuplicateVersion => !names(""),
            };
            assert!(way_out, "{kind:?}: {text}");
        }
    }

    #[test]
    fn every_problem_is_tested_once() {
        let problems: std::collections::HashSet<_> =
            all().iter().map(|(problem, _)| std::mem::discriminant(problem)).collect();
        assert_eq!(problems.len(), all().len());
        let source = include_str!("problem.rs").split("impl Problem").next().unwrap_or_default();
        let source = source.split("enum Problem {").nth(1).unwrap_or_default();
        let variants = source.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
        let variants = variants.filter(|line| line.trim().starts_with(|c: char| c.is_ascii_uppercase()));
        assert_eq!(variants.count(), problems.len());
    }
}
