//! Reads a statement's words from left to right, and notes the places of the names that it changes.

use super::temporary::{Lookup, Temporary};
use super::{Place, Prefix};
use crate::set::statement::{Word, WordKind};

pub(in crate::set) struct Reader<'a> {
    pub(in crate::set) text: &'a str,
    pub(in crate::set) words: &'a [Word],
    pub(in crate::set) at: usize,
    pub(super) temporary: &'a mut Temporary,
    pub(super) places: Vec<Place>,
    /// Whether the statement is a `CREATE`, whose name the server does not look up.
    pub(super) creates: bool,
    /// Whether the statement runs outside a transaction: nothing that it names is temporary or PostgreSQL's own.
    pub(super) is_alone: bool,
    /// Whether it is known for every name so far whether it needs the schema.
    pub(super) is_certain: bool,
}

/// What a name stands for, as far as that decides where the server looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A table, a view or a type. The server looks for these among the temporary objects first.
    Relation,
    /// An index or a sequence, which can be part of a temporary table.
    Dependent,
    /// A function, an operator or another object that is temporary only if its name is qualified.
    Other,
}

/// A name as it is written.
pub(in crate::set) struct Name {
    pub(in crate::set) offset: usize,
    pub(in crate::set) parts: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(in crate::set) fn new(text: &'a str, words: &'a [Word], temporary: &'a mut Temporary) -> Self {
        Self { text, words, at: 0, temporary, places: Vec::new(), creates: false, is_alone: false, is_certain: true }
    }

    /// Whether the word that stands `ahead` words further is this key word.
    pub(in crate::set) fn is_ahead(&self, ahead: usize, want: &str) -> bool {
        self.words.get(self.at + ahead).is_some_and(|word| word.is(self.text, want))
    }

    pub(in crate::set) fn is(&self, want: &str) -> bool {
        self.is_ahead(0, want)
    }

    pub(super) fn is_symbol(&self, want: &str) -> bool {
        self.words.get(self.at).is_some_and(|word| word.is_symbol(self.text, want))
    }

    pub(in crate::set) fn is_any(&self, wants: &[&str]) -> bool {
        wants.iter().any(|want| self.is(want))
    }

    /// Whether the word before the one at `index` is this key word.
    pub(super) fn follows(&self, index: usize, want: &str) -> bool {
        index.checked_sub(1).is_some_and(|before| self.words[before].is(self.text, want))
    }

    /// Whether the word before the one at `index` is this punctuation.
    pub(super) fn follows_symbol(&self, index: usize, want: &str) -> bool {
        index.checked_sub(1).is_some_and(|before| self.words[before].is_symbol(self.text, want))
    }

    /// Steps over a key word if it is the next word.
    pub(in crate::set) fn take(&mut self, want: &str) -> bool {
        let found = self.is(want);
        self.at += usize::from(found);
        found
    }

    /// Steps over key words that have a meaning only together, such as `IF EXISTS`: `if` alone can be a name.
    pub(in crate::set) fn take_all(&mut self, wants: &[&str]) -> bool {
        let found = wants.iter().enumerate().all(|(ahead, want)| self.is_ahead(ahead, want));
        self.at += if found { wants.len() } else { 0 };
        found
    }

    pub(in crate::set) fn take_symbol(&mut self, want: &str) -> bool {
        let found = self.is_symbol(want);
        self.at += usize::from(found);
        found
    }

    /// Steps over everything up to and including this key word, which is not looked for in parentheses.
    pub(super) fn seek(&mut self, want: &str) -> Option<()> {
        while self.at < self.words.len() {
            if self.take(want) {
                return Some(());
            }
            self.step();
        }
        None
    }

    /// Steps over a word, or over parentheses with everything in them.
    pub(super) fn step(&mut self) {
        if !self.parentheses() {
            self.at += 1;
        }
    }

    /// Steps over parentheses with everything in them.
    pub(in crate::set) fn parentheses(&mut self) -> bool {
        if !self.is_symbol("(") {
            return false;
        }
        let mut depth = 0usize;
        while let Some(word) = self.words.get(self.at) {
            if word.is_symbol(self.text, "(") {
                depth += 1;
            } else if word.is_symbol(self.text, ")") {
                depth -= 1;
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        true
    }

    /// Reads a name, qualified or not.
    pub(in crate::set) fn name(&mut self) -> Option<Name> {
        let first = self.words.get(self.at).filter(|word| word.is_name())?;
        let mut name = Name { offset: first.range.start, parts: vec![first.name(self.text)] };
        self.at += 1;
        while self.is_symbol(".") {
            let part = self.words.get(self.at + 1).filter(|word| word.is_name())?;
            name.parts.push(part.name(self.text));
            self.at += 2;
        }
        Some(name)
    }

    /// Reads the name of something that the statement changes.
    pub(super) fn target(&mut self, class: Class) -> Option<Name> {
        let name = self.name()?;
        self.place(&name, class, 1);
        Some(name)
    }

    /// Notes the place of a name that has this number of parts if it is unqualified.
    pub(super) fn place(&mut self, name: &Name, class: Class, parts: usize) {
        if name.parts.len() != parts {
            return;
        }
        if self.is_alone {
            self.places.push(Place { offset: name.offset, prefix: Prefix::Schema });
            return;
        }
        // The server looks into `pg_catalog` first, as for `UPDATE pg_index`.
        if !self.creates && name.parts[0].starts_with("pg_") {
            self.is_certain = false;
            return;
        }
        let lookup = if class == Class::Other { Lookup::Permanent } else { self.temporary.find(&name.parts[0], class) };
        match lookup {
            Lookup::Permanent => self.places.push(Place { offset: name.offset, prefix: Prefix::Schema }),
            Lookup::Temporary => self.places.push(Place { offset: name.offset, prefix: Prefix::Temporary }),
            Lookup::Unknown => self.is_certain = false,
        }
    }

    /// Reads `[ONLY] name [*]` or `ONLY (name)`, as most statements name a table.
    pub(super) fn table(&mut self) -> Option<Name> {
        let is_enclosed = self.take("only") && self.take_symbol("(");
        let name = self.target(Class::Relation)?;
        if is_enclosed {
            self.take_symbol(")");
        }
        self.take_symbol("*");
        Some(name)
    }

    /// Reads a list of tables.
    pub(super) fn tables(&mut self) -> Option<()> {
        self.table()?;
        while self.take_symbol(",") {
            self.table()?;
        }
        Some(())
    }

    /// Whether the word is a plain literal. Only into these can a text be inserted without regard to escapes.
    pub(super) fn is_plain_literal(&self, word: &Word) -> bool {
        word.kind == WordKind::Literal && self.text[word.range.clone()].starts_with('\'')
    }
}
