//! What the last connection was opened with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::tls::{self, Connector};

/// The connector for TLS of the last connection that was opened, for a request to cancel: the files that it was made
/// from may be gone by then.
#[derive(Default)]
pub(super) struct Opened(Mutex<Option<Arc<dyn Connector>>>);

impl Opened {
    pub(super) fn put(&self, connector: Arc<dyn Connector>) {
        *self.lock() = Some(connector);
    }

    /// One for connections without TLS, if none with TLS was opened.
    pub(super) fn connector(&self) -> Arc<dyn Connector> {
        self.lock().clone().unwrap_or_else(tls::plain)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<dyn Connector>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
