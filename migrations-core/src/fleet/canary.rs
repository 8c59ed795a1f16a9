//! The first tenant of a script is inspected; the others wait for it, and then run without inspection.
//!
//! SQL that a migration builds while it runs cannot be read in advance. So the first transaction of every distinct
//! script inspects what it wrote, and rolls back if something of it is outside the tenant.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};

use super::lock::lock;

/// The start of a script: after this many migrations, or with a new schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Start {
    New,
    Behind(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Trying,
    Passed,
}

/// The scripts that were inspected, or are being inspected.
#[derive(Default)]
pub(super) struct Canary {
    states: Mutex<HashMap<Start, State>>,
    changed: Condvar,
}

/// The right, and the duty, to inspect. If it is dropped without a pass, it goes to the next tenant.
pub(super) struct Inspection<'a> {
    canary: &'a Canary,
    start: Start,
    state: Option<State>,
}

impl Canary {
    /// Returns an inspection for the first tenant, and nothing for tenants that come after one has passed. Waits while
    /// an inspection is in progress.
    pub(super) fn enter(&self, start: Start) -> Option<Inspection<'_>> {
        let mut states = lock(&self.states);
        loop {
            match states.get(&start) {
                Some(State::Passed) => return None,
                Some(State::Trying) => {
                    states = self.changed.wait(states).unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                None => {
                    states.insert(start, State::Trying);
                    return Some(Inspection { canary: self, start, state: None });
                }
            }
        }
    }

    /// Whether no tenant was inspected yet.
    pub(super) fn is_untried(&self) -> bool {
        lock(&self.states).is_empty()
    }

    /// Whether a tenant has passed.
    pub(super) fn has_passed(&self, start: Start) -> bool {
        lock(&self.states).get(&start) == Some(&State::Passed)
    }
}

impl Inspection<'_> {
    /// Notes that the tenant's transaction was committed and nothing was found.
    pub(super) fn pass(mut self) {
        self.state = Some(State::Passed);
    }
}

impl Drop for Inspection<'_> {
    fn drop(&mut self) {
        let mut states = lock(&self.canary.states);
        match self.state {
            Some(state) => states.insert(self.start, state),
            None => states.remove(&self.start),
        };
        self.canary.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_is_inspected_and_its_failure_passes_the_duty_on() {
        let canary = Canary::default();
        let inspected = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    if let Some(inspection) = canary.enter(Start::New) {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        // The third tenant is the first that passes.
                        if inspected.fetch_add(1, Ordering::SeqCst) == 2 {
                            inspection.pass();
                        }
                    }
                });
            }
        });
        assert_eq!(inspected.into_inner(), 3);
        assert!(canary.has_passed(Start::New) && !canary.has_passed(Start::Behind(0)));
    }
}
