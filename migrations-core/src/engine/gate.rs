//! Points between plan, lock, apply and commit at which a test can stop a runner. Outside this crate's own tests they
//! do nothing.
//!
//! A gate is a statement that waits for a lock that the test holds. A point can therefore lie in the middle of a
//! message, and the message is otherwise the one that is always sent.

use postgres::Client;

/// A point in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The plan is made; the runner holds no lock.
    Planned,
    /// The transaction has begun; the runner holds no lock.
    Begun,
    /// The runner holds the lock and has checked that the plan still holds.
    Locked,
    /// Only the registry's row is still to be written.
    Applied,
    /// The registry's row is written.
    Recorded,
    /// The transaction is committed and not yet reported.
    Committed,
}

/// The one point at which a runner stops, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    #[cfg(test)]
    closed: Option<(i32, Point)>,
    /// How often the runner comes to the point before it stops there.
    #[cfg(test)]
    open: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

#[cfg(not(test))]
#[allow(clippy::unused_self, reason = "the same signatures as in tests")]
impl Gate {
    /// Statements that wait in the middle of a transaction, if this is the gate's point.
    pub(crate) fn at(&self, _: Point) -> Vec<String> {
        Vec::new()
    }

    /// The same inside a `PL/pgSQL` block.
    pub(crate) fn in_block(&self, _: Point) -> String {
        String::new()
    }

    /// Waits between two messages, if this is the gate's point.
    pub(crate) fn pass(&self, _: &mut Client, _: Point) {}
}

#[cfg(test)]
impl Gate {
    /// A runner's gate. The test holds the lock `(runner, 1)`; the runner takes `(runner, 2)` when it arrives.
    pub(crate) fn new(runner: i32, point: Point) -> Self {
        Self { closed: Some((runner, point)), ..Self::default() }
    }

    /// Lets the runner pass this often before it stops.
    pub(crate) fn after(self, times: usize) -> Self {
        self.open.store(times, std::sync::atomic::Ordering::SeqCst);
        self
    }

    /// The runner, when it stops at this point now.
    fn runner(&self, point: Point) -> Option<i32> {
        use std::sync::atomic::Ordering::SeqCst;

        let (runner, _) = self.closed.filter(|(_, closed)| *closed == point)?;
        let is_open = self.open.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        (!is_open).then_some(runner)
    }

    pub(crate) fn at(&self, point: Point) -> Vec<String> {
        self.locks(point).into_iter().map(|lock| format!("SELECT {lock}")).collect()
    }

    pub(crate) fn in_block(&self, point: Point) -> String {
        self.locks(point).iter().fold(String::new(), |block, lock| block + "PERFORM " + lock + "; ")
    }

    fn locks(&self, point: Point) -> Vec<String> {
        let Some(runner) = self.runner(point) else { return Vec::new() };
        [2, 1].map(|key| format!("pg_catalog.pg_advisory_xact_lock_shared({runner}, {key})")).to_vec()
    }

    /// Without a snapshot, because the build of an index would wait for one.
    pub(crate) fn pass(&self, client: &mut Client, point: Point) {
        let Some(runner) = self.runner(point) else { return };
        let mut ask = |what: &str| client.query_one(&format!("SELECT {what}"), &[]);
        let _ = ask(&format!("pg_advisory_lock_shared({runner}, 2)"));
        let question = format!("pg_try_advisory_xact_lock_shared({runner}, 1)");
        while ask(&question).is_ok_and(|answer| !answer.get::<_, bool>(0)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = ask(&format!("pg_advisory_unlock_shared({runner}, 2)"));
    }
}
