//! The comparison of a schema with what its migrations make.

use migrations_core::{
    Baseline, BaselineOutcome, BaselineRefusal, Migrator, NamePattern, SchemaContents, SchemaDifference,
};
use migrations_testing::TestDatabase;

use crate::site::{AUTHOR, NOTES, PLANS, TAGS, baseline, column, execute, live, migrator, number, of, refusal};

/// One object of every kind that is compared.
const ALL_KINDS: (&str, &str) = (
    "V1__all_kinds",
    "CREATE TYPE mood AS ENUM ('good', 'bad');
     CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
     CREATE SEQUENCE numbers;
     CREATE TABLE people (
         id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
         name text COLLATE \"C\" NOT NULL DEFAULT 'nobody',
         mail email, mood mood, number bigint DEFAULT nextval('numbers'),
         shout text GENERATED ALWAYS AS (upper(name)) STORED,
         CONSTRAINT named CHECK (name <> '')
     );
     CREATE TABLE visits (person bigint REFERENCES people, at date NOT NULL) PARTITION BY RANGE (at);
     CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
     CREATE INDEX people_name ON people (lower(name)) WHERE mood = 'good';
     CREATE VIEW happy AS SELECT p.id, p.name FROM people p WHERE p.mood = 'good';
     CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
     CREATE TRIGGER touch BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch();
     ALTER TABLE people ENABLE ROW LEVEL SECURITY;
     CREATE POLICY own ON people USING (name = current_user)",
);

/// The difference of a schema to which the kinds were applied and then this.
#[track_caller]
fn difference_after(change: &str) -> SchemaDifference {
    let test = live(&["acme"], &[ALL_KINDS]);
    execute(&test, &format!("SET search_path = acme; {change}"));
    let done = baseline(&migrator(&[ALL_KINDS]), &test, "acme", &Baseline::at(1).adopt(true).verify(true));
    match done.outcome {
        BaselineOutcome::Refused(BaselineRefusal::Different(difference)) => difference,
        other => panic!("{change}: {other:?}"),
    }
}

#[test]
fn a_schema_that_is_what_the_migrations_make_is_certain() {
    // The schema has the name of one of its tables, and of a key word.
    for schema in ["acme", "people", "\"user\""] {
        let test = live(&[schema], &[ALL_KINDS]);
        let done = baseline(
            &migrator(&[ALL_KINDS]),
            &test,
            schema.trim_matches('"'),
            &Baseline::at(1).adopt(true).verify(true),
        );
        assert!(done.is_proved && matches!(done.outcome, BaselineOutcome::Recorded(_)), "{schema}: {done:?}");
        assert_eq!(column(&test, "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '\\_\\_%'"), [""; 0]);
        assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 1);
    }
}

#[test]
fn what_does_not_count_makes_no_difference() {
    let test = live(&["acme"], &[]);
    execute(
        &test,
        "CREATE TABLE acme.notes (author text DEFAULT 'nobody', gone int, id bigint PRIMARY KEY, body text NOT NULL);
         ALTER TABLE acme.notes DROP COLUMN gone; COMMENT ON TABLE acme.notes IS 'hello';
         GRANT SELECT ON acme.notes TO PUBLIC; INSERT INTO acme.notes VALUES (NULL, 1, 'kept');
         CREATE EXTENSION pg_trgm SCHEMA acme",
    );
    let done = baseline(&migrator(&[NOTES, AUTHOR]), &test, "acme", &Baseline::at(2).adopt(true).verify(true));
    assert!(done.is_proved, "{done:?}");
}

#[test]
fn every_kind_of_difference_is_found_and_shown_once() {
    let missing: [(&str, &str); 9] = [
        ("ALTER TABLE people DROP COLUMN mail", "column people.mail"),
        ("ALTER TABLE people DROP CONSTRAINT named", "constraint named of table people"),
        ("DROP INDEX people_name", "index people_name"),
        ("DROP TRIGGER touch ON people", "trigger touch of table people"),
        ("DROP POLICY own ON people", "policy own of table people"),
        ("DROP VIEW happy", "view happy"),
        ("DROP TABLE visits_2026", "table visits_2026"),
        ("DROP TRIGGER touch ON people; DROP FUNCTION touch", "function touch()"),
        ("ALTER TABLE people ALTER mail TYPE text; DROP DOMAIN email", "domain email"),
    ];
    for (change, object) in missing {
        let difference = difference_after(change);
        assert!(difference.missing.iter().any(|found| found == object), "{change}: {difference}");
        assert!(difference.extra.is_empty(), "{change}: {difference}");
    }
    let extra = difference_after("CREATE TABLE more (id bigint PRIMARY KEY)");
    assert_eq!(
        (extra.extra.as_slice(), extra.missing.len(), extra.changed.len()),
        (&["table more".to_owned()][..], 0, 0)
    );

    let changed: [(&str, &str, &str, &str); 11] = [
        ("ALTER TABLE people ALTER mood TYPE text USING ''", "column people.mood", "text", "mood"),
        ("ALTER TABLE people ALTER name DROP NOT NULL", "column people.name", "text collate", "not null"),
        ("ALTER TABLE people ALTER name SET DEFAULT 'x'", "column people.name", "'x'::text", "'nobody'::text"),
        (
            "ALTER TABLE people ALTER id SET GENERATED BY DEFAULT",
            "column people.id",
            "identity by default",
            "identity always",
        ),
        (
            "ALTER TABLE people ALTER shout DROP EXPRESSION",
            "column people.shout",
            "text",
            "generated stored upper(name)",
        ),
        ("ALTER TYPE mood ADD VALUE 'so so'", "type mood", "so so", "'good', 'bad'"),
        ("ALTER SEQUENCE numbers INCREMENT 7", "sequence numbers", " 7 ", " 1 "),
        ("ALTER TABLE people DISABLE ROW LEVEL SECURITY", "table people", "", "row security"),
        ("ALTER TABLE people DISABLE TRIGGER touch", "trigger touch of table people", " D", "EXECUTE FUNCTION touch()"),
        ("ALTER POLICY own ON people USING (true)", "policy own of table people", "using true", "CURRENT_USER"),
        (
            "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN old; END $$",
            "function touch()",
            "RETURN old",
            "RETURN new",
        ),
    ];
    for (change, object, here, made) in changed {
        // Dropping the view first lets a column of it be changed.
        let difference = difference_after(&format!(
            "DROP VIEW happy; DROP INDEX people_name; {change}; CREATE VIEW happy AS SELECT p.id, p.name FROM people p \
             WHERE p.mood::text = 'good'"
        ));
        let found = difference.changed.iter().find(|changed| changed.object == object);
        let found = found.unwrap_or_else(|| panic!("{change}: {difference}"));
        assert!(
            found.here.contains(here) && found.made.contains(made) && found.here != found.made,
            "{change}: {found:?}"
        );
    }
}

#[test]
fn an_invalid_index_is_a_difference() {
    let index =
        ("V2__index", "-- migrate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY notes_body ON notes (body)");
    let test = live(&["acme"], &[NOTES]);
    execute(&test, "INSERT INTO acme.notes VALUES (1, 'x'), (2, 'x')");
    assert!(
        test.client()
            .unwrap()
            .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY notes_body ON acme.notes (body)")
            .is_err()
    );
    let at = Baseline::at(2).adopt(true).verify(true);
    let done = baseline(&migrator(&[NOTES, index]), &test, "acme", &at);
    assert!(refusal(&done).contains("differs: index notes_body"), "{done:?}");
    execute(&test, "DELETE FROM acme.notes WHERE id = 2; REINDEX INDEX acme.notes_body");
    let done = baseline(&migrator(&[NOTES, index]), &test, "acme", &at);
    assert!(done.is_proved, "a concurrent index is built in the transaction of the comparison: {done:?}");
}

#[test]
fn a_refused_schema_gets_no_baseline_and_shows_both_definitions() {
    let test = live(&["acme", "globex"], &[NOTES, AUTHOR]);
    execute(
        &test,
        "ALTER TABLE acme.notes ALTER body TYPE varchar(10), DROP COLUMN author; CREATE TABLE acme.mine (id int)",
    );
    let migrator = migrator(&[NOTES, AUTHOR, TAGS]);
    let at = Baseline::at(2).adopt(true).verify(true);
    let done = baseline(&migrator, &test, "acme", &at);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!("refused", refusal(&done)) });
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 0);
    assert_eq!(
        number(&test, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'refinery%' AND schemaname = 'acme'"),
        0
    );
    assert!(baseline(&migrator, &test, "globex", &at).is_proved);
}

#[test]
fn what_the_application_added_is_left_out_when_asked() {
    let test = live(&["acme"], &[NOTES]);
    execute(
        &test,
        "CREATE TABLE acme._sqlx_migrations (version bigint PRIMARY KEY); CREATE INDEX mine_1 ON acme.notes (body)",
    );
    let at = Baseline::at(1).adopt(true).verify(true);
    assert!(refusal(&baseline(&migrator(&[NOTES]), &test, "acme", &at)).contains("extra here: table _sqlx_migrations"));
    let at = at.ignore([NamePattern::new("_sqlx_*"), NamePattern::new("mine_?")]);
    assert!(baseline(&migrator(&[NOTES]), &test, "acme", &at).is_proved);
}

/// The baseline of a set that cannot be made in one transaction.
fn in_parts(set: &[(&str, &str)], version: i64) -> (TestDatabase, Migrator) {
    let test = live(&["acme"], &set.iter().map(|(title, _)| (*title, "SELECT 1")).collect::<Vec<_>>());
    execute(&test, "SET search_path = acme; CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE moods (mood mood)");
    let migrator = migrator(set);
    let done = baseline(&migrator, &test, "acme", &Baseline::at(version).adopt(true).verify(true));
    assert!(done.is_proved, "{done:?}");
    (test, migrator)
}

#[test]
fn a_set_that_needs_commits_in_between_is_made_in_a_schema_that_is_dropped() {
    let (test, migrator) = in_parts(
        &[
            ("V1__mood", "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE moods (mood mood)"),
            ("V2__bad", "ALTER TYPE mood ADD VALUE 'bad'"),
            ("V3__use", "INSERT INTO moods VALUES ('bad')"),
        ],
        3,
    );
    assert_eq!(column(&test, "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE '\\_\\_%'"), [""; 0]);
    assert_eq!(column(&test, "SELECT schema_name::text FROM migrations.tenants"), ["acme"]);
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.leases"), 0);
    assert!(migrator.run(test.database()).unwrap().is_success());
}

#[test]
fn a_set_that_cannot_be_made_proves_nothing() {
    let test = live(&["acme"], &[NOTES]);
    let needs = ("V2__needs", "INSERT INTO plans VALUES ('free')");
    let needs = of(&[PLANS], &[NOTES, ("V2__needs", needs.1.replace("INTO plans", "INTO missing").leak())]);
    let told = refusal(&baseline(&needs, &test, "acme", &Baseline::at(2).adopt(true).verify(true)));
    assert!(told.contains("it cannot be proved") && told.contains("V2__needs failed"), "{told}");
    assert!(told.contains("relation \"missing\" does not exist"), "{told}");
}

#[test]
fn a_shared_set_that_names_its_schema_proves_nothing_and_touches_nothing() {
    let test = live(&[], &[]);
    execute(&test, PLANS.1);
    let named = of(&[PLANS, ("V2__more", "ALTER TABLE public.plans ADD COLUMN price numeric")], &[]);
    let done = named.baseline_shared(test.database(), &Baseline::at(2).verify(true)).unwrap();
    let told = refusal(&done);
    assert!(told.contains("V2__more") && told.contains("cannot be proved"), "{told}");
    let done = of(&[PLANS], &[]).baseline_shared(test.database(), &Baseline::at(1).verify(true)).unwrap();
    assert!(done.is_proved, "{done:?}");
    execute(&test, "ALTER TABLE plans ADD COLUMN mine int");
    let done = of(&[PLANS], &[]).baseline_shared(test.database(), &Baseline::at(1).verify(true)).unwrap();
    assert!(refusal(&done).contains("extra here: column plans.mine"), "{done:?}");
}

#[test]
fn the_order_in_which_a_policys_roles_were_named_makes_no_difference() {
    let policy =
        |to| ("V1__policy", format!("CREATE TABLE notes (id int); CREATE POLICY own ON notes TO {to} USING (true)"));
    let (made, here) = (policy("pg_monitor, pg_read_all_data"), policy("pg_read_all_data, pg_monitor"));
    let test = live(&["acme"], &[(here.0, here.1.as_str())]);
    let at = Baseline::at(1).adopt(true).verify(true);
    let done = baseline(&migrator(&[(made.0, made.1.as_str())]), &test, "acme", &at);
    assert!(done.is_proved, "{done:?}");
}

#[test]
fn a_foreign_table_is_compared_with_its_server_and_its_options() {
    let foreign = |server, options| {
        format!(
            "CREATE FOREIGN TABLE other (id int OPTIONS (number '{options}')) SERVER {server} OPTIONS (a '{options}')"
        )
    };
    let here = foreign("one", 1);
    let test = live(&[], &[]);
    execute(
        &test,
        &format!(
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER one FOREIGN DATA WRAPPER nothing;
             CREATE SERVER two FOREIGN DATA WRAPPER nothing; CREATE SCHEMA acme; SET search_path = acme; {here}"
        ),
    );
    let told = |made: &str| {
        let at = Baseline::at(1).adopt(true).verify(true);
        baseline(&migrator(&[("V1__other", made)]), &test, "acme", &at)
    };
    assert!(refusal(&told(&foreign("two", 1))).contains("foreign table other"));
    assert!(refusal(&told(&foreign("one", 2))).contains("foreign table other"));
    assert!(told(&here).is_proved);
}

/// Objects of the rarer kinds.
const RARE_KINDS: (&str, &str) = (
    "V1__rare_kinds",
    "CREATE TABLE parents (id bigint PRIMARY KEY, big text);
     CREATE TABLE children (parent bigint CONSTRAINT to_parent REFERENCES parents);
     CREATE TYPE pair AS (a int, b int);
     CREATE TABLE pairs (a int, b int);
     CREATE COLLATION words (provider = icu, locale = 'de');
     CREATE COLLATION letters (provider = libc, locale = 'C');
     CREATE TYPE spans AS RANGE (subtype = text);
     CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '0');
     CREATE MATERIALIZED VIEW kept AS SELECT id FROM parents;
     CREATE CAST (pair AS text) WITH INOUT AS ASSIGNMENT;
     CREATE TEXT SEARCH CONFIGURATION search (PARSER = pg_catalog.default);
     CREATE TEXT SEARCH DICTIONARY lexemes (TEMPLATE = pg_catalog.simple);
     CREATE OPERATOR FAMILY family USING btree;
     CREATE OPERATOR CLASS class FOR TYPE int USING btree AS STORAGE int",
);

#[test]
fn the_rarer_properties_count_too() {
    let test = live(&["acme"], &[RARE_KINDS]);
    let changes = [
        ("ALTER TABLE children DISABLE TRIGGER ALL", "constraint to_parent of table children"),
        ("ALTER TABLE parents DISABLE TRIGGER ALL", "constraint to_parent of table children"),
        ("DROP COLLATION words; CREATE COLLATION words (provider = icu, locale = 'sv')", "collation words"),
        (
            "DROP COLLATION words; CREATE COLLATION words (provider = icu, locale = 'de', deterministic = false)",
            "collation words",
        ),
        ("DROP COLLATION letters; CREATE COLLATION letters (provider = libc, locale = 'POSIX')", "collation letters"),
        ("DROP TYPE spans; CREATE TYPE spans AS RANGE (subtype = text, collation = \"C\")", "type spans"),
        (
            "DROP TYPE spans; CREATE TYPE spans AS RANGE (subtype = text, subtype_opclass = text_pattern_ops)",
            "type spans",
        ),
        ("DROP TYPE spans; CREATE TYPE spans AS RANGE (subtype = text, multirange_type_name = many)", "type spans"),
        (
            "DROP AGGREGATE total (int); CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '0',
             msfunc = int4pl, minvfunc = int4mi, mstype = int)",
            "aggregate total(integer)",
        ),
        (
            "DROP AGGREGATE total (int); CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '0',
             parallel = safe)",
            "aggregate total(integer)",
        ),
        ("REFRESH MATERIALIZED VIEW kept WITH NO DATA", "materialized view kept"),
        ("ALTER TABLE pairs OF pair", "table pairs"),
        ("ALTER TABLE parents ALTER big SET STORAGE EXTERNAL", "column parents.big"),
        ("ALTER TABLE parents ALTER big SET COMPRESSION pglz", "column parents.big"),
        ("ALTER TABLE parents SET (toast.autovacuum_enabled = false)", "table parents"),
        ("DROP CAST (pair AS text); CREATE CAST (pair AS text) WITH INOUT", "cast (pair AS pg_catalog.text)"),
        (
            "DROP TEXT SEARCH DICTIONARY lexemes; CREATE TEXT SEARCH DICTIONARY lexemes (TEMPLATE = pg_catalog.synonym,
             synonyms = synonym_sample)",
            "text search dictionary lexemes",
        ),
        (
            "DROP OPERATOR CLASS class USING btree;
             CREATE OPERATOR CLASS class FOR TYPE int USING btree FAMILY family AS STORAGE int",
            "operator class class USING btree",
        ),
    ];
    let mut client = test.client().unwrap();
    let made = SchemaContents::read(&mut client, "acme").unwrap();
    for (place, (change, object)) in changes.into_iter().enumerate() {
        let schema = format!("tenant_{place}");
        let apply = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {}; ", RARE_KINDS.1);
        client.batch_execute(&apply).unwrap();
        let same = SchemaContents::read(&mut client, &schema).unwrap().compare(&made, &[]);
        assert!(same.is_empty(), "{same}");
        client.batch_execute(&format!("{change}; RESET search_path")).unwrap();
        let difference = SchemaContents::read(&mut client, &schema).unwrap().compare(&made, &[]);
        assert!(difference.changed.iter().any(|changed| changed.object == object), "{change}: {difference}");
    }
}

/// The difference of two schemas with these names to which these statements were applied.
#[track_caller]
fn between((one, first): (&str, &str), (other, second): (&str, &str)) -> SchemaDifference {
    let test = TestDatabase::new().unwrap();
    let mut client = test.client().unwrap();
    for (schema, sql) in [(one, first), (other, second)] {
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        client.batch_execute(&format!("CREATE SCHEMA {quoted}; SET search_path = {quoted}; {sql}")).unwrap();
    }
    let other = SchemaContents::read(&mut client, other).unwrap();
    SchemaContents::read(&mut client, one).unwrap().compare(&other, &[])
}

#[test]
fn a_text_that_contains_the_name_of_the_schema_is_compared_as_it_is() {
    for (here, there) in [
        ("CREATE TABLE t (a text DEFAULT 'www.example.com')", "CREATE TABLE t (a text DEFAULT 'example.com')"),
        ("CREATE TABLE t (a text CHECK (a <> 'www.y'))", "CREATE TABLE t (a text CHECK (a <> 'y'))"),
        ("CREATE TABLE t (a text DEFAULT '\"www\".x')", "CREATE TABLE t (a text DEFAULT 'x')"),
        ("CREATE TABLE t (a text DEFAULT 'www')", "CREATE TABLE t (a text DEFAULT 'other')"),
        ("CREATE TYPE t AS ENUM ('www.a')", "CREATE TYPE t AS ENUM ('other.a')"),
        ("CREATE TABLE t (\"www.a\" text)", "CREATE TABLE t (a text)"),
        (
            "CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
             CREATE TABLE t (a text CHECK (www.lower(a) = a))",
            "CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
             CREATE TABLE t (a text CHECK (pg_catalog.lower(a) = a))",
        ),
        (
            "CREATE TABLE t (a text); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM www.t'",
            "CREATE TABLE t (a text); CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t'",
        ),
        ("CREATE TABLE t (a int); CREATE VIEW v AS TABLE t", "CREATE VIEW v AS TABLE www.t; CREATE TABLE t (a int)"),
    ] {
        let difference = between(("www", here), ("other", there));
        assert!(!difference.is_empty(), "{here}");
        for changed in &difference.changed {
            assert_ne!(changed.here, changed.made, "both are shown");
        }
    }
}

#[test]
fn the_name_of_the_schema_makes_no_difference_wherever_the_server_writes_it() {
    let all = "CREATE TABLE people (id bigserial PRIMARY KEY, name text, name_of regclass DEFAULT 'people'::regclass);
         CREATE TABLE more (id bigint REFERENCES people);
         CREATE VIEW both_of_them AS SELECT people.id, people.name, more.id AS other FROM people JOIN more USING (id);
         CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT count(*) FROM people';
         CREATE FUNCTION g() RETURNS people LANGUAGE sql BEGIN ATOMIC SELECT people.* FROM people; END;
         CREATE FUNCTION h(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN lower($1) || '.';
         CREATE INDEX people_name ON people (h(name)); CREATE TYPE mood AS ENUM ('good');
         CREATE DOMAIN moods AS mood DEFAULT 'good'";
    for schema in ["acme", "people", "user", "K \"2", "o'x", "a.b", "a\\b", "Ünder", "pg"] {
        let difference = between((schema, all), ("plain", all));
        assert!(difference.is_empty(), "{schema}: {difference}");
        let difference = between(("plain", all), (schema, all));
        assert!(difference.is_empty(), "{schema}: {difference}");
    }
}
