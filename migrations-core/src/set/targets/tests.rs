//! What is inserted where: `§` stands for the schema, `¶` for `pg_temp`.

use super::super::statement::split;
use super::*;

/// Single statements.
pub(super) const STATEMENTS: &[&str] = &[
    // Tables.
    "CREATE TABLE §t (id bigint PRIMARY KEY, plan text REFERENCES plans (code), m mood DEFAULT f(1))",
    "CREATE TABLE IF NOT EXISTS §t (LIKE plans INCLUDING ALL)",
    "CREATE TABLE §t AS SELECT * FROM plans",
    "CREATE TABLE §t AS WITH gone AS (DELETE FROM §plans RETURNING *) SELECT * FROM gone",
    "CREATE UNLOGGED TABLE §t (a, b) WITH (fillfactor = 70) AS SELECT setval('§numbers', 100)",
    "CREATE UNLOGGED TABLE §t (a int) WITH (fillfactor = 70)",
    "CREATE TABLE §t (a int) INHERITS (§base, §\"Other\")",
    "CREATE TABLE §p PARTITION OF §t FOR VALUES FROM (1) TO (2)",
    "CREATE TABLE §p PARTITION OF §t DEFAULT PARTITION BY LIST (a)",
    "CREATE TABLE §t OF kind",
    "CREATE TABLE §t (a int) PARTITION BY RANGE (a)",
    "CREATE TABLE other.t (a int)",
    "CREATE TABLE other . t (a int) INHERITS (§base)",
    "CREATE FOREIGN TABLE §t (a int) SERVER s",
    "ALTER TABLE §t ADD COLUMN a int REFERENCES plans, ALTER COLUMN b SET NOT NULL",
    "ALTER TABLE IF EXISTS ONLY §t DROP CONSTRAINT IF EXISTS c CASCADE",
    "ALTER TABLE ONLY (§t) ADD PRIMARY KEY (a)",
    "ALTER TABLE §t * RENAME COLUMN a TO b",
    "ALTER TABLE §t RENAME TO u",
    "ALTER TABLE §t RENAME CONSTRAINT a TO b",
    "ALTER TABLE §t SET SCHEMA other",
    "ALTER TABLE §t OWNER TO CURRENT_USER",
    "ALTER TABLE §t ATTACH PARTITION §p FOR VALUES IN ('a')",
    "ALTER TABLE §t DETACH PARTITION §p",
    "ALTER TABLE §t DETACH PARTITION §p CONCURRENTLY",
    "ALTER TABLE §t ADD CHECK (a > 1) NO INHERIT, INHERIT §base, NO INHERIT §more",
    "ALTER TABLE §t ADD CONSTRAINT k FOREIGN KEY (a, b) REFERENCES plans (a, b), ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE §t ALTER COLUMN a TYPE numeric(10, 2) USING f(a), DISABLE TRIGGER USER",
    "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_default",
    "ALTER FOREIGN TABLE §t ADD COLUMN b int",
    "DROP TABLE §t",
    "DROP TABLE IF EXISTS §a, other.b, §\"C d\" CASCADE",
    "DROP FOREIGN TABLE IF EXISTS §t",
    "TRUNCATE §t",
    "TRUNCATE TABLE ONLY §a, §b RESTART IDENTITY CASCADE",
    "LOCK §t",
    "LOCK TABLE ONLY §a, §b * IN SHARE MODE NOWAIT",
    // Views.
    "CREATE VIEW §v AS SELECT * FROM plans",
    "CREATE OR REPLACE VIEW §v (a, b) WITH (security_barrier) AS SELECT 1, 2 WITH CHECK OPTION",
    "CREATE RECURSIVE VIEW §v (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM v WHERE n < 3",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS §v AS SELECT * FROM plans WITH NO DATA",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY §v WITH DATA",
    "ALTER VIEW IF EXISTS §v RENAME TO w",
    "ALTER MATERIALIZED VIEW §v SET (fillfactor = 80)",
    "DROP VIEW IF EXISTS §v, §w",
    "DROP MATERIALIZED VIEW §v",
    // Indexes.
    "CREATE INDEX i ON §t (a)",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY §t USING btree (lower(a) text_ops, b DESC) WHERE a > 1",
    "CREATE INDEX ON §t USING gin (f(a))",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON §t (a)",
    "ALTER INDEX IF EXISTS §i RENAME TO j",
    "ALTER INDEX §i ATTACH PARTITION §j",
    "DROP INDEX CONCURRENTLY IF EXISTS §i",
    "DROP INDEX §i, §j",
    "REINDEX TABLE §t",
    "REINDEX (VERBOSE) INDEX CONCURRENTLY §i",
    "REINDEX SCHEMA acme",
    "CLUSTER §t USING i",
    "CLUSTER VERBOSE §t",
    "CLUSTER",
    "ANALYZE",
    "ANALYZE §t (a, b), §u",
    "ANALYZE (VERBOSE) §t",
    "ANALYZE VERBOSE §t",
    "VACUUM FULL FREEZE VERBOSE ANALYZE §t, §u",
    // Sequences.
    "CREATE SEQUENCE IF NOT EXISTS §s AS int START 5 OWNED BY §t.a",
    "CREATE SEQUENCE §s OWNED BY NONE",
    "ALTER SEQUENCE IF EXISTS §s OWNED BY other.t.a",
    "ALTER SEQUENCE §s RESTART WITH 5 OWNED BY §t.a",
    "DROP SEQUENCE IF EXISTS §s CASCADE",
    "SELECT setval('§s', 5)",
    "SELECT pg_catalog.setval('§\"S s\"'::regclass, max(id)) FROM t",
    "SELECT setval(pg_get_serial_sequence('§t', 'id'), coalesce(max(id), 1)) FROM t",
    "SELECT setval('other.s', 5), nextval('s')",
    // Functions, triggers, policies, rules.
    "CREATE FUNCTION §f(p plans, OUT m mood) RETURNS mood LANGUAGE sql AS 'DELETE FROM x'",
    "CREATE OR REPLACE FUNCTION §f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE x SET a = 1; END $$",
    "CREATE FUNCTION §f() RETURNS int BEGIN ATOMIC DELETE FROM t; SELECT 1; END",
    "CREATE PROCEDURE §f(INOUT a int) LANGUAGE sql AS 'SELECT 1'",
    "CREATE AGGREGATE §f(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
    "ALTER FUNCTION §f(int, mood) SET search_path = a",
    "ALTER ROUTINE §f RENAME TO g",
    "DROP FUNCTION IF EXISTS §f(int, p plans), §g, other.h(text) CASCADE",
    "DROP AGGREGATE §f(int)",
    "DROP PROCEDURE IF EXISTS §f",
    "CREATE OR REPLACE TRIGGER x BEFORE INSERT OR UPDATE OF a, b ON §t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE CONSTRAINT TRIGGER x AFTER DELETE ON §t FROM plans DEFERRABLE FOR EACH ROW EXECUTE PROCEDURE f()",
    "ALTER TRIGGER x ON §t RENAME TO y",
    "DROP TRIGGER IF EXISTS x ON §t CASCADE",
    "CREATE POLICY p ON §t FOR SELECT TO PUBLIC USING (EXISTS (SELECT FROM plans))",
    "ALTER POLICY p ON §t USING (true)",
    "DROP POLICY IF EXISTS p ON §t",
    "CREATE RULE r AS ON INSERT TO §t WHERE new.a > 1 DO INSTEAD INSERT INTO u VALUES (1)",
    "CREATE OR REPLACE RULE r AS ON UPDATE TO §t DO ALSO (DELETE FROM a; UPDATE b SET c = 1)",
    "ALTER RULE r ON §t RENAME TO q",
    "DROP RULE IF EXISTS r ON §t",
    // Types.
    "CREATE TYPE §mood AS ENUM ('good')",
    "CREATE TYPE §pair AS (a int, b mood)",
    "CREATE TYPE §span AS RANGE (subtype = float8)",
    "CREATE TYPE §shell",
    "ALTER TYPE §mood ADD VALUE IF NOT EXISTS 'bad' BEFORE 'good'",
    "ALTER TYPE §pair ADD ATTRIBUTE c int, DROP ATTRIBUTE a",
    "DROP TYPE IF EXISTS §mood, §pair",
    "CREATE DOMAIN §d AS text CHECK (value ~ '^a')",
    "ALTER DOMAIN §d DROP CONSTRAINT IF EXISTS c",
    "DROP DOMAIN IF EXISTS §d",
    // Operators, collations, text search, statistics.
    "CREATE OPERATOR §=== (LEFTARG = int, RIGHTARG = int, FUNCTION = f, COMMUTATOR = ===)",
    "ALTER OPERATOR §@>(int, int) OWNER TO CURRENT_USER",
    "DROP OPERATOR IF EXISTS §=== (int, int), other.! (NONE, int)",
    "CREATE OPERATOR CLASS §c DEFAULT FOR TYPE pair USING btree FAMILY §m AS OPERATOR 1 <, FUNCTION 1 f(pair, pair)",
    "CREATE OPERATOR CLASS §c FOR TYPE pair USING btree AS OPERATOR 1 <",
    "CREATE OPERATOR FAMILY §m USING btree",
    "ALTER OPERATOR FAMILY §m USING btree ADD OPERATOR 1 < (int, int8)",
    "DROP OPERATOR CLASS IF EXISTS §c USING btree",
    "DROP OPERATOR FAMILY §m USING btree CASCADE",
    "CREATE COLLATION IF NOT EXISTS §c FROM \"C\"",
    "CREATE COLLATION §c (provider = icu, locale = 'de')",
    "ALTER COLLATION §c RENAME TO d",
    "DROP COLLATION IF EXISTS §c",
    "CREATE DEFAULT CONVERSION §c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1",
    "DROP CONVERSION IF EXISTS §c",
    "CREATE TEXT SEARCH CONFIGURATION §c (COPY = english)",
    "ALTER TEXT SEARCH CONFIGURATION §c ALTER MAPPING FOR word WITH simple",
    "CREATE TEXT SEARCH DICTIONARY §d (TEMPLATE = simple)",
    "DROP TEXT SEARCH PARSER IF EXISTS §p",
    "DROP TEXT SEARCH TEMPLATE IF EXISTS §p",
    "CREATE STATISTICS IF NOT EXISTS §s (ndistinct) ON a, b FROM §t",
    "CREATE STATISTICS §s ON (a + b), c FROM §t",
    "CREATE STATISTICS ON a, b FROM §t",
    "ALTER STATISTICS §s SET STATISTICS 100",
    "DROP STATISTICS IF EXISTS §s, §z",
    // Comments and privileges.
    "COMMENT ON TABLE §t IS 'a.b'",
    "COMMENT ON COLUMN §t.a IS NULL",
    "COMMENT ON COLUMN other.t.a IS 'x'",
    "COMMENT ON MATERIALIZED VIEW §v IS 'x'",
    "COMMENT ON INDEX §i IS 'x'",
    "COMMENT ON CONSTRAINT c ON §t IS 'x'",
    "COMMENT ON CONSTRAINT c ON DOMAIN §d IS 'x'",
    "COMMENT ON TRIGGER x ON §t IS 'x'",
    "COMMENT ON POLICY p ON §t IS 'x'",
    "COMMENT ON RULE r ON §t IS 'x'",
    "COMMENT ON FUNCTION §f(int, text) IS 'x'",
    "COMMENT ON AGGREGATE §f(*) IS 'x'",
    "COMMENT ON OPERATOR §=== (int, int) IS 'x'",
    "COMMENT ON OPERATOR CLASS §c USING btree IS 'x'",
    "COMMENT ON TEXT SEARCH CONFIGURATION §c IS 'x'",
    "COMMENT ON TYPE §mood IS 'x'",
    "COMMENT ON SCHEMA acme IS 'x'",
    "COMMENT ON EXTENSION plpgsql IS 'x'",
    "COMMENT ON ROLE r IS 'x'",
    "SECURITY LABEL FOR selinux ON TABLE §t IS 'x'",
    "SECURITY LABEL ON COLUMN §t.a IS 'x'",
    "GRANT SELECT ON §t TO PUBLIC",
    "GRANT SELECT (a, b), UPDATE ON TABLE §t, other.u, §\"V\" TO somebody WITH GRANT OPTION",
    "GRANT USAGE, SELECT ON SEQUENCE §s, §z TO PUBLIC",
    "GRANT SELECT ON §sequence TO PUBLIC",
    "GRANT EXECUTE ON FUNCTION §f(int, text), §g TO PUBLIC",
    "GRANT USAGE ON TYPE §mood TO PUBLIC",
    "GRANT USAGE ON SCHEMA acme TO PUBLIC",
    "GRANT ALL ON ALL TABLES IN SCHEMA acme TO PUBLIC",
    "GRANT reader TO writer",
    "REVOKE GRANT OPTION FOR ALL PRIVILEGES ON §t FROM PUBLIC CASCADE",
    "REVOKE reader FROM writer",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    // Rows.
    "INSERT INTO §t SELECT * FROM plans ON CONFLICT (a) DO UPDATE SET a = excluded.a RETURNING *",
    "INSERT INTO §t AS x (a) VALUES (1)",
    "UPDATE §t SET a = p.a FROM plans p WHERE t.a = p.a",
    "UPDATE ONLY §t * AS x SET (a, b) = (SELECT 1, 2)",
    "DELETE FROM §t USING plans p WHERE t.a = p.a",
    "DELETE FROM ONLY §t",
    "MERGE INTO §t USING plans ON t.a = plans.a WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "WITH gone AS (DELETE FROM §t RETURNING *) INSERT INTO §u SELECT * FROM gone",
    "WITH RECURSIVE a (n) AS (SELECT 1), b AS MATERIALIZED (UPDATE §t SET a = 1 RETURNING a) DELETE FROM §u",
    "WITH a AS NOT MATERIALIZED (SELECT 1) UPDATE §t SET a = 1",
    "WITH update AS (SELECT 1), delete AS (INSERT INTO §t VALUES (1) RETURNING 1) SELECT * FROM update, delete FOR UPDATE",
    "WITH a AS (WITH b AS (SELECT 1) DELETE FROM §t RETURNING 1) TABLE a",
    "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n FROM a) CYCLE n SET c USING p DELETE FROM §t",
    "INSERT INTO §t WITH new AS (INSERT INTO §u VALUES (1) RETURNING *) SELECT * FROM new",
    "SELECT * FROM f() AS (update int, set_of int)",
    "SELECT a FROM t WHERE a IN (SELECT b FROM u) FOR NO KEY UPDATE OF t",
    "SELECT 1 AS into, x.into FROM x",
    "SELECT a, b INTO §t FROM plans",
    "SELECT 1 INTO UNLOGGED TABLE §t",
    "SELECT 1 INTO §temp FROM plans",
    "TABLE plans",
    "VALUES (1)",
    "COPY §t (a, b) FROM '/dev/null'",
    "COPY t TO '/dev/null'",
    "COPY (DELETE FROM §t RETURNING *) TO '/dev/null'",
    "EXPLAIN (ANALYZE, VERBOSE) UPDATE §t SET a = 1",
    "EXPLAIN ANALYZE DELETE FROM §t",
    // Objects in no schema, and statements without a name.
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE ROLE r",
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
    "CREATE PUBLICATION p FOR TABLE t",
    "CREATE CAST (a AS b) WITH FUNCTION f(a)",
    "DROP CAST IF EXISTS (a AS b)",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "DROP OWNED BY r",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL f(1)",
    "NOTIFY c, 'x'",
    "SET LOCAL work_mem = '1MB'",
    "PREPARE p AS DELETE FROM §t USING plans WHERE true",
    "PREPARE p (int, text) AS INSERT INTO §t SELECT * FROM plans WHERE a = $1",
    "PREPARE p AS WITH gone AS (DELETE FROM §t RETURNING *) SELECT * FROM gone",
    "EXECUTE p (1)",
];

fn mark(text: &str) -> String {
    text.replace('§', "\"acme\".").replace('¶', "pg_temp.")
}

fn whole(targets: &Targets, text: &str, schema: &str) -> Qualified {
    targets.qualify(text, 0..text.len(), &[], schema)
}

fn qualify(text: &str) -> (String, usize) {
    let text = text.replace(['§', '¶'], "");
    let targets = Targets::of(&text, &split(&text).unwrap_or_default(), |_| false);
    (whole(&targets, &text, "acme").text, targets.uncertain())
}

#[test]
fn the_schema_goes_in_front_of_every_name_that_is_changed() {
    for marked in STATEMENTS {
        assert_eq!(qualify(marked), (mark(marked), 0));
        let spread = marked.replace(' ', " /* ; */\n ");
        assert_eq!(qualify(&spread).0, mark(&spread));
    }
}

#[test]
fn a_temporary_table_is_temporary_until_it_is_dropped() {
    for marked in [
        "CREATE TEMP TABLE s (a int); INSERT INTO ¶s SELECT 1; INSERT INTO §t SELECT * FROM s; DROP TABLE ¶s; DROP TABLE §s",
        "CREATE TEMPORARY TABLE IF NOT EXISTS \"S\" AS SELECT 1; UPDATE ¶\"S\" SET a = 1; DELETE FROM §s",
        "CREATE LOCAL TEMP TABLE s (a int) INHERITS (§t); CREATE INDEX i ON ¶s (a); DROP INDEX ¶i; TRUNCATE §t, ¶s",
        "CREATE TEMP VIEW v AS SELECT 1; COMMENT ON COLUMN ¶v.a IS 'x'; DROP VIEW IF EXISTS ¶v, §w",
        "CREATE TEMP SEQUENCE q; SELECT setval('¶q', 1); ALTER SEQUENCE ¶q RESTART; DROP SEQUENCE ¶q",
        "SELECT 1 INTO TEMP s; ALTER TABLE ¶s RENAME TO z; ANALYZE ¶z; DELETE FROM §s",
        "SELECT 1 INTO TEMPORARY TABLE s; LOCK TABLE ¶s",
        "CREATE TABLE pg_temp.s (a int); INSERT INTO ¶s VALUES (1); DROP TABLE pg_temp.s; DROP TABLE IF EXISTS §s",
        "CREATE TEMP TABLE s (a int); CREATE TABLE §s (a int); ALTER TABLE ¶s ADD b int; DROP TABLE acme.s; DELETE FROM ¶s",
        "CREATE TEMP TABLE s (a int); CREATE VIEW v AS SELECT * FROM s; DROP VIEW ¶v; CREATE VIEW §w AS SELECT 1",
        "CREATE TEMP TABLE s (a int); CREATE TRIGGER x BEFORE INSERT ON ¶s FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TEMP TABLE s (a int); CREATE FUNCTION §s() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION §s()",
    ] {
        assert_eq!(qualify(marked), (mark(marked), 0));
    }
}

#[test]
fn a_name_that_code_in_a_string_may_have_made_temporary_is_left_alone() {
    for (marked, uncertain) in [
        ("DO $$ BEGIN CREATE TEMP TABLE s (a int); END $$; INSERT INTO s VALUES (1); INSERT INTO §t VALUES (1)", 1),
        ("DO $x$ BEGIN EXECUTE 'CREATE TEMP TABLE IF NOT EXISTS \"S\" (a int)'; END $x$; DELETE FROM \"S\"", 1),
        ("DO 'BEGIN EXECUTE ''SELECT 1 INTO TEMP s''; END'; DROP TABLE s; DROP TABLE §temp", 1),
        ("DO $$ DECLARE temp text; BEGIN temp := 'a'; END $$; DROP TABLE §text", 0),
        ("CREATE TEMP TABLE s (a serial PRIMARY KEY); SELECT setval('s_a_seq', 9); DROP INDEX s_pkey", 2),
        ("SELECT setval(E's', 1), setval($$s$$, 1), setval(name(), 1)", 1),
        ("UPDATE pg_index SET indisready = false; CREATE TABLE §pg_notes (a int)", 1),
        ("REVOKE EXECUTE ON FUNCTION pg_sleep(float8) FROM PUBLIC; COMMENT ON COLUMN pg_class.oid IS 'x'", 2),
        ("FROBNICATE TABLE t", 1),
        ("CREATE ODDITY o", 1),
    ] {
        assert_eq!(qualify(marked), (mark(marked), uncertain));
    }
}

#[test]
fn any_schema_is_quoted_also_inside_a_literal() {
    let text = "SELECT setval('s', 1); DROP TABLE t";
    let targets = Targets::of(text, &split(text).unwrap_or_default(), |_| false);
    let odd = whole(&targets, text, "o'\"d").text;
    assert_eq!(odd, r#"SELECT setval('"o''""d".s', 1); DROP TABLE "o'""d".t"#);
}

#[test]
fn every_offset_leads_back() {
    let text = "DROP TABLE IF EXISTS a, b; SELECT 'ä' INTO c; DELETE FROM d WHERE nmae = 1";
    let statements = split(text).unwrap_or_default();
    let targets = Targets::of(text, &statements, |_| false);
    let qualified = whole(&targets, text, "acme");
    let sent = &qualified.text;
    for name in ["IF EXISTS", "a,", "b;", "'ä'", "c;", "d WHERE", "nmae"] {
        let (there, here) = (sent.find(name).unwrap_or_default(), text.find(name).unwrap_or_default());
        assert_eq!(qualified.original(there), here, "{name}");
        if sent[..there].ends_with("\"acme\".") {
            (1..8).for_each(|back| assert_eq!(qualified.original(there - back), here, "{name}"));
        }
    }
    for statement in &statements {
        let written = &text[statement.range.clone()];
        let found = qualified.sent(&statement.range).map_or("", |sent| &qualified.text[sent]);
        assert_eq!(found.replace("\"acme\".", ""), written);
        let alone = targets.qualify(text, statement.range.clone(), &[], "acme");
        assert_eq!(alone.text, found);
        assert_eq!(alone.original(alone.text.len()), statement.range.end);
    }
    assert_eq!(qualified.original(sent.len()), text.len());
}

#[test]
fn nothing_that_runs_alone_is_taken_for_temporary() {
    let text = "CREATE TEMP TABLE plans (n int); DROP INDEX CONCURRENTLY plans_n; DROP INDEX CONCURRENTLY pg_thing";
    let alone = |statement: &Statement| statement.contains(text, "concurrently");
    let targets = Targets::of(text, &split(text).unwrap_or_default(), alone);
    let sent = whole(&targets, text, "acme").text;
    assert!(sent.contains("\"acme\".plans_n;") && sent.ends_with("\"acme\".pg_thing"), "{sent}");
    assert_eq!(targets.uncertain(), 0);
}

#[test]
fn blanks_keep_the_offsets_valid() {
    let text = "BEGIN;\nDROP TABLE a;\nCREATE EXTENSION x;\nDROP TABLE b; COMMIT";
    let targets = Targets::of(text, &split(text).unwrap_or_default(), |_| false);
    let blanks: Vec<_> = ["BEGIN", "CREATE EXTENSION x", "COMMIT"]
        .map(|blank| text.find(blank).map_or(0..0, |at| at..at + blank.len()))
        .into();
    let sent = targets.qualify(text, 0..text.len(), &blanks, "acme").text;
    assert_eq!(sent.replace(' ', ""), ";\nDROPTABLE\"acme\".a;\n;\nDROPTABLE\"acme\".b;");
    assert_eq!(sent.len(), text.len() + 2 * "\"acme\".".len());
}

/// Another parser of PostgreSQL's grammar finds the same places, except in the forms that it does not know.
#[test]
fn the_parse_tree_finds_a_schema_wherever_one_was_written() {
    let unknown = ["ANALYZE", "VACUUM", "setval", "COMMENT ON TYPE", "GRANT USAGE ON TYPE", "WITH update AS"];
    for marked in STATEMENTS.iter().filter(|marked| !unknown.iter().any(|form| marked.contains(form))) {
        let sent = mark(marked).replace("\"acme\"", "other0");
        let found = super::super::isolation::schemas(&sent);
        for (at, _) in sent.match_indices("other0.") {
            assert!(found.contains(&at), "{sent}: {found:?}");
        }
        let others = found.iter().filter(|at| !sent[**at..].starts_with("other") && !sent[**at..].starts_with("acme"));
        assert_eq!(others.count(), 0, "{sent}: {found:?}");
    }
}

/// Whether the server can parse a statement. It parses the whole message before it executes the first statement, which
/// divides by zero.
fn parses(client: &mut postgres::Client, statement: &str) -> bool {
    let answer = client.batch_execute(&format!("SELECT 1 / 0;\n{statement}"));
    answer.err().and_then(|error| error.code().map(|code| code.code() == "22012")).unwrap_or_default()
}

#[test]
fn the_server_parses_what_is_sent_wherever_it_parses_what_is_written() -> Result<(), Box<dyn std::error::Error>> {
    let server = migrations_embedded::Server::throwaway()?;
    let mut client = postgres::Client::connect(&server.url("postgres"), postgres::NoTls)?;
    let mut parsed = 0;
    for marked in STATEMENTS {
        let (sent, written) = (mark(marked), marked.replace('§', ""));
        if parses(&mut client, &written) {
            parsed += 1;
            assert!(parses(&mut client, &sent), "{sent}");
        }
    }
    assert!(parsed * 100 > STATEMENTS.len() * 97, "{parsed} of {}", STATEMENTS.len());
    Ok(())
}

fn words() -> impl proptest::strategy::Strategy<Value = String> {
    let word = "CREATE|ALTER|DROP|TEMP|TABLE|VIEW|INDEX|ON|ONLY|IF|EXISTS|NOT|INTO|UPDATE|SET|DELETE|FROM|WITH|AS|\\(|\\)|\\.|,|;|\\*|\
                OPERATOR|===|FUNCTION|COMMENT|COLUMN|IS|GRANT|REVOKE|TO|ALL|OWNED|BY|setval|pg_get_serial_sequence|'s'|'\"'|'\"\"'|\
                E's'|\\$\\$CREATE TEMP TABLE t\\$\\$|'CREATE TEMP ''x'|\"ä\"|t|pg_temp|PARTITION|OF|INHERITS|COPY|EXPLAIN|VACUUM|1";
    proptest::strategy::Strategy::prop_map(proptest::collection::vec(word, 0..14), |words| words.join(" "))
}

proptest::proptest! {
    #[test]
    fn any_words_are_sent_with_nothing_but_prefixes_added(text in words()) {
        let targets = Targets::of(&text, &split(&text).unwrap_or_default(), |_| false);
        let qualified = whole(&targets, &text, "acme");
        let sent = &qualified.text;
        let mut rest = sent.clone();
        for inserted in qualified.insertions.0.iter().rev() {
            let prefix: String = rest.drain(inserted.clone()).collect();
            proptest::prop_assert!(["\"acme\".", "pg_temp."].contains(&prefix.as_str()), "{}", sent);
        }
        proptest::prop_assert_eq!(&rest, &text);
        for (at, _) in sent.char_indices() {
            proptest::prop_assert!(text.is_char_boundary(qualified.original(at)));
        }
    }
}
