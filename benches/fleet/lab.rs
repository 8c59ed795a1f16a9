//! The server that runs the measurements, and the databases that runs start from.
//!
//! Runs that are compared start from copies of one database. A copy keeps the ids of its schemas, so a message that was
//! rehearsed on one copy fits the others. Databases are created without waiting for the disk, and a measurement starts
//! only when everything is on disk.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::process;
use std::time::Duration;

use migrations_core::Database;
use migrations_embedded::Server;
use postgres::Client;

use crate::proxy::Proxy;

/// No checkpoint and no vacuum falls into a run by chance: both are noise, for us and for the limit.
const SETTINGS: [(&str, &str); 5] = [
    ("checkpoint_timeout", "1h"),
    ("max_wal_size", "16GB"),
    ("autovacuum", "off"),
    ("max_connections", "100"),
    ("log_min_messages", "log"),
];

/// A throwaway server.
pub(crate) struct Lab {
    server: Server,
    templates: RefCell<HashSet<String>>,
    copies: Cell<usize>,
}

/// Processor time by who spent it. It is less noisy than the clock where other programs run on the machine.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    /// This process, and its children that have ended.
    pub(crate) client: Duration,
    /// The server: the postmaster, every process it has reaped, and those that still run.
    pub(crate) server: Duration,
}

impl Cpu {
    pub(crate) const MAX: Self = Self { client: Duration::MAX, server: Duration::MAX };

    /// What was spent since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { client: self.client.saturating_sub(earlier.client), server: self.server.saturating_sub(earlier.server) }
    }

    /// The smaller values of both, for client and server separately.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { client: self.client.min(other.client), server: self.server.min(other.server) }
    }
}

/// A database of one run; dropped with it.
pub(crate) struct Copy<'a> {
    lab: &'a Lab,
    name: String,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let builder = Server::builder().durable(true);
        let builder = SETTINGS.iter().fold(builder, |builder, (name, value)| builder.setting(*name, *value));
        let server = builder.start_throwaway().unwrap();
        if server.version() < 15 {
            eprintln!("the benchmarks copy databases by files, which takes PostgreSQL 15 or later");
            process::exit(1);
        }
        Self { server, templates: RefCell::default(), copies: Cell::default() }
    }

    /// The server and the machine behind the figures.
    pub(crate) fn description(&self) -> String {
        let mut admin = self.admin();
        let setting = |admin: &mut Client, name: &str| -> String {
            admin.query_one("SELECT current_setting($1)", &[&name]).unwrap().get(0)
        };
        format!(
            "PostgreSQL {}, fsync {}, synchronous_commit {}, shared_buffers {}; {} cores; load before the start {}",
            setting(&mut admin, "server_version"),
            setting(&mut admin, "fsync"),
            setting(&mut admin, "synchronous_commit"),
            setting(&mut admin, "shared_buffers"),
            std::thread::available_parallelism().map_or(0, usize::from),
            std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default(),
        )
    }

    /// Creates a template for copies unless it exists: a copy of `from`, which `make` then fills.
    pub(crate) fn template(&self, name: &str, from: &str, make: impl FnOnce(&Database)) {
        if !self.templates.borrow_mut().insert(name.to_owned()) {
            return;
        }
        self.without_fsync(|admin| clone(admin, name, from));
        self.without_fsync(|_| make(&self.database(name)));
        // Otherwise every copy would set the hint bits of the same rows again. Tenants' tables are left out: vacuuming
        // would give each two more files to copy.
        let vacuum = "VACUUM ANALYZE pg_namespace, pg_class, pg_attribute, pg_type, pg_index, pg_constraint, pg_depend";
        self.database(name).connect().unwrap().batch_execute(vacuum).unwrap();
    }

    /// A new copy of a template.
    pub(crate) fn copy(&self, template: &str) -> Copy<'_> {
        self.copies.set(self.copies.get() + 1);
        let name = format!("copy_{}", self.copies.get());
        self.without_fsync(|admin| clone(admin, &name, template));
        self.settle();
        Copy { lab: self, name }
    }

    /// One of the server's databases.
    pub(crate) fn database(&self, name: &str) -> Database {
        Database::from_url(&self.server.url(name)).unwrap()
    }

    /// The last lines of the server's log.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// The processor time spent so far. It waits until the backends of closed connections have ended: the postmaster is
    /// charged with a backend's time when it reaps the backend.
    pub(crate) fn cpu(&self) -> Cpu {
        let server = self.server.pid();
        let children = || std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
        // A zombie has no command line. A backend's names its database.
        let is_open = |child: &str| {
            let command = std::fs::read_to_string(format!("/proc/{child}/cmdline"));
            command
                .is_ok_and(|command| command.is_empty() || command.contains(" copy_") || command.contains(" postgres "))
        };
        while children().split_whitespace().any(is_open) {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Fields 14 and 15 are a process's own time, 16 and 17 that of its reaped children, in hundredths of a second:
        // proc_pid_stat(5).
        let time = |process: &str, fields: usize| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // The second field may contain spaces, so counting starts after it.
            let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(14 - 3).take(fields);
            let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
            Duration::from_millis(10 * ticks)
        };
        let running: Duration = children().split_whitespace().map(|child| time(child, 2)).sum();
        Cpu { client: time("self", 4), server: time(&server.to_string(), 4) + running }
    }

    /// Writes everything to disk, so that no run pays for the writes of the one before.
    pub(crate) fn settle(&self) {
        self.admin().batch_execute("CHECKPOINT").unwrap();
        // Files written without fsync are still in the kernel's cache.
        process::Command::new("sync").status().unwrap();
    }

    fn admin(&self) -> Client {
        self.database("postgres").connect().unwrap()
    }

    fn without_fsync<T>(&self, work: impl FnOnce(&mut Client) -> T) -> T {
        let mut admin = self.admin();
        set_fsync(&mut admin, "off");
        let done = work(&mut admin);
        set_fsync(&mut admin, "on");
        done
    }
}

impl Copy<'_> {
    /// The database, through a proxy if `delay` is added to every round trip.
    pub(crate) fn database(&self, delay: Duration) -> Database {
        let direct = self.lab.database(&self.name);
        if delay.is_zero() { direct } else { Proxy::start(&direct, delay).database() }
    }

    /// The database through a proxy that counts round trips.
    pub(crate) fn proxy(&self, delay: Duration) -> Proxy {
        Proxy::start(&self.lab.database(&self.name), delay)
    }

    pub(crate) fn url(&self) -> String {
        self.lab.server.url(&self.name)
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.lab.without_fsync(|admin| admin.batch_execute(&drop).unwrap());
    }
}

fn clone(admin: &mut Client, name: &str, from: &str) {
    admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {from} STRATEGY FILE_COPY")).unwrap();
}

/// A signal brings the setting to the server's processes, so this waits until a session sees the new value.
fn set_fsync(admin: &mut Client, value: &str) {
    admin.batch_execute(&format!("ALTER SYSTEM SET fsync = {value}")).unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").unwrap();
    while admin.query_one("SHOW fsync", &[]).unwrap().get::<_, &str>(0) != value {
        std::thread::sleep(Duration::from_millis(1));
    }
}
