//! What a `-- migrate: no-transaction` migration may hold: the few statements that PostgreSQL refuses inside a
//! transaction block.
//!
//! Such a statement is sent on its own, so there is no `SET LOCAL search_path` for it: the schema is written in front of
//! the one name it acts on. That needs no setting in the session, which is what lets it pass through a pooler. On a
//! schema that is created in the same transaction nobody can be disturbed, and the statement runs plainly instead.

use std::ops::Range;

use super::statement::{Statement, Word};
use crate::sql::{Ident, Literal};

/// One statement of a `no-transaction` migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// Where it stands in the migration's text.
    pub(crate) range: Range<usize>,
    pub(crate) action: Action,
    /// Where in the migration's text the schema goes.
    name_at: usize,
    concurrently: Option<Range<usize>>,
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
    Analyze,
    Vacuum,
}

/// What a refused statement would have to be.
pub(crate) const SUPPORTED: &str = "a no-transaction migration can hold CREATE [UNIQUE] INDEX CONCURRENTLY name ON \
table, DROP INDEX CONCURRENTLY name, REINDEX INDEX|TABLE CONCURRENTLY name, VACUUM table and ANALYZE table; everything else belongs into a migration without the directive";

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
}

impl Outside {
    pub(crate) fn read(text: &str, statement: &Statement) -> Result<Self, (Refused, usize)> {
        Reader { text, words: &statement.words, at: 0 }.read(statement.range.clone())
    }

    /// The statement with the schema in front of its name, to be sent on its own.
    pub(crate) fn qualified(&self, text: &str, schema: &str) -> String {
        let Range { start, end } = self.range;
        format!("{}{}.{}", &text[start..self.name_at], Ident(schema), &text[self.name_at..end])
    }

    /// The offset in the migration's text for an offset in [`Self::qualified`].
    pub(crate) fn source_offset(&self, schema: &str, offset: usize) -> usize {
        let before = self.name_at - self.range.start;
        let inserted = Ident(schema).to_string().len() + 1;
        let offset = if offset <= before { offset } else { before.max(offset.saturating_sub(inserted)) };
        self.range.start + offset
    }

    /// What has to be blanked out of the migration's text for it to run inside a transaction.
    pub(crate) fn blanked_in_a_transaction(&self) -> Option<Range<usize>> {
        match self.action {
            Action::Vacuum => Some(self.range.clone()),
            _ => self.concurrently.clone(),
        }
    }

    /// A query with one row and one column: whether what the statement makes is there already (`done`), is there but
    /// unusable (`broken`), or is not (`open`). `None` where running the statement again is as good as running it once.
    pub(crate) fn progress_query(&self, schema: &str) -> Option<String> {
        let schema = Literal(schema);
        match &self.action {
            Action::CreateIndex { index, .. } => Some(format!(
                "SELECT coalesce((SELECT CASE WHEN i.indisvalid THEN 'done' ELSE 'broken' END \
                 FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid \
                 WHERE c.relname = {} AND c.relnamespace = to_regnamespace(quote_ident({schema}))::oid), 'open')",
                Literal(index)
            )),
            Action::DropIndex { index } => Some(format!(
                "SELECT CASE WHEN EXISTS (SELECT FROM pg_class c \
                 WHERE c.relname = {} AND c.relnamespace = to_regnamespace(quote_ident({schema}))::oid) \
                 THEN 'open' ELSE 'done' END",
                Literal(index)
            )),
            Action::Reindex { .. } | Action::Analyze | Action::Vacuum => None,
        }
    }

    /// A query with one row and one column: whether a session other than this one is at the same, or waits for its turn. A
    /// runner that is killed leaves the server at work.
    pub(crate) fn is_under_way_query(&self, schema: &str) -> Option<String> {
        let name = match &self.action {
            Action::CreateIndex { table, .. } => table,
            Action::DropIndex { index } => index,
            Action::Reindex { name } => name,
            Action::Analyze | Action::Vacuum => return None,
        };
        let relation = format!("{}.{}", Ident(schema), Ident(name));
        Some(format!(
            "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'relation' AND l.relation = to_regclass({}) AND a.datname = current_database() \
             AND l.mode = 'ShareUpdateExclusiveLock' AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid())",
            Literal(&relation)
        ))
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
}

/// Reads a statement's words from left to right.
struct Reader<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
}

impl Reader<'_> {
    fn read(mut self, range: Range<usize>) -> Result<Outside, (Refused, usize)> {
        if self.take("create") {
            self.take("unique");
            return self.create_index(range);
        }
        if self.take("drop") && self.take("index") {
            return self.drop_index(range);
        }
        if self.take("reindex") {
            self.options();
            return self.reindex(range);
        }
        let vacuum = self.take("vacuum");
        if vacuum || self.take("analyze") {
            self.options();
            let (_, name_at) = self.name()?;
            let action = if vacuum { Action::Vacuum } else { Action::Analyze };
            return Ok(Outside { range, action, name_at, concurrently: None });
        }
        Err(self.refused(Refused::Unsupported))
    }

    fn create_index(mut self, range: Range<usize>) -> Result<Outside, (Refused, usize)> {
        let concurrently = self.index_concurrently()?;
        if self.take("if") {
            return Err(self.refused(Refused::IfNotExists));
        }
        if self.take("on") {
            return Err(self.refused(Refused::Unnamed));
        }
        let (index, _) = self.name()?;
        if !self.take("on") {
            return Err(self.refused(Refused::Unsupported));
        }
        self.take("only");
        let (table, name_at) = self.name()?;
        Ok(Outside { range, action: Action::CreateIndex { index, table }, name_at, concurrently })
    }

    fn drop_index(mut self, range: Range<usize>) -> Result<Outside, (Refused, usize)> {
        let concurrently = self.concurrently()?;
        if self.take("if") {
            self.take("exists");
        }
        let (index, name_at) = self.name()?;
        Ok(Outside { range, action: Action::DropIndex { index }, name_at, concurrently })
    }

    fn reindex(mut self, range: Range<usize>) -> Result<Outside, (Refused, usize)> {
        if !self.take("index") && !self.take("table") {
            return Err(self.refused(Refused::Unsupported));
        }
        let concurrently = self.concurrently()?;
        let (name, name_at) = self.name()?;
        Ok(Outside { range, action: Action::Reindex { name }, name_at, concurrently })
    }

    fn index_concurrently(&mut self) -> Result<Option<Range<usize>>, (Refused, usize)> {
        if self.take("index") { self.concurrently() } else { Err(self.refused(Refused::Unsupported)) }
    }

    fn concurrently(&mut self) -> Result<Option<Range<usize>>, (Refused, usize)> {
        if self.take("concurrently") {
            Ok(Some(self.words[self.at - 1].range.clone()))
        } else {
            Err(self.refused(Refused::Unsupported))
        }
    }

    /// A name without a schema, and where it stands.
    fn name(&mut self) -> Result<(String, usize), (Refused, usize)> {
        let Some(word) = self.words.get(self.at).filter(|word| word.is_name()) else {
            return Err(self.refused(Refused::Unsupported));
        };
        if self.words.get(self.at + 1).is_some_and(|next| next.is_symbol(self.text, ".")) {
            return Err(self.refused(Refused::Qualified));
        }
        self.at += 1;
        Ok((word.name(self.text), word.range.start))
    }

    /// `(VERBOSE, …)`, which `VACUUM`, `ANALYZE` and `REINDEX` can have.
    fn options(&mut self) {
        if self.words.get(self.at).is_some_and(|word| word.is_symbol(self.text, "(")) {
            while let Some(word) = self.words.get(self.at) {
                self.at += 1;
                if word.is_symbol(self.text, ")") {
                    break;
                }
            }
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|w| w.is(self.text, word));
        self.at += usize::from(found);
        found
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
        Outside::read(text, &split(text).unwrap_or_default()[0])
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
    fn what_cannot_be_made_safe_is_refused() {
        for (text, why) in [
            ("UPDATE t SET a = 1", Refused::Unsupported),
            ("CREATE INDEX i ON t (a)", Refused::Unsupported),
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", Refused::IfNotExists),
            ("CREATE INDEX CONCURRENTLY ON t (a)", Refused::Unnamed),
            ("CREATE INDEX CONCURRENTLY i ON other.t (a)", Refused::Qualified),
            ("VACUUM", Refused::Unsupported),
        ] {
            assert_eq!(read(text).map_err(|(why, _)| why).err(), Some(why), "{text}");
        }
    }
}
