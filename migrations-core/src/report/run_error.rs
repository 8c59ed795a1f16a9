//! Why a run ended early, and what was done until then.

use std::fmt;

use super::error::Error;
use super::run::Report;

/// Why a run ended early, with the report of what was done until then.
///
/// It displays as its error. In a function that returns [`Error`], `?` converts it to that error.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunError {
    /// The error that ended the run.
    pub error: Error,
    /// What was done before.
    pub report: Box<Report>,
    /// Whether everything that the report counts as done is known to be on the server's disk. If it is not, the next
    /// run finds out.
    pub is_durable: bool,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<Error> for RunError {
    /// Nothing was done.
    fn from(error: Error) -> Self {
        Self { error, report: Box::default(), is_durable: true }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        error.error
    }
}
