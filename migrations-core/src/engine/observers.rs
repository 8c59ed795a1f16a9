//! The log and the observers of events.

use std::fmt;
use std::sync::Arc;

use crate::report::Event;

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// Receives every event, as the log does.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Observer>);

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) {
        self.0.push(Arc::new(observer));
    }

    /// Sends the event to the log and to the observers.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        event.log();
        for observer in &self.0 {
            observer(event);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}
