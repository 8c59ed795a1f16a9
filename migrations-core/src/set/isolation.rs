//! Finds what a tenant's migration may not change: anything that is not the tenant's.
//!
//! A name qualified with a schema means the same object in every tenant, so every tenant's migration would change it.
//! A migration may read shared tables, refer to them with foreign keys, and use shared types and functions. This module
//! does not see statements that a migration builds while it runs (`EXECUTE`).
//!
//! `squawk-syntax` parses the text. Text that it cannot parse is left to the server.

use std::ops::Range;

use squawk_syntax::ast::AstNode;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

/// An isolation violation: a change to another schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The schema in the statement.
    pub(super) schema: String,
    /// Where the schema stands.
    pub(super) offset: usize,
}

/// The first change to a schema that is not among the allowed ones.
pub(super) fn check(sql: &str, statements: &[Range<usize>], allowed: &[String]) -> Option<Violation> {
    let suspects = statements.iter().filter(|range| can_name_a_schema(&sql[(*range).clone()]));
    let found = suspects.flat_map(|range| {
        let found = find_on_deep_stack(&sql[range.clone()]);
        found.into_iter().map(|violation| Violation { offset: range.start + violation.offset, ..violation })
    });
    // `pg_temp` belongs to the session, and is dropped after the migration.
    found
        .filter(|violation| violation.schema != "pg_temp" && !allowed.contains(&violation.schema))
        .min_by_key(|violation| violation.offset)
}

/// Whether the statement can name a schema. Most do not, and need not be parsed.
fn can_name_a_schema(statement: &str) -> bool {
    statement.contains('.') || statement.to_ascii_lowercase().contains("schema")
}

/// Parses a statement on a stack of its own: the parser is recursive, so a long expression needs a deep stack. A text
/// that is too long for that, or on which the parser gives up, is left to the server, which has a limit of its own.
fn find_on_deep_stack(statement: &str) -> Vec<Violation> {
    const DEEPEST: usize = 1 << 30;
    const PER_BYTE: usize = 8 << 10;

    let stack = (1 << 20) + statement.len() * PER_BYTE;
    if stack > DEEPEST {
        return Vec::new();
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, || find(statement));
        parser.ok().and_then(|parser| parser.join().ok()).unwrap_or_default()
    })
}

fn find(statement: &str) -> Vec<Violation> {
    let parsed = SourceFile::parse(statement);
    let mut found = Vec::new();
    // The definition of a routine does not run its body, whether the body is a string or not.
    let is_run = |node: &SyntaxNode| {
        let mut ancestors = node.ancestors().skip(1);
        !ancestors.any(|node| matches!(node.kind(), SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE))
    };
    for node in parsed.tree().syntax().descendants().filter(|node| changes(node.kind()) && is_run(node)) {
        targets(&node, &mut found);
    }
    found
}

/// Whether a node is a statement that changes what it names.
fn changes(kind: SyntaxKind) -> bool {
    use SyntaxKind::{
        ALTER_MAPPING, CLUSTER, COMMENT_ON, COPY, DELETE, GRANT, INSERT, LOCK, MERGE, REFRESH, REINDEX, REVOKE,
        SECURITY_LABEL, SELECT_INTO, TRUNCATE, UPDATE,
    };

    let name = format!("{kind:?}");
    // A part of `ALTER TEXT SEARCH CONFIGURATION`.
    let is_part = kind == ALTER_MAPPING;
    let defines = !is_part && ["CREATE_", "ALTER_", "DROP_"].iter().any(|verb| name.starts_with(verb));
    defines
        || matches!(
            kind,
            CLUSTER
                | COMMENT_ON
                | COPY
                | DELETE
                | GRANT
                | INSERT
                | LOCK
                | MERGE
                | REFRESH
                | REINDEX
                | REVOKE
                | SECURITY_LABEL
                | SELECT_INTO
                | TRUNCATE
                | UPDATE
        )
}

/// Whether a node inside a statement only reads what it names, or is a statement of its own.
fn reads(kind: SyntaxKind) -> bool {
    use SyntaxKind::{
        ADD_MAPPING, ALTER_MAPPING, COLLATE, CONSTRAINT_EXCLUSION_LIST, FOREIGN_KEY_CONSTRAINT, FROM_CLAUSE,
        LIKE_CLAUSE, PARAM_LIST, PARTITION_ITEM, REFERENCES_CONSTRAINT, RET_TYPE, RETURNING_CLAUSE, SELECT,
        USING_CLAUSE, USING_ON_CLAUSE, WHERE_CLAUSE, WITH_CLAUSE,
    };

    let name = format!("{kind:?}");
    changes(kind) && !name.ends_with("_CLAUSE")
        || name.ends_with("_EXPR")
        || name.ends_with("_TYPE") && !name.starts_with("CREATE_")
        || matches!(
            kind,
            ADD_MAPPING
                | ALTER_MAPPING
                | COLLATE
                | CONSTRAINT_EXCLUSION_LIST
                | FOREIGN_KEY_CONSTRAINT
                | FROM_CLAUSE
                | LIKE_CLAUSE
                | PARAM_LIST
                | PARTITION_ITEM
                | REFERENCES_CONSTRAINT
                | RETURNING_CLAUSE
                | RET_TYPE
                | SELECT
                | USING_CLAUSE
                | USING_ON_CLAUSE
                | WHERE_CLAUSE
                | WITH_CLAUSE
        )
}

/// Collects the schemas of everything that a statement changes.
fn targets(node: &SyntaxNode, found: &mut Vec<Violation>) {
    for child in node.children() {
        match child.kind() {
            kind if reads(kind) => {}
            SyntaxKind::PATH | SyntaxKind::PATH_REF => {
                // `schema.name`: the path before the last segment.
                if let Some(qualifier) = child.children().find(|part| part.kind() == SyntaxKind::PATH_REF) {
                    found.push(violation(&qualifier));
                }
            }
            // `schema.table.column`: the path before the table.
            SyntaxKind::QUALIFIED_COLUMN_NAME_REF => child.children().for_each(|column| targets(&column, found)),
            SyntaxKind::SCHEMA | SyntaxKind::SCHEMA_REF => found.push(violation(&child)),
            _ => targets(&child, found),
        }
    }
}

fn violation(node: &SyntaxNode) -> Violation {
    let text = node.text().to_string();
    let text = text.trim();
    let schema = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    };
    Violation { schema, offset: node.text_range().start().into() }
}

/// The offsets at which a statement names the schema of something that it changes.
#[cfg(test)]
pub(super) fn schemas(statement: &str) -> Vec<usize> {
    let mut offsets: Vec<_> = find_on_deep_stack(statement).into_iter().map(|found| found.offset).collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(sql: &str, allowed: &[String]) -> Option<Violation> {
        let statements = super::super::statement::split(sql).unwrap_or_default();
        check(sql, &statements.into_iter().map(|statement| statement.range).collect::<Vec<_>>(), allowed)
    }

    fn schema(sql: &str) -> Option<String> {
        violation(sql, &[]).map(|violation| violation.schema)
    }

    #[test]
    fn a_change_to_another_schema_is_found() {
        for sql in [
            "CREATE TABLE other.t (a int)",
            "CREATE TABLE \"other\".t AS SELECT 1",
            "ALTER TABLE Other.t ADD COLUMN b int",
            "ALTER TABLE t SET SCHEMA other",
            "DROP TABLE IF EXISTS x, other.t CASCADE",
            "INSERT INTO other.t SELECT * FROM mine",
            "UPDATE other.t SET a = 1",
            "DELETE FROM other.t USING mine WHERE true",
            "MERGE INTO other.t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
            "WITH gone AS (DELETE FROM other.t RETURNING *) SELECT * FROM gone",
            "INSERT INTO mine WITH new AS (INSERT INTO other.t VALUES (1) RETURNING *) SELECT * FROM new",
            "TRUNCATE mine, other.t",
            "CREATE INDEX i ON other.t (a)",
            "DROP INDEX other.i",
            "CREATE VIEW other.v AS SELECT 1",
            "CREATE MATERIALIZED VIEW other.v AS SELECT 1",
            "REFRESH MATERIALIZED VIEW other.v",
            "CREATE FUNCTION other.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION other.f()",
            "CREATE TRIGGER x BEFORE INSERT ON other.t FOR EACH ROW EXECUTE FUNCTION f()",
            "DROP TRIGGER x ON other.t",
            "CREATE TYPE other.mood AS ENUM ('good')",
            "ALTER TYPE other.mood ADD VALUE 'bad'",
            "CREATE DOMAIN other.d AS int",
            "CREATE SEQUENCE other.s",
            "ALTER SEQUENCE other.s RESTART",
            "CREATE POLICY p ON other.t",
            "GRANT SELECT ON other.t TO somebody",
            "REVOKE ALL ON TABLE other.t FROM somebody",
            "COMMENT ON TABLE other.t IS 'x'",
            "COMMENT ON COLUMN other.t.a IS 'x'",
            "SECURITY LABEL ON COLUMN other.t.a IS 'x'",
            "ALTER SEQUENCE s OWNED BY other.t.a",
            "CREATE TABLE p PARTITION OF other.t DEFAULT",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO x",
            "CREATE SCHEMA other",
            "DROP SCHEMA other CASCADE",
            "ALTER SCHEMA other RENAME TO mine",
            "CREATE EXTENSION hstore SCHEMA other",
            "SELECT 1 INTO other.t",
            "CREATE RULE r AS ON INSERT TO other.t DO INSTEAD NOTHING",
        ] {
            assert_eq!(schema(sql).as_deref(), Some("other"), "{sql}");
        }
    }

    #[test]
    fn reading_and_referring_is_fine() {
        let statements = [
            "CREATE TABLE t (a int REFERENCES public.plans (id), m public.mood DEFAULT public.f(1))",
            "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES public.plans ON DELETE CASCADE",
            "INSERT INTO t SELECT p.a FROM public.plans p WHERE EXISTS (SELECT FROM public.x)",
            "UPDATE t SET a = public.f(p.a) FROM public.plans p WHERE t.a = p.a",
            "DELETE FROM t USING public.plans p WHERE t.a = p.a",
            "CREATE VIEW v AS SELECT * FROM public.plans JOIN t USING (a)",
            "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION public.touch()",
            "CREATE TABLE copy (LIKE public.plans INCLUDING ALL)",
            "CREATE FUNCTION f(p public.plans) RETURNS public.mood LANGUAGE sql AS 'DELETE FROM public.x'",
            "MERGE INTO t USING public.s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = s.b",
            "UPDATE t SET a = t.b",
            "COMMENT ON COLUMN t.a IS 'x'",
            "CREATE INDEX i ON t (lower(a) public.text_ops)",
            "CREATE TABLE t (a text COLLATE pg_catalog.\"C\" NOT NULL)",
            "ALTER TABLE t ALTER COLUMN a TYPE public.citext COLLATE public.german USING a::public.citext",
            "CREATE INDEX i ON t (a COLLATE public.german DESC)",
            "CREATE DOMAIN d AS text COLLATE public.german CHECK (public.f(VALUE))",
            "ALTER TABLE t ADD EXCLUDE USING gist (a WITH OPERATOR(pg_catalog.&&))",
            "CREATE TABLE t (a int GENERATED ALWAYS AS (public.f(b)) STORED, b int DEFAULT public.g())",
            "CREATE TABLE t (a public.mood[] DEFAULT '{}'::public.mood[], b int PRIMARY KEY)",
            "CREATE FUNCTION f() RETURNS TABLE (a public.mood) LANGUAGE sql AS 'SELECT 1'",
            "CREATE TYPE c AS (a public.mood, b text COLLATE public.german)",
            "CREATE TYPE c AS RANGE (subtype = public.mood)",
            "CREATE AGGREGATE a (public.mood) (sfunc = public.f, stype = public.mood)",
            "CREATE POLICY p ON t USING (EXISTS (SELECT FROM public.x WHERE public.x.a = t.a)) WITH CHECK (public.f())",
            "CREATE VIEW v AS SELECT public.f(a)::public.mood FROM t CROSS JOIN LATERAL public.g(a)",
            "CREATE STATISTICS s ON (public.f(a)), b FROM t",
            "INSERT INTO t (a) SELECT public.f(1) ON CONFLICT (a) DO UPDATE SET a = public.f(excluded.a) RETURNING public.f(a)",
            "CREATE TABLE p PARTITION OF t FOR VALUES IN (public.f(1))",
            "ALTER TABLE t ADD COLUMN a public.mood NOT NULL DEFAULT 'x'::public.mood REFERENCES public.plans (m)",
            "ALTER TABLE t ALTER COLUMN a SET DEFAULT public.f()",
            "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.f()",
            "CREATE TEXT SEARCH CONFIGURATION c (COPY = pg_catalog.english)",
            "ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH public.unaccent, pg_catalog.simple",
            "CREATE OPERATOR === (LEFTARG = public.mood, RIGHTARG = public.mood, FUNCTION = public.f)",
            "ALTER FUNCTION f(public.mood) RENAME TO g",
            "DROP FUNCTION f(public.mood)",
            "COMMENT ON FUNCTION f(public.mood) IS 'x'",
            "GRANT EXECUTE ON FUNCTION f(public.mood) TO x",
            "CREATE SEQUENCE s AS pg_catalog.int4",
            "SELECT public.f(1)",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM public.plans; END",
            "DO $$ BEGIN DELETE FROM public.t; END $$",
        ];
        let refused: Vec<_> = statements.into_iter().filter(|sql| schema(sql).is_some()).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }

    #[test]
    fn an_allowed_schema_is_no_violation_and_the_first_violation_is_named() {
        let sql = "DELETE FROM a.t; DELETE FROM b.t; DELETE FROM c.t";
        assert_eq!(violation(sql, &["a".to_owned()]), Some(Violation { schema: "b".into(), offset: 29 }));
    }
}
