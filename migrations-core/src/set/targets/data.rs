//! Statements that write rows, anywhere in a query.

use super::reader::{Class, Reader};
use super::temporary::Lookup;
use super::{Place, Prefix};
use crate::set::statement::Word;

/// Key words that can follow `INTO temp` in a query that writes to a table called `temp`.
const AFTER_INTO: &[&str] = &[
    "from",
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
];

impl Reader<'_> {
    /// Reads a query, from its first word to its last.
    pub(super) fn query(&mut self) -> Option<()> {
        let start = self.at;
        self.writer(start)?;
        for index in start..self.words.len() {
            if self.words[index].is_symbol(self.text, "(")
                && (self.follows(index, "as") || self.follows(index, "materialized"))
            {
                self.writer(index + 1)?;
            }
            // `INTO` is a reserved word: elsewhere it can only be a label or a column of a record.
            if self.words[index].is(self.text, "into") && !self.follows(index, "as") && !self.follows_symbol(index, ".")
            {
                self.at = index + 1;
                self.into(self.follows(index, "insert") || self.follows(index, "merge"))?;
            }
            let word = &self.words[index];
            if word.is_name() && word.name(self.text) == "setval" {
                self.setval(index + 1);
            }
        }
        Some(())
    }

    /// `COPY … FROM` writes, and so can the query in `COPY (…) TO`.
    pub(super) fn copy(&mut self) -> Option<()> {
        if self.is_symbol("(") {
            let inner = self.at + 1;
            self.query()?;
            return self.writer(inner);
        }
        self.take("binary");
        let name = self.name()?;
        self.parentheses();
        if self.is("from") {
            self.place(&name, Class::Relation, 1);
        }
        Some(())
    }

    /// The target of an `UPDATE` or `DELETE` that begins at a word, perhaps with `WITH`. `INSERT` and `MERGE` have
    /// their targets after `INTO`.
    fn writer(&mut self, index: usize) -> Option<()> {
        self.at = index;
        if self.is("with") {
            self.main_verb();
        }
        if self.take_all(&["delete", "from"]) {
            self.table()?;
        } else if self.is("update") && self.has_set() {
            self.at += 1;
            self.table()?;
        }
        Some(())
    }

    /// Steps over `WITH` and its queries.
    fn main_verb(&mut self) {
        const VERBS: &[&str] = &["select", "insert", "update", "delete", "merge", "values", "table"];
        const BEFORE_A_NAME: &[&str] = &["with", "recursive", "by", "set", "using", "to", "default"];
        while self.at < self.words.len() && !self.is_symbol(")") {
            let is_name =
                self.follows_symbol(self.at, ",") || BEFORE_A_NAME.iter().any(|word| self.follows(self.at, word));
            if self.is_any(VERBS) && !is_name {
                return;
            }
            self.step();
        }
    }

    /// Whether `SET` follows within the same parentheses. In `AS (update int)`, for example, `update` is a column.
    fn has_set(&self) -> bool {
        let mut depth = 0usize;
        for word in self.words.iter().skip(self.at) {
            if word.is_symbol(self.text, "(") {
                depth += 1;
            } else if word.is_symbol(self.text, ")") {
                if depth == 0 {
                    return false;
                }
                depth -= 1;
            } else if depth == 0 && word.is(self.text, "set") {
                return true;
            }
        }
        false
    }

    /// The table after `INTO`: the target of an `INSERT` or `MERGE`, or the table that a `SELECT` creates.
    fn into(&mut self, is_target: bool) -> Option<()> {
        if is_target {
            return self.table().map(drop);
        }
        let is_followed = self.words.get(self.at + 1).is_some_and(Word::is_name)
            && !AFTER_INTO.iter().any(|word| self.is_ahead(1, word));
        let is_temporary = is_followed && (self.take("temporary") || self.take("temp"));
        if is_followed && !is_temporary {
            self.take("unlogged");
        }
        self.take("table");
        let name = self.name()?;
        if is_temporary || name.parts.first().is_some_and(|schema| schema == "pg_temp") {
            self.temporary.add(name.parts.last()?);
        } else {
            self.place(&name, Class::Other, 1);
        }
        Some(())
    }

    /// `setval('sequence', …)` and `setval(pg_get_serial_sequence('table', …), …)`. The name in any other expression is
    /// unknown.
    fn setval(&mut self, index: usize) {
        self.at = index;
        if !self.take_symbol("(") {
            return;
        }
        if self.is("pg_catalog") {
            self.at += 2;
        }
        let is_serial = self.take("pg_get_serial_sequence") && self.take_symbol("(");
        let Some(literal) = self.words.get(self.at).filter(|word| self.is_plain_literal(word)) else {
            self.is_certain = false;
            return;
        };
        let name = &self.text[literal.range.start + 1..literal.range.end - 1];
        let is_quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"') && !name[1..].contains("\".");
        if name.contains('.') && !is_quoted {
            return;
        }
        let bare = if is_quoted { name[1..name.len() - 1].to_owned() } else { name.trim().to_ascii_lowercase() };
        let class = if is_serial { Class::Relation } else { Class::Dependent };
        let prefix = match self.temporary.find(&bare, class) {
            Lookup::Permanent => Prefix::SchemaInLiteral,
            Lookup::Temporary => Prefix::Temporary,
            Lookup::Unknown => {
                self.is_certain = false;
                return;
            }
        };
        self.places.push(Place { offset: literal.range.start + 1, prefix });
    }
}
