//! A case, which `psql` applies to a schema and the framework to tenants.

use migrations_core::{Error, MigrationSet, Migrator};
use migrations_testing::TestDatabase;
use postgres::Client;

use crate::programs::{are_there, dump, psql};

/// The schema to which `psql` applies a case.
const REFERENCE: &str = "reference";

/// The files of one class.
pub(crate) struct Case {
    files: Vec<(&'static str, &'static str)>,
    in_code: fn(MigrationSet) -> MigrationSet,
    uses_pool: bool,
}

/// The content of a schema.
#[derive(Debug, PartialEq, Eq)]
struct Schema {
    dump: String,
    rows: Vec<String>,
}

impl Case {
    pub(crate) fn new(files: &[(&'static str, &'static str)]) -> Self {
        Self { files: files.to_vec(), in_code: |set| set, uses_pool: true }
    }

    /// With these exceptions in code.
    pub(crate) fn in_code(self, in_code: fn(MigrationSet) -> MigrationSet) -> Self {
        Self { in_code, ..self }
    }

    /// Without the tenant from the pool, for functions that do not survive a rename.
    pub(crate) fn without_pool(self) -> Self {
        Self { uses_pool: false, ..self }
    }

    /// Applies the case everywhere, and compares the results.
    #[track_caller]
    pub(crate) fn check(&self) {
        let test = TestDatabase::new().unwrap();
        let version = "SELECT current_setting('server_version_num')::int / 10000";
        let version: i32 = test.client().unwrap().query_one(version, &[]).unwrap().get(0);
        if !are_there(version.unsigned_abs()) {
            return;
        }
        let expected = self.by_psql();
        let set = self.set();
        let migrator = |tenant: &MigrationSet| Migrator::new(MigrationSet::new("shared").unwrap(), tenant.clone());
        let get = |migrator: &Migrator, name: &str| {
            let (_, is_new) = migrator.get_or_create_tenant(test.database(), &name.parse().unwrap()).unwrap();
            assert!(is_new, "{name}");
        };

        let mut versions = set.migrations().iter().map(migrations_core::Migration::version);
        let first = versions.next().unwrap();
        get(&migrator(&set.up_to(first)), "stepwise");
        for version in versions {
            let report = migrator(&set.up_to(version)).run(test.database()).unwrap();
            assert!(report.is_success(), "{}", report.failures[0]);
        }
        let whole = migrator(&set);
        let mut tenants = vec!["stepwise", "fresh"];
        get(&whole, "fresh");
        if self.uses_pool {
            assert_eq!(whole.fill_pool(test.database(), 1).unwrap(), 1);
            get(&whole, "pooled");
            assert_eq!(whole.pool(test.database()).unwrap().ready, 0, "it came from the pool");
            tenants.push("pooled");
        }
        for tenant in &tenants {
            let found = Schema::of(&test, tenant);
            let differing = expected.dump.lines().zip(found.dump.lines()).find(|(expected, found)| expected != found);
            assert_eq!(differing, None, "tenant {tenant}");
            assert_eq!(found, expected, "tenant {tenant}");
        }
        let again = whole.run(test.database()).unwrap();
        assert!(again.is_unchanged() && again.is_success());
        for tenant in tenants {
            assert_eq!(Schema::of(&test, tenant), expected, "tenant {tenant} after a rerun");
        }
    }

    /// The error when the set, or a new tenant, refuses the case.
    pub(crate) fn refusal(&self) -> String {
        let test = TestDatabase::new().unwrap();
        let get = |set| {
            Migrator::new(MigrationSet::new("shared").unwrap(), set)
                .get_or_create_tenant(test.database(), &"fresh".parse().unwrap())
        };
        self.try_set().map_err(Error::from).and_then(get).unwrap_err().to_string()
    }

    fn set(&self) -> MigrationSet {
        (self.in_code)(self.try_set().unwrap())
    }

    fn try_set(&self) -> Result<MigrationSet, migrations_core::SetError> {
        self.files.iter().try_fold(MigrationSet::new("tenant")?, |set, (title, sql)| set.with_sql(title, *sql))
    }

    fn by_psql(&self) -> Schema {
        let test = TestDatabase::new().unwrap();
        test.client().unwrap().batch_execute(&format!("CREATE SCHEMA {REFERENCE}")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (title, sql) in &self.files {
            let file = folder.path().join(format!("{title}.sql"));
            std::fs::write(&file, sql).unwrap();
            psql(test.url(), &format!("{REFERENCE},public"), &file);
        }
        Schema::of(&test, REFERENCE)
    }
}

impl Schema {
    fn of(test: &TestDatabase, schema: &str) -> Self {
        Self {
            dump: dump(test.url(), schema).replace(schema, REFERENCE),
            rows: rows(&mut test.client().unwrap(), schema),
        }
    }
}

/// A line for every table, with a checksum of its rows, and one for every sequence, with its value.
fn rows(client: &mut Client, schema: &str) -> Vec<String> {
    let relations = "SELECT relname::text, relkind = 'S' FROM pg_class \
                     WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'm', 'S') \
                     AND relname <> 'refinery_schema_history' AND relpersistence <> 't' ORDER BY 1";
    let relations = client.query(relations, &[&schema]).unwrap();
    relations
        .iter()
        .map(|row| {
            let (name, is_sequence): (&str, bool) = (row.get(0), row.get(1));
            let relation = format!("\"{schema}\".\"{}\"", name.replace('"', "\"\""));
            let rows = if is_sequence {
                format!("SELECT concat_ws(' ', last_value, is_called) FROM {relation}")
            } else {
                format!(
                    "SELECT concat_ws(' ', count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"))) \
                     FROM {relation} AS t"
                )
            };
            format!("{name}: {}", client.query_one(&rows, &[]).unwrap().get::<_, String>(0))
        })
        .collect()
}
