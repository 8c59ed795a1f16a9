//! The first tenant of every script is committed only if nothing outside it has changed, whatever SQL a migration
//! builds while it runs.

use migrations_core::{Migrator, RunOptions};
use migrations_testing::TestDatabase;

use crate::fixture::{NOTES, column, execute, exists, migrator, name, number, set, with_tenants};

/// Shared objects of every kind.
const SHARED: &str = "\
CREATE TABLE plans (code text PRIMARY KEY, price int CHECK (price > 0), region text);
INSERT INTO plans VALUES ('free', 1, 'eu');
CREATE INDEX plans_price_idx ON plans (price);
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE plan_countries (plan text REFERENCES plans, country text REFERENCES countries);
CREATE VIEW plan_codes AS SELECT code FROM plans;
CREATE MATERIALIZED VIEW plan_prices AS SELECT price FROM plans;
CREATE SEQUENCE numbers;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE TRIGGER touch BEFORE UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE no_delete AS ON DELETE TO plans DO INSTEAD NOTHING;
CREATE POLICY everybody ON plans USING (true);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same);
CREATE COLLATION c_too FROM \"C\";
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = simple);
CREATE STATISTICS plan_statistics ON code, region FROM plans;
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
COMMENT ON TABLE plans IS 'what one can buy';";

fn sharing(tenant: &[(&str, &str)]) -> Migrator {
    crate::fixture::of(set("shared", &[("V1__shared", SHARED)]), set("tenant", tenant))
}

/// The state outside the tenant `acme`, as `pg_dump` and the catalog see it.
fn outside(test: &TestDatabase) -> Vec<String> {
    let queries = [
        "SELECT c.oid::text || c.xmin || coalesce(c.relacl::text, '') FROM pg_class c \
         WHERE relnamespace <> 'acme'::regnamespace AND NOT relisshared AND c.oid > 16384 ORDER BY 1",
        "SELECT d::text FROM pg_description d WHERE d.objoid > 16384 ORDER BY 1",
        "SELECT e::text FROM pg_enum e ORDER BY 1",
        "SELECT p.oid::text || p.xmin FROM pg_proc p WHERE p.oid > 16384 ORDER BY 1",
        "SELECT p::text FROM public.plans p",
        "SELECT to_jsonb(t)::text FROM migrations.tenants t WHERE schema_name <> 'acme' ORDER BY 1",
    ];
    queries.iter().flat_map(|query| column(test, query)).collect()
}

/// The SQL that a tenant's migration executes, and the name that the refusal must contain.
const LEAKS: [(&str, &str); 49] = [
    ("DROP TABLE public.plans CASCADE", "table public.plans"),
    ("DROP TABLE public.countries CASCADE", "table public.countries"),
    ("DROP VIEW public.plan_codes", "view public.plan_codes"),
    ("DROP MATERIALIZED VIEW public.plan_prices", "materialized view public.plan_prices"),
    ("REFRESH MATERIALIZED VIEW public.plan_prices", "materialized view public.plan_prices"),
    ("DROP INDEX public.plans_price_idx", "index public.plans_price_idx"),
    ("REINDEX INDEX public.plans_price_idx", "index public.plans_price_idx"),
    ("DROP SEQUENCE public.numbers", "sequence public.numbers"),
    ("ALTER SEQUENCE public.numbers RESTART WITH 7", "sequence public.numbers"),
    ("DROP TYPE public.pair", "type public.pair"),
    ("ALTER TYPE public.pair ADD ATTRIBUTE c int", "public.pair"),
    ("ALTER TYPE public.mood RENAME VALUE ''good'' TO ''best''", "type public.mood"),
    ("ALTER TYPE public.mood ADD VALUE ''ugly''", "type public.mood"),
    ("DROP DOMAIN public.positive", "type public.positive"),
    ("ALTER DOMAIN public.positive SET DEFAULT 1", "type public.positive"),
    ("DROP FUNCTION public.touch() CASCADE", "function public.touch()"),
    ("ALTER FUNCTION public.touch() SECURITY DEFINER", "function public.touch()"),
    ("GRANT SELECT ON public.plans TO pg_monitor", "table public.plans"),
    ("GRANT SELECT (code) ON public.plans TO pg_monitor", "column code of table public.plans"),
    ("GRANT CREATE ON SCHEMA public TO pg_monitor", "schema public"),
    ("COMMENT ON TABLE public.plans IS NULL", "table public.plans"),
    ("COMMENT ON COLUMN public.plans.code IS ''x''", "column code of table public.plans"),
    ("ALTER TABLE public.plans ALTER region SET NOT NULL", "column region of table public.plans"),
    ("ALTER TABLE public.plans ALTER region SET DEFAULT 1", "column region of table public.plans"),
    ("ALTER TABLE public.plans DROP COLUMN region", "public.plans"),
    ("ALTER TABLE public.plans RENAME COLUMN region TO area", "of table public.plans"),
    (
        "ALTER TABLE public.plans DROP CONSTRAINT plans_price_check",
        "constraint plans_price_check on table public.plans",
    ),
    ("ALTER TABLE public.plans ENABLE ROW LEVEL SECURITY", "table public.plans"),
    ("ALTER TABLE public.plans DISABLE TRIGGER ALL", "trigger touch on table public.plans"),
    ("ALTER TABLE public.plans SET (fillfactor = 50)", "table public.plans"),
    ("ALTER TABLE public.parts DETACH PARTITION public.parts_1", "public.parts"),
    ("CREATE TABLE parts_2 PARTITION OF public.parts FOR VALUES FROM (10) TO (20)", "table public.parts"),
    ("DROP TRIGGER touch ON public.plans", "trigger touch on table public.plans"),
    ("DROP RULE no_delete ON public.plans", "rule no_delete on table public.plans"),
    ("DROP POLICY everybody ON public.plans", "policy everybody on table public.plans"),
    ("CREATE POLICY nobody ON public.plans USING (false)", "policy nobody on table public.plans"),
    ("DROP OPERATOR public.=== (int, int)", "operator public.===(integer,integer)"),
    ("DROP COLLATION public.c_too", "collation public.c_too"),
    ("DROP TEXT SEARCH CONFIGURATION public.words", "text search configuration public.words"),
    ("ALTER TEXT SEARCH CONFIGURATION public.words DROP MAPPING FOR word", "text search configuration public.words"),
    ("DROP TEXT SEARCH DICTIONARY public.plain", "text search dictionary public.plain"),
    ("DROP STATISTICS public.plan_statistics", "statistics object public.plan_statistics"),
    ("CREATE INDEX leak ON public.plans (region)", "index public.leak"),
    ("TRUNCATE public.plan_countries", "table public.plan_countries"),
    ("CREATE EXTENSION pg_trgm", "extension pg_trgm"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor", "default privileges"),
    ("GRANT pg_monitor TO role_of_a_canary", "membership of role_of_a_canary in pg_monitor"),
    ("COMMENT ON ROLE role_of_a_canary IS ''x''", "role role_of_a_canary"),
    ("UPDATE migrations.tenants SET metadata = ''{\"seats\": 1}''", "rows of migrations.tenants"),
];

#[test]
fn what_is_dropped_altered_or_granted_outside_by_execute_is_refused_whole() {
    let test = with_tenants(&sharing(&[NOTES]), &["acme", "globex"]);
    execute(&test, "DROP ROLE IF EXISTS role_of_a_canary; CREATE ROLE role_of_a_canary");
    let before = outside(&test);
    let only = || RunOptions::new().only([name("acme")]);
    for (leak, what) in LEAKS {
        if leak.contains("pg_trgm")
            && number(&test, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'") == 0
        {
            continue;
        }
        let sql = format!("CREATE TABLE mine (); DO $$ BEGIN EXECUTE '{leak}'; END $$");
        let report = sharing(&[NOTES, ("V2__leak", &sql)]).run_with(test.database(), &only()).unwrap();
        assert_eq!(report.failures.len(), 1, "{leak}");
        assert_eq!(report.failures[0].sqlstate(), Some("MGI01"), "{leak}: {}", report.failures[0]);
        assert!(report.failures[0].message().contains(what), "{leak}: {}", report.failures[0].message());
        assert!(!exists(&test, "acme.mine"), "{leak}");
        assert_eq!(outside(&test), before, "{leak}");
    }
}

#[test]
fn what_is_dropped_in_another_tenant_is_refused_and_what_is_dropped_in_the_own_schema_is_not() {
    let test = with_tenants(&sharing(&[NOTES]), &["acme", "globex"]);
    execute(
        &test,
        "CREATE TYPE globex.mood AS ENUM ('a'); CREATE FUNCTION globex.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    for leak in
        ["DROP TABLE globex.notes", "TRUNCATE globex.notes", "DROP TYPE globex.mood", "DROP FUNCTION globex.f()"]
    {
        let sql = format!("DO $$ BEGIN IF current_schema() = 'acme' THEN EXECUTE '{leak}'; END IF; END $$");
        let report = sharing(&[NOTES, ("V2__leak", &sql)])
            .run_with(test.database(), &RunOptions::new().only([name("acme")]))
            .unwrap();
        assert_eq!(report.failures.first().and_then(|f| f.sqlstate()), Some("MGI01"), "{leak}: {:?}", report.failures);
        assert!(report.failures[0].message().contains("globex."), "{leak}: {}", report.failures[0].message());
    }
    let own = "CREATE TABLE brief (id int); CREATE TYPE short AS ENUM ('a'); CREATE TEMP TABLE scratch ();\n\
               CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
               DROP TABLE brief, notes; DROP TYPE short; DROP FUNCTION gone(); CREATE ROLE tenant_role_of_a_test;\n\
               DROP ROLE tenant_role_of_a_test;";
    let report = sharing(&[NOTES, ("V2__own", own)]).run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 2, "{:?}", report.failures);
    let (_, created) = sharing(&[NOTES, ("V2__own", own)]).get_or_create_tenant(test.database(), &name("new")).unwrap();
    assert!(created);
}

#[test]
fn a_foreign_key_to_a_shared_table_that_a_later_migration_drops_is_no_change() {
    let key = ("V2__key", "ALTER TABLE notes ADD COLUMN plan text CONSTRAINT plan_key REFERENCES plans");
    let drop = ("V3__drop", "ALTER TABLE notes DROP CONSTRAINT plan_key");
    let all = sharing(&[NOTES, key, drop]);
    let test = with_tenants(&sharing(&[NOTES, key]), &["acme", "globex"]);
    let report = all.run(test.database()).unwrap();
    assert_eq!(report.tenants.migrated, 2, "{:?}", report.failures);
    for tenant in ["initech", "umbrella"] {
        // Vacuuming clears the mark of a table that no longer has triggers; a sign-up sets it again.
        execute(&test, "VACUUM plans");
        assert!(sharing(&[NOTES, key, drop]).get_or_create_tenant(test.database(), &name(tenant)).unwrap().1);
    }
    assert!(sharing(&[NOTES, key, drop]).jobs(2).fill_pool(test.database(), 2).is_ok());
}

#[test]
fn what_others_change_outside_meanwhile_is_not_blamed_on_the_tenant() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    // The first time, another session changes a shared table between the two comparisons.
    execute(
        &test,
        "CREATE TABLE public.looks (); CREATE EXTENSION IF NOT EXISTS plpgsql; \
         CREATE FUNCTION public.other_session() RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
           FOR tries IN 1..6000 LOOP \
             EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'meanwhile'); \
             PERFORM pg_sleep(0.01); \
           END LOOP; END $$",
    );
    let slow = ("V2__slow", "SELECT public.other_session()");
    let report = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let at_it =
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
            while number(&test, at_it) == 0 {
                std::thread::yield_now();
            }
            execute(&test, "CREATE TABLE public.meanwhile ()");
        });
        let report = migrator(&[NOTES, slow]).jobs(1).run(test.database()).unwrap();
        other.join().unwrap();
        report
    });
    assert_eq!(report.tenants.migrated, 2, "{:?}", report.failures);
    assert!(exists(&test, "public.meanwhile"));
}

#[test]
fn what_is_allowed_by_directive_or_in_code_is_done() {
    let sql = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS public.meant (); ALTER DATABASE %I SET work_mem = '5MB'; END $$";
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let database = column(&test, "SELECT quote_ident(current_database())").remove(0);
    let sql = sql.replace("%I", &database);
    let tenant = || set("tenant", &[NOTES, ("V2__meant", sql.as_str())]);
    let shared = || migrator(&[]).shared_set().clone();
    let failed = |tenant| crate::fixture::of(shared(), tenant).run(test.database()).unwrap().tenants.failed;
    assert_eq!(failed(tenant()), 2);
    assert_eq!(failed(tenant().allow_schema("V2__meant", "public").unwrap()), 2);
    assert_eq!(failed(tenant().allow_database("V2__meant").unwrap()), 2);
    let both = tenant().allow_schema("V2__meant", "public").unwrap().allow_database("V2__meant").unwrap();
    assert_eq!(failed(both), 0);
    assert!(exists(&test, "public.meant"));

    let directives = format!("-- migrate: allow-schema public\n-- migrate: allow-database\n{sql}");
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let here = column(&test, "SELECT quote_ident(current_database())").remove(0);
    let same = set("tenant", &[NOTES, ("V2__meant", directives.replace(&database, &here).as_str())]);
    assert!(crate::fixture::of(shared(), same).run(test.database()).unwrap().is_success());
    assert!(
        tenant().allow_schema("V9__none", "public").is_err() && tenant().allow_schema("V2__meant", "pg_toast").is_err()
    );
}

#[test]
fn an_applied_file_that_changed_a_shared_table_by_its_bare_name_goes_on() {
    let insert = ("V2__plan", "INSERT INTO plans VALUES ('basic') ON CONFLICT DO NOTHING");
    let tenant = || set("tenant", &[NOTES, insert]);
    let shared = || migrator(&[]).shared_set().clone();
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let run = |tenant| crate::fixture::of(shared(), tenant).run(test.database()).unwrap();
    assert_eq!(run(tenant()).failures[0].sqlstate(), Some("42P01"));
    assert_eq!(run(tenant().as_written("V2__plan").unwrap()).failures[0].sqlstate(), Some("MGI01"));
    let old = || tenant().as_written("V2__plan").unwrap().allow_schema("V2__plan", "public").unwrap();
    assert!(run(old()).is_success());
    assert!(crate::fixture::of(shared(), old()).get_or_create_tenant(test.database(), &name("globex")).unwrap().1);
    assert_eq!(column(&test, "SELECT code FROM plans"), ["basic"]);
    assert_eq!(old().digest(), tenant().digest(), "the checksum stays");
}

#[test]
fn what_may_be_changed_may_be_dropped_too() {
    for (directive, make, drop) in [
        ("allow-schema other", "CREATE SCHEMA other; CREATE TABLE other.t (x text UNIQUE)", "DROP TABLE other.t"),
        ("allow-schema other", "CREATE SCHEMA other; CREATE TABLE other.t (x text)", "DROP SCHEMA other CASCADE"),
        (
            "allow-schema other",
            "CREATE SCHEMA other; CREATE FUNCTION other.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION other.f()",
        ),
        (
            "allow-schema other",
            "CREATE SCHEMA other; CREATE TABLE other.t (x text CONSTRAINT k CHECK (x > '')); CREATE INDEX i ON other.t (x)",
            "DROP INDEX other.i; ALTER TABLE other.t DROP CONSTRAINT k",
        ),
        ("allow-schema other", "CREATE SCHEMA other; CREATE TYPE other.e AS ENUM ('a')", "DROP TYPE other.e"),
        ("allow-database", "CREATE PUBLICATION p", "DROP PUBLICATION p"),
        ("allow-database", "CREATE EXTENSION hstore", "DROP EXTENSION hstore"),
    ] {
        let make = ("V1__make", &*format!("-- migrate: {directive}\n{make}"));
        let drop = ("V2__drop", &*format!("-- migrate: {directive}\n{drop}"));
        let test = with_tenants(&migrator(&[make]), &["acme"]);
        let newer = migrator(&[make, drop]);
        let report = newer.run(test.database()).unwrap();
        assert!(report.is_success(), "{}: {}", drop.1, report.failures[0]);
        assert!(newer.run(test.database()).unwrap().is_unchanged(), "{}", drop.1);
        assert!(!newer.is_pending(test.database()).unwrap(), "{}", drop.1);
    }
}

#[test]
fn what_may_be_dropped_takes_nothing_else_with_it() {
    let make = "-- migrate: allow-schema other\nCREATE SCHEMA other; CREATE TABLE other.t (x text)";
    let drop = "-- migrate: allow-schema other\nDROP TABLE other.t CASCADE";
    let test = with_tenants(&migrator(&[("V1__make", make)]), &["acme"]);
    execute(&test, "CREATE VIEW public.depends AS SELECT * FROM other.t");
    let report = migrator(&[("V1__make", make), ("V2__drop", drop)]).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("MGI01"), "{:?}", report.failures);
    assert!(exists(&test, "public.depends") && exists(&test, "other.t"));
}

#[test]
fn another_tenant_is_not_dropped_from_by_one_that_may_change_what_it_refers_to() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    execute(&test, "CREATE TYPE public.mood AS ENUM ('good'); CREATE TABLE globex.moods (mood public.mood)");
    let drop = "-- migrate: allow-schema public\nDO $$ BEGIN IF current_schema() = 'acme' THEN \
                EXECUTE 'DROP TABLE globex.moods'; END IF; END $$";
    let report = migrator(&[NOTES, ("V2__drop", drop)]).jobs(1).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("MGI01"), "{:?}", report.failures);
    assert!(exists(&test, "globex.moods"));
}

#[test]
fn a_function_that_would_write_to_a_shared_table_is_no_write() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme"]);
    let code = "CREATE FUNCTION bump() RETURNS void LANGUAGE sql AS 'INSERT INTO public.plans VALUES (''x'')'; \
                CREATE FUNCTION atomic() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM public.plans; END";
    let report = migrator(&[NOTES, ("V2__code", code)]).run(test.database()).unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
    let report = migrator(&[NOTES, ("V2__code", code), ("V3__call", "SELECT bump()")]).run(test.database()).unwrap();
    assert_eq!(report.failures[0].sqlstate(), Some("MGI01"));
}

#[test]
fn another_tenants_columns_policies_types_and_sequences_are_not_altered_either() {
    let make = (
        "V1__t",
        "CREATE TABLE t (id serial, n int, body text); CREATE TYPE mood AS ENUM ('good'); CREATE POLICY p ON t",
    );
    let test = with_tenants(&migrator(&[make]), &["acme", "globex"]);
    for change in [
        "ALTER TABLE globex.t DROP COLUMN body",
        "ALTER TABLE globex.t RENAME COLUMN body TO text",
        "ALTER TABLE globex.t ALTER COLUMN n SET DEFAULT 7",
        "ALTER TABLE globex.t ALTER COLUMN n SET NOT NULL",
        "CREATE POLICY q ON globex.t",
        "ALTER POLICY p ON globex.t USING (false)",
        "DROP POLICY p ON globex.t",
        "ALTER TYPE globex.mood ADD VALUE ''bad''",
        "ALTER TYPE globex.mood RENAME VALUE ''good'' TO ''fine''",
        "CREATE STATISTICS globex.s ON n, body FROM globex.t",
        "CREATE COLLATION globex.c FROM \"C\"",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA globex GRANT SELECT ON TABLES TO public",
        "SELECT setval(''globex.t_id_seq'', 77)",
    ] {
        let sql = format!("DO $$ BEGIN IF current_schema() = 'acme' THEN EXECUTE '{change}'; END IF; END $$");
        let report = migrator(&[make, ("V2__change", &sql)]).jobs(1).run(test.database()).unwrap();
        let codes: Vec<_> = report.failures.iter().filter_map(|failure| failure.sqlstate()).collect();
        assert_eq!(codes, ["MGI01"], "{change}: {:?}", report.failures);
        execute(
            &test,
            "UPDATE migrations.tenants SET version = 1, digest = NULL; \
             DELETE FROM acme.refinery_schema_history WHERE version > 1; DELETE FROM globex.refinery_schema_history WHERE version > 1",
        );
    }
}

#[test]
fn everything_may_be_analyzed_by_a_tenants_file() {
    let test = with_tenants(&migrator(&[NOTES]), &["acme", "globex"]);
    let report = migrator(&[NOTES, ("V2__analyze", "ANALYZE; DO $$ BEGIN EXECUTE 'ANALYZE'; END $$")])
        .run(test.database())
        .unwrap();
    assert!(report.is_success(), "{}", report.failures[0]);
}
