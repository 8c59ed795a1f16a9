//! What a migrator has learnt about its sets and its server; its clones share it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::set::{Migration, MigrationSet};

/// What was learnt by trying.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// Where the migrations of one schema need commits in between.
    pub(crate) commits: Commits,
    /// Whether this process has inspected the script for a new tenant and found that it changes nothing else.
    inspected: AtomicBool,
    /// Held by the one worker that may use two of a pooler's connections at a time.
    pooled: Mutex<()>,
}

impl Learnt {
    /// Whether this process has inspected the script for a new tenant and found that it changes nothing else.
    pub(crate) fn is_inspected(&self) -> bool {
        self.inspected.load(Ordering::Relaxed)
    }

    /// A new tenant was inspected, and nothing was found outside its schema.
    pub(crate) fn inspected(&self) {
        self.inspected.store(true, Ordering::Relaxed);
    }

    /// Waits until no other worker uses two of a pooler's connections.
    pub(crate) fn hold_two(&self) -> MutexGuard<'_, ()> {
        self.pooled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where commits are needed between the migrations of one schema. They share one transaction as long as possible.
#[derive(Debug, Default)]
pub(crate) struct Commits(AtomicU8);

impl Commits {
    /// After a value is added to an enumeration: before PostgreSQL 17 it cannot be used in the same transaction.
    const AT_ENUM_VALUES: u8 = 1;
    /// After every migration: a check that is deferred by its definition blocks a later `ALTER TABLE`.
    const EVERYWHERE: u8 = 2;

    /// Whether a commit is needed before this migration.
    pub(crate) fn are_needed(&self, set: &MigrationSet, index: usize) -> bool {
        match self.level() {
            0 => false,
            Self::AT_ENUM_VALUES => set.commits_in_front_of(index),
            _ => true,
        }
    }

    /// A level from no commits in between to a commit after every migration.
    pub(crate) fn level(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a migration that runs statement by statement must do so on a new schema too.
    pub(crate) fn are_needed_within(&self, migration: &Migration) -> bool {
        let level = self.level();
        level >= Self::EVERYWHERE || level > 0 && migration.adds_enum_value()
    }

    /// Whether more commits can help against a failure with this code.
    pub(crate) fn may_help(set: &MigrationSet, sqlstate: Option<&str>) -> bool {
        match sqlstate {
            Some("55P04") => true,
            // Pending trigger events, among others.
            Some("55006") => set.defers(),
            _ => false,
        }
    }

    /// Commits at more places from now on, if that can help against a failure with this code; `false` if it cannot.
    pub(crate) fn increase(&self, sqlstate: Option<&str>) -> bool {
        let least = match sqlstate {
            Some("55P04") => self.level() + Self::AT_ENUM_VALUES,
            // Pending trigger events.
            Some("55006") => Self::EVERYWHERE,
            _ => return false,
        };
        self.0.fetch_max(least.min(Self::EVERYWHERE), Ordering::Relaxed) < Self::EVERYWHERE
    }
}
