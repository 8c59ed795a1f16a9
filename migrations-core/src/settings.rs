//! How a run behaves, and who is told of what happens in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::name::SchemaName;
use crate::registry::Layout;

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// How a run behaves.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    /// Connections that migrate tenants.
    pub(crate) jobs: usize,
    /// How long a statement waits for a lock on a table.
    pub(crate) lock_timeout: Duration,
    /// How long a run waits for another run.
    pub(crate) lock_wait: Duration,
    pub(crate) observer: Option<Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            layout: Layout {
                registry: SchemaName::literal("migrations"),
                shared: SchemaName::literal("public"),
            },
            jobs: 4,
            lock_timeout: Duration::from_secs(3),
            lock_wait: Duration::from_secs(300),
            observer: None,
        }
    }
}

impl Settings {
    /// Tells the log and the observer.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        event.log();
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layout, jobs, lock_timeout, lock_wait, observer } = self;
        f.debug_struct("Settings")
            .field("layout", layout)
            .field("jobs", jobs)
            .field("lock_timeout", lock_timeout)
            .field("lock_wait", lock_wait)
            .field("observer", &observer.as_ref().map(|_| ".."))
            .finish()
    }
}
