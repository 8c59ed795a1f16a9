//! Whether this thread drives a tokio runtime. The driver's blocking calls panic there, even when a connection is
//! dropped.
//!
//! tokio refuses to block on exactly those threads that have entered a runtime. A thread has not entered it in
//! `spawn_blocking` and `block_in_place`, or where it only holds a guard of `Handle::enter`, although
//! `Handle::try_current` succeeds in all of these. No public function says whether a thread has entered a runtime, but
//! three things show it:
//!
//! - A thread that runs tasks has a scheduler. `yield_now` leaves the waker to the scheduler, and wakes it at once if
//!   the thread has none.
//! - The outermost future of a multi-thread runtime has no scheduler, but a budget, as every poll has. It runs out.
//! - In `unconstrained` there is no budget. If that is the outermost future of a multi-thread runtime, only blocking
//!   itself shows it: tokio panics, and the panic is caught here, after the panic hook has printed it.

use std::future::{Future, ready};
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use postgres::Client;
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;
use tokio::task::yield_now;

use crate::report::Error;

/// More than any budget: tokio counts in a byte.
const MORE_THAN_A_BUDGET: usize = 256;

/// Refuses a blocking call on a thread that drives a runtime.
pub(super) fn must_be_outside() -> Result<(), Error> {
    if is_entered() { Err(Error::InsideRuntime) } else { Ok(()) }
}

/// Whether blocking on this thread would panic.
fn is_entered() -> bool {
    // Without a handle, the thread has not entered a runtime: a runtime sets both.
    let Ok(handle) = Handle::try_current() else { return false };
    has_scheduler() || has_budget() || catch_unwind(|| handle.block_on(ready(()))).is_err()
}

/// Whether the thread runs a scheduler's tasks.
fn has_scheduler() -> bool {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
    !woken.0.load(Ordering::Relaxed)
}

/// A waker that notes that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the thread polls with a budget. The budget is the same afterwards.
fn has_budget() -> bool {
    let mut context = Context::from_waker(Waker::noop());
    // When the first part is given back, the budget is what it was before.
    let Poll::Ready(_first) = poll_proceed(&mut context) else { return true };
    (0..MORE_THAN_A_BUDGET).any(|_| match poll_proceed(&mut context) {
        Poll::Ready(part) => {
            part.made_progress();
            false
        }
        Poll::Pending => true,
    })
}

/// Closes a connection wherever this is called, without waiting for it inside a runtime.
pub(super) fn close(client: Client) {
    drop_outside("close", "a connection stays open until the process ends", client);
}

/// Drops a value wherever this is called. Inside a runtime, a thread of this name does it, and nobody waits;
/// `otherwise`: what it means that no thread can be started.
pub(super) fn drop_outside<T: Send + 'static>(thread: &str, otherwise: &str, value: T) {
    if Handle::try_current().is_err() {
        return drop(value);
    }
    // A closure that cannot be started is dropped on this thread, so it does not own the value.
    let place = Arc::new(Mutex::new(Some(value)));
    let take = |place: &Mutex<Option<T>>| place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = Arc::clone(&place);
    let started = thread::Builder::new().name(thread.to_owned()).spawn(move || drop(take(&theirs)));
    if let Err(error) = started {
        log::warn!("{otherwise}: no thread can be started: {error}");
        std::mem::forget(take(&place));
    }
}

#[cfg(test)]
// Tests fail by panicking.
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use tokio::runtime::{Builder, Runtime};
    use tokio::task::{LocalSet, block_in_place, spawn, spawn_blocking, spawn_local, unconstrained};

    use super::*;

    /// What this module says of the thread, and what the driver does there.
    #[derive(Debug, PartialEq, Eq)]
    struct Answer {
        said: bool,
        refused: bool,
    }

    const FREE: Answer = Answer { said: false, refused: false };
    const ENTERED: Answer = Answer { said: true, refused: true };

    /// Asks both. Where nobody listens, the driver returns an error, unless it panics.
    fn ask() -> Answer {
        let config = "postgres://nobody@127.0.0.1:1/none".parse::<postgres::Config>().unwrap();
        let connect = || config.connect(postgres::NoTls).map(drop).is_err();
        Answer { said: is_entered(), refused: catch_unwind(AssertUnwindSafe(connect)).is_err() }
    }

    fn multi() -> Runtime {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    fn current() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_thread_outside_a_runtime_may_block() {
        assert_eq!(ask(), FREE);
        for runtime in [multi(), current()] {
            let guard = runtime.enter();
            assert_eq!(ask(), FREE, "a guard is no runtime");
            drop(guard);
            assert_eq!(ask(), FREE);
            let handle = runtime.handle().clone();
            drop(runtime);
            let _guard = handle.enter();
            assert_eq!(ask(), FREE, "the runtime has shut down");
        }
    }

    #[test]
    fn a_thread_for_blocking_work_may_block() {
        for runtime in [multi(), current()] {
            assert_eq!(runtime.block_on(async { spawn_blocking(ask).await.unwrap() }), FREE);
            let unconstrained = unconstrained(async { spawn_blocking(ask).await.unwrap() });
            assert_eq!(runtime.block_on(unconstrained), FREE);
        }
    }

    #[test]
    fn block_in_place_may_block() {
        let runtime = multi();
        assert_eq!(runtime.block_on(async { block_in_place(ask) }), FREE);
        assert_eq!(runtime.block_on(async { spawn(async { block_in_place(ask) }).await.unwrap() }), FREE);
        let inner = current();
        let nested = async { block_in_place(|| inner.block_on(async { ask() })) };
        assert_eq!(runtime.block_on(nested), ENTERED, "another runtime inside");
    }

    #[test]
    fn a_future_of_a_runtime_may_not_block() {
        for runtime in [multi(), current()] {
            assert_eq!(runtime.block_on(async { ask() }), ENTERED, "the outermost future");
            assert_eq!(runtime.block_on(async { spawn(async { ask() }).await.unwrap() }), ENTERED, "a task");
            assert_eq!(runtime.block_on(unconstrained(async { ask() })), ENTERED, "no budget");
            let task = async { spawn(unconstrained(async { ask() })).await.unwrap() };
            assert_eq!(runtime.block_on(task), ENTERED, "a task without a budget");
            let handle = runtime.handle().clone();
            let blocking = async { spawn_blocking(move || handle.block_on(async { ask() })).await.unwrap() };
            assert_eq!(runtime.block_on(blocking), ENTERED, "a future on a thread for blocking work");
        }
    }

    #[test]
    fn a_local_set_may_not_block() {
        for runtime in [multi(), current()] {
            let local = LocalSet::new();
            assert_eq!(runtime.block_on(local.run_until(async { ask() })), ENTERED, "its future");
            let task = local.run_until(async { spawn_local(async { ask() }).await.unwrap() });
            assert_eq!(runtime.block_on(task), ENTERED, "its task");
        }
    }

    #[test]
    fn a_second_future_of_a_current_thread_runtime_may_not_block() {
        let runtime = current();
        let (entered, is_entered) = std::sync::mpsc::channel();
        let (over, is_over) = tokio::sync::oneshot::channel::<()>();
        std::thread::scope(|scope| {
            let runtime = &runtime;
            scope.spawn(move || {
                runtime.block_on(async {
                    entered.send(()).unwrap();
                    is_over.await.unwrap();
                });
            });
            is_entered.recv().unwrap();
            assert_eq!(runtime.block_on(async { ask() }), ENTERED, "another thread drives the scheduler");
            over.send(()).unwrap();
        });
    }

    #[test]
    fn asking_leaves_the_budget_as_it_was() {
        /// How much of the budget is left.
        fn left() -> usize {
            let mut context = Context::from_waker(Waker::noop());
            let parts: Vec<_> = std::iter::from_fn(|| match poll_proceed(&mut context) {
                Poll::Ready(part) => Some(part),
                Poll::Pending => None,
            })
            .take(MORE_THAN_A_BUDGET)
            .collect();
            let left = parts.len();
            // The last part was taken last, and is given back first.
            parts.into_iter().rev().for_each(drop);
            left
        }
        current().block_on(async {
            let before = left();
            assert!((1..MORE_THAN_A_BUDGET).contains(&before) && left() == before);
            assert!(is_entered() && has_budget());
            assert_eq!(left(), before);
        });
    }
}
