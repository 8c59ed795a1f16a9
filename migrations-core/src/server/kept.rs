//! Keeps a connection open from one call to the next.

use std::sync::{Mutex, PoisonError};

use postgres::Client;

use super::runtime;

/// At most one connection.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Client>>);

impl Kept {
    /// The connection, which is no longer kept.
    pub(super) fn take(&self) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps this connection instead of another one.
    pub(super) fn put(&self, client: Client) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(client);
        // The lock is free while the other connection is closed.
        drop(before);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // An async application drops its databases inside the runtime.
        if let Some(client) = self.take() {
            runtime::close(client);
        }
    }
}
