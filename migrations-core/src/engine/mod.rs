//! The context of a call: the sets, the settings, the database, the observers, and the interrupt.
//!
//! | file | what it is |
//! | --- | --- |
//! | `options` | options of one run |
//! | `naming` | the rule for the schemas of new tenants |
//! | `baseline` | what a baseline records, and for which tenants |
//! | `repair` | what a repair corrects |
//! | `settings` | the settings of a migrator |
//! | `observers` | the log and the observers of events |
//! | `learnt` | what a migrator has learnt by trying |
//! | `gate` | where a test can stop a runner |
//! | `polling` | pauses between attempts to take a lock |

mod baseline;
mod gate;
mod learnt;
mod naming;
mod observers;
mod options;
mod polling;
mod repair;
mod settings;

pub use baseline::{Baseline, TenantSelection};
#[cfg(test)]
pub(crate) use gate::Gate;
#[cfg(not(test))]
use gate::Gate;
pub(crate) use gate::Point;
pub(crate) use learnt::{Commits, Learnt};
pub(crate) use naming::Naming;
pub(crate) use observers::Observers;
pub use options::RunOptions;
pub(crate) use polling::Polling;
pub use repair::Repair;
#[cfg(test)]
pub(crate) use settings::Sharing;
pub(crate) use settings::{Budget, LOCK_TIMEOUT, Settings};

use std::sync::Arc;

use crate::names::{Member, TenantName};
use crate::report::{Error, Event};
use crate::server::{Connection, Database, Delivery, Interrupt, TransientErrors};
use crate::set::MigrationSet;
use crate::store::{Layout, Overview, Question, overview};

/// The sets, in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sets<'a> {
    pub(crate) registry: &'a MigrationSet,
    pub(crate) shared: &'a MigrationSet,
    pub(crate) tenant: &'a MigrationSet,
}

/// The parts of a migrator that stay the same from one call to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) observers: Observers,
    /// Ends a call from outside.
    pub(crate) interrupt: Interrupt,
    pub(crate) learnt: Arc<Learnt>,
    pub(crate) gate: Gate,
}

/// The context of a call.
pub(crate) struct Engine<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) sets: Sets<'a>,
    /// The interrupt cancels the statements on its connections.
    pub(crate) database: Database,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(setup: &'a Setup, sets: Sets<'a>, database: &Database) -> Self {
        Self { setup, sets, database: database.interrupted_by(&setup.interrupt) }
    }

    pub(crate) fn settings(&self) -> &'a Settings {
        &self.setup.settings
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        &self.setup.settings.layout
    }

    /// A tenant that is not registered, with the schema that the rule gives it.
    pub(crate) fn new_member(&self, name: &TenantName) -> Result<Member, Error> {
        self.layout().member(name, self.settings().naming.schema_for(name)?)
    }

    pub(crate) fn interrupt(&self) -> &'a Interrupt {
        &self.setup.interrupt
    }

    pub(crate) fn learnt(&self) -> &'a Learnt {
        &self.setup.learnt
    }

    pub(crate) fn gate(&self) -> &'a Gate {
        &self.setup.gate
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.setup.settings.delivery
    }

    /// Opens a connection, waiting for the server as long as the database says.
    pub(crate) fn connect(&self) -> Result<Connection<'_>, Error> {
        Connection::open(&self.database)
    }

    /// Sends the event to the log and to the observers.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        self.setup.observers.emit(event);
    }

    /// Warns of a capacity risk, or of something that was left alone.
    pub(crate) fn warn(&self, text: &str) {
        self.emit(&Event::Warning { text });
    }

    /// Returns the pauses of a wait for another run, up to the settings' limit.
    pub(crate) fn polling(&self) -> Polling {
        Polling::new(self.setup.settings.lock_wait)
    }

    /// Pauses until the next attempt to take a lock, under which work would begin; before the first pause it reports
    /// the wait.
    pub(crate) fn wait(&self, polling: &mut Polling, what: &str) -> Result<(), Error> {
        self.may_begin()?;
        self.wait_under_way(polling, what)
    }

    /// The same for work that has begun, which a drain lets finish.
    pub(crate) fn wait_under_way(&self, polling: &mut Polling, what: &str) -> Result<(), Error> {
        if polling.is_first() {
            self.emit(&Event::Waiting { what });
        }
        if self.setup.interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        polling.pause(what)
    }

    /// An error if the interrupt allows no further work to begin.
    pub(crate) fn may_begin(&self) -> Result<(), Error> {
        if self.setup.interrupt.is_draining() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Converts the error of a statement that the interrupt cancelled.
    pub(crate) fn interrupted_or(&self, error: Error) -> Error {
        if self.interrupt().is_cause(error.sqlstate()) { Error::Interrupted } else { error }
    }

    /// Asks where the schemas stand. `None` if there is no registry that can answer.
    pub(crate) fn try_overview(
        &self,
        connection: &mut Connection<'_>,
        errors: &TransientErrors,
        question: &Question<'_>,
    ) -> Result<Option<Overview>, Error> {
        connection.ask(errors, |client| overview(client, self.layout(), question))
    }

    /// Asks a registry that exists where the schemas stand.
    pub(crate) fn overview(
        &self,
        connection: &mut Connection<'_>,
        errors: &TransientErrors,
        question: &Question<'_>,
    ) -> Result<Overview, Error> {
        self.try_overview(connection, errors, question)?.ok_or_else(|| Error::Lost {
            doing: "planning".to_owned(),
            reason: format!("the registry in schema {} was dropped in the meantime", self.layout().registry),
        })
    }
}
