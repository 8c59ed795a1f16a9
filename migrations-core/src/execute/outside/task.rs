//! One unit of a migration that runs outside a transaction, and its place in errors.

use postgres::Error as DriverError;

use crate::execute::done::Stop;
use crate::execute::transaction::stop;
use crate::plan::Unit;
use crate::report::Failure;
use crate::set::{self, Migration};
use crate::store::Reached;

/// The path for the framework's own queries, which find only PostgreSQL's names.
pub(super) const OWN_PATH: &str = "pg_catalog, pg_temp";

/// One unit of a migration.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    /// The unit of work that the migration is a part of.
    pub(super) whole: &'a Unit<'a>,
    pub(super) index: usize,
    pub(super) migration: &'a Migration,
    pub(super) number: usize,
    pub(super) unit: &'a set::Unit,
    /// How far the migration had got when this run began.
    pub(super) reached: Reached,
}

impl Task<'_> {
    /// Notes a place in the migration, by its offset in the text.
    pub(super) fn place(&self, failure: &mut Failure, offset: usize) {
        failure.migration = Some(self.migration.title().to_owned());
        failure.excerpt = Some(self.migration.excerpt(offset));
    }

    /// Converts an error at an offset in the migration's text.
    pub(super) fn stop(&self, error: &DriverError, offset: usize) -> Stop {
        stop(self.whole, error, |failure| self.place(failure, offset))
    }

    /// Converts an error of a statement that is not the migration's own.
    pub(super) fn stop_at_start(&self, error: &DriverError) -> Stop {
        self.stop(error, self.unit.range.start)
    }
}

/// Converts an error that is about the migration as a whole.
pub(super) fn titled(whole: &Unit<'_>, migration: &Migration, error: &DriverError) -> Stop {
    stop(whole, error, |failure| failure.migration = Some(migration.title().to_owned()))
}
