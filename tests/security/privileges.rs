//! The grants in `docs/security.md`, as they are written there: the migrating role is no superuser and can do
//! everything; the application's role uses its tenants' tables and can do nothing else.

use std::path::Path;

use migrations_core::{Database, MigrationSet, Migrator, RoleName, RunOptions, TenantName};
use migrations_testing::TestDatabase;
use postgres::Client;

const PASSWORD: &str = "only-for-this-test";

/// The document's block of SQL that starts with this comment, for a test's own database and roles.
fn block(name: &str, title: &str) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = std::fs::read_to_string(document).unwrap();
    let start = format!("```sql\n-- {title}:");
    let (_, rest) = text.split_once(&start).unwrap_or_else(|| panic!("no block {title:?}"));
    let (_, block) = rest.split_once('\n').unwrap();
    block.split_once("```").unwrap().0.replace("shop", name)
}

/// A database with the document's three roles, which are dropped with it.
struct Site {
    test: TestDatabase,
    admin: Client,
    migrate: Database,
    app: Database,
}

impl Site {
    fn new() -> Self {
        let test = TestDatabase::new().unwrap();
        let mut admin = test.client().unwrap();
        admin.batch_execute(&block(test.name(), "grants")).unwrap();
        let role = |admin: &mut Client, role: &str| {
            let role = format!("{}_{role}", test.name());
            admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'")).unwrap();
            let mut config = test.database().config().clone();
            Database::from_config(config.user(&role).password(PASSWORD).clone()).unwrap()
        };
        let (migrate, app) = (role(&mut admin, "migrate"), role(&mut admin, "app"));
        Self { test, admin, migrate, app }
    }

    /// The reference sets with the document's additions.
    fn migrator(&self) -> Migrator {
        let add = |set: MigrationSet, title: &str, what| set.with_migration(title, || block(self.test.name(), what));
        let shared = add(migrations_shared::set().unwrap(), "V900__application_role", "migration").unwrap();
        let shared = add(shared, "V901__window", "window").unwrap();
        Migrator::new(shared, migrations_tenant::set().unwrap()).tenant_role(self.tenant_role())
    }

    fn tenant_role(&self) -> RoleName {
        format!("{}_tenants", self.test.name()).parse().unwrap()
    }

    fn column(&mut self, query: &str) -> Vec<String> {
        self.admin.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let name = self.test.name();
        let drop = format!(
            "DROP OWNED BY {name}_app, {name}_migrate, {name}_tenants CASCADE; DROP ROLE {name}_app, {name}_migrate, {name}_tenants"
        );
        // A failed test has already reported it; the remains go with a throwaway server.
        let _ = self.admin.batch_execute(&drop);
    }
}

fn name(name: &str) -> TenantName {
    name.parse().unwrap()
}

#[test]
fn the_migrating_role_needs_no_superuser() {
    let mut site = Site::new();
    let migrator = site.migrator().jobs(2);
    let report = migrator.run_with(&site.migrate, &RunOptions::new().create([name("acme"), name("globex")])).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(migrator.fill_pool(&site.migrate, 1).unwrap(), 1);
    assert!(migrator.get_or_create_tenant(&site.migrate, &name("initech")).unwrap().1);
    assert_eq!(migrator.pool(&site.migrate).unwrap().ready, 0, "the sign-up took the spare");
    migrator.add_domain(&site.migrate, &name("acme"), "acme.example", true).unwrap();
    assert!(!migrator.status(&site.migrate).unwrap().is_pending());

    // A migration that cannot run in a transaction, and one that fails: locks, marks and replay need no further
    // privileges.
    let index = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY suppliers_later_idx ON suppliers (name);";
    let migrator_role = site.tenant_role();
    let add = |title, sql: &str| {
        let tenant = migrator.tenant_set().clone().with_migration(title, || sql.to_owned()).unwrap();
        Migrator::new(migrator.shared_set().clone(), tenant).tenant_role(migrator_role.clone())
    };
    assert_eq!(add("V901__index", index).run(&site.migrate).unwrap().tenants.migrated, 3);

    site.admin.batch_execute("DROP SCHEMA globex CASCADE").unwrap();
    migrator.forget_tenant(&site.migrate, &name("globex")).unwrap();

    let able = "SELECT rolname::text FROM pg_roles WHERE rolname ~ '_(app|migrate|tenants)$' \
                AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)";
    assert_eq!(site.column(able), [""; 0]);
    let owners = |schemas: &str, but: &str| {
        format!(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
             WHERE nspname IN ({schemas}) AND NOT relname ~ '{but}'"
        )
    };
    let shared = owners("'migrations', 'public'", "^$");
    assert_eq!(site.column(&shared), [format!("{}_migrate", site.test.name())]);
    let tenants = owners("'acme', 'initech'", "^refinery_schema_history");
    assert_eq!(site.column(&tenants), [format!("{}_tenants", site.test.name())]);
}

#[test]
fn postgresql_refuses_what_the_tenants_role_may_not_change() {
    let mut site = Site::new();
    let migrator = site.migrator();
    migrator.get_or_create_tenant(&site.migrate, &name("acme")).unwrap();
    let before = site
        .column("SELECT c.oid::text || c.xmin FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY 1");
    // Only tenants after the first do it, and they are not inspected: only the role can prevent it.
    migrator.get_or_create_tenant(&site.migrate, &name("globex")).unwrap();
    for leak in [
        "DROP TABLE public.currencies CASCADE",
        "ALTER TABLE public.currencies ADD COLUMN leak int",
        "INSERT INTO public.currencies DEFAULT VALUES",
        "DELETE FROM public.currencies",
        "TRUNCATE public.currencies CASCADE",
        "CREATE TABLE public.leak ()",
        "CREATE FUNCTION public.leak() RETURNS int LANGUAGE sql AS ''SELECT 1''",
        "COMMENT ON TABLE public.currencies IS ''leak''",
        "UPDATE migrations.tenants SET digest = 0",
        "CREATE ROLE leak",
        "CREATE SCHEMA leak",
    ] {
        let sql = format!("DO $$ BEGIN IF current_schema() = 'globex' THEN EXECUTE '{leak}'; END IF; END $$");
        let tenant = migrator.tenant_set().clone().with_migration("V901__leak", || sql).unwrap();
        let leaking = Migrator::new(migrator.shared_set().clone(), tenant).jobs(1).tenant_role(site.tenant_role());
        let report = leaking.run_with(&site.migrate, &RunOptions::new()).unwrap();
        assert_eq!((report.tenants.migrated, report.tenants.failed), (1, 1), "{leak}: {:?}", report.failures);
        assert_eq!(report.failures[0].sqlstate(), Some("42501"), "{leak}: {}", report.failures[0]);
        site.admin
            .batch_execute(
                "DELETE FROM acme.refinery_schema_history WHERE version = 901; \
                 UPDATE migrations.tenants SET digest = NULL WHERE schema_name = 'acme'",
            )
            .unwrap();
    }
    let after = site
        .column("SELECT c.oid::text || c.xmin FROM pg_class c WHERE relnamespace = 'public'::regnamespace ORDER BY 1");
    assert_eq!(after, before);
}

#[test]
fn tenants_that_belong_to_the_migrating_role_are_handed_over() {
    let mut site = Site::new();
    let shared = || site.migrator().shared_set().clone();
    let tenant = || {
        let more = "CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN code AS text; CREATE SEQUENCE numbers; \
                    CREATE TYPE pair AS (a int); CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'";
        migrations_tenant::set().unwrap().with_migration("V901__more", || more.to_owned()).unwrap()
    };
    Migrator::new(shared(), tenant()).get_or_create_tenant(&site.migrate, &name("acme")).unwrap();
    let change = "ALTER TABLE suppliers ADD COLUMN later text; ALTER TYPE mood ADD VALUE 'bad'; DROP DOMAIN code; \
                  ALTER SEQUENCE numbers RESTART; DROP FUNCTION own(); ALTER TYPE pair ADD ATTRIBUTE b int";
    let tenant = tenant().with_migration("V902__change", || change.to_owned()).unwrap();
    let migrator = Migrator::new(shared(), tenant).tenant_role(site.tenant_role());
    assert_eq!(migrator.run(&site.migrate).unwrap().tenants.failed, 1);

    site.admin.batch_execute(&block(site.test.name(), "handover")).unwrap();
    let report = migrator.run(&site.migrate).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
}

#[test]
fn the_application_uses_its_tenants_tables_and_can_do_nothing_else() {
    let mut site = Site::new();
    let migrator = site.migrator();
    migrator.get_or_create_tenant(&site.migrate, &name("early")).unwrap();
    assert_eq!(migrator.fill_pool(&site.migrate, 1).unwrap(), 1);
    // From the pool, under another name; and one more that is provisioned when the pool is empty.
    for tenant in ["renamed", "late"] {
        assert!(migrator.get_or_create_tenant(&site.migrate, &name(tenant)).unwrap().1);
    }
    migrator.add_domain(&site.migrate, &name("late"), "late.example", true).unwrap();

    let role = format!("{}_app", site.test.name());
    let missing = format!(
        "SELECT c.oid::regclass || ' ' || privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, \
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege \
         WHERE n.nspname IN ('early', 'renamed', 'late', 'public') AND c.relkind = 'r' \
         AND c.relname <> 'refinery_schema_history' AND NOT has_table_privilege('{role}', c.oid, privilege)"
    );
    assert_eq!(site.column(&missing), [""; 0]);
    let too_much = format!(
        "SELECT c.oid::regclass || ' ' || privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, \
         unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege \
         WHERE n.nspname IN ('early', 'renamed', 'late', 'public') AND c.relkind = 'r' \
         AND has_table_privilege('{role}', c.oid, privilege) \
         UNION ALL \
         SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE n.nspname IN ('early', 'renamed', 'late', 'public') AND has_function_privilege('{role}', p.oid, 'EXECUTE')"
    );
    assert_eq!(site.column(&too_much), [""; 0]);

    let mut app = site.app.connect().unwrap();
    for tenant in ["early", "renamed", "late"] {
        // A trigger's function needs no grant.
        let supplier = format!(
            "INSERT INTO {tenant}.suppliers (name, country_code, currency_code) \
                                VALUES ('Acme', 'DE', 'EUR') RETURNING name"
        );
        assert_eq!(app.query_one(&supplier, &[]).unwrap().get::<_, &str>(0), "Acme");
        app.batch_execute(&format!("UPDATE {tenant}.suppliers SET name = 'B'; DELETE FROM {tenant}.suppliers"))
            .unwrap();
    }
    let found = app.query_one("SELECT schema_name FROM tenant_directory WHERE domain = 'late.example'", &[]).unwrap();
    assert_eq!(found.get::<_, &str>(0), "late");

    for forbidden in [
        "SELECT last_error, metadata FROM migrations.tenants",
        "SELECT failures FROM migrations.runs",
        "SELECT * FROM migrations.sets",
        "INSERT INTO migrations.tenant_domains (domain, tenant_id) VALUES ('x', 1)",
        "UPDATE migrations.tenants SET digest = 0",
        "SELECT * FROM late.refinery_schema_history",
        "UPDATE renamed.refinery_schema_history SET checksum = '0'",
        "DELETE FROM public.refinery_schema_history",
        "CREATE TABLE late.mine ()",
        "CREATE TABLE public.mine ()",
        "CREATE TABLE migrations.mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.now(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = int4, FUNCTION = oideq)",
        "ALTER TABLE late.suppliers ADD COLUMN mine int",
        "ALTER SCHEMA late RENAME TO mine",
        "TRUNCATE late.suppliers",
        "DROP TABLE late.suppliers",
        "DROP SCHEMA late CASCADE",
        "CREATE INDEX ON late.suppliers (name)",
    ] {
        let error = app.batch_execute(forbidden).map_err(|error| error.code().map(|code| code.code().to_owned()));
        assert_eq!(error, Err(Some("42501".to_owned())), "{forbidden}");
    }
    // As the application's role, a run is refused, and says which privilege is missing.
    let error = migrator.run(&site.app).unwrap_err();
    assert_eq!(error.error.sqlstate(), Some("42501"), "{error}");
    assert!(error.to_string().contains("grant the role"), "{error}");
}

#[test]
fn an_operator_that_somebody_put_into_public_is_not_run() {
    let mut site = Site::new();
    let migrator = site.migrator();
    migrator.get_or_create_tenant(&site.migrate, &name("acme")).unwrap();
    assert_eq!(migrator.fill_pool(&site.migrate, 1).unwrap(), 1);
    // Privileges that the grants remove, and that every role had up to PostgreSQL 14.
    let app = format!("{}_app", site.test.name());
    site.admin.batch_execute(&format!("GRANT CREATE ON SCHEMA public TO {app}")).unwrap();
    let mut application = site.app.connect().unwrap();
    for (number, (left, operator, right)) in [
        ("oid", "=", "int4"),
        ("oid", "=", "regnamespace"),
        ("name", "!~", "name"),
        ("text", "||", "regclass"),
        ("text", "||", "regprocedure"),
        ("text", "||", "regtype"),
        ("int8", "*", "interval"),
        ("numeric", "*", "int4"),
    ]
    .into_iter()
    .enumerate()
    {
        let trap = format!(
            "CREATE FUNCTION public.trap_{number}({left}, {right}) RETURNS boolean LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'trap: % % %', '{left}', '{operator}', '{right}'; END $$; \
             GRANT EXECUTE ON FUNCTION public.trap_{number} TO PUBLIC; \
             CREATE OPERATOR public.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.trap_{number})"
        );
        application.batch_execute(&trap).unwrap();
    }
    let trap = "CREATE FUNCTION public.nextval(text) RETURNS int8 LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'trap: nextval'; END $$";
    application.batch_execute(trap).unwrap();

    migrator.get_or_create_tenant(&site.migrate, &name("globex")).unwrap();
    let tenant = migrator.tenant_set().clone().with_migration("V901__more", || "CREATE TABLE more ()".to_owned());
    let newer = Migrator::new(migrator.shared_set().clone(), tenant.unwrap()).tenant_role(site.tenant_role());
    let report = newer.run_with(&site.migrate, &RunOptions::new().create([name("hooli"), name("initech")])).unwrap();
    assert!(report.is_success(), "{:?}", report.failures);
    assert_eq!(newer.fill_pool(&site.migrate, 2).unwrap(), 2);
}
