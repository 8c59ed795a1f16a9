//! Points between plan, lock, apply and commit at which a test holds a runner. Outside of this crate's own tests they are
//! nothing.
//!
//! A gate is a statement that waits for a lock which the test has. So a point can lie in the middle of a message, and the
//! message stays the one that is sent otherwise.

use postgres::Client;

/// Where a runner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// It knows what is to be done, and holds no lock.
    Planned,
    /// Its transaction has begun, and it holds no lock.
    Begun,
    /// It holds the lock, and has checked that the plan still holds.
    Locked,
    /// Everything is done but the registry's row.
    Applied,
    /// The registry's row is written.
    Recorded,
    /// It is committed, and not yet reported.
    Committed,
}

/// The one point at which a runner stops, if it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    #[cfg(test)]
    closed: Option<(i32, Point)>,
}

#[cfg(not(test))]
#[allow(clippy::unused_self)]
impl Gate {
    /// What waits in the middle of a message when the point is the gate's.
    pub(crate) fn at(&self, _: Point) -> Option<String> {
        None
    }

    /// Waits between two messages when the point is the gate's.
    pub(crate) fn pass(&self, _: &mut Client, _: Point) {}
}

#[cfg(test)]
impl Gate {
    /// A runner's gate. The test holds the lock `(runner, 1)`; the runner takes `(runner, 2)` when it has come.
    pub(crate) fn new(runner: i32, point: Point) -> Self {
        Self { closed: Some((runner, point)) }
    }

    pub(crate) fn at(&self, point: Point) -> Option<String> {
        let (runner, _) = self.closed.filter(|(_, closed)| *closed == point)?;
        let lock = "SELECT pg_catalog.pg_advisory_xact_lock_shared";
        Some(format!("{lock}({runner}, 2);\n{lock}({runner}, 1)"))
    }

    /// Without a snapshot, for which the build of an index would wait.
    pub(crate) fn pass(&self, client: &mut Client, point: Point) {
        let Some((runner, _)) = self.closed.filter(|(_, closed)| *closed == point) else { return };
        let mut ask = |what: &str| client.query_one(&format!("SELECT {what}"), &[]);
        let _ = ask(&format!("pg_advisory_lock_shared({runner}, 2)"));
        let question = format!("pg_try_advisory_xact_lock_shared({runner}, 1)");
        while ask(&question).is_ok_and(|answer| !answer.get::<_, bool>(0)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = ask(&format!("pg_advisory_unlock_shared({runner}, 2)"));
    }
}
