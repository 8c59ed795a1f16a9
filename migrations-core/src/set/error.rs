//! What can be wrong with a migration set before any database is asked.

use std::fmt;

use super::outside::SUPPORTED;
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
    ByteOrderMark,
    NulByte,
    Empty,
    Twice { other: String },
    SameVersion { other: String, version: i64 },
    UnknownDirective { directive: String },
    LateDirective,
    Unterminated { what: &'static str },
    Ambiguous { what: &'static str },
    TransactionControl { statement: String },
    SessionSetting { statement: String },
    NeedsNoTransaction,
    CopyStream,
    Outside { why: &'static str },
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetName => f.write_str("a set's name is made of a-z, 0-9, - and _"),
            Self::FileName => f.write_str(
                "not a migration's name; name it V{version}__{snake_name}.sql, as in V7__add_notes.sql, or move it out \
                 of the folder",
            ),
            Self::Unversioned => f.write_str(
                "unversioned migrations (U…) are not supported, because the order of their runs is not fixed; give it \
                 a version (V…)",
            ),
            Self::VersionTooLarge => f.write_str("the version does not fit into 64 bits; use a smaller number"),
            Self::NotUtf8 => f.write_str("not UTF-8; save the file as UTF-8"),
            Self::ByteOrderMark => f.write_str("starts with a byte order mark; save the file as UTF-8 without it"),
            Self::NulByte => f.write_str("contains a NUL byte, which PostgreSQL's protocol cannot carry; remove it"),
            Self::Empty => f.write_str("holds no statement; write one, or delete the file"),
            Self::Twice { other } => write!(f, "the same migration as {other}; keep one of them"),
            Self::SameVersion { other, version } => {
                write!(f, "version {version} is taken by {other}; give one of them the next free version")
            }
            Self::UnknownDirective { directive } => {
                write!(
                    f,
                    "unknown directive {directive:?}; known: no-transaction, no-transaction idempotent, allow-schema NAME"
                )
            }
            Self::LateDirective => f.write_str("a directive must stand above the first statement"),
            Self::Unterminated { what } => write!(f, "this {what} is never closed"),
            Self::Ambiguous { what } => {
                write!(f, "where this ends depends on the server's version, since {what}; write it another way")
            }
            Self::TransactionControl { statement } => write!(
                f,
                "{statement} has no place in a migration, which is part of a larger transaction; remove it (a statement \
                 that cannot run in a transaction goes into a file of its own with `-- migrate: no-transaction` on top)"
            ),
            Self::SessionSetting { statement } => write!(
                f,
                "{statement} changes the session, which outlives the migration and, behind a pooler, is somebody \
                 else's next; use SET LOCAL"
            ),
            Self::NeedsNoTransaction => f.write_str(
                "CONCURRENTLY cannot run inside a transaction; put the statement into a file of its own with \
                 `-- migrate: no-transaction` on top",
            ),
            Self::CopyStream => {
                f.write_str("COPY from or to the client has no data stream in a migration; use INSERT … VALUES")
            }
            Self::AllowSchema => {
                f.write_str("allow-schema takes the name of one schema, as in `allow-schema reporting`")
            }
            Self::Trespass { schema } => write!(
                f,
                "changes schema {schema}, which is not the tenant's and would be changed by every tenant; leave the \
                 schema out, or say `-- migrate: allow-schema {schema}` on top if that is what is meant"
            ),
            Self::Outside { why } => write!(f, "{why}; {SUPPORTED}"),
        }
    }
}
