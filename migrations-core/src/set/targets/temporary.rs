//! The temporary tables of a migration, as far as its text tells. The server looks for a name among these first.

use std::collections::HashSet;

use squawk_lexer::{TokenKind, tokenize};

use super::reader::Class;
use crate::set::statement::{Word, WordKind};

#[derive(Default)]
pub(in crate::set) struct Temporary {
    /// Created by a statement, and not dropped yet.
    known: HashSet<String>,
    /// Created by code in a string, which may or may not have run.
    unknown: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Permanent,
    Temporary,
    Unknown,
}

impl Temporary {
    /// The number of names, which grows with every statement that creates a temporary object.
    pub(in crate::set) fn len(&self) -> usize {
        self.known.len() + self.unknown.len()
    }

    pub(super) fn find(&self, name: &str, class: Class) -> Lookup {
        if self.known.contains(name) {
            return Lookup::Temporary;
        }
        // PostgreSQL names the index of a constraint and the sequence of a `serial` column after the table.
        let is_part = |table: &String| name.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with('_'));
        let is_unknown = self.unknown.contains(name)
            || class == Class::Dependent && self.known.iter().chain(&self.unknown).any(is_part);
        if is_unknown { Lookup::Unknown } else { Lookup::Permanent }
    }

    /// Whether a name, qualified or not, is that of a known temporary table.
    pub(super) fn holds(&self, name: &[String]) -> bool {
        match name {
            [name] => self.known.contains(name),
            [schema, name] => schema == "pg_temp" && self.known.contains(name),
            _ => false,
        }
    }

    pub(super) fn add(&mut self, name: &str) {
        self.known.insert(name.to_owned());
    }

    pub(super) fn remove(&mut self, name: &[String]) {
        if let (true, Some(name)) = (self.holds(name), name.last()) {
            self.known.remove(name);
        }
    }

    /// Looks for `CREATE TEMP TABLE` in a string: the body of a `DO` or of a function, or a statement that such a body
    /// executes.
    pub(in crate::set) fn look_into(&mut self, text: &str, word: &Word) {
        if word.kind == WordKind::Literal {
            self.look_into_literal(&text[word.range.clone()]);
        }
    }

    fn look_into_literal(&mut self, literal: &str) {
        let is_suspect = literal.as_bytes().windows(4).any(|bytes| bytes.eq_ignore_ascii_case(b"temp"));
        if !is_suspect {
            return;
        }
        let body = match literal.find(['\'', '$']) {
            Some(at) if literal[at..].starts_with('$') => {
                let tag = literal[at + 1..].find('$').map_or(literal.len(), |end| at + end + 2);
                literal[tag..].to_owned()
            }
            Some(at) => literal[at + 1..].replace("''", "'"),
            None => return,
        };
        let words = words(&body);
        for (index, word) in words.iter().enumerate() {
            let (kind, text) = *word;
            if kind == WordKind::Literal && text.len() < literal.len() {
                self.look_into_literal(text);
            }
            let before = index.checked_sub(1).map(|before| words[before].1.to_ascii_lowercase());
            let is_definition =
                before.is_some_and(|word| ["create", "global", "local", "into"].contains(&word.as_str()));
            let is_temporary = ["temp", "temporary"].iter().any(|want| text.eq_ignore_ascii_case(want));
            if is_definition && is_temporary {
                self.unknown.extend(defined(&words[index + 1..]));
            }
            if text.eq_ignore_ascii_case("pg_temp") && words.get(index + 1).is_some_and(|next| next.1 == ".") {
                self.unknown.extend(words.get(index + 2).map(name));
            }
        }
    }
}

/// The name after `TEMP`.
fn defined(words: &[(WordKind, &str)]) -> Option<String> {
    const KEY_WORDS: &[&str] = &["recursive", "table", "view", "sequence", "if", "not", "exists"];
    let is_key_word = |word: &&(WordKind, &str)| KEY_WORDS.iter().any(|want| word.1.eq_ignore_ascii_case(want));
    words.iter().find(|word| !is_key_word(word)).filter(|word| word.0 != WordKind::Symbol).map(name)
}

fn name(word: &(WordKind, &str)) -> String {
    match word.0 {
        WordKind::Quoted => word.1.trim_matches('"').replace("\"\"", "\""),
        _ => word.1.to_ascii_lowercase(),
    }
}

fn words(text: &str) -> Vec<(WordKind, &str)> {
    let mut offset = 0;
    let mut words = Vec::new();
    for token in tokenize(text) {
        let start = offset;
        offset += token.len as usize;
        let kind = match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } | TokenKind::Eof => {
                continue;
            }
            TokenKind::Ident => WordKind::Bare,
            TokenKind::QuotedIdent { .. } => WordKind::Quoted,
            TokenKind::Literal { .. } => WordKind::Literal,
            _ => WordKind::Symbol,
        };
        words.push((kind, &text[start..offset]));
    }
    words
}
