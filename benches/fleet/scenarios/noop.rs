//! A run that finds everything up to date: the cost at every start of an application.
//!
//! Each run is a process of its own that does nothing else, so that its memory is the run's. The figure counts reading
//! the sets, but not starting the process. The limit is the run's one query, as the server logged it, over a plain
//! connection.

use std::process::Command;
use std::time::{Duration, Instant};

use migrations_core::{Database, RunOptions};
use postgres::NoTls;

use super::against_the_loop;
use crate::contest::{alternate, head, row, show};
use crate::lab::Lab;
use crate::options::{CHILD, Options};
use crate::{fleet, naive};

/// The child that runs.
pub(crate) const NOTHING: &str = "noop";

pub(crate) fn run(lab: &Lab, options: &Options) {
    let provisioned = fleet::provisioned(lab, options.tenants);
    let registered = registered(lab, options.tenants * 10);
    head(&["tenants", "ours", "limit", "ratio", "of it connecting", "queries", "peak memory"]);
    for (tenants, template) in [(options.tenants, &provisioned), (options.tenants * 10, &registered)] {
        let copy = lab.copy(template);
        let database = copy.database(Duration::ZERO);
        let proxy = copy.proxy(Duration::ZERO);
        let query = logged(lab, &database, || {
            fleet::run(&fleet::migrator(), &proxy.database(), &RunOptions::new());
        });

        let mut peak = 0;
        let mut ours = || {
            let (elapsed, kilobytes) = in_a_child(&copy.url());
            peak = peak.max(kilobytes);
            elapsed
        };
        let mut limit = || ask(&database, &query);
        let mut connecting = || ask(&database, "");
        let [ours, limit, connecting] = alternate(options.repeats * 5, &mut [&mut ours, &mut limit, &mut connecting]);
        row(&[
            &tenants.to_string(),
            &show(ours.best()),
            &show(limit.best()),
            &format!("**{:.2}**", ours.ratio(&limit)),
            &show(connecting.best()),
            &proxy.round_trips().to_string(),
            &format!("{}.{} MB", peak / 1024, peak % 1024 * 10 / 1024),
        ]);
    }

    let names = fleet::names(options.tenants);
    let runner = naive::made_schemas(fleet::migrator().tenant_set());
    against_the_loop(
        lab,
        options,
        &provisioned,
        [&|database, _| fleet::run(&fleet::migrator(), database, &RunOptions::new()), &|database, _| {
            naive::run(database, &runner, &names)
        }],
    );
}

/// The process whose memory is measured: prints microseconds and its peak memory in kilobytes.
pub(crate) fn child(url: &str) {
    let start = Instant::now();
    let report = fleet::migrator().run(&Database::from_url(url).unwrap()).unwrap();
    let elapsed = start.elapsed();
    assert!(report.is_success() && report.is_unchanged());
    println!("{} {}", elapsed.as_micros(), super::memory::kilobytes("self", "VmHWM"));
}

fn in_a_child(url: &str) -> (Duration, usize) {
    let output = Command::new(std::env::current_exe().unwrap()).args([CHILD, NOTHING, url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (micros, kilobytes) = text.trim().split_once(' ').unwrap();
    (Duration::from_micros(micros.parse().unwrap()), kilobytes.parse().unwrap())
}

/// A template whose tenants, except the first, have empty schemas: the run reads only the registry and the catalog of
/// schemas.
fn registered(lab: &Lab, tenants: usize) -> String {
    let template = format!("registered_{tenants}");
    lab.template(&template, fleet::empty(lab), |database| {
        fleet::run(&fleet::migrator(), database, &RunOptions::new().create([fleet::name(0)]));
        let sql = format!(
            "DO $$ BEGIN
                FOR number IN 1..{tenants} - 1 LOOP
                    EXECUTE format('CREATE SCHEMA tenant_%s', lpad(number::text, 5, '0'));
                END LOOP;
            END $$;
            INSERT INTO migrations.tenants (schema_name, version, digest, schema_oid)
            SELECT n.nspname, t.version, t.digest, n.oid
            FROM pg_namespace n, migrations.tenants t
            WHERE n.nspname LIKE 'tenant\\_%' AND n.nspname <> t.schema_name
            ORDER BY n.nspname",
        );
        database.connect().unwrap().batch_execute(&sql).unwrap();
    });
    template
}

/// The one query that `work` sends, with its parameters in place.
fn logged(lab: &Lab, database: &Database, work: impl FnOnce()) -> String {
    let name = database.config().get_dbname().unwrap();
    let log = |value: &str| {
        let sql = format!("ALTER DATABASE {name} SET log_min_duration_statement = {value}");
        database.connect().unwrap().batch_execute(&sql).unwrap();
    };
    log("0");
    work();
    log("-1");
    let text = lab.log();
    let (_, query) = text.rsplit_once("execute <unnamed>: ").unwrap();
    let (query, rest) = query.split_once("DETAIL:  parameters: ").unwrap();
    let parameters = rest.lines().next().unwrap();
    // From the last one, since $1 is also the start of $10.
    let pairs: Vec<_> =
        parameters.split(", $").map(|pair| pair.trim_start_matches('$').split_once(" = ").unwrap()).collect();
    let query =
        pairs.iter().rev().fold(query.to_owned(), |query, (number, value)| query.replace(&format!("${number}"), value));
    // The log's own prefix of the next line.
    query.trim_end().rsplit_once('\n').unwrap().0.to_owned()
}

fn ask(database: &Database, query: &str) -> Duration {
    let start = Instant::now();
    let mut client = database.config().connect(NoTls).unwrap();
    if !query.is_empty() {
        client.simple_query(query).unwrap();
    }
    start.elapsed()
}
