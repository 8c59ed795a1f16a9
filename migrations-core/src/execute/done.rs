//! The outcome of a unit.

use crate::report::{Failure, OutcomeKind};

/// The outcome of a unit.
#[derive(Debug)]
pub(crate) enum Done {
    /// A tenant was created.
    Created,
    /// This many migrations were applied.
    Applied(usize),
    /// The schema was already up to date.
    Current,
    /// The schema is ahead of this binary, at this version.
    Ahead(i64),
    /// The run was interrupted, and nothing was done.
    Interrupted,
    /// It was not brought to the end of its set.
    Stopped(Stop),
}

/// Why a unit was not carried out.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another session holds the schema's lock.
    Busy,
    /// Another session is changing the registry, the shared schema or, for a shared unit, anything.
    FleetBusy,
    /// The plan is out of date.
    Stale,
    /// It cannot be done in its present form.
    Failed(Box<Failure>),
}

impl Done {
    /// The way it is reported; `None` if it is not reported.
    pub(crate) fn kind(&self) -> Option<OutcomeKind> {
        Some(match self {
            Self::Created => OutcomeKind::Created,
            Self::Applied(_) => OutcomeKind::Migrated,
            Self::Current => OutcomeKind::Current,
            Self::Ahead(_) => OutcomeKind::Ahead,
            Self::Stopped(Stop::Busy | Stop::FleetBusy | Stop::Stale) => OutcomeKind::Busy,
            Self::Stopped(Stop::Failed(_)) => OutcomeKind::Failed,
            Self::Interrupted => return None,
        })
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<Stop> for Done {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}
