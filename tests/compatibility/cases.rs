//! The classes of statements. Each stands for something that real projects' migrations do.

use crate::schemas::Case;

const NOTES: (&str, &str) = (
    "V1__notes",
    "CREATE TABLE notes (id bigint PRIMARY KEY, body text, n int NOT NULL DEFAULT 0, at timestamp);
     INSERT INTO notes SELECT i, 'note ' || i, i % 7, '2026-01-31 12:00'::timestamp + i * interval '1 hour'
     FROM generate_series(1, 50) AS i;",
);

#[test]
fn indexes_that_are_built_and_dropped_concurrently() {
    Case::new(&[
        NOTES,
        (
            "V2__build",
            "-- migrate: no-transaction
             CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n);
             create unique index concurrently if not exists notes_body on notes (lower(body), id) where n > 1;
             CREATE INDEX CONCURRENTLY ON notes USING brin (id);
             CREATE INDEX CONCURRENTLY notes_old ON ONLY notes (at);",
        ),
        (
            "V3__drop",
            "-- migrate: no-transaction
             DROP INDEX CONCURRENTLY IF EXISTS notes_old;
             DROP INDEX CONCURRENTLY IF EXISTS never_there;
             CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n, id);
             REINDEX INDEX CONCURRENTLY notes_n;
             REINDEX (VERBOSE, CONCURRENTLY) TABLE notes;",
        ),
    ])
    .check();
}

#[test]
fn anything_in_a_file_that_runs_outside_a_transaction() {
    Case::new(&[
        NOTES,
        ("V2__mood", "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE moods (mood mood DEFAULT 'good');"),
        (
            "V3__mixed",
            "-- migrate: no-transaction
             ALTER TABLE notes ADD COLUMN author text;
             ALTER TYPE mood ADD VALUE IF NOT EXISTS 'bad' BEFORE 'good';
             INSERT INTO moods VALUES ('bad');
             CREATE INDEX notes_author ON notes (author);
             DROP INDEX IF EXISTS nothing;
             UPDATE notes SET author = 'somebody' WHERE n = 1;
             DO $$ BEGIN UPDATE notes SET n = n + 100; END $$;
             CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_author_n ON notes (author, n);
             ALTER TABLE notes ADD CONSTRAINT small CHECK (n < 1000) NOT VALID;
             ALTER TABLE notes VALIDATE CONSTRAINT small;
             BEGIN;
             UPDATE notes SET n = n + 1;
             DELETE FROM notes WHERE id = 50;
             COMMIT;
             CREATE TEMP TABLE picked (id bigint);
             INSERT INTO picked VALUES (1), (2);
             DELETE FROM notes USING picked WHERE notes.id = picked.id;
             VACUUM ANALYZE notes;
             VACUUM;
             ANALYZE;",
        ),
    ])
    .check();
}

#[test]
fn procedures_that_commit() {
    Case::new(&[
        NOTES,
        (
            "V2__fill",
            "CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$ BEGIN
               LOOP
                 UPDATE notes SET n = -1 WHERE id IN (SELECT id FROM notes WHERE n <> -1 LIMIT 7);
                 EXIT WHEN NOT FOUND;
                 COMMIT;
               END LOOP;
             END $$;",
        ),
        (
            "V3__call",
            "-- migrate: no-transaction idempotent
             CALL fill();
             DO $$ BEGIN
               FOR i IN 1..3 LOOP UPDATE notes SET body = 'batch ' || i WHERE id % 3 = i - 1; COMMIT; END LOOP;
             END $$;
             DROP PROCEDURE fill();",
        ),
    ])
    .check();
}

#[test]
fn partitions_that_are_created_and_detached() {
    Case::new(&[
        (
            "V1__events",
            "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, body jsonb) PARTITION BY RANGE (day);
             CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
             CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (day);
             CREATE TABLE events_2026_rest PARTITION OF events_2026 DEFAULT;
             CREATE INDEX ON events (day);
             INSERT INTO events (day, body) SELECT '2025-06-01'::date + i * 20, '{}' FROM generate_series(1, 20) AS i;",
        ),
        (
            "V2__attach",
            "CREATE TABLE events_2027 (LIKE events INCLUDING ALL);
             ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
             ALTER TABLE events DETACH PARTITION events_2026;
             DO $$ DECLARE part text; BEGIN
               FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP
                 EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', part);
               END LOOP;
             END $$;",
        ),
        (
            "V3__detach",
            "-- migrate: no-transaction
             ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY;
             DROP TABLE events_2025;",
        ),
    ])
    .check();
}

#[test]
fn settings_that_hold_until_the_end_of_their_file() {
    Case::new(&[
        NOTES,
        (
            "V2__zone",
            "SET client_min_messages = warning;
             SET timezone = 'America/New_York';
             SET SESSION statement_timeout = 0;
             SELECT pg_catalog.set_config('bytea_output', 'escape', false);
             ALTER TABLE notes ALTER COLUMN at TYPE timestamptz USING at;
             SET TIME ZONE 'Asia/Tokyo';
             ALTER TABLE notes ADD COLUMN made timestamptz NOT NULL DEFAULT '2026-01-01 00:00';
             RESET client_min_messages;
             RESET timezone;",
        ),
        ("V3__after", "CREATE TABLE zones AS SELECT current_setting('statement_timeout') AS found;"),
        (
            "V4__outside",
            "-- migrate: no-transaction
             SET lock_timeout = '7s';
             SET timezone TO 'Asia/Tokyo';
             INSERT INTO zones VALUES (current_setting('lock_timeout'));
             CREATE INDEX CONCURRENTLY notes_made ON notes (made) WHERE made > '2026-01-01 00:00'::timestamptz;
             INSERT INTO zones SELECT '2026-01-01 00:00'::timestamptz::text;",
        ),
        ("V5__after", "INSERT INTO zones SELECT '2026-01-01 00:00'::timestamptz - '2026-01-01 00:00+00'::timestamptz;"),
    ])
    .check();
}

#[test]
fn begin_and_commit_around_a_file_or_in_it() {
    Case::new(&[
        ("V1__whole", "BEGIN;\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1);\nCOMMIT;\n"),
        ("V2__several", "START TRANSACTION; INSERT INTO a VALUES (2); END; begin work; INSERT INTO a VALUES (3); commit work"),
        ("V3__bare", "INSERT INTO a VALUES (4);\n\nCOMMIT;\n"),
        ("V4__part", "-- first\nCREATE TABLE b (id int);\nBEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;\nINSERT INTO b VALUES (1);\nCOMMIT;\nCREATE INDEX ON b (id);"),
    ])
    .check();
}

#[test]
fn files_that_leave_the_transaction_of_the_tool_they_were_written_for() {
    Case::new(&[
        ("V1__table", "CREATE TABLE a (id int); INSERT INTO a VALUES (1);"),
        ("V2__index", "ALTER TABLE a ADD COLUMN b int;\n\nCOMMIT;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_b ON a (b);\nBEGIN;\n"),
        ("V3__both", "BEGIN;\nUPDATE a SET b = 1;\nCOMMIT;\nCREATE INDEX CONCURRENTLY ON a (id, b);\nVACUUM a;\n"),
    ])
    .check();
}

#[test]
fn files_without_a_statement() {
    Case::new(&[("V1__empty", ""), ("V2__comment", "-- done by hand\n/* ; */\n;\n"), NOTES_3]).check();
}

const NOTES_3: (&str, &str) = ("V3__notes", NOTES.1);

#[test]
fn extensions() {
    Case::new(&[
        (
            "V1__extensions",
            "CREATE EXTENSION IF NOT EXISTS \"citext\" WITH SCHEMA public;
             create extension if not exists pg_trgm schema public;
             CREATE TABLE users (email citext PRIMARY KEY, name text);
             CREATE INDEX users_name ON users USING gin (name gin_trgm_ops);",
        ),
        (
            "V2__outside",
            "-- migrate: no-transaction
             CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
             CREATE TABLE stays (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&));
             CREATE INDEX CONCURRENTLY users_trgm ON users USING gist (name gist_trgm_ops);",
        ),
    ])
    .check();
}

#[test]
fn values_of_enumerations_that_are_used_later() {
    Case::new(&[
        ("V1__mood", "CREATE TYPE mood AS ENUM ('good', 'fine'); CREATE TABLE moods (mood mood DEFAULT 'good');"),
        ("V2__add", "ALTER TYPE mood ADD VALUE 'bad' AFTER 'good';"),
        ("V3__use", "ALTER TABLE moods ALTER COLUMN mood SET DEFAULT 'bad'; INSERT INTO moods DEFAULT VALUES;"),
        ("V4__both", "BEGIN; ALTER TYPE mood ADD VALUE 'worse'; COMMIT; INSERT INTO moods VALUES ('worse');"),
        (
            "V5__replace",
            "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('good', 'bad', 'worse');
             ALTER TABLE moods ALTER COLUMN mood DROP DEFAULT;
             ALTER TABLE moods ALTER COLUMN mood TYPE mood USING mood::text::mood;
             DROP TYPE mood_old; ALTER TYPE mood RENAME VALUE 'worse' TO 'worst';",
        ),
    ])
    .check();
}

#[test]
fn schemas_of_ones_own_beside_the_tenants() {
    Case::new(&[
        NOTES,
        (
            "V2__utils",
            "CREATE SCHEMA IF NOT EXISTS utils;
             CREATE OR REPLACE FUNCTION utils.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
             ALTER TABLE notes ADD COLUMN m int GENERATED ALWAYS AS (utils.twice(n)) STORED;",
        ),
    ])
    .in_code(|set| set.allow_schema("V2__utils", "utils").unwrap())
    .check();
}

#[test]
fn schemas_of_ones_own_that_are_dropped_again() {
    // Every tenant creates the schema, and drops it again before the next tenant.
    Case::new(&[
        (
            "V1__jobs",
            "CREATE SCHEMA jobs;
             CREATE TABLE jobs.workers (id text PRIMARY KEY, seen timestamptz);
             CREATE TABLE jobs.jobs (id text UNIQUE, job jsonb NOT NULL, worker text REFERENCES jobs.workers);
             CREATE FUNCTION jobs.told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('jobs', ''); RETURN NEW; END $$;
             CREATE TRIGGER told AFTER INSERT ON jobs.jobs FOR EACH STATEMENT EXECUTE FUNCTION jobs.told();
             INSERT INTO jobs.jobs VALUES ('a', '{}');",
        ),
        ("V2__replaced", "DROP FUNCTION jobs.told() CASCADE; CREATE TABLE jobs (id text); INSERT INTO jobs SELECT id FROM jobs.jobs;"),
        ("V3__dropped", "DROP TABLE IF EXISTS jobs.jobs; DROP TABLE jobs.workers; DROP SCHEMA jobs;"),
    ])
    .in_code(|set| {
        let titles = ["V1__jobs", "V2__replaced", "V3__dropped"];
        titles.iter().fold(set, |set, title| set.allow_schema(title, "jobs").unwrap())
    })
    .check();
}

#[test]
fn exceptions_in_code_for_files_that_are_applied_already() {
    Case::new(&[
        NOTES,
        ("V2__index", "CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_n ON notes (n);\nVACUUM notes;"),
        ("V3__batches", "DO $$ BEGIN FOR i IN 1..3 LOOP UPDATE notes SET n = i; COMMIT; END LOOP; END $$;"),
        ("V4__almost", "-- migrate no-transaction\nDROP INDEX CONCURRENTLY notes_n;"),
        ("V5__path", "SET search_path = public;\nRESET search_path;\nCREATE TABLE after_all (id int);"),
        ("V6__stream", "COPY notes (id, body) FROM stdin;\n1000\tfrom a stream\n\\.\n\\echo done\n"),
    ])
    .in_code(|set| {
        let set = set.no_transaction("V2__index").and_then(|set| set.idempotent("V3__batches"));
        let set = set.and_then(|set| set.no_transaction("V4__almost"));
        let set = set.and_then(|set| set.allow_settings("V5__path"));
        let insert = || "INSERT INTO notes (id, body) VALUES (1000, 'from a stream')".to_owned();
        set.and_then(|set| set.run_instead("V6__stream", insert)).unwrap()
    })
    .check();
}

#[test]
fn functions_and_triggers() {
    Case::new(&[
        NOTES,
        (
            "V2__code",
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
             BEGIN
               NEW.body := coalesce(NEW.body, '') || '; $$ touched $$';
               RETURN NEW;
             END;
             $body$;
             CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON notes FOR EACH ROW WHEN (pg_trigger_depth() < 1)
             EXECUTE FUNCTION touch();
             UPDATE notes SET n = n + 1 WHERE id < 10;
             CREATE FUNCTION total(lowest int DEFAULT 0) RETURNS bigint LANGUAGE sql STABLE
             BEGIN ATOMIC SELECT count(*) FROM notes WHERE n >= lowest; END;
             CREATE OR REPLACE PROCEDURE clear(only_n int) LANGUAGE plpgsql AS $$ BEGIN DELETE FROM notes WHERE n = only_n; END $$;
             CALL clear(3);
             DO LANGUAGE plpgsql $do$ DECLARE name text := 'dynamic'; BEGIN
               EXECUTE format('CREATE TABLE %I (total bigint)', name);
               EXECUTE format('INSERT INTO %I SELECT total(1)', name);
             END $do$;
             CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch();
             INSERT INTO notes (id) VALUES (1000);
             SET CONSTRAINTS ALL IMMEDIATE;
             ALTER TABLE notes DISABLE TRIGGER late;
             CREATE AGGREGATE longest (text) (sfunc = textcat, stype = text, initcond = '');",
        ),
        ("V3__changed", "ALTER FUNCTION touch() SECURITY DEFINER; DROP TRIGGER IF EXISTS touch ON notes; ALTER TABLE notes ADD COLUMN x int;"),
    ])
    .check();
}

#[test]
fn functions_with_a_path_of_their_own() {
    Case::new(&[
        NOTES,
        (
            "V2__pinned",
            "CREATE FUNCTION pinned() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT count(*) FROM notes';
             CREATE TABLE counted AS SELECT pinned() AS found;",
        ),
    ])
    .without_pool()
    .check();
}

#[test]
fn row_level_security() {
    Case::new(&[
        NOTES,
        (
            "V2__policies",
            "ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY everybody ON notes FOR SELECT TO public USING (true);
             CREATE POLICY own ON notes AS RESTRICTIVE FOR UPDATE USING (body = current_user) WITH CHECK (n > 0);
             GRANT SELECT (id, body), UPDATE (body) ON notes TO public;
             REVOKE UPDATE (body) ON TABLE notes FROM public;
             ALTER POLICY everybody ON notes RENAME TO all_of_them;
             COMMENT ON POLICY own ON notes IS 'it''s own';",
        ),
    ])
    .check();
}

#[test]
fn search_and_generated_columns() {
    Case::new(&[
        NOTES,
        (
            "V2__search",
            "CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
             CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.english);
             ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH plain, pg_catalog.english_stem;
             ALTER TABLE notes ADD COLUMN search tsvector
               GENERATED ALWAYS AS (setweight(to_tsvector('simple'::regconfig, coalesce(body, '')), 'A')) STORED;
             CREATE INDEX notes_search ON notes USING gin (search) WITH (fastupdate = off);
             ALTER TABLE notes ADD COLUMN tags text[] NOT NULL DEFAULT '{}', ADD COLUMN data jsonb DEFAULT '{\"a\": [1]}';
             CREATE INDEX ON notes USING gin (data jsonb_path_ops);
             CREATE INDEX ON notes ((data ->> 'a'), (lower(body)) COLLATE pg_catalog.\"C\" text_pattern_ops DESC NULLS LAST);
             CREATE STATISTICS notes_n_id (dependencies, ndistinct) ON n, id FROM notes;",
        ),
    ])
    .check();
}

#[test]
fn types_of_every_kind() {
    Case::new(&[(
        "V1__types",
        "CREATE DOMAIN email AS text COLLATE pg_catalog.\"C\" CHECK (VALUE ~ '@') NOT NULL;
             CREATE TYPE address AS (street text, city text);
             CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
             CREATE TABLE people (
               id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email email, home address, spans span[],
               serial_no serial, number int GENERATED BY DEFAULT AS IDENTITY (START 10 INCREMENT 5),
               boss uuid REFERENCES people ON DELETE SET NULL DEFERRABLE, UNIQUE NULLS DISTINCT (email, number)
             );
             ALTER TABLE people ADD CONSTRAINT no_overlap EXCLUDE USING gist (span WITH OPERATOR(pg_catalog.&&)),
               ADD COLUMN span int4range;",
    )])
    .check();
}

#[test]
fn data_that_is_moved() {
    Case::new(&[
        NOTES,
        (
            "V2__move",
            "CREATE TABLE authors (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
             WITH names AS (SELECT DISTINCT 'author ' || n AS name FROM notes)
             INSERT INTO authors (name) SELECT name FROM names ORDER BY name ON CONFLICT (name) DO NOTHING;
             ALTER TABLE notes ADD COLUMN author bigint;
             UPDATE notes SET author = a.id FROM authors a WHERE a.name = 'author ' || notes.n;
             WITH gone AS (DELETE FROM notes WHERE id > 40 RETURNING *), kept AS (SELECT * FROM gone WHERE n = 1)
             INSERT INTO authors (name) OVERRIDING USER VALUE SELECT body FROM kept ORDER BY body;
             ALTER TABLE notes ALTER COLUMN author SET NOT NULL, ADD FOREIGN KEY (author) REFERENCES authors ON DELETE CASCADE;
             DELETE FROM authors USING notes WHERE notes.author = authors.id AND notes.n = 6;
             SELECT id, body INTO copies FROM notes WHERE n < 3;
             CREATE TABLE more AS TABLE copies;
             TRUNCATE copies RESTART IDENTITY;
             SELECT setval('authors_id_seq', 100), setval(pg_get_serial_sequence('authors', 'id'), 200, false);
             INSERT INTO authors (name) VALUES ('last') RETURNING id;",
        ),
    ])
    .check();
}

#[test]
fn views_and_rules() {
    Case::new(&[
        NOTES,
        (
            "V2__views",
            "CREATE OR REPLACE VIEW small AS SELECT * FROM notes WHERE n < 3 WITH LOCAL CHECK OPTION;
             CREATE RECURSIVE VIEW counted (i) AS VALUES (1) UNION ALL SELECT i + 1 FROM counted WHERE i < 5;
             CREATE MATERIALIZED VIEW totals AS SELECT n, count(*) FROM notes GROUP BY n WITH NO DATA;
             CREATE UNIQUE INDEX ON totals (n);
             REFRESH MATERIALIZED VIEW totals;
             INSERT INTO small (id, n) VALUES (500, 1);
             REFRESH MATERIALIZED VIEW CONCURRENTLY totals;
             CREATE RULE keep AS ON DELETE TO notes WHERE OLD.id < 5 DO INSTEAD NOTHING;
             DELETE FROM notes WHERE id < 10;
             ALTER VIEW small ALTER COLUMN n SET DEFAULT 2;",
        ),
        (
            "V3__again",
            "DROP VIEW small; CREATE VIEW small AS SELECT id FROM notes; ALTER VIEW small RENAME TO smaller;",
        ),
    ])
    .check();
}

#[test]
fn names_as_people_write_them() {
    Case::new(&[(
        "V1__names",
        "CREATE TABLE \"Order\" (\"Größe\" int, \"a\"\"b\" int, \"select\" text, value text, type text, name text);
             CREATE TABLE user_ (\"index\" int, \"on\" int);
             CREATE INDEX \"Weird.Name\" ON \"Order\" (\"Größe\", value);
             COMMENT ON COLUMN \"Order\".\"a\"\"b\" IS E'it\\'s; \\\\';
             INSERT INTO \"Order\" (\"Größe\", \"select\") VALUES (1, 'a;b'), (2, $x$ $$;$$ $x$), (3, U&'\\0061');
             ALTER TABLE \"Order\" RENAME COLUMN \"Größe\" TO size;
             ALTER INDEX \"Weird.Name\" RENAME TO plain;
             ALTER TABLE user_ RENAME TO users;
             UPDATE \"Order\" AS o SET name = 'x' FROM users AS u WHERE u.\"on\" = o.size;",
    )])
    .check();
}

#[test]
fn sequences_and_defaults() {
    Case::new(&[(
        "V1__sequences",
        "CREATE SEQUENCE numbers AS int START 5 CACHE 2;
             CREATE TABLE t (id int DEFAULT nextval('numbers'), other int DEFAULT nextval('numbers'::regclass));
             ALTER SEQUENCE numbers OWNED BY t.id;
             INSERT INTO t DEFAULT VALUES;
             ALTER SEQUENCE numbers RESTART WITH 50;
             SELECT nextval('numbers');
             ALTER TABLE t ALTER COLUMN other DROP DEFAULT;
             ALTER SEQUENCE numbers RENAME TO counted;
             INSERT INTO t DEFAULT VALUES;",
    )])
    .check();
}

#[test]
fn objects_of_the_session() {
    Case::new(&[
        NOTES,
        (
            "V2__session",
            "CREATE TEMPORARY TABLE picked ON COMMIT PRESERVE ROWS AS SELECT id FROM notes WHERE n = 2;
             CREATE INDEX ON picked (id);
             UPDATE notes SET body = 'picked' FROM picked WHERE picked.id = notes.id;
             DROP TABLE picked;
             PREPARE add (int) AS INSERT INTO notes (id) VALUES ($1);
             EXECUTE add (900);
             DEALLOCATE add;
             LISTEN changes; NOTIFY changes; UNLISTEN changes;
             BEGIN; LOCK TABLE notes IN SHARE MODE; SET CONSTRAINTS ALL DEFERRED; COMMIT;
             EXPLAIN SELECT * FROM notes;
             CHECKPOINT;",
        ),
        (
            "V3__same",
            "CREATE TABLE picked (id int); CREATE TEMP TABLE notes_2 (id int); INSERT INTO notes_2 VALUES (1);",
        ),
    ])
    .check();
}

/// The rows of the table of refusals: a statement, and the way out for a file that is already applied.
fn refusals() -> Vec<(String, String)> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/writing-migrations.md")).unwrap();
    let (_, table) = document.split_once("| statement | why |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (statement, rest) = row.split_once("` ").unwrap();
        let applied = rest.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        (statement.replace('⏎', "\n"), applied.to_owned())
    })
    .collect()
}

#[test]
fn every_statement_in_the_table_of_refusals_is_refused_with_its_way_out() {
    let refusals = refusals();
    assert!(refusals.len() > 15, "the table is read");
    for (statement, applied) in refusals {
        let text = Case::new(&[("V1__refused", statement.clone().leak())]).refusal();
        let method = applied.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap();
        assert!(text.contains(&format!("MigrationSet::{method}")), "{statement}: does not name {method}\n{text}");
        assert!(text.contains("V1__refused"), "{statement}: no place\n{text}");
    }
}
