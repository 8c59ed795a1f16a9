//! Kinds of objects, and how `ALTER`, `DROP`, `COMMENT ON` and similar statements name each of them.

use super::reader::{Class, Name, Reader};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tables, views of both kinds, foreign tables.
    Table,
    Index,
    Sequence,
    /// Types and domains.
    Type,
    Column,
    /// Named by nothing but the name: collations, conversions, statistics, text search.
    Plain,
    /// Named with arguments: functions, procedures, aggregates.
    Routine,
    Operator,
    /// Operator classes and families.
    OperatorClass,
    /// Part of a table, without a schema of its own: triggers, policies, rules.
    OnTable,
    Constraint,
    /// In no schema.
    Nowhere,
}

/// Kinds of objects that are in no schema.
const NOWHERE: &[&[&str]] = &[
    &["access", "method"],
    &["cast"],
    &["database"],
    &["default", "privileges"],
    &["event", "trigger"],
    &["extension"],
    &["foreign", "data", "wrapper"],
    &["group"],
    &["language"],
    &["large", "object"],
    &["owned"],
    &["parameter"],
    &["procedural", "language"],
    &["trusted"],
    &["publication"],
    &["role"],
    &["schema"],
    &["server"],
    &["subscription"],
    &["system"],
    &["tablespace"],
    &["transform"],
    &["user"],
];

/// Kinds of objects that are in a schema, the longest forms first.
const SOMEWHERE: &[(&[&str], Kind)] = &[
    (&["foreign", "table"], Kind::Table),
    (&["materialized", "view"], Kind::Table),
    (&["table"], Kind::Table),
    (&["view"], Kind::Table),
    (&["index"], Kind::Index),
    (&["sequence"], Kind::Sequence),
    (&["type"], Kind::Type),
    (&["domain"], Kind::Type),
    (&["column"], Kind::Column),
    (&["collation"], Kind::Plain),
    (&["conversion"], Kind::Plain),
    (&["statistics"], Kind::Plain),
    (&["text", "search", "configuration"], Kind::Plain),
    (&["text", "search", "dictionary"], Kind::Plain),
    (&["text", "search", "parser"], Kind::Plain),
    (&["text", "search", "template"], Kind::Plain),
    (&["function"], Kind::Routine),
    (&["procedure"], Kind::Routine),
    (&["routine"], Kind::Routine),
    (&["aggregate"], Kind::Routine),
    (&["operator", "class"], Kind::OperatorClass),
    (&["operator", "family"], Kind::OperatorClass),
    (&["operator"], Kind::Operator),
    (&["trigger"], Kind::OnTable),
    (&["policy"], Kind::OnTable),
    (&["rule"], Kind::OnTable),
    (&["constraint"], Kind::Constraint),
];

impl Reader<'_> {
    /// Reads the kind of object in the statement.
    pub(super) fn kind(&mut self) -> Option<Kind> {
        if NOWHERE.iter().any(|words| self.take_all(words)) {
            return Some(Kind::Nowhere);
        }
        SOMEWHERE.iter().find(|(words, _)| self.take_all(words)).map(|(_, kind)| *kind)
    }

    /// Reads one object of a kind with everything that belongs to its name, and returns the name if the object can be
    /// temporary.
    pub(super) fn object(&mut self, kind: Kind) -> Option<Vec<String>> {
        match kind {
            Kind::Nowhere => {}
            Kind::Table => return self.table().map(|name| name.parts),
            Kind::Type => return self.target(Class::Relation).map(|name| name.parts),
            Kind::Index | Kind::Sequence => return self.target(Class::Dependent).map(|name| name.parts),
            Kind::Plain => drop(self.target(Class::Other)?),
            Kind::Column => {
                let name = self.name()?;
                self.place(&name, Class::Relation, 2);
            }
            Kind::Routine => {
                self.target(Class::Other)?;
                self.parentheses();
            }
            Kind::Operator => {
                self.operator()?;
                self.parentheses();
            }
            Kind::OperatorClass => {
                self.target(Class::Other)?;
                if self.take("using") {
                    self.name()?;
                }
            }
            Kind::OnTable | Kind::Constraint => {
                self.name()?;
                self.seek("on")?;
                if kind == Kind::Constraint && !self.is_ahead(1, "is") {
                    self.take("domain");
                }
                self.table()?;
            }
        }
        Some(Vec::new())
    }

    /// Reads an operator: symbols, or a schema, a dot and symbols.
    pub(super) fn operator(&mut self) -> Option<()> {
        let first = self.words.get(self.at)?;
        if first.is_name() {
            self.at += 2;
        } else {
            self.place(&Name { offset: first.range.start, parts: vec![String::new()] }, Class::Other, 1);
        }
        while self.words.get(self.at).is_some_and(|word| !word.is_name() && !word.is_symbol(self.text, "(")) {
            self.at += 1;
        }
        Some(())
    }
}
