//! Carries out a blocking call for a future, on a thread of the call's own.
//!
//! Not on the runtime's pool of blocking threads: a run waits for locks and for the server, and would take a thread
//! there from the files and the name resolution of the application; and a runtime that shuts down waits for its pool.
//! The thread belongs to no runtime, so any executor can poll the future.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::report::Error;
use crate::server::{Database, Interrupt};

/// What is left to do on the database itself when the future is dropped, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest {
    /// Nothing: a statement that only reads is cancelled at once.
    Nothing,
    /// The record of a run that was stopped.
    Record,
}

impl Rest {
    fn time(self) -> Duration {
        match self {
            Self::Nothing => Duration::ZERO,
            Self::Record => Duration::from_secs(5),
        }
    }
}

/// Ends a call when it is dropped, unless the call has ended.
struct EndOnDrop {
    work: Interrupt,
    rest: Interrupt,
    time_for_rest: Duration,
    has_ended: bool,
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if !self.has_ended {
            self.work.raise();
            self.rest.raise_after(self.time_for_rest);
        }
    }
}

/// Does `work` on a new thread. If the future is dropped before its end, the statements under way are cancelled at the
/// server, and the thread ends by itself. A panic of `work` continues in the caller.
///
/// `work` gets an interrupt for the migrator, which `parent` raises too, and the database for everything that `parent`
/// leaves alone: reading, and the record of a run.
pub(super) async fn call<T, E>(
    parent: &Interrupt,
    database: &Database,
    rest: Rest,
    work: impl FnOnce(&Interrupt, &Database) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (ends_work, ends_rest) = (parent.child(), Interrupt::new());
    let database = database.interrupted_by(&ends_rest);
    let mut end = EndOnDrop { work: ends_work.clone(), rest: ends_rest, time_for_rest: rest.time(), has_ended: false };
    let (answer, answered) = oneshot::channel();
    let thread = std::thread::Builder::new().name("migrations".to_owned());
    let started = thread.spawn(move || {
        // The database is dropped in there as well.
        let done = catch_unwind(AssertUnwindSafe(move || work(&ends_work, &database)));
        // Nobody waits for it if the future was dropped.
        let _ = answer.send(done);
    });
    let thread = match started {
        Ok(thread) => thread,
        Err(error) => {
            end.has_ended = true;
            return Err(Error::NoThread { reason: error.to_string() }.into());
        }
    };
    let done = answered.await;
    end.has_ended = true;
    match done {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => resume_unwind(panic),
        // Only a panic ends the thread without an answer.
        Err(_) => resume_unwind(thread.join().err().unwrap_or_else(|| Box::new("the call's thread gave no answer"))),
    }
}
