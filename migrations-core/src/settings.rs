//! How a run behaves, and who is told of what happens in it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::Error;
use crate::event::Event;
use crate::gate::Gate;
use crate::interrupt::Interrupt;
use crate::keepalive;
use crate::lock::Polling;
use crate::name::{RoleName, SchemaName};
use crate::registry::Layout;
use crate::set::{Migration, MigrationSet};

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// How a run behaves.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    /// Connections that migrate tenants.
    pub(crate) jobs: usize,
    /// How long a statement waits for a lock on a table.
    pub(crate) lock_timeout: Duration,
    /// How long a run waits for another run.
    pub(crate) lock_wait: Duration,
    /// When a run with failures stops taking tenants.
    pub(crate) budget: Budget,
    /// Tenants in one transaction.
    pub(crate) group: usize,
    /// New schemas after which a connection is replaced.
    pub(crate) schemas_per_connection: usize,
    /// The role that tenants' migrations run as, and that owns their schemas; the connection's where it is not given.
    pub(crate) tenant_role: Option<RoleName>,
    /// Spare schemas to keep provisioned.
    pub(crate) warm_pool: usize,
    pub(crate) observers: Vec<Observer>,
    /// Whether what a new tenant is sent was inspected in this process, and found to keep to the tenant.
    pub(crate) inspected: Arc<AtomicBool>,
    /// How often the connection that holds locks is used while another one is at work.
    pub(crate) keep_alive: Duration,
    /// Held by the one worker of this migrator, its clones included, that may hold two of a pooler's connections at a time.
    pub(crate) pooled: Arc<Mutex<()>>,
    /// Where one schema's migrations are committed one by one. Found out by trying.
    pub(crate) commits: Arc<Commits>,
    /// What ends a run.
    pub(crate) interrupt: Interrupt,
    pub(crate) gate: Gate,
}

/// Where commits belong between the migrations of one schema, which are one transaction as long as they can be.
#[derive(Debug, Default)]
pub(crate) struct Commits(AtomicU8);

impl Commits {
    /// Behind a value that was added to an enumeration: before PostgreSQL 17 it cannot be used in the same transaction.
    const AT_ENUM_VALUES: u8 = 1;
    /// Behind every migration: a check that is deferred by its definition stands in the way of a later `ALTER TABLE`.
    const EVERYWHERE: u8 = 2;

    /// Whether one belongs in front of this migration.
    pub(crate) fn are_needed(&self, set: &MigrationSet, index: usize) -> bool {
        match self.0.load(Ordering::Relaxed) {
            0 => false,
            Self::AT_ENUM_VALUES => set.commits_in_front_of(index),
            _ => true,
        }
    }

    /// How many places there are, from none to all.
    pub(crate) fn level(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a migration that runs statement by statement has to do so on a schema that is new too.
    pub(crate) fn are_needed_within(&self, migration: &Migration) -> bool {
        let level = self.0.load(Ordering::Relaxed);
        level >= Self::EVERYWHERE || level > 0 && migration.adds_enum_value()
    }

    /// Whether a failure with this code can be about too few commits.
    pub(crate) fn may_help(set: &MigrationSet, sqlstate: Option<&str>) -> bool {
        match sqlstate {
            Some("55P04") => true,
            // Pending trigger events, and other things.
            Some("55006") => set.defers(),
            _ => false,
        }
    }

    /// Commits at more places from now on, when a failure with this code can be about too few.
    pub(crate) fn increase(&self, sqlstate: Option<&str>) -> bool {
        let least = match sqlstate {
            Some("55P04") => self.0.load(Ordering::Relaxed) + Self::AT_ENUM_VALUES,
            // Pending trigger events.
            Some("55006") => Self::EVERYWHERE,
            _ => return false,
        };
        self.0.fetch_max(least.min(Self::EVERYWHERE), Ordering::Relaxed) < Self::EVERYWHERE
    }
}

/// How many failures a run takes before it stops taking further tenants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    pub(crate) failures: Option<usize>,
    /// Failures that differ in their SQLSTATE.
    pub(crate) distinct: Option<usize>,
}

impl Budget {
    pub(crate) fn is_spent(&self, failures: usize, distinct: usize) -> bool {
        self.failures.is_some_and(|limit| failures >= limit) || self.distinct.is_some_and(|limit| distinct >= limit)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            layout: Layout { registry: SchemaName::literal("migrations"), shared: SchemaName::literal("public") },
            jobs: 4,
            lock_timeout: Duration::from_secs(3),
            lock_wait: Duration::from_mins(5),
            budget: Budget::default(),
            group: 1,
            schemas_per_connection: 250,
            tenant_role: None,
            warm_pool: 0,
            observers: Vec::new(),
            inspected: Arc::default(),
            keep_alive: keepalive::EVERY,
            pooled: Arc::default(),
            commits: Arc::default(),
            interrupt: Interrupt::default(),
            gate: Gate::default(),
        }
    }
}

impl Settings {
    /// Pauses until the next try for a lock, and tells when it is the first time.
    pub(crate) fn wait(&self, polling: &mut Polling, what: &str) -> Result<(), Error> {
        if polling.is_first() {
            self.emit(&Event::Waiting { what });
        }
        if self.interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        polling.pause(what)
    }

    /// Tells the log and the observers.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        event.log();
        for observer in &self.observers {
            observer(event);
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("layout", &self.layout)
            .field("jobs", &self.jobs)
            .field("lock_timeout", &self.lock_timeout)
            .field("lock_wait", &self.lock_wait)
            .field("budget", &self.budget)
            .field("group", &self.group)
            .field("tenant_role", &self.tenant_role)
            .field("warm_pool", &self.warm_pool)
            .finish_non_exhaustive()
    }
}
