//! Statements that PostgreSQL refuses inside a transaction (`PreventInTransactionBlock` in its source), and what a run
//! must know about each of them to continue after a crash.

use std::ops::Range;

use crate::set::statement::{Statement, Word, WordKind};
use crate::set::targets::{Reader, Temporary};

/// What a statement does, as far as a run after a crash has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    CreateIndex(NewIndex),
    DropIndex {
        index: Relation,
        /// The range of `CONCURRENTLY`.
        concurrently: Range<usize>,
    },
    Reindex {
        /// An index or a table; `None` for everything in a schema.
        name: Option<Relation>,
    },
    Detach {
        parent: Relation,
        partition: Relation,
    },
    /// Completes an interrupted `Detach`.
    Finalize {
        parent: Relation,
        partition: Relation,
    },
    Vacuum {
        /// Empty for all tables.
        tables: Vec<Relation>,
    },
    /// Locks every table, including those in which the run itself holds locks.
    EveryTable,
    /// Has the same result each time: `ALTER SYSTEM SET`, `CLUSTER`.
    Repeatable,
    /// Is safe to repeat only by its author's word: `CREATE DATABASE`.
    Unrepeatable,
    /// Seems to be refused inside a transaction, but is of a form that is not understood.
    UnknownForm,
    /// A `CALL` or `DO` that may commit, and is safe to repeat by its author's word.
    Call,
}

/// `CREATE INDEX CONCURRENTLY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewIndex {
    /// `None` if the server chooses a name.
    pub(crate) name: Option<String>,
    pub(crate) table: Relation,
    pub(crate) if_not_exists: bool,
    /// The range of `CONCURRENTLY`.
    pub(super) concurrently: Range<usize>,
    /// The range of the table's name.
    pub(super) table_at: Range<usize>,
    /// The other names that the server looks up by the path: functions, types, collations, operator classes.
    pub(super) looked_up: Vec<String>,
}

/// A relation's name. Without a schema it means the schema that is migrated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Action {
    /// `None` if the statement can run inside a transaction, as far as its text tells.
    pub(crate) fn read(text: &str, statement: &Statement) -> Option<Self> {
        let mut temporary = Temporary::default();
        let mut reader = Reader::new(text, &statement.words, &mut temporary);
        let is_concurrent = statement.contains(text, "concurrently");
        if reader.take("create") {
            reader.take("unique");
            if reader.is("index") && reader.is_ahead(1, "concurrently") {
                return Some(create_index(&mut reader).unwrap_or(Self::UnknownForm));
            }
            return reader.is_any(&["database", "tablespace"]).then_some(Self::Unrepeatable);
        }
        if reader.take("drop") {
            if reader.is_any(&["database", "tablespace"]) {
                let is_guarded = reader.is_ahead(1, "if") && reader.is_ahead(2, "exists");
                return Some(if is_guarded { Self::Repeatable } else { Self::Unrepeatable });
            }
            if reader.take_all(&["index", "concurrently"]) {
                let concurrently = statement.words[reader.at - 1].range.clone();
                reader.take_all(&["if", "exists"]);
                let index = relation(&mut reader);
                let _ = reader.take("restrict") || reader.take("cascade");
                let index = index.filter(|_| reader.at == statement.words.len());
                return Some(index.map_or(Self::UnknownForm, |index| Self::DropIndex { index, concurrently }));
            }
            return None;
        }
        if reader.take("reindex") {
            return reindex(&mut reader, is_concurrent);
        }
        if reader.take("alter") {
            if reader.is("system") {
                return Some(Self::Repeatable);
            }
            return reader.take("table").then(|| detach(&mut reader, is_concurrent)).flatten();
        }
        if reader.take("vacuum") {
            return Some(vacuum(&mut reader, statement.contains(text, "full")));
        }
        if reader.take("cluster") {
            reader.parentheses();
            reader.take("verbose");
            return (reader.at == statement.words.len()).then_some(Self::Repeatable);
        }
        let is_prepared = reader.is_ahead(1, "prepared") && reader.is_any(&["commit", "rollback"]);
        is_prepared.then_some(Self::Unrepeatable)
    }

    /// Whether the statement runs code that may commit.
    pub(super) fn is_call(text: &str, statement: &Statement) -> bool {
        statement.starts_with(text, &["call"]) || statement.starts_with(text, &["do"])
    }

    /// Whether it is safe to run it again when it is not known whether it has run.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Unrepeatable)
    }

    /// The relations that it names.
    pub(crate) fn relations(&self) -> Vec<&Relation> {
        match self {
            Self::CreateIndex(NewIndex { table, .. }) => vec![table],
            Self::DropIndex { index, .. } => vec![index],
            Self::Reindex { name } => name.iter().collect(),
            Self::Detach { parent, partition } | Self::Finalize { parent, partition } => vec![parent, partition],
            Self::Vacuum { tables } => tables.iter().collect(),
            Self::EveryTable | Self::Repeatable | Self::Unrepeatable | Self::UnknownForm | Self::Call => Vec::new(),
        }
    }

    /// Whether it may change more than the database in which it runs.
    pub(crate) fn affects_the_server(&self) -> bool {
        matches!(self, Self::Repeatable | Self::Unrepeatable)
    }

    /// Whether it cannot be part of the transaction that creates a schema.
    pub(super) fn is_apart_for_a_new_schema(&self) -> bool {
        // A partition that is detached concurrently keeps its bounds as a constraint.
        matches!(self, Self::Repeatable | Self::Unrepeatable | Self::UnknownForm | Self::Call | Self::Detach { .. })
    }

    /// The range to leave out so that the statement can run inside a transaction, in a new schema.
    pub(super) fn blank_in_a_transaction(&self, statement: &Range<usize>) -> Option<Range<usize>> {
        match self {
            // A new schema needs no maintenance.
            Self::Vacuum { .. } | Self::Reindex { .. } | Self::Finalize { .. } => Some(statement.clone()),
            Self::CreateIndex(NewIndex { concurrently, .. }) | Self::DropIndex { concurrently, .. } => {
                Some(concurrently.clone())
            }
            Self::Detach { .. }
            | Self::EveryTable
            | Self::Repeatable
            | Self::Unrepeatable
            | Self::UnknownForm
            | Self::Call => None,
        }
    }
}

fn create_index(reader: &mut Reader<'_>) -> Option<Action> {
    reader.take("index");
    let concurrently = reader.words.get(reader.at)?.range.clone();
    reader.take("concurrently");
    let if_not_exists = reader.take_all(&["if", "not", "exists"]);
    let name = if reader.is("on") { None } else { reader.name()?.parts.pop() };
    reader.take("on").then_some(())?;
    reader.take("only");
    let start = reader.words.get(reader.at)?.range.start;
    let table = relation(reader)?;
    let table_at = start..reader.words.get(reader.at.checked_sub(1)?)?.range.end;
    let looked_up = looked_up(reader.text, &reader.words[reader.at..]);
    Some(Action::CreateIndex(NewIndex { name, table, if_not_exists, concurrently, table_at, looked_up }))
}

/// Without `CONCURRENTLY` it can run inside a transaction, unless it is for a whole schema, database or system.
fn reindex(reader: &mut Reader<'_>, is_concurrent: bool) -> Option<Action> {
    reader.parentheses();
    if reader.is_any(&["database", "system"]) {
        return Some(Action::EveryTable);
    }
    if reader.is("schema") {
        return Some(Action::Reindex { name: None });
    }
    if !is_concurrent {
        return None;
    }
    let _ = reader.take("index") || reader.take("table");
    reader.take("concurrently");
    Some(Action::Reindex { name: relation(reader) })
}

/// A `VACUUM` that names no table is for every table.
fn vacuum(reader: &mut Reader<'_>, is_full: bool) -> Action {
    if !reader.parentheses() {
        while reader.is_any(&["full", "freeze", "verbose", "analyze", "analyse"]) {
            reader.at += 1;
        }
    }
    if reader.at == reader.words.len() {
        return if is_full { Action::EveryTable } else { Action::Vacuum { tables: Vec::new() } };
    }
    let mut tables = Vec::new();
    loop {
        reader.take("only");
        let Some(table) = relation(reader) else { return Action::UnknownForm };
        tables.push(table);
        reader.take_symbol("*");
        reader.parentheses();
        if !reader.take_symbol(",") {
            return if reader.at == reader.words.len() { Action::Vacuum { tables } } else { Action::UnknownForm };
        }
    }
}

fn detach(reader: &mut Reader<'_>, is_concurrent: bool) -> Option<Action> {
    let unknown = is_concurrent.then_some(Action::UnknownForm);
    let mut read = || {
        reader.take_all(&["if", "exists"]);
        reader.take("only");
        let parent = relation(reader)?;
        reader.take_symbol("*");
        reader.take_all(&["detach", "partition"]).then_some(())?;
        let partition = relation(reader)?;
        if reader.take("finalize") {
            return Some(Action::Finalize { parent, partition });
        }
        reader.take("concurrently").then_some(Action::Detach { parent, partition })
    };
    read().or(unknown.filter(|_| reader.words.iter().any(|word| word.is(reader.text, "detach"))))
}

fn relation(reader: &mut Reader<'_>) -> Option<Relation> {
    let mut parts = reader.name()?.parts;
    let name = parts.pop()?;
    Some(Relation { schema: parts.pop(), name })
}

/// The names in the rest of an index's definition that can be those of functions, types, collations or operator
/// classes, judged by their positions. A name too many does no harm.
fn looked_up(text: &str, rest: &[Word]) -> Vec<String> {
    let at = |index: Option<usize>| index.and_then(|index| rest.get(index));
    let symbol = |index, symbol: &str| at(index).is_some_and(|word| word.is_symbol(text, symbol));
    let is = |index, word: &str| at(index).is_some_and(|found| found.is(text, word));
    let mut names = Vec::new();
    let (mut depth, mut is_in_where) = (0usize, false);
    for (index, word) in rest.iter().enumerate() {
        let before = index.checked_sub(1);
        depth += usize::from(word.is_symbol(text, "("));
        depth -= usize::from(depth > 0 && word.is_symbol(text, ")"));
        is_in_where |= depth == 0 && word.is(text, "where");
        if !word.is_name() || symbol(before, ".") {
            continue;
        }
        let called = symbol(Some(index + 1), "(") && (depth > 0 || is_in_where);
        let cast = symbol(before, ":") || is(before, "as") || is(before, "collate");
        let literal = rest.get(index + 1).is_some_and(|next| next.kind == WordKind::Literal);
        let after_an_element =
            at(before).is_some_and(|before| before.is_name() || before.is_symbol(text, ")") && depth > 0);
        if called || cast || literal || depth == 1 && !is_in_where && after_an_element {
            names.push(word.name(text));
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::statement::split;

    fn read(text: &str) -> Option<Action> {
        Action::read(text, &split(text).unwrap_or_default()[0])
    }

    fn relation(name: &str) -> Relation {
        let (schema, name) =
            name.split_once('.').map_or((None, name), |(schema, name)| (Some(schema.to_owned()), name));
        Relation { schema, name: name.to_owned() }
    }

    #[test]
    fn statements_that_a_transaction_refuses_are_told_from_the_others() {
        for (text, action) in [
            (
                "DROP INDEX CONCURRENTLY IF EXISTS \"I\"",
                Action::DropIndex { index: relation("I"), concurrently: 11..23 },
            ),
            (
                "DROP INDEX CONCURRENTLY other.i CASCADE",
                Action::DropIndex { index: relation("other.i"), concurrently: 11..23 },
            ),
            ("REINDEX INDEX CONCURRENTLY i", Action::Reindex { name: Some(relation("i")) }),
            ("REINDEX (CONCURRENTLY, VERBOSE) TABLE t", Action::Reindex { name: Some(relation("t")) }),
            ("REINDEX SCHEMA s", Action::Reindex { name: None }),
            ("REINDEX (VERBOSE) DATABASE d", Action::EveryTable),
            ("VACUUM FULL", Action::EveryTable),
            ("VACUUM (FULL, ANALYZE)", Action::EveryTable),
            ("VACUUM", Action::Vacuum { tables: vec![] }),
            ("VACUUM ANALYZE a", Action::Vacuum { tables: vec![relation("a")] }),
            (
                "VACUUM (ANALYZE) a (x, y), ONLY other.b",
                Action::Vacuum { tables: vec![relation("a"), relation("other.b")] },
            ),
            ("VACUUM a b", Action::UnknownForm),
            ("CLUSTER", Action::Repeatable),
            ("ALTER SYSTEM SET work_mem = '1MB'", Action::Repeatable),
            ("DROP DATABASE IF EXISTS x", Action::Repeatable),
            ("CREATE DATABASE x", Action::Unrepeatable),
            ("CREATE INDEX CONCURRENTLY ((", Action::UnknownForm),
            ("DROP INDEX CONCURRENTLY a, b", Action::UnknownForm),
            (
                "ALTER TABLE IF EXISTS ONLY p DETACH PARTITION c CONCURRENTLY",
                Action::Detach { parent: relation("p"), partition: relation("c") },
            ),
            (
                "alter table p detach partition s.c finalize",
                Action::Finalize { parent: relation("p"), partition: relation("s.c") },
            ),
        ] {
            assert_eq!(read(text), Some(action), "{text}");
        }
        for text in [
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX i ON t (concurrently)",
            "DROP INDEX IF EXISTS i",
            "REINDEX TABLE t",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "ALTER TABLE p DETACH PARTITION c",
            "ALTER TABLE t ADD concurrently int",
            "CLUSTER t USING i",
            "ANALYZE",
            "CALL p()",
            "CREATE TABLE database (a int)",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    fn index(text: &str) -> Option<NewIndex> {
        match read(text) {
            Some(Action::CreateIndex(index)) => Some(index),
            _ => None,
        }
    }

    #[test]
    fn an_index_is_known_by_its_name_and_its_table() {
        for (text, name, table, if_not_exists) in [
            ("CREATE UNIQUE INDEX CONCURRENTLY i ON ONLY t (a)", Some("i"), "t", false),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON \"other\".t USING gin (a)", Some("i"), "other.t", true),
            ("CREATE INDEX CONCURRENTLY ON t (a)", None, "t", false),
        ] {
            let found = index(text).map(|index| (index.name, index.table, index.if_not_exists));
            assert_eq!(found, Some((name.map(str::to_owned), relation(table), if_not_exists)), "{text}");
        }
    }

    #[test]
    fn names_that_the_server_looks_up_by_the_path_are_found_in_an_index() {
        for (text, names) in [
            ("CREATE INDEX CONCURRENTLY i ON t (a, b DESC NULLS LAST) INCLUDE (c) WHERE d IS NULL AND e > 1", &[][..]),
            ("CREATE INDEX CONCURRENTLY i ON t USING gin (a gin_ops) WITH (fastupdate = off)", &["gin_ops"]),
            ("CREATE INDEX CONCURRENTLY i ON t (norm(a)) WHERE good(b)", &["good", "norm"]),
            ("CREATE INDEX CONCURRENTLY i ON t ((a::mood), pg_catalog.lower(b))", &["mood"]),
            (
                "CREATE INDEX CONCURRENTLY i ON t USING gin (a gin_trgm_ops, b COLLATE german)",
                &["german", "gin_trgm_ops"],
            ),
            ("CREATE INDEX CONCURRENTLY i ON t (a) WHERE b = CAST('x' AS mood) OR b = tone 'y'", &["mood", "tone"]),
        ] {
            let found = index(text).map(|index| index.looked_up).unwrap_or_default();
            let missing: Vec<_> = names.iter().filter(|name| !found.contains(&(**name).to_owned())).collect();
            assert!(missing.is_empty(), "{text}: {missing:?}");
        }
        let plain = "CREATE INDEX CONCURRENTLY i ON t (a, b, c) WHERE d IS NULL";
        assert_eq!(index(plain).map(|index| index.looked_up), Some(Vec::new()));
    }
}
