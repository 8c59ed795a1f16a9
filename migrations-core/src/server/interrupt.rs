//! A way to end a run from outside: no further work is begun, and the running statements are cancelled at the server,
//! at once or after a time.
//!
//! It handles no signals. The program that listens for them raises it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

/// How often statements are cancelled while a run winds up: one can begin just after a cancellation.
const PAUSE: Duration = Duration::from_millis(100);

/// Ends runs from outside, from another thread. All clones share one state, and it stays raised.
///
/// [`raise`](Self::raise) cancels the running statements at once. [`drain`](Self::drain) gives them time to finish.
///
/// ```no_run
/// use std::time::Duration;
///
/// use migrations_core::{Database, Interrupt, MigrationSet, Migrator};
///
/// # fn main() -> Result<(), migrations_core::Error> {
/// let interrupt = Interrupt::new();
/// let migrator = Migrator::new(MigrationSet::new("shared")?, MigrationSet::new("tenant")?).interrupted_by(&interrupt);
/// std::thread::spawn(move || {
///     // On a shutdown of the application:
///     interrupt.drain(Duration::from_secs(5));
/// });
/// let report = migrator.run(&Database::from_env()?)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_raised: AtomicBool,
    is_draining: AtomicBool,
    /// Ends the same work, and more.
    parent: Option<Interrupt>,
    sessions: Mutex<Sessions>,
    /// Nothing is ever sent: a thread that waits to raise this ends when its sender is dropped.
    waiting: Mutex<Vec<Sender<()>>>,
}

/// Cancels the running statement of one session, or says why it cannot.
pub(super) type Cancel = dyn Fn() -> Result<(), String> + Send + Sync;

#[derive(Default)]
struct Sessions {
    next: u64,
    open: HashMap<u64, Session>,
    /// Whether a thread is cancelling.
    is_cancelling: bool,
}

/// A session whose statements can be cancelled.
#[derive(Clone)]
struct Session {
    cancel: Arc<Cancel>,
    /// Whether a thread is cancelling here.
    is_busy: Arc<AtomicBool>,
}

impl Session {
    /// Cancels, on a thread of its own: a server can be silent. While that takes, no other attempt is made here.
    fn cancel(&self) {
        if self.is_busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let (cancel, is_busy) = (Arc::clone(&self.cancel), Arc::clone(&self.is_busy));
        let started = std::thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            if let Err(error) = cancel() {
                log::debug!("a statement could not be cancelled: {error}");
            }
            is_busy.store(false, Ordering::SeqCst);
        });
        if let Err(error) = started {
            log::debug!("a statement could not be cancelled: no thread can be started: {error}");
            self.is_busy.store(false, Ordering::SeqCst);
        }
    }
}

/// A session whose statements an interrupt cancels, until this is dropped.
pub(crate) struct Registration {
    interrupt: Interrupt,
    number: u64,
    /// The session's registration with the interrupt's parent.
    _parent: Option<Box<Registration>>,
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
        self.waiting().clear();
        self.cancel(&mut self.sessions());
    }

    /// Ends the runs in an orderly way: they begin no further tenant, the tenants that they have begun have this time
    /// to finish, and then this is raised. It returns at once, and must not be called in a signal handler.
    ///
    /// A run returns as soon as the tenants that it has begun are done. If no thread can be started to wait, this is
    /// raised at once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use migrations_core::Interrupt;
    ///
    /// let interrupt = Interrupt::new();
    /// interrupt.drain(Duration::from_secs(5));
    /// assert!(interrupt.is_draining() && !interrupt.is_raised());
    /// ```
    pub fn drain(&self, grace: Duration) {
        self.0.is_draining.store(true, Ordering::SeqCst);
        self.raise_after(grace);
    }

    /// Raises this after a time. Until then, everything goes on.
    pub(crate) fn raise_after(&self, grace: Duration) {
        if grace.is_zero() {
            return self.raise();
        }
        if let Err(error) = self.wait_to_raise(grace) {
            log::warn!("the running statements are cancelled now: no thread can be started to wait: {error}");
            self.raise();
        }
    }

    /// The thread ends early when this is raised, and when nobody has this any more: no clone and no open session.
    fn wait_to_raise(&self, grace: Duration) -> io::Result<JoinHandle<()>> {
        let (sender, is_over) = channel();
        let shared = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("drain".to_owned());
        let started = thread.spawn(move || {
            if is_over.recv_timeout(grace) == Err(RecvTimeoutError::Timeout)
                && let Some(shared) = shared.upgrade()
            {
                Self(shared).raise();
            }
        })?;
        self.waiting().push(sender);
        Ok(started)
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::SeqCst) || self.0.parent.as_ref().is_some_and(Self::is_raised)
    }

    /// Whether no further work may begin: it was raised, or [`drain`](Self::drain) was called.
    pub fn is_draining(&self) -> bool {
        self.is_raised()
            || self.0.is_draining.load(Ordering::SeqCst)
            || self.0.parent.as_ref().is_some_and(Self::is_draining)
    }

    /// Creates an interrupt for a part of the work that this one ends.
    #[cfg(feature = "tokio")]
    pub(crate) fn child(&self) -> Self {
        Self(Arc::new(Shared { parent: Some(self.clone()), ..Shared::default() }))
    }

    /// Whether a statement that failed with this code was cancelled by this interrupt.
    pub(crate) fn is_cause(&self, sqlstate: Option<&str>) -> bool {
        self.is_raised() && sqlstate == Some(postgres::error::SqlState::QUERY_CANCELED.code())
    }

    /// Registers the session: its statements are cancelled when this is raised.
    pub(crate) fn register(&self, cancel: Arc<Cancel>) -> Registration {
        let parent = self.0.parent.as_ref().map(|parent| Box::new(parent.register(Arc::clone(&cancel))));
        let mut sessions = self.sessions();
        let number = sessions.next;
        sessions.next += 1;
        sessions.open.insert(number, Session { cancel, is_busy: Arc::default() });
        if self.is_raised() {
            self.cancel(&mut sessions);
        }
        Registration { interrupt: self.clone(), number, _parent: parent }
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
            let open: Vec<Session> = sessions.open.values().cloned().collect();
            drop(sessions);
            open.iter().for_each(Session::cancel);
            std::thread::sleep(PAUSE);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Sender<()>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt")
            .field("is_raised", &self.is_raised())
            .field("is_draining", &self.is_draining())
            .finish_non_exhaustive()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.interrupt.sessions().open.remove(&self.number);
    }
}

#[cfg(test)]
// Tests fail by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use super::*;

    /// Waits for at most ten seconds.
    fn soon(mut is_true: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !is_true() {
            if start.elapsed() > Duration::from_secs(10) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    #[test]
    fn a_session_that_is_silent_does_not_hold_the_others_up() {
        let interrupt = Interrupt::new();
        let [silent, other] = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
        let (begun, done) = (Arc::clone(&silent), Arc::clone(&other));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Mutex::new(released);
        let first = interrupt.register(Arc::new(move || {
            begun.fetch_add(1, Ordering::SeqCst);
            released.lock().unwrap().recv().map_err(|error| error.to_string())
        }));
        let second = interrupt.register(Arc::new(move || {
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }));
        let start = Instant::now();
        interrupt.raise();
        assert!(soon(|| other.load(Ordering::SeqCst) >= 5) && start.elapsed() < Duration::from_secs(2));
        assert_eq!(silent.load(Ordering::SeqCst), 1, "one attempt at a time");
        release.send(()).unwrap();
        assert!(soon(|| silent.load(Ordering::SeqCst) == 2), "it is tried again");
        drop((first, second, release));
    }

    #[test]
    fn a_wait_for_the_end_of_the_time_ends_when_nothing_is_left() {
        let hour = Duration::from_hours(1);
        let interrupt = Interrupt::new();
        let session = interrupt.register(Arc::new(|| Ok(())));
        let waiting = interrupt.wait_to_raise(hour).unwrap();
        drop(interrupt);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished(), "a session is open");
        drop(session);
        assert!(soon(|| waiting.is_finished()), "nobody has it any more");

        let interrupt = Interrupt::new();
        let waiting = interrupt.wait_to_raise(hour).unwrap();
        interrupt.raise();
        assert!(soon(|| waiting.is_finished()), "it is raised");

        let interrupt = Interrupt::new();
        interrupt.drain(Duration::from_millis(20));
        assert!(soon(|| interrupt.is_raised()), "the time is over");
    }
}
