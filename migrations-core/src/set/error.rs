//! `SetError`: why a migration set cannot be used. No database is asked.

use std::fmt;

use super::excerpt::Excerpt;
use super::problem::{Problem, SetErrorKind};

/// A migration set that cannot be used: which set, which file, where in it, why, and what to do.
///
/// [`kind`](Self::kind) tells the cases apart in code; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    set: String,
    file: String,
    excerpt: Option<Excerpt>,
    problem: Problem,
}

impl SetError {
    pub(super) fn file(set: &str, file: &str, problem: Problem) -> Self {
        Self(Box::new(Details { set: set.to_owned(), file: file.to_owned(), excerpt: None, problem }))
    }

    pub(super) fn at(set: &str, file: &str, text: &str, offset: usize, problem: Problem) -> Self {
        let excerpt = Some(Excerpt::new(file, text, offset));
        Self(Box::new(Details { set: set.to_owned(), file: file.to_owned(), excerpt, problem }))
    }

    /// What kind of problem it is.
    pub fn kind(&self) -> SetErrorKind {
        self.0.problem.kind()
    }

    /// The set's name.
    pub fn set(&self) -> &str {
        &self.0.set
    }

    /// The file, or the title of a migration that is not from a file.
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
