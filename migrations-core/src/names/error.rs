//! Why a text is not a valid name, and the checks that several kinds of names share.

use std::fmt;

/// The longest identifier PostgreSQL keeps whole, in bytes (`NAMEDATALEN - 1`).
const LONGEST: usize = 63;

/// Why a text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {name:?} {problem}; {}", kind.rule())]
pub struct NameError {
    kind: Kind,
    name: String,
    problem: Problem,
}

/// What the name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tenant,
    Schema,
    Role,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Empty,
    TooLong(usize),
    Character(char),
    /// White space at one of its ends.
    Ends,
    Reserved,
    /// In a `search_path`, the name means another schema.
    OfTheRole,
}

impl Kind {
    fn rule(self) -> &'static str {
        match self {
            Self::Role => "a name is 1 to 63 bytes",
            Self::Schema => "a name is 1 to 63 bytes without NUL",
            Self::Tenant => {
                "a name is 1 to 63 bytes of text, without control characters and without white space at its ends"
            }
        }
    }

    pub(super) fn error(self, name: &str, problem: Problem) -> NameError {
        NameError { kind: self, name: name.to_owned(), problem }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tenant => "tenant",
            Self::Schema => "schema",
            Self::Role => "role",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong(bytes) => write!(f, "is {bytes} bytes long"),
            Self::Character(c) => write!(f, "contains {c:?}"),
            Self::Ends => f.write_str("begins or ends with white space"),
            Self::Reserved => f.write_str("is reserved"),
            Self::OfTheRole => f.write_str("means the schema of the current role in a search_path"),
        }
    }
}

impl NameError {
    #[cfg(test)]
    pub(super) fn problem(self) -> Problem {
        self.problem
    }
}

/// The problem of a text that PostgreSQL would refuse, or cut off, as an identifier.
pub(super) fn identifier_problem(name: &str) -> Option<Problem> {
    match name {
        "" => Some(Problem::Empty),
        long if long.len() > LONGEST => Some(Problem::TooLong(long.len())),
        _ => name.chars().find(|c| *c == '\0').map(Problem::Character),
    }
}

/// Whether the text is an identifier of lower-case letters, digits and `_` that does not start with a digit.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
}
