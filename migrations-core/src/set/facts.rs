//! What a migration's text tells about its costs: how many locks it will hold, which tables it creates, and to which it
//! refers.
//!
//! Most are estimates for warnings. What several tenants may share a transaction for is decided by them too, and there
//! they err on the side of caution.

use super::statement::{Statement, Word};

/// Estimates about a migration that has not run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Roughly how many locks it holds until the end of the transaction.
    pub(crate) locks: usize,
    /// Tables that it creates.
    pub(crate) creates: Vec<String>,
    /// Tables that it refers to with foreign keys.
    pub(crate) references: Vec<String>,
    /// Whether it is definitions only, whose result does not depend on what shares their transaction or on how often they
    /// were tried: no rows are written, no sequence advanced, nothing is told to anybody, and no block is run that could
    /// look at a setting or handle an error.
    pub(crate) is_plain: bool,
}

impl Facts {
    pub(super) fn of(text: &str, statements: &[Statement]) -> Self {
        let mut facts =
            Self { is_plain: statements.iter().all(|statement| is_plain(text, statement)), ..Self::default() };
        for statement in statements {
            facts.locks += locks(text, statement);
            facts.creates.extend(created_table(text, statement));
            facts.references.extend(referenced_tables(text, &statement.words));
        }
        facts
    }
}

/// A definition of a table, an index, a view, a type or a sequence. Everything else, functions included, is not plain, and
/// neither is a definition that reads rows, sets something, calls for a sequence's next value, or names another schema's
/// table in a foreign key.
fn is_plain(text: &str, statement: &Statement) -> bool {
    const KINDS: [&str; 8] = ["table", "index", "view", "type", "domain", "sequence", "column", "constraint"];
    let word = |index: usize| statement.words.get(index);
    let is = |index: usize, expected: &str| word(index).is_some_and(|word| word.is(text, expected));
    let kind = usize::from(is(1, "unique")) + 1;
    let is_definition = ["create", "alter", "drop"].iter().any(|verb| is(0, verb))
        && KINDS.iter().any(|of| is(kind, of))
        || is(0, "comment") && is(1, "on");
    let source = text[statement.range.clone()].to_ascii_lowercase();
    let has = |part: &str| source.contains(part);
    let reads = is(1, "table") && ["select", "values", "execute"].iter().any(|part| has(part));
    let copies = statement.words.windows(2).any(|pair| pair[0].is(text, "as") && pair[1].is(text, "table"));
    let refers = |behind: &str| {
        let name = behind.trim_start().split(|c: char| "(,;".contains(c) || c.is_whitespace()).next();
        name.is_some_and(|name| name.contains('.'))
    };
    let refers_elsewhere = source.match_indices("references").any(|(at, found)| refers(&source[at + found.len()..]));
    is_definition
        && !reads
        && !copies
        && !refers_elsewhere
        && !["nextval", "timeout", "current_setting"].iter().any(|part| has(part))
}

/// A new table has a TOAST table with an index, an index for its key, and often a sequence.
fn locks(text: &str, statement: &Statement) -> usize {
    let creates = statement.starts_with(text, &["create"]);
    let of = |word| statement.words.iter().take(5).any(|w| w.is(text, word));
    if creates && of("table") {
        6
    } else if creates && of("index") || statement.starts_with(text, &["alter", "table"]) {
        3
    } else {
        1
    }
}

fn created_table(text: &str, statement: &Statement) -> Option<String> {
    if !statement.starts_with(text, &["create"]) {
        return None;
    }
    let table = statement.words.iter().take(5).position(|word| word.is(text, "table"))?;
    let mut names = statement.words[table + 1..]
        .iter()
        .skip_while(|word| ["if", "not", "exists"].iter().any(|keyword| word.is(text, keyword)));
    names.next().filter(|word| word.is_name()).map(|word| word.name(text))
}

fn referenced_tables<'a>(text: &'a str, words: &'a [Word]) -> impl Iterator<Item = String> + 'a {
    words.windows(2).filter(move |pair| pair[0].is(text, "references") && pair[1].is_name()).map(move |pair| {
        // The last part of a qualified name.
        let start = pair[1].range.start;
        let mut rest = words.iter().skip_while(move |word| word.range.start < start);
        let mut name = rest.next().map(|word| word.name(text)).unwrap_or_default();
        while rest.next().is_some_and(|word| word.is_symbol(text, ".")) {
            name = rest.next().map(|word| word.name(text)).unwrap_or_default();
        }
        name
    })
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    #[test]
    fn only_definitions_are_plain() {
        let plain = |sql: &str| Facts::of(sql, &split(sql).unwrap_or_default()).is_plain;
        for sql in [
            "ALTER TABLE products ADD COLUMN note text; CREATE INDEX i ON products (note)",
            "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, total int GENERATED ALWAYS AS (1) STORED)",
            "CREATE UNIQUE INDEX i ON t (lower(a)); DROP INDEX j; COMMENT ON TABLE t IS 'x'; CREATE VIEW v AS SELECT 1",
            "ALTER TYPE mood ADD VALUE 'x'; DROP TABLE t",
        ] {
            assert!(plain(sql), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "SELECT 1",
            "DO $$ BEGIN ALTER TABLE t ADD COLUMN x int; EXCEPTION WHEN OTHERS THEN NULL; END $$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET lock_timeout FROM CURRENT AS 'SELECT 1'",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE t AS TABLE s",
            "CREATE TABLE t AS EXECUTE p",
            "ALTER TABLE t ADD COLUMN n int DEFAULT nextval('s')",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES public.plans (code)",
            "SET lock_timeout = 0",
            "NOTIFY reload, 'x'",
            "PREPARE p AS SELECT 1",
            "ALTER TABLE t ADD COLUMN a int; SELECT pg_advisory_lock(1)",
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "ALTER ROLE x SET statement_timeout = 1",
        ] {
            assert!(!plain(sql), "{sql}");
        }
    }

    #[test]
    fn tables_and_foreign_keys_are_found() {
        let text = "CREATE TABLE IF NOT EXISTS a (b bigint REFERENCES public.\"Plans\" (id));\n\
                    CREATE UNLOGGED TABLE c (d int, FOREIGN KEY (d) REFERENCES a);\n\
                    CREATE INDEX ON c (d); SELECT 'REFERENCES x';";
        let facts = Facts::of(text, &split(text).unwrap_or_default());
        assert_eq!(facts.creates, ["a", "c"]);
        assert_eq!(facts.references, ["Plans", "a"]);
        assert_eq!(facts.locks, 6 + 6 + 3 + 1);
    }
}
