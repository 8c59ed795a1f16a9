//! Whether a private server still runs, for clients that wait for it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{log_tail, processes};

/// Tells whether a server still runs; [`Server::liveness`](crate::Server::liveness) returns one.
///
/// A private server does not come back by itself: waiting for it, as for a remote server, would only hide why it ended.
///
/// ```no_run
/// let mut server = migrations_embedded::Server::throwaway()?;
/// let liveness = server.liveness();
/// assert_eq!(liveness.gone(), None);
/// server.kill_immediate()?;
/// assert!(liveness.gone().is_some_and(|why| why.contains("immediate shutdown")));
/// # Ok::<(), migrations_embedded::Error>(())
/// ```
#[derive(Clone)]
pub struct Liveness {
    pid: Arc<AtomicU32>,
    log: PathBuf,
    /// The process that started the server, when this process only uses it.
    owner: Option<String>,
}

/// What the server writes last when it was told to stop.
const STOPPED: &str = "database system is shut down";

impl Liveness {
    pub(crate) fn new(pid: u32, log: PathBuf) -> Self {
        Self { pid: Arc::new(AtomicU32::new(pid)), log, owner: None }
    }

    /// For a server that another process has started.
    pub(crate) fn of_another(pid: u32, log: PathBuf, owner: String) -> Self {
        Self { pid: Arc::new(AtomicU32::new(pid)), log, owner: Some(owner) }
    }

    /// The server was started again, as another process.
    pub(crate) fn set_pid(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// None while the server runs; otherwise a message with the end of its log.
    pub fn gone(&self) -> Option<String> {
        let pid = self.pid();
        if processes::is_alive(pid) {
            return None;
        }
        let log = log_tail::read(&self.log, 0);
        if let Some(owner) = self.owner.as_ref().filter(|_| log.trim_end().ends_with(STOPPED)) {
            return Some(format!(
                "the private server (process {pid}) has ended, because {owner}, which had started it, has ended or \
                 stopped it; the next start brings it up again, at the same address"
            ));
        }
        let said = if log.is_empty() {
            "its log is gone or says nothing".to_owned()
        } else {
            format!("its log ends with:\n{log}")
        };
        Some(format!("the private server (process {pid}) has ended; {said}"))
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Liveness").field("pid", &self.pid()).finish_non_exhaustive()
    }
}
