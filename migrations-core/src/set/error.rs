//! What can be wrong with a migration set before any database is asked.

use std::fmt;

use crate::excerpt::Excerpt;

/// A migration set that cannot be used: which set, which file, where in it, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    set: String,
    file: String,
    excerpt: Option<Excerpt>,
    problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Problem {
    SetName,
    FileName,
    Unversioned,
    VersionTooLarge,
    NotUtf8,
    NulByte,
    Twice { other: String },
    SameVersion { other: String, version: i64 },
    UnknownDirective { directive: String },
    MisspeltDirective { meant: &'static str },
    LateDirective,
    NoSuchMigration,
    Unterminated { what: &'static str },
    Ambiguous { what: &'static str },
    TransactionControl { statement: String },
    TransactionMode { statement: String },
    NeverCommitted,
    AloneInBlock,
    EndsWithItsBlock { statement: String },
    LeavesTheTenant { statement: String },
    ReadOtherwise { statement: String },
    SetsBeside,
    WaitsForItself { statement: String },
    AsWrittenAlone,
    Unread,
    PsqlCommand { command: String },
    NeedsNoTransaction { statement: String },
    NotIdempotent,
    ChangesTheServer,
    CopyStream,
    AllowSchema,
    Trespass { schema: String },
}

impl SetError {
    pub(crate) fn file(set: &str, file: &str, problem: Problem) -> Self {
        Self(Box::new(Details { set: set.to_owned(), file: file.to_owned(), excerpt: None, problem }))
    }

    pub(crate) fn at(set: &str, file: &str, text: &str, offset: usize, problem: Problem) -> Self {
        let excerpt = Some(Excerpt::new(file, text, offset));
        Self(Box::new(Details { set: set.to_owned(), file: file.to_owned(), excerpt, problem }))
    }

    /// The set's name.
    pub fn set(&self) -> &str {
        &self.0.set
    }

    /// The file, or the name of a migration written in Rust.
    pub fn file_name(&self) -> &str {
        &self.0.file
    }

    /// Where in the file, when the problem has a place.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.0.excerpt.as_ref()
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { set, file, excerpt, problem } = &*self.0;
        write!(f, "{file} in the {set} set: {problem}")?;
        match excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SetError {}

impl Problem {
    /// What is said of every problem of the kind.
    fn text(&self) -> Option<&'static str> {
        Some(match self {
            Self::SetName => "a set's name is made of a-z, 0-9, - and _",
            Self::FileName => {
                "not a migration's name; name it V{version}__{snake_name}.sql, as in V7__add_notes.sql, or move it out \
                 of the folder"
            }
            Self::Unversioned => {
                "unversioned migrations (U…) are not supported, because the order of their runs is not fixed; give it \
                 a version (V…)"
            }
            Self::VersionTooLarge => "the version does not fit into 64 bits; use a smaller number",
            Self::NotUtf8 => "not UTF-8; save the file as UTF-8",
            Self::NulByte => "contains a NUL byte, which PostgreSQL's protocol cannot carry; remove it",
            Self::NoSuchMigration => {
                "the set has no such migration; name it as its file is named, without .sql: V7__add_notes"
            }
            Self::LateDirective => "a directive must stand above the first statement",
            Self::NeverCommitted => "this BEGIN is never committed; add the COMMIT, or remove it",
            Self::AloneInBlock => {
                "this statement cannot run inside a transaction, and stands between BEGIN and COMMIT; move it out of the \
                 block"
            }
            Self::SetsBeside => {
                "this sets something for the statements behind it, and does something else too, which is not known to be safe \
                 to repeat for each of them; set it by SET, or say `-- migrate: no-transaction idempotent` on top \
                 (MigrationSet::idempotent in code, for a file that is applied already)"
            }
            Self::AsWrittenAlone => {
                "this runs alone, and what became of it is looked for by its names after a crash: MigrationSet::as_written is \
                 not for a migration with such a statement; write the schema in front of the names"
            }
            Self::Unread => {
                "this cannot run inside a transaction, and is of a form that is not understood, so that what became of it could \
                 not be found out after a crash; write one statement for each object"
            }
            Self::NotIdempotent => {
                "this statement cannot run inside a transaction, and a run that is cut off would not know whether it was \
                 done; when it is safe to repeat, say `-- migrate: no-transaction idempotent` on top \
                 (MigrationSet::idempotent in code, for a file that is applied already)"
            }
            Self::ChangesTheServer => {
                "this changes the whole server, and would do so once for every tenant; do it once, in a migration of the shared set, or say \
                 `-- migrate: allow-database` on top if that is what is meant (MigrationSet::allow_database in code, for a \
                 file that is applied already)"
            }
            Self::CopyStream => "COPY from or to the client has no data stream in a migration; use INSERT … VALUES",
            Self::AllowSchema => "allow-schema takes the name of one schema, as in `allow-schema reporting`",
            Self::Twice { .. }
            | Self::SameVersion { .. }
            | Self::UnknownDirective { .. }
            | Self::MisspeltDirective { .. }
            | Self::Unterminated { .. }
            | Self::Ambiguous { .. }
            | Self::TransactionControl { .. }
            | Self::TransactionMode { .. }
            | Self::EndsWithItsBlock { .. }
            | Self::ReadOtherwise { .. }
            | Self::WaitsForItself { .. }
            | Self::PsqlCommand { .. }
            | Self::LeavesTheTenant { .. }
            | Self::NeedsNoTransaction { .. }
            | Self::Trespass { .. } => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text)?,
            None => self.write(f)?,
        }
        if self.needs_another_text() {
            f.write_str(" (MigrationSet::run_instead in code, for a file that is applied already)")?;
        }
        Ok(())
    }
}

impl Problem {
    /// Whether nothing that can be said of the file helps, and the file itself would have to be another one.
    fn needs_another_text(&self) -> bool {
        matches!(
            self,
            Self::UnknownDirective { .. }
                | Self::LateDirective
                | Self::AllowSchema
                | Self::NeverCommitted
                | Self::AloneInBlock
                | Self::AsWrittenAlone
                | Self::Unread
                | Self::Ambiguous { .. }
                | Self::TransactionControl { .. }
                | Self::TransactionMode { .. }
                | Self::ReadOtherwise { .. }
                | Self::WaitsForItself { .. }
                | Self::PsqlCommand { .. }
                | Self::CopyStream
        )
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { other } => write!(f, "the same migration as {other}; keep one of them"),
            Self::SameVersion { other, version } => {
                write!(f, "version {version} is taken by {other}; give one of them the next free version")
            }
            Self::UnknownDirective { directive } => {
                write!(
                    f,
                    "unknown directive {directive:?}; known: no-transaction, no-transaction idempotent, allow-schema NAME, allow-database"
                )
            }
            Self::MisspeltDirective { meant } => {
                write!(
                    f,
                    "this is almost a directive, and would be ignored; write it `-- migrate: {meant}`, or say in code \
                     what it means (MigrationSet::no_transaction, allow_schema, allow_database), for a file that is \
                     applied already"
                )
            }
            Self::Unterminated { what } => write!(f, "this {what} is never closed"),
            Self::Ambiguous { what } => {
                write!(f, "where this ends depends on the server's version, since {what}; write it another way")
            }
            Self::TransactionControl { statement } => write!(
                f,
                "{statement} has no place in a migration, whose transaction is the framework's: it commits when the whole \
                 migration has succeeded, and rolls back when a statement fails; remove it"
            ),
            Self::TransactionMode { statement } => write!(
                f,
                "{statement} asks for another transaction than a migration has, which is READ COMMITTED and READ WRITE; \
                 leave the modes out"
            ),
            Self::EndsWithItsBlock { statement } => write!(
                f,
                "{statement} ends with its COMMIT, and the file goes on behind that; a file is one transaction, unless it says \
                 `-- migrate: no-transaction` on top (MigrationSet::no_transaction in code, for a file that is applied already)"
            ),
            Self::ReadOtherwise { statement } => write!(
                f,
                "behind {statement} the server would read strings otherwise than they are read here; write E'…' where a \
                 backslash is to mean something"
            ),
            Self::WaitsForItself { statement } => write!(
                f,
                "{statement} wants every table for itself, those too in which the run holds its locks: it would wait for ever; \
                 name the tables, or run it by hand"
            ),
            Self::PsqlCommand { command } => {
                write!(f, "{command} is a command of psql, which no server understands; remove the line")
            }
            Self::LeavesTheTenant { statement } => write!(
                f,
                "{statement} would let the names behind it mean another schema than the tenant's, or give them another \
                 role's rights; remove it: the path is set for every tenant, the role is Migrator::tenant_role's \
                 (MigrationSet::allow_settings in code, for a file that is applied already)"
            ),
            Self::NeedsNoTransaction { statement } => write!(
                f,
                "{statement} cannot run inside a transaction; put the statement into a file of its own with \
                 `-- migrate: no-transaction` on top (MigrationSet::no_transaction in code, for a file that is applied \
                 already)"
            ),
            Self::Trespass { schema } => write!(
                f,
                "changes schema {schema}, which is not the tenant's and would be changed by every tenant; leave the \
                 schema out, or say `-- migrate: allow-schema {schema}` on top if that is what is meant \
                 (MigrationSet::allow_schema in code, for a file that is applied already)"
            ),
            _ => Ok(()),
        }
    }
}
