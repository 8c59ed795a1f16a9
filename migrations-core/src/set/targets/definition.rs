//! Statements that define, alter, drop, comment on, grant on or maintain objects.

use super::object::Kind;
use super::reader::{Class, Reader};
use crate::set::statement::Word;

/// Statements that name no object of a schema, or only read it.
const WITHOUT_TARGET: &[&str] = &[
    "abort",
    "begin",
    "call",
    "checkpoint",
    "close",
    "commit",
    "deallocate",
    "discard",
    "do",
    "end",
    "execute",
    "fetch",
    "import",
    "listen",
    "load",
    "move",
    "notify",
    "reassign",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "set",
    "show",
    "start",
    "unlisten",
];

impl Reader<'_> {
    /// Reads a whole statement; `None` if its form is unknown.
    pub(in crate::set) fn statement(&mut self) -> Option<()> {
        if self.is_any(WITHOUT_TARGET) {
            return Some(());
        }
        if self.take("create") {
            self.creates = true;
            return self.create();
        }
        if self.take("alter") {
            return self.alter();
        }
        if self.take("drop") {
            return self.drop();
        }
        if self.take("comment") || self.take_all(&["security", "label"]) {
            self.seek("on")?;
            let kind = self.kind()?;
            self.object(kind)?;
            return Some(());
        }
        if self.take("grant") || self.take("revoke") {
            return self.privileges();
        }
        if self.take("truncate") || self.take("lock") {
            self.take("table");
            return self.tables();
        }
        if self.take_all(&["refresh", "materialized", "view"]) {
            self.take("concurrently");
            return self.table().map(drop);
        }
        if self.is_any(&["reindex", "cluster", "vacuum", "analyze", "analyse"]) {
            return self.maintenance();
        }
        if self.take("copy") {
            return self.copy();
        }
        if self.take("prepare") {
            self.name()?;
            self.parentheses();
            self.take("as").then_some(())?;
            return self.statement();
        }
        if self.take("explain") {
            self.parentheses();
            while self.take("analyze") || self.take("analyse") || self.take("verbose") {}
            return self.statement();
        }
        let is_query = self.is_symbol("(")
            || self.is_any(&["select", "values", "table", "with", "insert", "update", "delete", "merge", "declare"]);
        is_query.then(|| self.query()).flatten()
    }

    fn create(&mut self) -> Option<()> {
        self.take_all(&["or", "replace"]);
        // Deprecated and without effect.
        let _ = self.take("global") || self.take("local");
        let is_temporary = self.take("temporary") || self.take("temp");
        for word in ["unlogged", "recursive", "unique", "default", "constraint"] {
            self.take(word);
        }
        let is_view = self.is("view");
        let is_class = self.is("operator") && self.is_ahead(1, "class");
        let is_rule = self.is("rule");
        let is_statistics = self.is("statistics");
        let kind = self.kind()?;
        match kind {
            Kind::Nowhere => return Some(()),
            Kind::Index => return self.create_index(),
            Kind::Column | Kind::Constraint => return None,
            Kind::OnTable => {
                self.name()?;
                self.seek(if is_rule { "to" } else { "on" })?;
                return self.table().map(drop);
            }
            _ => {}
        }
        self.take_all(&["if", "not", "exists"]);
        if is_statistics {
            return self.create_statistics();
        }
        // A view of a temporary table is temporary, too.
        if is_temporary || is_view && self.names_a_temporary() {
            let name = self.name()?;
            self.temporary.add(name.parts.last()?);
        } else if matches!(kind, Kind::Table | Kind::Sequence | Kind::Type) {
            let name = self.name()?;
            match &name.parts[..] {
                [schema, name] if schema == "pg_temp" => self.temporary.add(name),
                // The server does not look for a name that it creates among the temporary objects.
                _ => self.place(&name, Class::Other, 1),
            }
        } else {
            self.object(kind)?;
        }
        match kind {
            Kind::Table if !is_view => {
                self.parents()?;
                // A view's query is only stored; the query of `CREATE TABLE … AS` runs now, and can write.
                if self.seek("as").is_some() { self.query() } else { Some(()) }
            }
            Kind::Sequence => self.owned_by(),
            // The new class also changes its family.
            Kind::OperatorClass if is_class => {
                if self.seek("family").is_some() {
                    self.target(Class::Other)?;
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    /// The name of a new index cannot be qualified: the index is created in its table's schema.
    fn create_index(&mut self) -> Option<()> {
        self.take("concurrently");
        self.take_all(&["if", "not", "exists"]);
        let index = if self.is("on") { None } else { Some(self.name()?) };
        self.take("on").then_some(())?;
        let table = self.table()?;
        if let (Some(index), true) = (index, self.temporary.holds(&table.parts)) {
            self.temporary.add(&index.parts[0]);
        }
        Some(())
    }

    fn create_statistics(&mut self) -> Option<()> {
        if !self.is("on") && !self.is_symbol("(") {
            self.target(Class::Other)?;
        }
        self.seek("on")?;
        self.seek("from")?;
        self.table().map(drop)
    }

    /// A new partition or child table also changes its parents.
    fn parents(&mut self) -> Option<()> {
        if self.take_all(&["partition", "of"]) {
            return self.target(Class::Relation).map(drop);
        }
        self.parentheses();
        if self.take("inherits") && self.take_symbol("(") {
            return self.tables();
        }
        Some(())
    }

    /// `OWNED BY table.column`.
    fn owned_by(&mut self) -> Option<()> {
        while self.at < self.words.len() {
            if self.take_all(&["owned", "by"]) {
                let name = self.name()?;
                self.place(&name, Class::Relation, 2);
                return Some(());
            }
            self.step();
        }
        Some(())
    }

    fn names_a_temporary(&self) -> bool {
        let mut names = self.words.iter().skip(self.at + 1).filter(|word| word.is_name());
        names.any(|word| self.temporary.holds(&[word.name(self.text)]))
    }

    fn alter(&mut self) -> Option<()> {
        if self.take("extension") {
            self.name()?;
            if self.take("add") || self.take("drop") {
                let kind = self.kind()?;
                self.object(kind)?;
            }
            return Some(());
        }
        let kind = self.kind()?;
        self.take_all(&["if", "exists"]);
        // `ALTER TABLE ALL IN TABLESPACE` names no table.
        if self.is("all") && self.is_ahead(1, "in") {
            return Some(());
        }
        let name = self.object(kind)?;
        match kind {
            Kind::Table | Kind::Index => self.table_actions()?,
            Kind::Sequence => self.owned_by()?,
            _ => {}
        }
        if self.temporary.holds(&name) {
            self.rename_temporary(&name);
        }
        Some(())
    }

    fn table_actions(&mut self) -> Option<()> {
        let mut begins = true;
        while self.at < self.words.len() {
            let names_another = begins
                && (self.take_all(&["attach", "partition"])
                    || self.take_all(&["detach", "partition"])
                    || self.take_all(&["no", "inherit"])
                    || self.take("inherit"));
            if names_another {
                self.target(Class::Relation)?;
                begins = false;
            } else {
                begins = self.is_symbol(",");
                self.step();
            }
        }
        Some(())
    }

    fn rename_temporary(&mut self, old: &[String]) {
        let to = self.words.windows(3).find_map(|words| {
            let is_rename = words[0].is(self.text, "rename") && words[1].is(self.text, "to");
            is_rename.then(|| words[2].name(self.text))
        });
        if let Some(new) = to {
            self.temporary.remove(old);
            self.temporary.add(&new);
        }
    }

    fn drop(&mut self) -> Option<()> {
        let kind = self.kind()?;
        if kind == Kind::Nowhere {
            return Some(());
        }
        if kind == Kind::Index {
            self.take("concurrently");
        }
        self.take_all(&["if", "exists"]);
        let mut dropped = Vec::new();
        loop {
            dropped.push(self.object(kind)?);
            if !self.take_symbol(",") {
                break;
            }
        }
        for name in &dropped {
            self.temporary.remove(name);
        }
        Some(())
    }

    /// `GRANT … ON …` and `REVOKE … ON …`. Without `ON` they grant and revoke roles.
    fn privileges(&mut self) -> Option<()> {
        while !self.take("on") {
            if self.at >= self.words.len() || self.is("to") || self.is("from") {
                return Some(());
            }
            self.step();
        }
        if self.is("all") {
            return Some(());
        }
        let kind = if self.is_kind_of_name() { self.kind()? } else { Kind::Table };
        if kind == Kind::Nowhere {
            return Some(());
        }
        self.object(kind)?;
        while self.take_symbol(",") {
            self.object(kind)?;
        }
        Some(())
    }

    /// Whether a name follows the word. If not, the word itself is the name, as in `GRANT SELECT ON sequence TO
    /// PUBLIC`.
    fn is_kind_of_name(&self) -> bool {
        let next = self.words.get(self.at + 1);
        next.is_some_and(Word::is_name) && !self.is_ahead(1, "to") && !self.is_ahead(1, "from")
    }

    fn maintenance(&mut self) -> Option<()> {
        let is_reindex = self.is("reindex");
        let is_cluster = self.is("cluster");
        self.at += 1;
        self.parentheses();
        if is_reindex {
            if self.is_any(&["schema", "database", "system"]) {
                return Some(());
            }
            let class = if self.take("index") { Class::Dependent } else { Class::Relation };
            self.take("table");
            self.take("concurrently");
            return self.target(class).map(drop);
        }
        while self.is_any(&["full", "freeze", "verbose", "analyze", "analyse"]) {
            self.at += 1;
        }
        if self.at == self.words.len() {
            return Some(());
        }
        // `CLUSTER index ON table` is the syntax before PostgreSQL 8.3.
        if is_cluster && self.is_ahead(1, "on") {
            self.at += 2;
        }
        self.table()?;
        self.parentheses();
        while self.take_symbol(",") {
            self.table()?;
            self.parentheses();
        }
        Some(())
    }
}
