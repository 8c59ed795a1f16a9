//! A server with a fleet that is behind, copies of it to break, and a check that everything is intact again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use migrations_core::{Database, MigrationSet, Migrator, RunOptions, State, TenantName};
use migrations_embedded::{Builder, Server};
use postgres::Client;

use crate::runner::up;

/// How many of the tenant set's migrations the tenants of a fleet have. The next migration runs outside a transaction,
/// between two that do not.
pub(crate) const APPLIED: usize = 8;

/// A server with a fleet that is behind.
pub(crate) struct Site {
    server: Mutex<Server>,
    copies: AtomicUsize,
    reference: Reference,
}

/// The content of a tenant that one undisturbed run has created.
struct Reference {
    catalog: String,
    registry: (Option<i64>, Option<i64>),
    history: Vec<(i64, String, String)>,
}

/// A copy of the fleet. It is dropped with this.
pub(crate) struct Copy<'a> {
    site: &'a Site,
    name: String,
}

/// The reference application's migrator, with the tenant set cut after this many migrations.
pub(crate) fn first(migrations: usize) -> Migrator {
    let whole = migrate::migrator().unwrap();
    let tenant = whole.tenant_set().migrations()[..migrations]
        .iter()
        .fold(MigrationSet::new("tenant").unwrap(), |set, migration| {
            set.with_migration(migration.title(), || migration.sql().to_owned()).unwrap()
        });
    Migrator::new(whole.shared_set().clone(), tenant)
}

/// One table.
pub(crate) const NOTES: (&str, &str) = ("V1__notes", "CREATE TABLE notes (id bigint PRIMARY KEY, body text)");
/// A column on it.
pub(crate) const AUTHOR: (&str, &str) = ("V2__author", "ALTER TABLE notes ADD COLUMN author text");

/// A migrator with one shared table and these tenant migrations.
pub(crate) fn small(tenant: &[(&str, &str)]) -> Migrator {
    let set = |name: &str, migrations: &[(&str, &str)]| {
        migrations.iter().fold(MigrationSet::new(name).unwrap(), |set, (title, sql)| {
            set.with_migration(title, || (*sql).to_owned()).unwrap()
        })
    };
    Migrator::new(set("shared", &[("V1__plans", "CREATE TABLE plans (code text PRIMARY KEY)")]), set("tenant", tenant))
}

pub(crate) fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

/// The names of a fleet's tenants.
pub(crate) fn names(tenants: usize) -> impl Iterator<Item = TenantName> {
    (0..tenants).map(|number| name(&format!("tenant_{number:02}")))
}

/// Everything in every tenant's schema, as text, by schema.
const CATALOG: &str = "
SELECT n.nspname::text, string_agg(replace(line, n.nspname || '.', ''), E'\\n' ORDER BY line COLLATE \"C\")
FROM (
    SELECT relnamespace AS schema, concat_ws(' ', relkind, relname) AS line FROM pg_class
    UNION ALL
    SELECT c.relnamespace, concat_ws(' ', 'column', c.relname, attnum, attname, format_type(atttypid, atttypmod),
                                     attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE attnum > 0 AND c.relkind IN ('r', 'p', 'v')
    UNION ALL
    SELECT relnamespace, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisready, indislive)
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid
    UNION ALL
    SELECT connamespace, concat_ws(' ', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint
    UNION ALL
    SELECT relnamespace, concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT pronamespace, concat_ws(' ', 'function', proname, md5(prosrc)) FROM pg_proc
    UNION ALL
    SELECT typnamespace, concat_ws(' ', 'type', typname, typtype) FROM pg_type
) AS lines JOIN pg_namespace n ON n.oid = schema
WHERE n.nspname IN (SELECT schema_name FROM migrations.tenants)
GROUP BY n.nspname";

fn catalogs(client: &mut Client) -> BTreeMap<String, String> {
    client.query(CATALOG, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn history(client: &mut Client, schema: &str) -> Vec<(i64, String, String)> {
    let query = format!("SELECT version, name, checksum FROM {schema}.refinery_schema_history ORDER BY version");
    client.query(&query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

impl Reference {
    fn new(database: &Database) -> Self {
        migrate::migrator().unwrap().get_or_create_tenant(database, &name("reference")).unwrap();
        let mut client = database.connect().unwrap();
        let row = client.query_one("SELECT version, digest FROM migrations.tenants", &[]).unwrap();
        Self {
            catalog: catalogs(&mut client).remove("reference").unwrap(),
            registry: (row.get(0), row.get(1)),
            history: history(&mut client, "reference"),
        }
    }
}

impl Site {
    /// A throwaway server with a fleet of this many tenants.
    pub(crate) fn new(tenants: usize) -> Self {
        Self::on(Server::builder(), tenants)
    }

    /// The same on a given server.
    pub(crate) fn on(server: Builder, tenants: usize) -> Self {
        let server = server.start_throwaway().unwrap();
        let database = |name: &str| Database::from_url(&server.url(name)).unwrap();
        let mut client = database("postgres").connect().unwrap();
        client.batch_execute("CREATE DATABASE reference").unwrap();
        client.batch_execute("CREATE DATABASE fleet").unwrap();
        let reference = Reference::new(&database("reference"));
        let report = first(APPLIED).run_with(&database("fleet"), &RunOptions::new().create(names(tenants))).unwrap();
        assert_eq!(report.tenants.created, tenants);
        Self { server: Mutex::new(server), copies: AtomicUsize::new(0), reference }
    }

    /// How long a run over a copy takes when nothing disturbs it.
    pub(crate) fn undisturbed(&self) -> Duration {
        let copy = self.copy();
        let start = Instant::now();
        up(&copy.url(), &[]).finish().succeeded();
        let elapsed = start.elapsed();
        copy.assert_whole();
        elapsed
    }

    /// A copy of the fleet.
    pub(crate) fn copy(&self) -> Copy<'_> {
        let name = format!("copy_{}", self.copies.fetch_add(1, Ordering::Relaxed));
        let mut client = self.client("postgres");
        let strategy = if self.server().version() >= 15 { "STRATEGY FILE_COPY" } else { "" };
        let create = format!("CREATE DATABASE {name} TEMPLATE fleet {strategy}");
        // The session that created the template may not have ended yet.
        let mut tries = 0;
        while let Err(error) = client.batch_execute(&create) {
            tries += 1;
            assert!(tries < 100, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Copy { site: self, name }
    }

    pub(crate) fn server(&self) -> std::sync::MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    pub(crate) fn client(&self, database: &str) -> Client {
        Client::connect(&self.server().url(database), postgres::NoTls).unwrap()
    }
}

impl Copy<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        self.site.server().url(&self.name)
    }

    pub(crate) fn database(&self) -> Database {
        Database::from_url(&self.url()).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        self.site.client(&self.name)
    }

    /// The end of the server's log.
    pub(crate) fn server_log(&self) -> String {
        self.site.server().log()
    }

    /// One number.
    pub(crate) fn number(&self, query: &str) -> i64 {
        self.client().query_one(query, &[]).unwrap().get(0)
    }

    /// Runs statements.
    pub(crate) fn execute(&self, sql: &str) {
        self.client().batch_execute(sql).unwrap();
    }

    /// Runs again, as an operator would, and checks everything.
    #[track_caller]
    pub(crate) fn rerun_makes_it_whole(&self) {
        up(&self.url(), &[]).finish().succeeded();
        self.assert_whole();
        let again = up(&self.url(), &[]).finish().succeeded();
        let work: Vec<_> = ["created", "migrated", "failed", "busy"].map(|key| &again["tenants"][key]).into();
        assert!(
            work.iter().all(|count| **count == 0) && again["shared"]["applied"] == serde_json::json!([]),
            "{again}"
        );
    }

    /// Every tenant equals the result of an undisturbed run, and the registry says so.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        let mut client = self.client();
        let reference = &self.site.reference;
        let catalogs = catalogs(&mut client);
        let tenants: Vec<String> = {
            let rows = client.query("SELECT schema_name::text FROM migrations.tenants ORDER BY id", &[]).unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        assert!(!tenants.is_empty());
        for tenant in &tenants {
            let catalog = catalogs.get(tenant).unwrap_or_else(|| panic!("{tenant} has no schema"));
            assert_same_lines(tenant, catalog, &reference.catalog);
            assert_eq!(history(&mut client, tenant), reference.history, "history of {tenant}");
        }
        let wrong = client
            .query(
                "SELECT schema_name::text, t::text FROM migrations.tenants t \
                 WHERE version IS DISTINCT FROM $1 OR digest IS DISTINCT FROM $2 OR in_flight_version IS NOT NULL \
                       OR last_error IS NOT NULL \
                       OR schema_oid IS DISTINCT FROM (SELECT oid FROM pg_namespace WHERE nspname = schema_name)",
                &[&reference.registry.0, &reference.registry.1],
            )
            .unwrap();
        assert!(wrong.is_empty(), "the registry: {:?}", wrong.iter().map(|row| row.get(1)).collect::<Vec<String>>());
        let invalid = self.number("SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)");
        assert_eq!(invalid, 0, "invalid indexes");

        self.assert_status_is_current(tenants.len());
        // The same from the histories: a registry row without its digest is not trusted.
        client.batch_execute("UPDATE migrations.tenants SET digest = NULL").unwrap();
        self.assert_status_is_current(tenants.len());
        let restore = "UPDATE migrations.tenants SET digest = $1";
        client.execute(restore, &[&reference.registry.1]).unwrap();
    }

    #[track_caller]
    fn assert_status_is_current(&self, tenants: usize) {
        let status = migrate::migrator().unwrap().status(&self.database()).unwrap();
        let both = [&status.registry, &status.shared].map(|schema| schema.state);
        assert_eq!(both, [State::Current; 2]);
        assert_eq!(status.tenants.len(), tenants);
        for tenant in &status.tenants {
            assert_eq!((tenant.schema.state, &tenant.last_error), (State::Current, &None), "{}", tenant.name);
        }
    }
}

#[track_caller]
fn assert_same_lines(tenant: &str, found: &str, expected: &str) {
    let missing: Vec<_> = expected.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
    let extra: Vec<_> = found.lines().filter(|line| !expected.lines().any(|other| other == *line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{tenant} lacks {missing:#?} and has {extra:#?}");
    assert_eq!(found.lines().count(), expected.lines().count(), "{tenant} has something twice");
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&self.site.server().url("postgres"), postgres::NoTls) {
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// The other tests check that everything is intact; this one, that the check can fail.
#[test]
fn every_kind_of_damage_is_seen() {
    let site = Site::new(2);
    let copy = site.copy();
    let is_whole = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| copy.assert_whole())).is_ok();
    assert!(!is_whole(), "it is behind");
    copy.rerun_makes_it_whole();
    let row = "schema_name = 'tenant_01'";
    for damage in [
        "DROP TRIGGER suppliers_touch_updated_at ON tenant_01.suppliers".to_owned(),
        "ALTER TABLE tenant_01.suppliers ADD COLUMN other int".to_owned(),
        "CREATE INDEX invoices_due_on_idx_ccnew ON tenant_01.invoices (due_on)".to_owned(),
        "DELETE FROM tenant_01.refinery_schema_history WHERE version = 10".to_owned(),
        "UPDATE tenant_01.refinery_schema_history SET checksum = '1' WHERE version = 1".to_owned(),
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tenant_01.invoices_due_on_idx'::regclass"
            .to_owned(),
        format!("UPDATE migrations.tenants SET digest = 1 WHERE {row}"),
        format!("UPDATE migrations.tenants SET version = 10 WHERE {row}"),
        format!("UPDATE migrations.tenants SET schema_oid = 1 WHERE {row}"),
        format!("UPDATE migrations.tenants SET in_flight_version = 10, in_flight_statement = 0 WHERE {row}"),
        "ALTER SCHEMA tenant_01 RENAME TO elsewhere".to_owned(),
        "DROP TABLE public.plans CASCADE; DELETE FROM public.refinery_schema_history WHERE version = 3; \
         UPDATE migrations.sets SET digest = NULL WHERE name = 'shared'"
            .to_owned(),
    ] {
        let copy = site.copy();
        up(&copy.url(), &[]).finish().succeeded();
        copy.assert_whole();
        copy.execute(&damage);
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| copy.assert_whole())).is_err();
        assert!(seen, "{damage}");
    }
}
