//! A way to end a run from outside: the running statements are cancelled at the server, and no new ones begin.
//!
//! It handles no signals. The program that listens for them raises it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postgres::{CancelToken, NoTls};

/// How often statements are cancelled while a run winds up: one can begin just after a cancellation.
const PAUSE: Duration = Duration::from_millis(100);

/// Ends runs from outside, from another thread. All clones share one state, and it stays raised.
///
/// ```no_run
/// use migrations_core::{Database, Interrupt, MigrationSet, Migrator};
///
/// # fn main() -> Result<(), migrations_core::Error> {
/// let interrupt = Interrupt::new();
/// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?).interrupted_by(&interrupt);
/// std::thread::spawn(move || {
///     // On a shutdown of the application:
///     interrupt.raise();
/// });
/// let report = migrator.run(&Database::from_env()?)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_raised: AtomicBool,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    next: u64,
    open: HashMap<u64, CancelToken>,
    /// Whether a thread is cancelling.
    is_cancelling: bool,
}

/// A session whose statements an interrupt cancels, until this is dropped.
pub(crate) struct Registration {
    interrupt: Interrupt,
    number: u64,
}

impl Interrupt {
    /// Creates an interrupt that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the running statements and ends the runs. It returns at once, and must not be called in a signal
    /// handler.
    pub fn raise(&self) {
        self.0.is_raised.store(true, Ordering::SeqCst);
        self.cancel(&mut self.sessions());
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::SeqCst)
    }

    /// Whether a statement that failed with this code was cancelled by this interrupt.
    pub(crate) fn is_cause(&self, sqlstate: Option<&str>) -> bool {
        self.is_raised() && sqlstate == Some(postgres::error::SqlState::QUERY_CANCELED.code())
    }

    /// Registers the session: its statements are cancelled when this is raised.
    pub(crate) fn register(&self, token: CancelToken) -> Registration {
        let mut sessions = self.sessions();
        let number = sessions.next;
        sessions.next += 1;
        sessions.open.insert(number, token);
        if self.is_raised() {
            self.cancel(&mut sessions);
        }
        Registration { interrupt: self.clone(), number }
    }

    /// Cancels again and again, in a thread of its own, until no session is open.
    fn cancel(&self, sessions: &mut Sessions) {
        if sessions.open.is_empty() || std::mem::replace(&mut sessions.is_cancelling, true) {
            return;
        }
        let interrupt = self.clone();
        let thread = std::thread::Builder::new().name("interrupt".to_owned());
        if let Err(error) = thread.spawn(move || interrupt.cancel_until_none_is_open()) {
            sessions.is_cancelling = false;
            log::warn!("the running statements cannot be cancelled and will finish: no thread can be started: {error}");
        }
    }

    fn cancel_until_none_is_open(&self) {
        loop {
            let mut sessions = self.sessions();
            if sessions.open.is_empty() {
                sessions.is_cancelling = false;
                return;
            }
            let tokens: Vec<CancelToken> = sessions.open.values().cloned().collect();
            drop(sessions);
            for token in tokens {
                if let Err(error) = token.cancel_query(NoTls) {
                    log::debug!("a statement could not be cancelled: {error}");
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("is_raised", &self.is_raised()).finish_non_exhaustive()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.interrupt.sessions().open.remove(&self.number);
    }
}
