//! What is noted of a statement before it runs outside a transaction, so that a run after a crash knows what it finds.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::set::{Migration, Outside};

/// A statement that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: i64,
    /// Its number in the migration.
    pub(crate) statement: i64,
    /// The migration's checksum. Older binaries do not write it.
    pub(crate) file: Option<i64>,
    /// A hash of the statement's text.
    pub(crate) text: Option<i64>,
}

/// How far an interrupted run has come in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It was not begun.
    Nowhere,
    /// What is before this statement is done; the statement itself is in doubt.
    Here(usize),
    /// The mark is another text's: any statement may be done.
    Somewhere,
}

impl Mark {
    pub(crate) fn new(migration: &Migration, number: usize, statement: &Outside) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(migration.sql()[statement.range.clone()].as_bytes());
        Self {
            version: migration.version(),
            statement: i64::try_from(number).unwrap_or(i64::MAX),
            file: Some(migration.checksum().cast_signed()),
            text: Some(hasher.finish().cast_signed()),
        }
    }
}

impl Begun {
    /// A number is believed only when both the file and the statement of that number are the ones that were marked.
    pub(crate) fn new(mark: Option<Mark>, migration: &Migration, statements: &[Outside]) -> Self {
        let Some(mark) = mark else { return Self::Nowhere };
        let number = usize::try_from(mark.statement).unwrap_or(usize::MAX);
        match statements.get(number) {
            Some(statement) if mark == Mark::new(migration, number, statement) => Self::Here(number),
            _ => Self::Somewhere,
        }
    }

    /// Whether a statement is known to be done.
    pub(crate) fn is_behind(self, number: usize) -> bool {
        matches!(self, Self::Here(begun) if number < begun)
    }

    /// Whether a statement may be done, or half of it.
    pub(crate) fn is_in_doubt(self, number: usize) -> bool {
        self == Self::Somewhere || self == Self::Here(number)
    }
}
