//! A development server that this process started or has joined, and its end.

use std::sync::mpsc::{Receiver, Sender, channel};

use migrations_embedded::{DevFolder, DevServer};

use super::runtime;

/// A server that this process uses. One that it started stops when this is dropped.
pub(super) struct Running {
    /// There until the drop.
    server: Option<DevServer>,
    /// Dropped after the server.
    ended: Option<Sender<()>>,
}

impl Running {
    /// Nothing is ever sent to the receiver: the other end is dropped once the server has ended.
    pub(super) fn new(server: DevServer) -> (Self, Receiver<()>) {
        let (sender, ended) = channel();
        (Self { server: Some(server), ended: Some(sender) }, ended)
    }

    pub(super) fn server(&self) -> Option<&DevServer> {
        self.server.as_ref()
    }

    /// Whether it is the server of this folder, and still runs.
    pub(super) fn is_usable(&self, folder: &DevFolder) -> bool {
        let server = self.server().filter(|server| server.folder() == folder.path());
        server.is_some_and(|server| server.liveness().gone().is_none())
    }
}

impl Drop for Running {
    /// Waits until a server of this process has ended, except inside a runtime: there, another thread waits.
    fn drop(&mut self) {
        let ending = (self.server.take(), self.ended.take());
        runtime::drop_outside("stop", "the development server ends with the process", ending);
    }
}
