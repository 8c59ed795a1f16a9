//! Two runners at once, each stopped at a point between plan, lock, apply and commit, and released in either order.
//!
//! No migration may be applied twice: the migrations here count how often they ran.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use migrations_embedded::Server;
use postgres::{Client, NoTls};

use crate::engine::{Gate, Point};
use crate::{Database, Error, Event, MigrationSet, Migrator, OutcomeKind, Report, RunOptions, State, TenantName};

const POINTS: [Point; 6] =
    [Point::Planned, Point::Begun, Point::Locked, Point::Applied, Point::Recorded, Point::Committed];

/// Points at which a runner has done nothing yet that another one could see.
fn is_before_the_lock(point: Point) -> bool {
    matches!(point, Point::Planned | Point::Begun)
}

/// Points at which a runner holds no lock.
fn holds_no_lock(point: Point) -> bool {
    is_before_the_lock(point) || point == Point::Committed
}

/// A table that counts.
const COUNT: &str = "CREATE TABLE count (n int NOT NULL); INSERT INTO count VALUES (0)";
/// Counts.
const AGAIN: &str = "UPDATE count SET n = n + 1";
/// A definition, which fails the second time.
const MORE: &str = "ALTER TABLE count ADD COLUMN more int";
/// Outside a transaction.
const INDEX: &str = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY count_idx ON count (n)";

/// A server, and a database to make copies of.
struct Lab {
    server: Server,
    copies: i32,
}

/// A copy of the database.
struct Site {
    database: Database,
    client: Client,
}

/// A gate that stays shut until it is opened.
struct Shut {
    client: Client,
    runner: i32,
}

fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

fn set(name: &str, migrations: &[&str]) -> MigrationSet {
    migrations.iter().zip(1..).fold(MigrationSet::new(name).unwrap(), |set, (sql, version)| {
        set.with_migration(&format!("V{version}__step_{version}"), || (*sql).to_owned()).unwrap()
    })
}

/// One worker, so that tenants are taken in order, and timeouts short enough for a test.
fn migrator(shared: &[&str], tenant: &[&str]) -> Migrator {
    let patience = Duration::from_secs(30);
    Migrator::new(set("shared", shared), set("tenant", tenant)).jobs(1).lock_timeout(patience).lock_wait(patience)
}

impl Lab {
    /// Creates a fleet of these tenants.
    fn new(migrator: &Migrator, tenants: &[&str]) -> Self {
        let server = Server::throwaway().unwrap();
        let database = |name| Database::from_url(&server.url(name)).unwrap();
        database("postgres").connect().unwrap().batch_execute("CREATE DATABASE fleet").unwrap();
        let create = RunOptions::new().create(tenants.iter().map(|tenant| name(tenant)));
        assert!(migrator.run_with(&database("fleet"), &create).unwrap().is_success());
        Self { server, copies: 0 }
    }

    fn copy(&mut self) -> Site {
        self.copies += 1;
        let name = format!("copy_{}", self.copies);
        let mut admin = Client::connect(&self.server.url("postgres"), NoTls).unwrap();
        let start = Instant::now();
        // The session that created the fleet may not have ended yet.
        while let Err(error) = admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE fleet")) {
            assert!(start.elapsed() < Duration::from_secs(5), "{error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let database = Database::from_url(&self.server.url(&name)).unwrap();
        let client = database.connect().unwrap();
        Site { database, client }
    }
}

impl Site {
    /// Shuts a runner's gate, before the runner starts.
    fn shut(&self, runner: i32) -> Shut {
        let mut client = self.database.connect().unwrap();
        client.batch_execute(&format!("SELECT pg_advisory_lock({runner}, 1)")).unwrap();
        Shut { client, runner }
    }

    fn number(&mut self, query: &str) -> i64 {
        self.client.query_one(query, &[]).unwrap().get(0)
    }

    /// Checks that every tenant has all migrations of the migrator, each applied once.
    fn assert_whole(&mut self, migrator: &Migrator, tenants: &[&str], counted: i64) {
        let status = migrator.status(&self.database).unwrap();
        assert_eq!(status.shared.state, State::Current);
        let names: Vec<_> = status.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        assert_eq!(names, tenants);
        for (tenant, status) in tenants.iter().zip(&status.tenants) {
            assert_eq!(status.schema.state, State::Current, "{tenant}");
            assert_eq!(self.number(&format!("SELECT n::int8 FROM {tenant}.count")), counted, "{tenant}");
            let rows = self.number(&format!("SELECT count(*) FROM {tenant}.refinery_schema_history"));
            assert_eq!(usize::try_from(rows).unwrap(), migrator.tenant_set().migrations().len(), "{tenant}");
        }
        assert_eq!(self.number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
        assert!(migrator.run(&self.database).unwrap().is_unchanged());
    }
}

impl Shut {
    /// Waits until the runner has arrived at the gate.
    #[track_caller]
    fn wait(&mut self) {
        let query =
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int4::oid AND objid = 2";
        let start = Instant::now();
        while self.client.query_one(query, &[&self.runner]).unwrap().get::<_, i64>(0) == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "runner {} does not come to its point", self.runner);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Opens the gate.
    fn open(mut self) {
        self.client.batch_execute("SELECT pg_advisory_unlock_all()").unwrap();
    }
}

/// Starts two runs, waits until each is at its point, releases them, and returns both results.
fn meet(site: &Site, migrator: &Migrator, [first, second]: [Point; 2], second_goes_first: bool) -> [Report; 2] {
    let mut gates = [site.shut(1), site.shut(2)];
    std::thread::scope(|scope| {
        let database = &site.database;
        let run = |runner, point| move || migrator.clone().stopping(Gate::new(runner, point)).run(database);
        let one = scope.spawn(run(1, first));
        gates[0].wait();
        let two = scope.spawn(run(2, second));
        gates[1].wait();
        if second_goes_first {
            gates.reverse();
        }
        gates.into_iter().for_each(Shut::open);
        [one.join().unwrap().unwrap(), two.join().unwrap().unwrap()]
    })
}

/// Wherever the first runner stops, the second one arrives at its point too: with the same tenant if no session holds
/// its lock, and with the next one otherwise.
#[test]
fn two_runs_at_any_two_points_migrate_every_tenant_once() {
    let mut lab = Lab::new(&migrator(&[], &[COUNT]), &["acme", "globex"]);
    // Outside a transaction, the registry's row and the commit are one message. The build of an index waits for a
    // runner that stops with a snapshot.
    let outside =
        POINTS.into_iter().filter(|point| !matches!(point, Point::Recorded | Point::Begun)).collect::<Vec<_>>();
    for (step, counted, points) in [(AGAIN, 1, &POINTS[..]), (INDEX, 0, &outside)] {
        let newer = migrator(&[], &[COUNT, step]);
        for &first in points {
            for &second in points {
                for second_goes_first in [false, true] {
                    let mut site = lab.copy();
                    let reports = meet(&site, &newer, [first, second], second_goes_first);
                    assert!(reports.iter().all(|report| report.is_success() && report.retries == 0), "{reports:?}");
                    let migrated: usize = reports.iter().map(|report| report.tenants.migrated).sum();
                    assert_eq!(migrated, 2, "{first:?} {second:?} {reports:?}");
                    site.assert_whole(&newer, &["acme", "globex"], counted);
                }
            }
        }
    }
}

/// The second runner has the same plan, or waits for the first.
#[test]
fn two_sign_ups_of_one_name_at_any_point_make_one_tenant() {
    let migrator = migrator(&[], &[COUNT, AGAIN]);
    let mut lab = Lab::new(&migrator, &[]);
    let call =
        |database: &Database, migrator: &Migrator| migrator.get_or_create_tenant(database, &name("acme")).unwrap();
    for spares in [0, 2] {
        for point in POINTS {
            // Taking a spare schema has only one point between the lock and the commit.
            if spares > 0 && !matches!(point, Point::Planned | Point::Applied) {
                continue;
            }
            let mut site = lab.copy();
            migrator.fill_pool(&site.database, spares).unwrap();
            let mut gate = site.shut(1);
            let database = &site.database;
            let [one, two] = std::thread::scope(|scope| {
                let stopping = migrator.clone().stopping(Gate::new(1, point));
                let one = scope.spawn(move || call(database, &stopping));
                gate.wait();
                if holds_no_lock(point) {
                    let two = call(database, &migrator);
                    gate.open();
                    return [one.join().unwrap(), two];
                }
                let (waits, has_waited) = mpsc::channel();
                let telling = migrator.clone().on_event(move |event| {
                    if matches!(event, Event::Waiting { .. }) {
                        let _ = waits.send(());
                    }
                });
                let two = scope.spawn(move || call(database, &telling));
                has_waited.recv_timeout(Duration::from_secs(20)).unwrap();
                assert!(!two.is_finished(), "{point:?}: it waits for the first one");
                gate.open();
                [one.join().unwrap(), two.join().unwrap()]
            });
            let first_made_it = !is_before_the_lock(point);
            assert_eq!([one.1, two.1], [first_made_it, !first_made_it], "{point:?} with {spares} spares");
            assert_eq!(one.0, two.0);
            assert_eq!(migrator.pool(&site.database).unwrap().ready, spares.saturating_sub(1));
            site.assert_whole(&migrator, &["acme"], 1);
        }
    }
}

/// While one runner changes the shared tables, no other runner changes anything; and they are changed once.
#[test]
fn two_runs_at_any_point_of_the_shared_set_change_it_once() {
    let mut lab = Lab::new(&migrator(&[COUNT], &[COUNT]), &["acme"]);
    let newer = migrator(&[COUNT, AGAIN], &[COUNT, AGAIN]);
    for point in POINTS {
        let mut site = lab.copy();
        let mut gate = site.shut(1);
        let database = &site.database;
        let reports = std::thread::scope(|scope| {
            let stopping = newer.clone().stopping(Gate::new(1, point));
            let one = scope.spawn(move || stopping.run(database).unwrap());
            gate.wait();
            if holds_no_lock(point) {
                let two = newer.run(database).unwrap();
                gate.open();
                return [one.join().unwrap(), two];
            }
            let two = scope.spawn(|| newer.run(database).unwrap());
            // An older binary finds its own shared set applied, and must not create a tenant now either.
            let older = migrator(&[COUNT], &[COUNT]).lock_wait(Duration::from_millis(50));
            let sign_up = older.get_or_create_tenant(database, &name("globex"));
            assert!(matches!(sign_up, Err(Error::Locked { .. })), "{point:?}: {sign_up:?}");
            assert!(!two.is_finished(), "{point:?}: it waits for the first one");
            gate.open();
            [one.join().unwrap(), two.join().unwrap()]
        });
        let applied = reports.each_ref().map(|report| report.shared.applied.len());
        assert_eq!(applied.iter().sum::<usize>(), 1, "{point:?}: {applied:?}");
        assert_eq!(applied[0], usize::from(!is_before_the_lock(point)), "{point:?}: {applied:?}");
        assert_eq!(site.number("SELECT n::int8 FROM public.count"), 1);
        site.assert_whole(&newer, &["acme"], 1);
    }
}

/// A session remembers what it has read of the catalog until it locks a table or begins a transaction. It must still
/// see a registry that was created after it started.
#[test]
fn a_registry_that_another_run_makes_at_any_point_is_not_made_again() {
    let migrator = migrator(&[], &[COUNT]);
    let server = Server::throwaway().unwrap();
    for (number, point) in POINTS.into_iter().enumerate() {
        let mut admin = Client::connect(&server.url("postgres"), NoTls).unwrap();
        admin.batch_execute(&format!("CREATE DATABASE new_{number}")).unwrap();
        let database = Database::from_url(&server.url(&format!("new_{number}"))).unwrap();
        let client = database.connect().unwrap();
        let mut site = Site { database, client };
        let mut gate = site.shut(1);
        let database = &site.database;
        std::thread::scope(|scope| {
            let stopping = migrator.clone().stopping(Gate::new(1, point));
            let one = scope.spawn(move || stopping.get_or_create_tenant(database, &name("acme")));
            gate.wait();
            let two = scope.spawn(|| migrator.get_or_create_tenant(database, &name("globex")));
            while holds_no_lock(point) && !two.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            gate.open();
            for made in [one.join(), two.join()] {
                assert!(made.unwrap().unwrap().1, "{point:?}");
            }
        });
        let mut tenants = ["acme", "globex"];
        // After the registry is created, either runner may come first.
        if site.number("SELECT min(id) FROM migrations.tenants WHERE schema_name = 'globex'") == 1 {
            tenants.reverse();
        }
        site.assert_whole(&migrator, &tenants, 0);
    }
}

/// The newer run migrates a tenant further after the older run has planned it, or arrives while the older one holds its
/// lock.
#[test]
fn an_older_run_at_any_point_does_not_disturb_a_newer_one() {
    let mut lab = Lab::new(&migrator(&[], &[COUNT]), &["acme", "globex"]);
    let older = migrator(&[], &[COUNT, AGAIN]);
    let newer = migrator(&[], &[COUNT, AGAIN, AGAIN]);
    for point in POINTS {
        let mut site = lab.copy();
        let mut gate = site.shut(1);
        let database = &site.database;
        std::thread::scope(|scope| {
            let stopping = older.clone().stopping(Gate::new(1, point));
            let one = scope.spawn(move || stopping.run(database).unwrap());
            gate.wait();
            let two = scope.spawn(|| newer.run(database).unwrap());
            // The newer run has migrated the second tenant, whose lock no session holds.
            let done = "SELECT count(*) FROM migrations.tenants WHERE schema_name = 'globex' AND version = 3";
            let mut watching = database.connect().unwrap();
            while watching.query_one(done, &[]).unwrap().get::<_, i64>(0) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            gate.open();
            let (one, two) = (one.join().unwrap(), two.join().unwrap());
            assert!(one.is_success() && two.is_success(), "{one:?} {two:?}");
            assert_eq!(one.tenants.migrated + one.tenants.ahead, 2, "{point:?}: {one:?}");
            assert_eq!(two.tenants.migrated, 2, "{point:?}: {two:?}");
        });
        site.assert_whole(&newer, &["acme", "globex"], 2);
        let left_alone = older.run(&site.database).unwrap();
        assert_eq!((left_alone.tenants.ahead, left_alone.is_success()), (2, true));
        site.assert_whole(&newer, &["acme", "globex"], 2);
    }
}

/// A sign-up between a run's plan and its end does not affect the run, and does not wait for it.
#[test]
fn a_sign_up_at_any_point_of_a_run_is_made_at_once() {
    let mut lab = Lab::new(&migrator(&[], &[COUNT]), &["acme"]);
    let newer = migrator(&[], &[COUNT, AGAIN]);
    for point in POINTS {
        let mut site = lab.copy();
        let mut gate = site.shut(1);
        let database = &site.database;
        std::thread::scope(|scope| {
            let stopping = newer.clone().stopping(Gate::new(1, point));
            let one = scope.spawn(move || stopping.run(database).unwrap());
            gate.wait();
            assert!(newer.get_or_create_tenant(database, &name("globex")).unwrap().1, "{point:?}");
            gate.open();
            assert_eq!(one.join().unwrap().tenants.migrated, 1);
        });
        site.assert_whole(&newer, &["acme", "globex"], 1);
    }
}

/// A sign-up has begun with one transaction when another one finds out that the set needs several. What it creates is
/// not visible before all of it is there.
#[test]
fn a_sign_up_that_another_one_teaches_is_shown_when_it_is_whole() {
    let add = "ALTER TYPE mood ADD VALUE 'bad'";
    let taught =
        migrator(&[], &[COUNT, "CREATE TYPE mood AS ENUM ('good')", add, "CREATE TABLE m (m mood DEFAULT 'bad')"]);
    let mut lab = Lab::new(&taught, &[]);
    let mut site = lab.copy();
    let mut gate = site.shut(1);
    let database = &site.database;
    std::thread::scope(|scope| {
        // The first time is the look for a spare schema.
        let stopping = taught.clone().stopping(Gate::new(1, Point::Planned).after(1));
        let one = scope.spawn(move || stopping.get_or_create_tenant(database, &name("acme")).unwrap());
        gate.wait();
        assert!(taught.get_or_create_tenant(database, &name("globex")).unwrap().1);
        gate.open();
        assert!(one.join().unwrap().1);
    });
    // The last of several transactions makes the tenant, after the last migration; a single one has begun before.
    let at_once = site.number("SELECT count(*) FROM migrations.tenants WHERE created_at < migrated_at");
    let is_one_enough = site.number("SELECT current_setting('server_version_num')::int8") >= 170_000;
    assert_eq!(at_once, if is_one_enough { 2 } else { 0 });
    site.assert_whole(&taught, &["globex", "acme"], 0);
}

/// The first tenant is inspected alone; the next two share a transaction, and the other run comes to all of them.
#[test]
fn two_runs_migrate_every_tenant_once_when_one_stands_in_a_shared_transaction() {
    let tenants = ["t1", "t2", "t3", "t4", "t5", "t6"];
    let mut lab = Lab::new(&migrator(&[], &[COUNT]), &tenants);
    let newer = migrator(&[], &[COUNT, MORE]).sharing(Duration::from_mins(1));
    for point in POINTS {
        let mut site = lab.copy();
        let mut gate = site.shut(1);
        let database = &site.database;
        let reports = std::thread::scope(|scope| {
            let stopping = newer.clone().stopping(Gate::new(1, point).after(1));
            let one = scope.spawn(move || stopping.run(database).unwrap());
            gate.wait();
            let two = scope.spawn(|| newer.run(database).unwrap());
            // The other run is done with those that are free.
            let free = if holds_no_lock(point) { 6 } else { 4 };
            let done = "SELECT count(*) FROM migrations.tenants WHERE version = 2";
            let mut watching = database.connect().unwrap();
            while watching.query_one(done, &[]).unwrap().get::<_, i64>(0) < free {
                std::thread::sleep(Duration::from_millis(1));
            }
            gate.open();
            [one.join().unwrap(), two.join().unwrap()]
        });
        assert!(reports.iter().all(|report| report.is_success() && report.retries == 0), "{point:?} {reports:?}");
        let migrated: usize = reports.iter().map(|report| report.tenants.migrated).sum();
        assert_eq!(migrated, 6, "{point:?} {reports:?}");
        let shared = reports[0].outcomes.iter().filter(|outcome| outcome.kind == OutcomeKind::Migrated).count();
        assert_eq!(shared, if is_before_the_lock(point) { 1 } else { 3 }, "{point:?} {reports:?}");
        site.assert_whole(&newer, &tenants, 0);
    }
}
