//! What a `-- migrate: no-transaction` migration may hold: the statements that PostgreSQL refuses inside a transaction
//! block, and calls of procedures that commit.
//!
//! Such a statement is sent on its own, so there is no `SET LOCAL search_path` for it: the schema is written in front of
//! every name it acts on. What else it names, the server looks up by the path of the session. On a schema that is created
//! in the same transaction nobody can be disturbed, and most statements run plainly there instead.

use std::ops::Range;

use super::statement::{Statement, Word};
use crate::sql::{Ident, Literal};

/// One statement of a `no-transaction` migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// Where it stands in the migration's text.
    pub(crate) range: Range<usize>,
    pub(crate) action: Action,
    /// Where in the migration's text the schema goes, in their order.
    names_at: Vec<usize>,
    concurrently: Option<Range<usize>>,
    /// What else it names that the server looks up by the path: functions, types, collations, operator classes.
    looked_up: Vec<String>,
}

/// What it does, as far as a rerun after a crash has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    CreateIndex {
        index: String,
        table: String,
    },
    DropIndex {
        index: String,
    },
    /// `name` is an index or a table.
    Reindex {
        name: String,
    },
    Detach {
        parent: String,
        partition: String,
    },
    /// Ends a detaching that was cut off.
    Finalize {
        parent: String,
        partition: String,
    },
    Analyze,
    Vacuum,
    /// A procedure or a block that commits, and is safe to repeat by its author's word.
    Call,
}

/// What a refused statement would have to be.
pub(crate) const SUPPORTED: &str = "a no-transaction migration can hold CREATE [UNIQUE] INDEX CONCURRENTLY name ON \
table, DROP INDEX CONCURRENTLY name, REINDEX INDEX|TABLE CONCURRENTLY name, ALTER TABLE name DETACH PARTITION name \
CONCURRENTLY|FINALIZE, VACUUM table, … and ANALYZE table, …, and CALL and DO when it says `-- migrate: no-transaction \
idempotent`; everything else belongs into a migration without the directive";

/// Why a statement is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unsupported,
    /// `IF NOT EXISTS` would take an invalid index, left by an interrupted build, for a good one.
    IfNotExists,
    /// A build that was interrupted is found by the index's name.
    Unnamed,
    /// The schema is written by the framework.
    Qualified,
    /// What a procedure has committed before a crash is known to its author only.
    NotIdempotent,
}

impl Outside {
    pub(crate) fn read(text: &str, statement: &Statement, idempotent: bool) -> Result<Self, (Refused, usize)> {
        let reader = Reader { text, words: &statement.words, at: 0, names_at: Vec::new() };
        reader.read(statement.range.clone(), idempotent)
    }

    /// The statement with the schema in front of its names, to be sent on its own.
    pub(crate) fn qualified(&self, text: &str, schema: &str) -> String {
        let mut sent = String::new();
        let mut from = self.range.start;
        for name_at in &self.names_at {
            sent.push_str(&text[from..*name_at]);
            sent.push_str(&Ident(schema).to_string());
            sent.push('.');
            from = *name_at;
        }
        sent.push_str(&text[from..self.range.end]);
        sent
    }

    /// The offset in the migration's text for an offset in [`Self::qualified`].
    pub(crate) fn source_offset(&self, schema: &str, offset: usize) -> usize {
        let inserted = Ident(schema).to_string().len() + 1;
        let mut source = self.range.start + offset;
        for name_at in &self.names_at {
            if source > *name_at {
                source = (*name_at).max(source.saturating_sub(inserted));
            }
        }
        source
    }

    /// What has to be blanked out of the migration's text for it to run inside a transaction.
    pub(crate) fn blanked_in_a_transaction(&self) -> Option<Range<usize>> {
        match self.action {
            Action::Vacuum | Action::Call | Action::Finalize { .. } => Some(self.range.clone()),
            _ => self.concurrently.clone(),
        }
    }

    /// Whether a transaction would refuse it, or do something else, also on a schema that is new: a procedure that commits;
    /// a partition that is detached concurrently keeps its bounds as a constraint.
    pub(crate) fn is_apart_for_a_new_schema(&self) -> bool {
        matches!(self.action, Action::Call | Action::Detach { .. })
    }

    /// Whether it commits on its way, and leaves nothing behind that shows where it is.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self.action, Action::Call)
    }

    /// A query with one row and one column: whether one of these schemas, and none that the session looks into, has
    /// something that the statement names. `None` where it names nothing.
    pub(crate) fn path_query(&self, schemas: &[&str]) -> Option<String> {
        if self.looked_up.is_empty() {
            return None;
        }
        let list = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| Literal(name).to_string()).collect::<Vec<_>>().join(", ")
        };
        Some(format!(
            "SELECT EXISTS (SELECT FROM (\
             SELECT proname AS name, pronamespace AS schema FROM pg_catalog.pg_proc \
             UNION ALL SELECT opcname, opcnamespace FROM pg_catalog.pg_opclass \
             UNION ALL SELECT collname, collnamespace FROM pg_catalog.pg_collation \
             UNION ALL SELECT typname, typnamespace FROM pg_catalog.pg_type WHERE typtype <> 'c') AS known \
             JOIN pg_catalog.pg_namespace n ON n.oid = known.schema \
             WHERE known.name IN ({}) AND n.nspname IN ({}) AND n.nspname <> ALL (current_schemas(true)))",
            list(&mut self.looked_up.iter().map(String::as_str)),
            list(&mut schemas.iter().copied()),
        ))
    }

    /// A query with one row and one column: whether what the statement makes is there already (`done`), is there but
    /// unusable (`broken`), is half done (`pending`), or is not (`open`). `None` where running the statement again is as
    /// good as running it once.
    pub(crate) fn progress_query(&self, schema: &str) -> Option<String> {
        let literal = Literal(schema);
        match &self.action {
            Action::CreateIndex { index, .. } => Some(format!(
                "SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'done' ELSE 'broken' END \
                 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid \
                 WHERE c.relname = {} AND c.relnamespace = to_regnamespace(quote_ident({literal}))::oid), 'open')",
                Literal(index)
            )),
            Action::DropIndex { index } => Some(format!(
                "SELECT CASE WHEN EXISTS (SELECT FROM pg_class c \
                 WHERE c.relname = {} AND c.relnamespace = to_regnamespace(quote_ident({literal}))::oid) \
                 THEN 'open' ELSE 'done' END",
                Literal(index)
            )),
            // A partition that is not there, or was never one, is the server's to refuse.
            Action::Detach { parent, partition } | Action::Finalize { parent, partition } => Some(format!(
                "SELECT coalesce((SELECT CASE WHEN inhdetachpending THEN 'pending' ELSE 'open' END FROM pg_inherits \
                 WHERE inhrelid = to_regclass({partition}) AND inhparent = to_regclass({parent})), \
                 CASE WHEN to_regclass({partition}) IS NULL OR to_regclass({parent}) IS NULL THEN 'open' ELSE 'done' END)",
                partition = Literal(&relation(schema, partition)),
                parent = Literal(&relation(schema, parent)),
            )),
            Action::Reindex { .. } | Action::Analyze | Action::Vacuum | Action::Call => None,
        }
    }

    /// A query with one row and one column: whether a session other than this one is at the same, or waits for its turn. A
    /// runner that is killed leaves the server at work. Towards its end a build lets go of the table before it commits, so
    /// that its text is all there is to see of it.
    pub(crate) fn is_under_way_query(&self, schema: &str) -> String {
        let (name, other) = match &self.action {
            Action::CreateIndex { table, .. } => (Some(table), None),
            Action::DropIndex { index } => (Some(index), None),
            Action::Reindex { name } => (Some(name), None),
            Action::Detach { parent, partition } | Action::Finalize { parent, partition } => {
                (Some(parent), Some(partition))
            }
            Action::Analyze | Action::Vacuum | Action::Call => (None, None),
        };
        let relations: Vec<String> = name
            .into_iter()
            .chain(other)
            .map(|name| format!("to_regclass({})", Literal(&relation(schema, name))))
            .collect();
        let locks = if relations.is_empty() {
            "false".to_owned()
        } else {
            format!(
                "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' \
                 AND l.relation IN ({}) AND l.mode = 'ShareUpdateExclusiveLock')",
                relations.join(", ")
            )
        };
        format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() \
             AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid() \
             AND ({locks} OR a.state = 'active' AND position({} IN a.query) > 0 \
             AND a.query ~* '^(create|drop|reindex|vacuum|analy[sz]e|alter|call|do)\\M'))",
            Literal(&format!("{}.", Ident(schema))),
        )
    }

    /// What removes a broken result, before another attempt.
    pub(crate) fn cleanup(&self, schema: &str) -> Option<String> {
        match &self.action {
            Action::CreateIndex { index, .. } => {
                Some(format!("DROP INDEX CONCURRENTLY {}.{}", Ident(schema), Ident(index)))
            }
            _ => None,
        }
    }

    /// What brings a half done result to its end.
    pub(crate) fn completion(&self, schema: &str) -> Option<String> {
        match &self.action {
            Action::Detach { parent, partition } => Some(format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                relation(schema, parent),
                relation(schema, partition)
            )),
            _ => None,
        }
    }

    /// A query for statements that remove what an interrupted run of this one left under names that PostgreSQL makes up:
    /// invalid indexes on the same table, named after one of the indexes that are rebuilt, with `_ccnew` or `_ccold` and
    /// perhaps a number behind it, and cut off where the name would be too long
    /// (<https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY>).
    pub(crate) fn leftovers_query(&self, schema: &str) -> Option<String> {
        let Action::Reindex { name } = &self.action else { return None };
        Some(format!(
            "SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) \
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND EXISTS (\
             SELECT FROM pg_index j JOIN pg_class base ON base.oid = j.indexrelid \
             WHERE j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid \
             AND to_regclass({}) IN (j.indexrelid, j.indrelid) \
             AND (regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') = base.relname \
             OR octet_length(c.relname) >= 60 \
             AND starts_with(base.relname, regexp_replace(c.relname, '_cc(new|old)[0-9]*$', ''))))",
            Literal(&relation(schema, name))
        ))
    }

    /// Statements for a transaction that is rolled back: they make the same index on an empty copy of the table. The last
    /// one is a query with one row and one column: whether the index that is there is defined in the same way.
    pub(crate) fn comparison(&self, text: &str, schema: &str) -> Option<Vec<String>> {
        let Action::CreateIndex { index, table } = &self.action else { return None };
        let mut plain = text.to_owned();
        if let Some(range) = &self.concurrently {
            plain.replace_range(range.clone(), &" ".repeat(range.len()));
        }
        Some(vec![
            format!("CREATE TEMPORARY TABLE {} (LIKE {})", Ident(table), relation(schema, table)),
            self.qualified(&plain, "pg_temp"),
            format!(
                // Before PostgreSQL 15 the temporary schema goes by the name that it has in the catalog.
                "SELECT regexp_replace(pg_get_indexdef(to_regclass({})), ' ON pg_temp(_[0-9]+)?[.]', \
                 ' ON ' || quote_ident({}) || '.') = pg_get_indexdef(to_regclass({}))",
                Literal(&relation("pg_temp", index)),
                Literal(schema),
                Literal(&relation(schema, index)),
            ),
        ])
    }
}

fn relation(schema: &str, name: &str) -> String {
    format!("{}.{}", Ident(schema), Ident(name))
}

/// Reads a statement's words from left to right.
struct Reader<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
    names_at: Vec<usize>,
}

type Read<T> = Result<T, (Refused, usize)>;

impl Reader<'_> {
    fn read(mut self, range: Range<usize>, idempotent: bool) -> Read<Outside> {
        let (action, concurrently) = self.action(idempotent)?;
        let looked_up = match action {
            Action::CreateIndex { .. } => self.looked_up(),
            _ => Vec::new(),
        };
        Ok(Outside { range, action, names_at: self.names_at, concurrently, looked_up })
    }

    fn action(&mut self, idempotent: bool) -> Read<(Action, Option<Range<usize>>)> {
        if self.take("create") {
            self.take("unique");
            return self.create_index();
        }
        if self.take("drop") {
            return self.drop_index();
        }
        if self.take("reindex") {
            return self.reindex();
        }
        if self.take("alter") {
            return self.detach();
        }
        if self.take("vacuum") {
            return self.tables(&["full", "freeze", "verbose", "analyze", "analyse"], Action::Vacuum);
        }
        if self.take("analyze") || self.take("analyse") {
            return self.tables(&["verbose"], Action::Analyze);
        }
        if self.is("call") || self.is("do") {
            return if idempotent { Ok((Action::Call, None)) } else { Err(self.refused(Refused::NotIdempotent)) };
        }
        Err(self.refused(Refused::Unsupported))
    }

    fn create_index(&mut self) -> Read<(Action, Option<Range<usize>>)> {
        self.expect("index")?;
        let concurrently = self.expect("concurrently")?;
        if self.take("if") {
            return Err(self.refused(Refused::IfNotExists));
        }
        if self.take("on") {
            return Err(self.refused(Refused::Unnamed));
        }
        let index = self.plain_name()?;
        self.expect("on")?;
        self.take("only");
        let table = self.name()?;
        Ok((Action::CreateIndex { index, table }, Some(concurrently)))
    }

    fn drop_index(&mut self) -> Read<(Action, Option<Range<usize>>)> {
        self.expect("index")?;
        let concurrently = self.expect("concurrently")?;
        if self.take("if") {
            self.expect("exists")?;
        }
        let index = self.name()?;
        let _ = self.take("restrict") || self.take("cascade");
        self.end()?;
        Ok((Action::DropIndex { index }, Some(concurrently)))
    }

    fn reindex(&mut self) -> Read<(Action, Option<Range<usize>>)> {
        self.parentheses();
        if !self.take("index") && !self.take("table") {
            return Err(self.refused(Refused::Unsupported));
        }
        let concurrently = self.expect("concurrently")?;
        let name = self.name()?;
        self.end()?;
        Ok((Action::Reindex { name }, Some(concurrently)))
    }

    fn detach(&mut self) -> Read<(Action, Option<Range<usize>>)> {
        self.expect("table")?;
        let parent = self.name()?;
        self.expect("detach")?;
        self.expect("partition")?;
        let partition = self.name()?;
        if self.take("finalize") {
            self.end()?;
            return Ok((Action::Finalize { parent, partition }, None));
        }
        let concurrently = self.expect("concurrently")?;
        self.end()?;
        Ok((Action::Detach { parent, partition }, Some(concurrently)))
    }

    /// `VACUUM` and `ANALYZE`: options in parentheses or as words, then tables, each perhaps with columns.
    fn tables(&mut self, words: &[&str], action: Action) -> Read<(Action, Option<Range<usize>>)> {
        if !self.parentheses() {
            while words.iter().any(|word| self.take(word)) {}
        }
        loop {
            self.take("only");
            self.name()?;
            self.parentheses();
            if !self.take_symbol(",") {
                break;
            }
        }
        self.end()?;
        Ok((action, None))
    }

    /// The names in the rest of an index's definition that can be a function's, a type's, a collation's or an operator
    /// class's: by where they stand. One too many does no harm.
    fn looked_up(&self) -> Vec<String> {
        let rest = &self.words[self.at..];
        let symbol = |index: Option<usize>, symbol: &str| {
            index.and_then(|index| rest.get(index)).is_some_and(|word| word.is_symbol(self.text, symbol))
        };
        let is = |index: Option<usize>, word: &str| {
            index.and_then(|index| rest.get(index)).is_some_and(|found| found.is(self.text, word))
        };
        let mut names = Vec::new();
        let (mut depth, mut is_in_where) = (0usize, false);
        for (index, word) in rest.iter().enumerate() {
            let before = index.checked_sub(1);
            depth += usize::from(word.is_symbol(self.text, "("));
            depth -= usize::from(depth > 0 && word.is_symbol(self.text, ")"));
            is_in_where |= depth == 0 && word.is(self.text, "where");
            if !word.is_name() || symbol(before, ".") {
                continue;
            }
            let called = symbol(Some(index + 1), "(") && (depth > 0 || is_in_where);
            let cast = symbol(before, ":") || is(before, "as") || is(before, "collate");
            let literal = rest.get(index + 1).is_some_and(|next| next.kind == super::statement::WordKind::Literal);
            let behind_an_element = before
                .and_then(|before| rest.get(before))
                .is_some_and(|before| before.is_name() || before.is_symbol(self.text, ")") && depth > 0);
            if called || cast || literal || depth == 1 && !is_in_where && behind_an_element {
                names.push(word.name(self.text));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// A name without a schema, in front of which the schema goes.
    fn name(&mut self) -> Read<String> {
        let at = self.words.get(self.at).map(|word| word.range.start);
        let name = self.plain_name()?;
        self.names_at.extend(at);
        Ok(name)
    }

    /// A name without a schema.
    fn plain_name(&mut self) -> Read<String> {
        let Some(word) = self.words.get(self.at).filter(|word| word.is_name()) else {
            return Err(self.refused(Refused::Unsupported));
        };
        if self.words.get(self.at + 1).is_some_and(|next| next.is_symbol(self.text, ".")) {
            return Err(self.refused(Refused::Qualified));
        }
        self.at += 1;
        Ok(word.name(self.text))
    }

    /// `(…)`, if that is what comes.
    fn parentheses(&mut self) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| word.is_symbol(self.text, "("));
        if found {
            while let Some(word) = self.words.get(self.at) {
                self.at += 1;
                if word.is_symbol(self.text, ")") {
                    break;
                }
            }
        }
        found
    }

    fn is(&self, word: &str) -> bool {
        self.words.get(self.at).is_some_and(|w| w.is(self.text, word))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|w| w.is_symbol(self.text, symbol));
        self.at += usize::from(found);
        found
    }

    /// Where the word that must come stands.
    fn expect(&mut self, word: &str) -> Read<Range<usize>> {
        if self.take(word) {
            Ok(self.words[self.at - 1].range.clone())
        } else {
            Err(self.refused(Refused::Unsupported))
        }
    }

    /// Nothing comes any more: what was not understood would be sent with the schema in the wrong place.
    fn end(&self) -> Read<()> {
        if self.at < self.words.len() { Err(self.refused(Refused::Unsupported)) } else { Ok(()) }
    }

    fn refused(&self, why: Refused) -> (Refused, usize) {
        let word = self.words.get(self.at).or(self.words.last());
        (why, word.map_or(0, |word| word.range.start))
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::split;
    use super::*;

    fn read(text: &str) -> Result<Outside, (Refused, usize)> {
        Outside::read(text, &split(text).unwrap_or_default()[0], false)
    }

    #[test]
    fn the_schema_goes_in_front_of_the_name_it_acts_on() {
        for (text, qualified) in [
            (
                "CREATE UNIQUE INDEX CONCURRENTLY i ON ONLY t (a) WHERE b > 1",
                r#"CREATE UNIQUE INDEX CONCURRENTLY i ON ONLY "acme".t (a) WHERE b > 1"#,
            ),
            ("DROP INDEX CONCURRENTLY IF EXISTS i", r#"DROP INDEX CONCURRENTLY IF EXISTS "acme".i"#),
            ("REINDEX (VERBOSE) TABLE CONCURRENTLY \"T\"", r#"REINDEX (VERBOSE) TABLE CONCURRENTLY "acme"."T""#),
            ("VACUUM (ANALYZE) t", r#"VACUUM (ANALYZE) "acme".t"#),
            ("analyze t", r#"analyze "acme".t"#),
            ("VACUUM FULL ANALYZE a, \"B\" (c), d", r#"VACUUM FULL ANALYZE "acme".a, "acme"."B" (c), "acme".d"#),
            ("ANALYSE VERBOSE a (b, c), d", r#"ANALYSE VERBOSE "acme".a (b, c), "acme".d"#),
            (
                "ALTER TABLE p DETACH PARTITION c CONCURRENTLY",
                r#"ALTER TABLE "acme".p DETACH PARTITION "acme".c CONCURRENTLY"#,
            ),
            ("alter table p detach partition c finalize", r#"alter table "acme".p detach partition "acme".c finalize"#),
        ] {
            assert_eq!(read(text).map(|outside| outside.qualified(text, "acme")), Ok(qualified.to_owned()));
        }
    }

    #[test]
    fn an_offset_is_found_again_behind_what_was_inserted() {
        let text = "-- top\nCREATE INDEX CONCURRENTLY i ON t (nmae)";
        let outside = read(text).unwrap_or_else(|_| unreachable!());
        let sent = outside.qualified(text, "acme");
        let offset = sent.find("nmae").unwrap_or_default();
        assert_eq!(outside.source_offset("acme", offset), text.find("nmae").unwrap_or_default());
        assert_eq!(outside.source_offset("acme", 3), text.find("ATE INDEX").unwrap_or_default());
    }

    #[test]
    fn an_offset_behind_several_names_is_found_again() {
        let text = "VACUUM aa, bb, cc";
        let outside = read(text).unwrap_or_else(|_| unreachable!());
        let sent = outside.qualified(text, "acme");
        for name in ["aa", "bb", "cc"] {
            let offset = sent.find(name).unwrap_or_default();
            assert_eq!(outside.source_offset("acme", offset), text.find(name).unwrap_or_default(), "{name}");
        }
    }

    #[test]
    fn what_the_server_looks_up_by_the_path_is_found_in_an_index() {
        for (text, names) in [
            ("CREATE INDEX CONCURRENTLY i ON t (a, b DESC NULLS LAST) INCLUDE (c) WHERE d IS NULL AND e > 1", &[][..]),
            ("CREATE INDEX CONCURRENTLY i ON t USING gin (a) WITH (fastupdate = off)", &["a"][..0]),
            ("CREATE INDEX CONCURRENTLY i ON t (norm(a)) WHERE good(b)", &["good", "norm"]),
            ("CREATE INDEX CONCURRENTLY i ON t ((a::mood), pg_catalog.lower(b))", &["mood"]),
            (
                "CREATE INDEX CONCURRENTLY i ON t USING gin (a gin_trgm_ops, b COLLATE german)",
                &["german", "gin_trgm_ops"],
            ),
            ("CREATE INDEX CONCURRENTLY i ON t (a) WHERE b = CAST('x' AS mood) OR b = tone 'y'", &["mood", "tone"]),
        ] {
            let found = read(text).map(|outside| outside.looked_up).unwrap_or_default();
            let found: Vec<_> = names.iter().filter(|name| !found.contains(&(**name).to_owned())).collect();
            assert!(found.is_empty(), "{text}: {found:?}");
        }
        let plain = "CREATE INDEX CONCURRENTLY i ON t (a, b, c) WHERE d IS NULL";
        assert_eq!(read(plain).map(|outside| outside.looked_up), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_made_safe_is_refused() {
        for (text, why) in [
            ("UPDATE t SET a = 1", Refused::Unsupported),
            ("CREATE INDEX i ON t (a)", Refused::Unsupported),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", Refused::IfNotExists),
            ("CREATE INDEX CONCURRENTLY ON t (a)", Refused::Unnamed),
            ("CREATE INDEX CONCURRENTLY i ON other.t (a)", Refused::Qualified),
            ("VACUUM", Refused::Unsupported),
            ("VACUUM a, other.b", Refused::Qualified),
            ("VACUUM a b", Refused::Unsupported),
            ("REINDEX TABLE CONCURRENTLY ONLY t", Refused::Unsupported),
            ("REINDEX SCHEMA CONCURRENTLY s", Refused::Unsupported),
            ("ALTER TABLE p DETACH PARTITION c", Refused::Unsupported),
            ("CALL fill()", Refused::NotIdempotent),
            ("DO $$ BEGIN COMMIT; END $$", Refused::NotIdempotent),
        ] {
            assert_eq!(read(text).map_err(|(why, _)| why).err(), Some(why), "{text}");
        }
    }
}
