//! What ended a run before its end, and what was done until then.

use std::fmt;

use crate::error::Error;
use crate::report::Report;

/// What ended a run before its end, with the report of what was done until then.
///
/// It displays as its error, and becomes that error by `?` in a function that returns [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub struct RunError {
    /// What ended the run.
    pub error: Error,
    /// What was done before.
    pub report: Box<Report>,
    /// Whether all that the report says is done is known to be on the server's disk. Where it is not, the next run finds
    /// out.
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
